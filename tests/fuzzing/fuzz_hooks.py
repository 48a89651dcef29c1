"""What no JSON Schema says of the native API, told to schemathesis (SCHEMATHESIS_HOOKS names this module)."""

from datetime import UTC, datetime, timedelta
from typing import Any

import schemathesis
from hypothesis import strategies as st

from jobwire.dialects.parse import write_cursor

DAY_S = 24 * 3_600
RUN_AT_DAYS_MAX, DEADLINE_DAYS_MAX = 300, 360

moments = st.integers(60, RUN_AT_DAYS_MAX * DAY_S).map(
    lambda seconds: (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat(timespec="seconds")
)
printables = st.text(st.characters(exclude_categories=["C", "Z"], include_characters=" "), min_size=1, max_size=64)

schemathesis.openapi.format("date-time", moments)
schemathesis.openapi.format("printable", printables)
schemathesis.openapi.format("cursor", st.integers(1, 10**17).map(write_cursor))
schemathesis.openapi.format("max-wait", st.sampled_from(["500ms", "60s", "2.5m", "1h", "168h"]))


@schemathesis.hook
def map_body(context: Any, body: Any) -> Any:
    """A deadline comes after the start: between two fields a schema knows no order."""
    if isinstance(body, dict) and isinstance(body.get("deadline"), str) and isinstance(body.get("run_at"), str):
        late = datetime.now(UTC) + timedelta(days=DEADLINE_DAYS_MAX)
        body["deadline"] = late.isoformat(timespec="seconds")
    return body
