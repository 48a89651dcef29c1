"""Vectors in a system's own table, whatever engine keeps it: how one is written, read, and found near another.

A column of them is declared `REAL[]`. vectors.py of each engine answers; open_vectors finds it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol, cast

from jobwire.store.contract import Reader, Store

Ranked = list[tuple[tuple[Any, ...], float]]
"""Rows with their scores, best first."""


@dataclass(frozen=True, slots=True)
class Search:
    """The `limit` rows `columns` of `source` whose vector in `column` points most nearly where `to` does.

    `source` is what stands behind FROM, its parameters in `named`; all its vectors are as long as `to`. `key` orders
    its rows uniquely."""

    columns: str
    source: str
    column: str
    key: str
    to: bytes
    limit: int
    named: Mapping[str, Any]

    def rank_by(self, reader: Reader, distance: str, to: Any) -> Ranked:
        """Let the engine rank them by an expression of `column` and the parameter `:ranked_to`."""
        rows = reader.query(
            f"SELECT {self.columns}, {distance} AS distance FROM {self.source}"  # noqa: S608
            f" ORDER BY distance, {self.key} LIMIT :ranked_limit",
            **self.named,
            ranked_to=to,
            ranked_limit=self.limit,
        )
        return [(row[:-1], 1 - float(row[-1])) for row in rows]


class Vectors(Protocol):
    """A vector is bytes: 32-bit floats in a row, lowest byte first."""

    def encode(self, vector: bytes) -> Any:
        """The parameter that writes it into its column."""

    def decode(self, value: Any) -> bytes:
        """The vector that was read from its column."""

    def rank(self, reader: Reader, search: Search) -> Ranked:
        """What was searched for, each row with the cosine."""


def open_vectors(store: Store) -> Vectors:
    """The vectors of the store's engine."""
    return cast(Vectors, import_module(f"jobwire.store.{store.engine}.vectors").VECTORS)
