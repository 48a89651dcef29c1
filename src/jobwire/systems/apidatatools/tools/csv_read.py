"""CSV read row by row in constant memory: delimiter found out, strict quotes, every fault with line and column."""

import csv
from collections.abc import Iterator
from itertools import islice
from typing import Final, NamedTuple, TextIO

from jobwire.systems.apidatatools.tools.contract import Option, Options, ToolError, read_text

FIELD_CHARS_MAX: Final = 1 << 20
LINE_CHARS_MAX: Final = 8 << 20
COLUMNS_MAX: Final = 10_000

_SAMPLE_LINES: Final = 50
_SAMPLE_CHARS: Final = 1 << 16
_DELIMITERS: Final = (",", ";", "\t", "|")
_NAMES: Final = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "pipe": "|", "space": " "}


def _check_delimiter(text: str) -> str | None:
    delimiter = _NAMES.get(text.lower(), text)
    if len(delimiter) == 1 and delimiter not in '"\r\n\0':
        return None
    return f"is {text[:40]!r}; send one character, or one of {', '.join(_NAMES)}"


HAS_HEADER: Final = Option("x-has-header", "boolean", True)


def delimiter_option(default: str | None) -> Option:
    """The delimiter; found out when there is no default."""
    return Option("x-delimiter", "text", default, minimum=1, check=_check_delimiter)


class Rows:
    """The rows of a source: `header` names the columns of each, or is None when the source has no header."""

    def __init__(self, file: TextIO, *, delimiter: str | None, has_header: bool) -> None:
        self._lines = _Lines(file)
        self._delimiter = delimiter or find_delimiter(self._lines.sample())
        self._reader = csv.reader(self._lines, delimiter=self._delimiter, strict=True)
        self._rows = self._read()
        self.header = name_columns(next(self._rows, [])) if has_header else None

    def __iter__(self) -> Iterator[list[str]]:
        """Each row; with a header, filled with empty cells up to its width. ToolError INVALID_CSV."""
        if self.header is None:
            yield from self._rows
            return
        width = len(self.header)
        for row in self._rows:
            if len(row) < width:
                row.extend([""] * (width - len(row)))
            elif len(row) > width:
                self._refuse_cell(width, f"a row has {len(row)} cells where the header has {width} columns")
            yield row

    def _read(self) -> Iterator[list[str]]:
        before = csv.field_size_limit(FIELD_CHARS_MAX)
        try:
            for row in self._reader:
                if len(row) > COLUMNS_MAX:
                    self._refuse_cell(COLUMNS_MAX, f"a row has {len(row):,} cells; it may have {COLUMNS_MAX:,}")
                if row:
                    yield row
                self._lines.row.clear()
        except csv.Error as error:
            self._refuse_broken(f"{error}; look for a quote that is not closed or not doubled")
        finally:
            csv.field_size_limit(before)

    def _refuse_cell(self, place: int, reason: str) -> None:
        cells = find_cells("".join(self._lines.row), self._delimiter)
        self._refuse(next(islice(cells, place, None), Cell(0, 0)).start, reason)

    def _refuse_broken(self, reason: str) -> None:
        for cell in find_cells("".join(self._lines.row), self._delimiter):
            if cell.fault is not None or cell.end - cell.start > FIELD_CHARS_MAX:
                break
        self._refuse(cell.start if cell.fault is None else cell.fault, reason)

    def _refuse(self, offset: int, reason: str) -> None:
        line, column = self._lines.find_place(offset)
        raise ToolError("INVALID_CSV", f"The CSV is broken: {reason}.", line=line, column=column)


def open_rows(file: TextIO, options: Options) -> Rows:
    """The rows of an open text by the tool's options."""
    said = read_text(options, "x-delimiter")
    return Rows(file, delimiter=said and _NAMES.get(said.lower(), said), has_header=bool(options["x-has-header"]))


def find_delimiter(lines: list[str]) -> str:
    """The delimiter that splits these first lines into the most columns, as many in each; else a comma.

    Not csv.Sniffer: its regular expressions take quadratic time on quotes.
    """

    def judge(delimiter: str) -> tuple[float, int]:
        widths = []
        try:
            for row in csv.reader(lines, delimiter=delimiter):
                if row:
                    widths.append(len(row))
        except csv.Error:
            pass
        if not widths or widths[0] == 1:
            return 0.0, 0
        return widths.count(widths[0]) / len(widths), widths[0]

    return max(_DELIMITERS, key=judge)


class Cell(NamedTuple):
    """Where a cell of a row begins and ends; `fault` is where it is broken: an open quote, or text behind a closed
    one."""

    start: int
    end: int
    fault: int | None = None


def find_cells(text: str, delimiter: str) -> Iterator[Cell]:
    """The cells of the row that is at the beginning of `text`, up to the first broken one."""
    at = 0
    while True:
        start = at
        if text.startswith('"', at):
            at = _find_closing(text, at + 1)
            if at < 0 or text[at : at + 1] not in ("", delimiter, "\r", "\n"):
                yield Cell(start, len(text), start if at < 0 else at)
                return
        else:
            at = text.find(delimiter, at)
            at = len(text.rstrip("\r\n")) if at < 0 else at
        yield Cell(start, at)
        if text[at : at + 1] != delimiter:
            return
        at += 1


def _find_closing(text: str, at: int) -> int:
    """The place behind the quote that closes a cell, or -1; a doubled one does not."""
    while (at := text.find('"', at) + 1) and text.startswith('"', at):
        at += 1
    return at or -1


def name_columns(header: list[str]) -> list[str]:
    """Names of the columns, each another: an empty one is called after its place, a second `a` is `a_2`."""
    seen: set[str] = set()
    names = []
    for place, name in enumerate(header, 1):
        unique = stem = name.strip() or f"column_{place}"
        count = 1
        while unique in seen:
            count += 1
            unique = f"{stem}_{count}"
        seen.add(unique)
        names.append(unique)
    return names


class _Lines:
    """The lines of a file, none longer than the limit, the first ones looked at beforehand.

    `row` are those of the row that is being read.
    """

    def __init__(self, file: TextIO) -> None:
        self.row: list[str] = []
        self._file = file
        self._ahead: list[str] = []
        self._number = 0

    def sample(self) -> list[str]:
        """The first lines; they are read once more."""
        lines, chars = [], 0
        for line in islice(self, _SAMPLE_LINES):
            lines.append(line)
            chars += len(line)
            if chars > _SAMPLE_CHARS:
                break
        self._ahead, self._number, self.row = lines[::-1], 0, []
        return lines

    def find_place(self, offset: int) -> tuple[int, int]:
        """Line and column of a character of the row, from 1."""
        line = self._number - len(self.row) + 1
        for text in self.row[:-1]:
            if offset < len(text):
                break
            line, offset = line + 1, offset - len(text)
        return line, offset + 1

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._ahead.pop() if self._ahead else self._file.readline(LINE_CHARS_MAX + 1)
        if not line:
            raise StopIteration
        self._number += 1
        if len(line) > LINE_CHARS_MAX:
            raise ToolError(
                "INVALID_CSV",
                f"a line has more than {LINE_CHARS_MAX:,} characters; end each row with a line end",
                line=self._number,
                column=LINE_CHARS_MAX + 1,
            )
        self.row.append(line)
        return line
