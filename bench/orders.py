"""The input of every job measured: about 100 bytes of JSON, the same on both sides."""

from typing import Any


def make_order(submitted_at: float = 0.0) -> dict[str, Any]:
    """An order; `submitted_at` is CLOCK_MONOTONIC seconds, or 0 where the wait is not measured."""
    return {"submitted_at": submitted_at, "user": 12_345, "items": [1, 2, 3], "note": "x" * 40}
