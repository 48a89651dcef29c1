"""Vectors in a system's own table, whatever engine keeps it: how one is written, read, and found near another.

A column of them is declared `REAL[]`. vectors.py of each engine answers; open_vectors finds it.
"""

from collections.abc import Mapping
from importlib import import_module
from typing import Any, Protocol, cast

from jobwire.store.contract import Reader, Store

Ranked = list[tuple[tuple[Any, ...], float]]
"""Rows with their scores, best first."""


class Vectors(Protocol):
    """A vector is bytes: 32-bit floats in a row, lowest byte first."""

    def encode(self, vector: bytes) -> Any:
        """The parameter that writes it into its column."""

    def decode(self, value: Any) -> bytes:
        """The vector that was read from its column."""

    def rank(
        self,
        reader: Reader,
        columns: str,
        source: str,
        *,
        column: str,
        key: str,
        to: bytes,
        limit: int,
        named: Mapping[str, Any],
    ) -> Ranked:
        """The `limit` rows `columns` of `source` (what stands behind FROM, its parameters in `named`) whose vector
        in `column` points most nearly where `to` does, each with the cosine; `key` orders the rows uniquely.

        All vectors of `source` are as long as `to`."""


def open_vectors(store: Store) -> Vectors:
    """The vectors of the store's engine."""
    return cast(Vectors, import_module(f"jobwire.store.{store.engine}.vectors").VECTORS)
