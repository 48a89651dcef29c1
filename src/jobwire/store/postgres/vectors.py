"""Vectors on PostgreSQL: real[], ranked by pgvector where the database has it, else by numpy; ../vectors.py promises.

numpy reads PostgreSQL's own binary form of an array, page by page: 20,000 vectors of 384 floats take 0.5 s of this
process beside the server's own time.
"""

import heapq
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jobwire.store.contract import Reader
from jobwire.store.vectors import Ranked

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
        """See Vectors."""
        if reader.query("SELECT 1 WHERE to_regtype('vector') IS NOT NULL"):
            rows = reader.query(
                f"SELECT {columns}, {column}::vector <=> :ranked_to::real[]::vector AS distance FROM {source}"  # noqa: S608
                f" ORDER BY distance, {key} LIMIT :ranked_limit",
                **named,
                ranked_to=self.encode(to),
                ranked_limit=limit,
            )
            return [(row[:-1], 1 - float(row[-1])) for row in rows]
        wanted = np.frombuffer(to, "<f4")
        sql = f"SELECT {columns}, array_send({column}) FROM {source} ORDER BY {key}"  # noqa: S608
        scored: Iterator[tuple[float, tuple[Any, ...]]] = (
            pair
            for rows in _read_pages(reader, sql, named)
            for pair in zip(_score(rows, wanted), (row[:-1] for row in rows), strict=True)
        )
        best = heapq.nlargest(limit, scored, key=lambda pair: pair[0])
        return [(row, score) for score, row in best]


def _read_pages(reader: Reader, sql: str, named: Mapping[str, Any]) -> Iterator[list[tuple[Any, ...]]]:
    start = 0
    while rows := reader.query(
        f"{sql} LIMIT :ranked_limit OFFSET :ranked_start", **named, ranked_limit=PAGE_VECTORS, ranked_start=start
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
