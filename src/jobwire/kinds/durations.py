"""Durations as people write them: "500ms", "60s", "5m", "1h", or a number of seconds."""

import re

from jobwire.kinds.spelling import quote

DURATION_MS_MAX = 7 * 24 * 3_600_000
_UNIT_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000}
_SHAPE = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,6})?)(ms|s|m|h)")


def read_duration_ms(value: str | float, *, name: str = "duration") -> int:
    """The milliseconds of a duration between 1 ms and 7 days; a bare number counts seconds.

    Raises ValueError that calls the value `name`.
    """
    if isinstance(value, str):
        shape = _SHAPE.fullmatch(value)
        if shape is None:
            raise ValueError(f"{name} is {quote(value)}; write a number and a unit, as in 500ms, 60s, 5m or 1h")
        length_ms = float(shape[1]) * _UNIT_MS[shape[2]]
    elif isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{name} is {quote(value)}; give text such as '60s' or a number of seconds")
    else:
        length_ms = value * 1_000
    # NaN fails the comparison too.
    if not 1 <= length_ms <= DURATION_MS_MAX:
        raise ValueError(f"{name} is {quote(value)}; it must lie between 1ms and {DURATION_MS_MAX // 3_600_000}h")
    return round(length_ms)
