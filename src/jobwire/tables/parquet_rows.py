"""Parquet read in batches: what its footer says of it is not believed but counted."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from jobwire.domain.errors import JobError
from jobwire.tables.header import check_header
from jobwire.tables.plain import make_plain
from jobwire.tables.spec import BadRow, Row, Source

BATCH_ROWS: Final = 1_000

_THRIFT_BYTES_MAX: Final = 16 << 20
_THRIFT_ITEMS_MAX: Final = 1_000_000


def read_parquet(source: Source) -> Iterator[Row | BadRow]:
    """The rows of a Parquet file; JobError table_damaged where it contradicts itself."""
    # What Arrow's own allocators reserve counts against a child's limit of address space.
    pa.set_memory_pool(pa.system_memory_pool())
    number = 0
    try:
        with pq.ParquetFile(
            Path(source.path),
            memory_map=False,
            thrift_string_size_limit=_THRIFT_BYTES_MAX,
            thrift_container_size_limit=_THRIFT_ITEMS_MAX,
        ) as file:
            check_header(file.schema_arrow.names)
            promised = file.metadata.num_rows
            for batch in file.iter_batches(batch_size=BATCH_ROWS, use_threads=False):
                for values in batch.to_pylist():
                    number += 1
                    yield Row(number, make_plain(values))
    except MemoryError:
        raise  # also Arrow's own, which is a pa.ArrowException: the limit speaks, not the file
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
        raise JobError(
            "table_damaged",
            f"the Parquet file cannot be read after row {number:,}; write it anew",
            details={"row": number},
        ) from error
    if number != promised:
        raise JobError(
            "table_damaged",
            f"the Parquet file promises {promised:,} rows and holds {number:,}; write it anew",
            details={"row": number},
        )
