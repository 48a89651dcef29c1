"""A value of each kind of column as text, for the formats that know little else."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

import msgspec

from jobwire.tables.formulas import neutralise
from jobwire.tables.spec import ColumnKind

TIMES_KEPT: Final = 1_024

_encode = msgspec.json.Encoder().encode


@lru_cache(maxsize=TIMES_KEPT)
def show_time(at: int) -> str:
    """Unix milliseconds as ISO 8601 in UTC; rows written together share theirs, so some are remembered."""
    return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def show_vector(vector: list[float]) -> str:
    """A JSON array."""
    return _encode(vector).decode()


CELLS: Final[Mapping[ColumnKind, Callable[[Any], Any] | None]] = {
    "text": neutralise,
    "json": neutralise,
    "integer": None,
    "time": show_time,
    "vector": show_vector,
}
"""How a value becomes a cell of CSV or XLSX; None where it is one."""
