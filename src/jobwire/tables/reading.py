"""Any table as rows: the format is told by content, and one reader a format does the rest."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

from jobwire.domain.errors import JobError
from jobwire.tables.csv_rows import read_csv
from jobwire.tables.jsonl_rows import read_jsonl
from jobwire.tables.parquet_rows import read_parquet
from jobwire.tables.sniffing import find_format
from jobwire.tables.spec import BAD_ROWS_MAX, ROWS_MAX, BadRow, Format, Row, Source
from jobwire.tables.xlsx_rows import read_xlsx

READERS: Final[Mapping[Format, Callable[[Source], Iterator[Row | BadRow]]]] = {
    "csv": read_csv,
    "jsonl": read_jsonl,
    "parquet": read_parquet,
    "xlsx": read_xlsx,
}


def is_archive(source: Source) -> bool:
    """Whether the file is a zip archive of files rather than a table; JobError table_empty or table_type."""
    return source.format is None and find_format(Path(source.path)) is None


def read_rows(source: Source) -> Iterator[Row | BadRow]:
    """Every row or why it is none, in the file's order and in constant memory; to be called in a child process.

    JobError (permanent, table_…) for a file that cannot be taken as a whole, before its first row or at any later.
    """
    form = source.format or find_format(Path(source.path))
    if form is None:
        raise JobError("table_type", "this is a zip archive; send CSV, JSON lines, Parquet or XLSX")
    bad = 0
    for count, row in enumerate(READERS[form](source), 1):
        if count > ROWS_MAX:
            raise JobError(
                "table_too_many_rows",
                f"the table has more than {ROWS_MAX:,} rows; split it",
                details={"limit": ROWS_MAX},
            )
        if type(row) is BadRow:
            bad += 1
            if bad > BAD_ROWS_MAX:
                raise JobError(
                    "table_too_many_bad_rows",
                    f"more than {BAD_ROWS_MAX:,} rows are bad, the last in line {row.line}: {row.reason}",
                    details={"limit": BAD_ROWS_MAX},
                )
        yield row
