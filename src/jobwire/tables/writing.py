"""Tables written in constant memory: rows in, one file out, in any of the four formats. feeding.py brings the rows.

`write_table` runs in a child process: a hundred thousand rows of XLSX are seconds of Python.
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec

from jobwire.tables.csv_writer import open_csv
from jobwire.tables.feeding import read_fed
from jobwire.tables.jsonl_writer import open_jsonl
from jobwire.tables.parquet_writer import open_parquet
from jobwire.tables.spec import Column, Format, refuse_large
from jobwire.tables.xlsx_writer import open_xlsx


class Writer(Protocol):
    """Writes rows, each a list with one value a column, in the columns' order."""

    def write(self, rows: Sequence[list[Any]], /) -> None:
        """Add these rows to the file."""


class _Open(Protocol):
    def __call__(
        self, path: Path, columns: Sequence[Column], /, *, rows_before: int
    ) -> AbstractContextManager[Writer]: ...


WRITERS: Final[dict[Format, _Open]] = {
    "csv": open_csv,
    "jsonl": open_jsonl,
    "parquet": open_parquet,
    "xlsx": open_xlsx,
}


class WriteRequest(msgspec.Struct, frozen=True):
    """A table to write: rows come through the pipe `feed`, the file `path` is new.

    Where `rows_before` rows of the same table stand in other files, this one goes on after them (joining.py).
    """

    feed: str
    path: str
    format: Format
    columns: list[Column]
    rows_before: int = 0


class Written(msgspec.Struct, frozen=True):
    """What was written."""

    rows: int
    size_bytes: int


def write_table(request: WriteRequest) -> Written:
    """Write the fed rows until their end; the file is whole when this returns.

    Raises JobError (permanent) table_cell_too_long (XLSX) or table_file_too_large.
    """
    path = Path(request.path)
    with refuse_large():
        rows = write_rows(
            path,
            request.format,
            columns=request.columns,
            pages=read_fed(Path(request.feed)),
            rows_before=request.rows_before,
        )
    return Written(rows, path.stat().st_size)


def write_rows(
    path: Path,
    form: Format,
    *,
    columns: Sequence[Column],
    pages: Iterator[list[list[Any]]],
    rows_before: int = 0,
) -> int:
    """Write pages of rows into a new file; returns how many rows."""
    count = 0
    with WRITERS[form](path, columns, rows_before=rows_before) as writer:
        for page in pages:
            writer.write(page)
            count += len(page)
    return count
