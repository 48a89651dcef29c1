"""Small tables in files, and the rows that are read back."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from jobwire.tables.reading import read_rows
from jobwire.tables.spec import BadRow, Column, Format, Row, Source
from jobwire.tables.writing import write_rows


def read_text(folder: Path, text: str | bytes, **options: Any) -> tuple[list[Row], list[BadRow]]:
    """The good and the bad rows of a file with this content."""
    path = folder / "table"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_file(path, **options)


def read_file(path: Path, **options: Any) -> tuple[list[Row], list[BadRow]]:
    rows = list(read_rows(Source(str(path), **options)))
    return [row for row in rows if isinstance(row, Row)], [row for row in rows if isinstance(row, BadRow)]


def write_file(
    path: Path, form: Format, columns: Sequence[Column], rows: list[list[Any]], *, page: int = 1_000
) -> int:
    """Write rows page by page; each page is a copy, as it is behind the pipe."""

    def pages() -> Iterator[list[list[Any]]]:
        for start in range(0, len(rows), page):
            yield [list(row) for row in rows[start : start + page]]

    return write_rows(path, form, columns=columns, pages=pages())
