"""What no JSON Schema says of the native API, told to schemathesis (SCHEMATHESIS_HOOKS names this module)."""

from datetime import UTC, datetime, timedelta
from typing import Any

import schemathesis
from hypothesis import strategies as st

from jobwire.dialects.parse import DELAY_S_MAX, write_cursor

DAY_S = 24 * 3_600
RUN_AT_DAYS_MAX, DEADLINE_DAYS = 300, 360

moments = st.integers(60, RUN_AT_DAYS_MAX * DAY_S).map(
    lambda seconds: (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat(timespec="seconds")
)
printables = st.text(st.characters(exclude_categories=["C", "Z"], include_characters=" "), min_size=1, max_size=64)

schemathesis.openapi.format("date-time", moments)
schemathesis.openapi.format("printable", printables)
schemathesis.openapi.format("cursor", st.integers(1, 10**17).map(write_cursor))
schemathesis.openapi.format("max-wait", st.sampled_from(["500ms", "60s", "2.5m", "1h", "168h"]))
schemathesis.openapi.format("wait", st.sampled_from(["0", "0.05", "0.2s"]))
schemathesis.openapi.format("event-id", st.integers(0, 10**6).map(str))


@schemathesis.hook
def map_body(context: Any, body: Any) -> Any:
    """A deadline comes after now, run_at and the delay: a schema knows no clock and no order of fields."""
    if isinstance(body, dict) and _is_moment(body.get("deadline")):
        body["deadline"] = (datetime.now(UTC) + timedelta(days=DEADLINE_DAYS)).isoformat(timespec="seconds")
        delay = body.get("delay")
        if isinstance(delay, float | int) and RUN_AT_DAYS_MAX * DAY_S < delay <= DELAY_S_MAX:
            body["delay"] = RUN_AT_DAYS_MAX * DAY_S
    return body


def _is_moment(value: Any) -> bool:
    try:
        return isinstance(value, str) and datetime.fromisoformat(value).tzinfo is not None
    except ValueError:
        return False


@schemathesis.hook
def filter_failure(context: Any, failure: Any, case: Any, response: Any) -> bool:
    """No validator knows our formats, so every text counts as a violation of them, those that fit too."""
    told = failure.message
    return not ("violates `format`" in told and any(name in told for name in ("tag", "concurrency_key", "max_wait")))
