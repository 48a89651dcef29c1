"""Values of typed formats as JSON has them."""

import datetime
from typing import Any

import msgspec


def make_plain(values: dict[str, Any]) -> dict[str, Any]:
    """The values with dates and times as ISO 8601, decimals as text, bytes as Base64, NaN and infinities as null."""
    return {name: value if type(value) in _PLAIN else _convert(value) for name, value in values.items()}


_PLAIN = frozenset({str, int, bool, type(None)})


def _convert(value: Any) -> Any:
    match value:
        case float():
            # The two that equal nothing or themselves doubled: neither is JSON.
            return value if value - value == 0 else None
        case list() | tuple():
            return [_convert(item) for item in value]
        case dict():
            return {str(key): _convert(item) for key, item in value.items()}
        case datetime.timedelta():
            return value.total_seconds()
    return msgspec.to_builtins(value, str_keys=True, enc_hook=str)
