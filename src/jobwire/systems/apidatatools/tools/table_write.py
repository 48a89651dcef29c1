"""Records written as a table: CSV, TSV or XLSX. Rows are asked for twice: for columns, then for cells."""

import csv
import os
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import xlsxwriter

from jobwire.systems.apidatatools.tools.contract import Sink, ToolError
from jobwire.systems.apidatatools.tools.flatten import find_columns, flatten, order_cells, show_cell
from jobwire.systems.apidatatools.tools.json_values import Number

SHEET_ROWS_MAX: Final = 1_048_576
CELL_CHARS_MAX: Final = 32_767
SHEET_COLUMNS_MAX: Final = 16_384
EXACT_DIGITS: Final = 15
"""A sheet holds numbers as floats: longer ones are written as text, and so keep every digit."""

EXCEL_TYPE: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

_PAGE_ROWS: Final = 1_000
_BOOLEANS: Final = {True: "true", False: "false"}

Records = Callable[[], Iterable[Any]]


def write_delimited(records: Records, sink: Sink, delimiter: str) -> None:
    """Write CSV with that delimiter, quoted where needed, lines ended by a line feed.

    The columns are those of the first rows, until one has another: then all are found out, and written once more.
    """
    rows = map(flatten, records())
    first = list(islice(rows, _PAGE_ROWS))
    guessed = find_columns(first)
    columns = _write_rows(chain(first, rows), guessed, sink, delimiter)
    if columns != guessed:
        _write_rows(map(flatten, records()), columns, sink, delimiter)


def _write_rows(rows: Iterator[dict[str, Any]], columns: list[str], sink: Sink, delimiter: str) -> list[str]:
    """Write the rows up to the first with another column; the columns of all."""
    known = frozenset(columns)
    page: list[Any] = []
    with sink.open_text() as out:
        writer = csv.writer(out, delimiter=delimiter, lineterminator="\n")
        writer.writerow(columns)
        for row in rows:
            if list(row) == columns:
                cells: Iterable[Any] = row.values()
            elif row.keys() <= known:
                cells = map(row.get, columns)
            else:
                return find_columns(chain([dict.fromkeys(columns), row], rows))
            # The writer shows null, {} and [] as they are to be shown.
            page.append([_BOOLEANS[cell] if cell is True or cell is False else cell for cell in cells])
            if len(page) == _PAGE_ROWS:
                writer.writerows(page)
                page.clear()
        writer.writerows(page)
    return columns


def write_excel(records: Records, sink: Sink) -> None:
    """Write a workbook; more rows than a sheet holds go on in the next. ToolError TOO_LARGE_FOR_EXCEL."""
    columns = find_columns(map(flatten, records()))
    if len(columns) > SHEET_COLUMNS_MAX:
        raise ToolError("TOO_LARGE_FOR_EXCEL", f"{len(columns):,} columns; a sheet has {SHEET_COLUMNS_MAX:,}")
    rows = order_cells(map(flatten, records()), columns)
    with TemporaryDirectory(dir=sink.path.parent) as folder, sink.open_bytes() as out:
        made = Path(folder, "book.xlsx")
        _fill_book(made, columns, rows)
        with made.open("rb") as file:
            while chunk := file.read(1 << 20):
                out.write(chunk)


def _fill_book(path: Path, columns: list[str], rows: Iterator[list[Any]]) -> None:
    book = xlsxwriter.Workbook(
        os.fspath(path), {"constant_memory": True, "strings_to_urls": False, "tmpdir": os.fspath(path.parent)}
    )
    try:
        _fill_sheets(book, columns, rows)
        book.close()
    finally:
        # A workbook that is given up would keep its parts open and complain about it.
        book.fileclosed = True
        for sheet in book.worksheets():
            sheet.row_data_fh.close()


def _fill_sheets(book: Any, columns: list[str], rows: Iterator[list[Any]]) -> None:
    sheet, number = None, SHEET_ROWS_MAX
    for row in rows:
        if number == SHEET_ROWS_MAX:
            sheet = _open_sheet(book, columns)
            number = 1
        _write_row(sheet, number, row)
        number += 1
    if sheet is None:
        _open_sheet(book, columns)


def _open_sheet(book: Any, columns: list[str]) -> Any:
    sheet = book.add_worksheet()
    for place, name in enumerate(columns):
        sheet.write_string(0, place, name)
    return sheet


def _write_row(sheet: Any, number: int, row: list[Any]) -> None:
    for place, value in enumerate(row):
        if value is None or value == "":
            continue
        if type(value) is bool:
            sheet.write_boolean(number, place, value)
        elif type(value) is Number and is_exact(value):
            sheet.write_number(number, place, float(value))
        else:
            text = show_cell(value)
            if len(text) > CELL_CHARS_MAX // 2 and len(text.encode("utf-16-le")) > 2 * CELL_CHARS_MAX:
                raise ToolError(
                    "TOO_LARGE_FOR_EXCEL",
                    f"a text of row {number:,} has {len(text):,} characters; a cell holds {CELL_CHARS_MAX:,}",
                )
            # Never as a formula or a link, whatever it looks like.
            sheet.write_string(number, place, text)


def is_exact(number: str) -> bool:
    """Whether a sheet can hold the number with all its digits."""
    digits = number.lstrip("-").lower().partition("e")[0].replace(".", "").strip("0")
    return len(digits) <= EXACT_DIGITS and abs(float(number)) < 1e300 and not (digits and float(number) == 0)
