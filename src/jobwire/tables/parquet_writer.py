"""Parquet with zstd: columns typed, a row group every ROW_GROUP_ROWS rows or so."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from jobwire.tables.spec import Column, ColumnKind

ROW_GROUP_ROWS: Final = 20_000
ROW_GROUP_CHARS: Final = 16 << 20

_TYPES: Final[Mapping[ColumnKind, pa.DataType]] = {
    "text": pa.string(),
    "json": pa.string(),
    "integer": pa.int64(),
    "time": pa.timestamp("ms", tz="UTC"),
    "vector": pa.list_(pa.float32()),
}


@contextmanager
def open_parquet(
    path: Path,
    columns: Sequence[Column],
    *,
    rows_before: int = 0,
) -> Iterator["ParquetWriter"]:
    """A writer of a new Parquet file."""
    # What Arrow's own allocators reserve counts against a child's limit of address space.
    pa.set_memory_pool(pa.system_memory_pool())
    schema = pa.schema([(column.name, _TYPES[column.kind]) for column in columns])
    with path.open("xb") as file, pq.ParquetWriter(file, schema, compression="zstd") as parquet:
        writer = ParquetWriter(parquet, schema)
        yield writer
        writer.flush()


class ParquetWriter:
    """Collects record batches until they make a row group."""

    def __init__(self, parquet: pq.ParquetWriter, schema: pa.Schema) -> None:
        self._parquet = parquet
        self._schema = schema
        self._batches: list[pa.RecordBatch] = []
        self._rows = 0
        self._bytes = 0

    def write(self, rows: Sequence[list[Any]]) -> None:
        """See Writer.write."""
        if not rows:
            return
        arrays = [
            pa.array(values, type=field.type)
            for field, values in zip(self._schema, zip(*rows, strict=True), strict=True)
        ]
        batch = pa.RecordBatch.from_arrays(arrays, schema=self._schema)
        self._batches.append(batch)
        self._rows += len(rows)
        self._bytes += batch.nbytes
        if self._rows >= ROW_GROUP_ROWS or self._bytes >= ROW_GROUP_CHARS:
            self.flush()

    def flush(self) -> None:
        """Write what is collected as one row group."""
        if self._batches:
            self._parquet.write_table(pa.Table.from_batches(self._batches), row_group_size=self._rows)
        self._batches.clear()
        self._rows = self._bytes = 0
