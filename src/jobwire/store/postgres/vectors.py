"""Vectors on PostgreSQL: real[], ranked by pgvector where the database has it, else by numpy; ../vectors.py promises.

numpy reads PostgreSQL's own binary form of an array, page by page: 20,000 vectors of 384 floats take 0.5 s of this
process beside the server's own time.
"""

import heapq
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jobwire.store.contract import Reader
from jobwire.store.vectors import Ranked, Search

PAGE_VECTORS = 2_000
ARRAY_HEAD_BYTES = 20
"""Dimensions, flags, element type, length, lower bound; then each element's length and the element."""

_ELEMENT = np.dtype([("length", ">i4"), ("value", ">f4")])


class PostgresVectors:
    """See Vectors."""

    def encode(self, vector: bytes) -> str:
        """See Vectors."""
        return "{" + ",".join(map(repr, np.frombuffer(vector, "<f4").tolist())) + "}"

    def decode(self, value: Any) -> bytes:
        """See Vectors."""
        return np.asarray(value, "<f4").tobytes()

    def rank(self, reader: Reader, search: Search) -> Ranked:
        """See Vectors."""
        if reader.query("SELECT 1 WHERE to_regtype('vector') IS NOT NULL"):
            distance = f"{search.column}::vector <=> :ranked_to::real[]::vector"
            return search.rank_by(reader, distance, self.encode(search.to))
        wanted = np.frombuffer(search.to, "<f4")
        scored: Iterator[tuple[float, tuple[Any, ...]]] = (
            pair
            for rows in _read_pages(reader, search)
            for pair in zip(_score(rows, wanted), (row[:-1] for row in rows), strict=True)
        )
        best = heapq.nlargest(search.limit, scored, key=lambda pair: pair[0])
        return [(row, score) for score, row in best]


def _read_pages(reader: Reader, search: Search) -> Iterator[list[tuple[Any, ...]]]:
    start = 0
    while rows := reader.query(
        f"SELECT {search.columns}, array_send({search.column}) FROM {search.source}"  # noqa: S608
        f" ORDER BY {search.key} LIMIT :ranked_limit OFFSET :ranked_start",
        **search.named,
        ranked_limit=PAGE_VECTORS,
        ranked_start=start,
    ):
        yield rows
        if len(rows) < PAGE_VECTORS:
            return
        start += len(rows)


def _score(rows: list[tuple[Any, ...]], wanted: NDArray[np.float32]) -> list[float]:
    joined = b"".join(bytes(row[-1])[ARRAY_HEAD_BYTES:] for row in rows)
    values = np.frombuffer(joined, _ELEMENT)["value"].astype("f4").reshape(len(rows), -1)
    lengths = np.linalg.norm(values, axis=1) * np.linalg.norm(wanted)
    scores: list[float] = ((values @ wanted) / np.where(lengths == 0, 1, lengths)).tolist()
    return scores


VECTORS = PostgresVectors()
