"""The caps of a kind, from the options of its declaration."""

import re

from jobwire.domain.caps import RATE_COUNT_MAX, RATE_WINDOW_MS_MAX, RUNNING_LIMIT_MAX, Cap
from jobwire.kinds.durations import read_duration_ms
from jobwire.kinds.spelling import quote

_RATE_SHAPE = re.compile(r"([0-9]{1,9})/(.{1,20})")


def make_caps(
    kind: str, *, running_max: int | None, key_running_max: int | None, key_rate: str | None
) -> tuple[Cap, ...]:
    """At most `running_max` jobs of the kind at once, `key_running_max` of each concurrency key, `key_rate` starts of
    each key ("10/60s": at most 10 within any 60 seconds). ValueError that says what to change."""
    caps: list[Cap] = []
    if running_max is not None:
        caps.append(Cap("kind", kind, _check_count(running_max, name=f"running_max of kind {kind!r}")))
    if key_running_max is not None:
        count = _check_count(key_running_max, name=f"key_running_max of kind {kind!r}")
        caps.append(Cap("concurrency_key", kind, count))
    if key_rate is not None:
        caps.append(_read_rate(key_rate, kind))
    return tuple(caps)


def _check_count(count: int, *, name: str) -> int:
    if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= RUNNING_LIMIT_MAX:
        raise ValueError(f"{name} is {quote(count)}; it is a whole number from 1 to {RUNNING_LIMIT_MAX:,}, or None")
    return count


def _read_rate(rate: str, kind: str) -> Cap:
    name = f"key_rate of kind {kind!r}"
    shape = _RATE_SHAPE.fullmatch(rate) if isinstance(rate, str) else None
    if shape is None:
        raise ValueError(f"{name} is {quote(rate)}; write starts and a time, as in 10/60s")
    count, window_ms = int(shape[1]), read_duration_ms(shape[2], name=f"the time in {name}")
    if not 1 <= count <= RATE_COUNT_MAX or window_ms > RATE_WINDOW_MS_MAX:
        bounds = f"1 to {RATE_COUNT_MAX:,} starts in at most {RATE_WINDOW_MS_MAX // 3_600_000}h"
        raise ValueError(f"{name} is {quote(rate)}; it allows {bounds}")
    return Cap("rate", kind, count, window_ms)
