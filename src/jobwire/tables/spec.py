"""What a table in a file is: its formats, rows, columns and limits. reading.py and writing.py do the work.

Everything here is for child processes: files of strangers are read there, and there alone.
"""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, Literal, NamedTuple

import msgspec

from jobwire.domain.errors import JobError

Format = Literal["csv", "jsonl", "parquet", "xlsx"]
ColumnKind = Literal["text", "integer", "json", "time", "vector"]

CONTENT_TYPES: Final[dict[Format, str]] = {
    "csv": "text/csv; charset=utf-8",
    "jsonl": "application/x-ndjson",
    "parquet": "application/vnd.apache.parquet",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}

ROWS_MAX: Final = 1_000_000
COLUMNS_MAX: Final = 1_000
NAME_CHARS_MAX: Final = 200
FIELD_CHARS_MAX: Final = 1 << 20
RECORD_CHARS_MAX: Final = 8 << 20
"""Also what one line may have: a line is a part of one record."""

BAD_ROWS_MAX: Final = 100_000


class Row(NamedTuple):
    """A row as its file has it: `line` is where it starts (in Parquet and in the sheet `part` its number), from 1."""

    line: int
    values: dict[str, Any]
    part: str | None = None


class BadRow(msgspec.Struct, frozen=True, omit_defaults=True):
    """Why a row was not taken: `part` is its sheet or its file in an archive, `field` the column at fault."""

    line: int
    reason: str
    field: str | None = None
    part: str | None = None


class Source(msgspec.Struct, frozen=True):
    """A file to read: at `path`; `format`, `encoding`, `delimiter` and `sheet` are found out where they are None."""

    path: str
    format: Format | None = None
    encoding: str | None = None
    delimiter: str | None = None
    sheet: str | None = None


class Column(msgspec.Struct, frozen=True):
    """A column to write: `json` is JSON text, `time` Unix ms, `vector` a list of numbers; each may be null."""

    name: str
    kind: ColumnKind = "text"


@contextmanager
def refuse_large() -> Iterator[None]:
    """JobError table_file_too_large where a file grows over what a child process may write."""
    try:
        yield
    except OSError as error:
        if error.errno != errno.EFBIG:
            raise
        raise explain_large() from error


def explain_large() -> JobError:
    """The error for a table whose file would be too large."""
    return JobError("table_file_too_large", "the table makes a file of more than 1 GiB; export a part of it")
