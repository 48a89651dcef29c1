"""XLSX written row by row; what a sheet cannot hold goes on in the next, what a cell cannot hold is an error."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import xlsxwriter

from jobwire.domain.errors import JobError
from jobwire.tables.cells import CELLS
from jobwire.tables.spec import Column

SHEET: Final = "Rows"
SHEET_ROWS_MAX: Final = 1_048_576
"""Excel's, the header among them."""

CELL_CHARS_MAX: Final = 32_767
"""Excel's, counted in UTF-16."""


@contextmanager
def open_xlsx(
    path: Path, columns: Sequence[Column], *, rows_before: int = 0, sheet_rows_max: int = SHEET_ROWS_MAX
) -> Iterator["XlsxWriter"]:
    """A writer of a new workbook: sheets "Rows", "Rows 2" and so on, each with the header.

    After `rows_before` rows in other files it goes on where they end: what they have filled stays empty in it.
    """
    options = {"constant_memory": True, "tmpdir": str(path.parent), "strings_to_urls": False}
    with path.open("xb") as file:
        book = xlsxwriter.Workbook(file, options)
        try:
            yield XlsxWriter(book, columns, rows_before=rows_before, sheet_rows_max=sheet_rows_max)
            book.close()
        finally:
            # A workbook that is given up would keep its parts open and complain about it.
            book.fileclosed = True
            for sheet in book.worksheets():
                sheet.row_data_fh.close()


class XlsxWriter:
    """Every value text except whole numbers: a spreadsheet would round, date or run it otherwise."""

    def __init__(
        self, book: xlsxwriter.Workbook, columns: Sequence[Column], *, rows_before: int, sheet_rows_max: int
    ) -> None:
        self._book = book
        self._columns = columns
        self._cells = [CELLS[column.kind] for column in columns]
        self._sheet_rows_max = sheet_rows_max
        self._sheets = 0
        if rows_before == 0:
            self._open_sheet()
            return
        full, last = divmod(rows_before - 1, sheet_rows_max - 1)
        for _ in range(full + 1):
            self._add_sheet()
        self._row = last + 2

    def write(self, rows: Sequence[list[Any]]) -> None:
        """See Writer.write; JobError table_cell_too_long."""
        for row in rows:
            if self._row == self._sheet_rows_max:
                self._open_sheet()
            self._write_row(row)

    def _add_sheet(self) -> None:
        self._sheets += 1
        self._sheet = self._book.add_worksheet(SHEET if self._sheets == 1 else f"{SHEET} {self._sheets}")

    def _open_sheet(self) -> None:
        self._add_sheet()
        for place, column in enumerate(self._columns):
            self._sheet.write_string(0, place, column.name)
        self._row = 1

    def _write_row(self, row: list[Any]) -> None:
        write_string, write_number = self._sheet.write_string, self._sheet.write_number
        for place, value in enumerate(row):
            if value is None or value == "":
                continue
            cell = self._cells[place]
            if cell is None:
                write_number(self._row, place, value)
                continue
            text = cell(value)
            if len(text) > CELL_CHARS_MAX // 2 and len(text.encode("utf-16-le")) > 2 * CELL_CHARS_MAX:
                raise JobError(
                    "table_cell_too_long",
                    f"{self._columns[place].name!r} of row {self._row:,} has {len(text):,} characters, a cell holds "
                    f"{CELL_CHARS_MAX:,}; choose another format",
                    details={"column": self._columns[place].name, "row": self._row, "limit": CELL_CHARS_MAX},
                )
            write_string(self._row, place, text)
        self._row += 1
