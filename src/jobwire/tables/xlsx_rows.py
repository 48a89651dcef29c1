"""XLSX read in one pass over its sheets' XML; archives.py has judged the file it is zipped in."""

import warnings
from collections.abc import Iterator
from contextlib import closing
from itertools import zip_longest
from pathlib import Path
from typing import Any, BinaryIO, Final
from zipfile import BadZipFile

import openpyxl
from openpyxl.utils.escape import unescape
from openpyxl.utils.exceptions import InvalidFileException

from jobwire.domain.errors import JobError
from jobwire.tables.archives import check_workbook
from jobwire.tables.header import check_header
from jobwire.tables.plain import make_plain
from jobwire.tables.spec import COLUMNS_MAX, BadRow, Row, Source

_ESCAPE: Final = "_x"


def read_xlsx(source: Source) -> Iterator[Row | BadRow]:
    """The rows of the first sheet and of those that continue it ("Rows", "Rows 2", "Rows 3"), or of the named one.

    A formula counts as the value it was saved with. JobError table_sheet, table_damaged.
    """
    path = Path(source.path)
    check_workbook(path)
    try:
        with warnings.catch_warnings():
            # What openpyxl cannot show (drawings, validation) is no part of a table.
            warnings.simplefilter("ignore")
            # As a file: of a path openpyxl reads the ending, and a kept file has none.
            with path.open("rb") as file, closing(_open_book(file)) as book:
                yield from _read_sheets(book, source.sheet)
    except (BadZipFile, InvalidFileException, LookupError, ValueError, TypeError, AttributeError, OSError) as error:
        raise JobError("table_damaged", "the XLSX file cannot be read; save it anew") from error
    except SyntaxError as error:  # what the XML parsers of openpyxl raise
        raise JobError("table_damaged", "the XLSX file holds XML that is not well formed; save it anew") from error


def _open_book(file: BinaryIO) -> Any:
    return openpyxl.load_workbook(file, read_only=True, data_only=True, keep_links=False)


def _read_sheets(book: Any, wanted: str | None) -> Iterator[Row | BadRow]:
    names = [sheet.title for sheet in book.worksheets]
    if wanted is not None and wanted not in names:
        raise JobError(
            "table_sheet",
            f"there is no sheet {wanted[:40]!r}; there are {', '.join(names[:20])}",
            details={"sheets": names},
        )
    if not names:
        raise JobError("table_sheet", "the workbook has no sheet with cells")
    first = wanted or names[0]
    continued = [first] if wanted else [first, *(f"{first} {n}" for n in range(2, len(names) + 1))]
    header: list[str] | None = None
    for name in continued:
        if name not in names:
            return
        rows = _read_cells(book[name])
        found = next(rows, None)
        if found is None:
            continue
        own = check_header(found[1])
        if header is not None and own != header:
            # Not a continuation after all, but another table of a similar name.
            return
        header = own
        yield from _read_rows(rows, header, part=name)
    if header is None:
        raise JobError("table_empty", "the sheet has no header; its first row must name the columns")


def _read_cells(sheet: Any) -> Iterator[tuple[int, list[Any]]]:
    """Each row that has a cell with a value, without its empty cells at the end."""
    sheet.reset_dimensions()
    for number, cells in enumerate(sheet.iter_rows(values_only=True), 1):
        width = len(cells)
        while width and cells[width - 1] is None:
            width -= 1
        if width:
            yield number, list(cells[:width])


def _read_rows(rows: Iterator[tuple[int, list[Any]]], header: list[str], *, part: str) -> Iterator[Row | BadRow]:
    width = len(header)
    for number, cells in rows:
        if len(cells) > width:
            yield BadRow(number, f"expected {width} columns, found {min(len(cells), COLUMNS_MAX + 1)}", part=part)
            continue
        values = make_plain(dict(zip_longest(header, cells)))
        for name, value in values.items():
            if type(value) is str and _ESCAPE in value:
                values[name] = unescape(value)
        yield Row(number, values, part)
