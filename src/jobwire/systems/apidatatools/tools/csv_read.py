"""CSV read page by page in constant memory: delimiter found out, strict quotes, every fault with line and column."""

import csv
from collections.abc import Iterator
from itertools import chain, count, islice
from typing import Final, NamedTuple, TextIO

from jobwire.systems.apidatatools.tools.contract import Option, Options, ToolError, read_text

FIELD_CHARS_MAX: Final = 1 << 20
LINE_CHARS_MAX: Final = 8 << 20
COLUMNS_MAX: Final = 10_000
PAGE_CELLS: Final = 50_000
"""What is read at once; short rows are filled up to the header's width, so that cells are what counts."""
PAGE_CHARS: Final = 1 << 20

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
        sample = list(_sample(_read_lines(file)))
        self._delimiter = delimiter or find_delimiter(sample)
        self._lines = _PageLines(chain(sample, _read_lines(file, after=len(sample))))
        self._reader = csv.reader(self._lines.read(), delimiter=self._delimiter, strict=True)
        self.header: list[str] | None = None
        if has_header:
            head = self._read_page(1)
            while head == [[]]:
                head = self._read_page(1)
            self.header = name_columns(head[0] if head else [])

    def __iter__(self) -> Iterator[list[str]]:
        """Each row; see read_pages."""
        for page in self.read_pages():
            yield from page

    def read_pages(self) -> Iterator[list[list[str]]]:
        """Many rows at a time; with a header, filled with empty cells up to its width. ToolError INVALID_CSV."""
        rows_max = max(1, PAGE_CELLS // max(1, len(self.header or ())))
        while page := self._read_page(rows_max):
            yield [row for row in page if row]

    def _read_page(self, rows_max: int) -> list[list[str]]:
        """The next rows, those of empty lines too."""
        page: list[list[str]] = []
        lines = self._lines
        lines.begin()
        before = csv.field_size_limit(FIELD_CHARS_MAX)
        try:
            for row in self._reader:
                page.append(row)
                if len(page) == rows_max or lines.chars > PAGE_CHARS:
                    break
        except csv.Error as error:
            self._fit(page)
            self._refuse_broken(page, f"{error}; look for a quote that is not closed or not doubled")
        finally:
            csv.field_size_limit(before)
        self._fit(page)
        return page

    def _fit(self, page: list[list[str]]) -> None:
        """Fill what is too short for the header; ToolError for what is too long."""
        width = COLUMNS_MAX if self.header is None else len(self.header)
        if set(map(len, page)) <= {width}:
            return
        for place, row in enumerate(page):
            if len(row) > COLUMNS_MAX:
                reason = f"a row has {len(row):,} cells; it may have {COLUMNS_MAX:,}"
                self._refuse_cell(page, place, cell=COLUMNS_MAX, reason=reason)
            if len(row) > width:
                reason = f"a row has {len(row)} cells where the header has {width} columns"
                self._refuse_cell(page, place, cell=width, reason=reason)
            if row and self.header is not None:
                row.extend([""] * (width - len(row)))

    def _refuse_cell(self, page: list[list[str]], place: int, *, cell: int, reason: str) -> None:
        first = _count_lines(page[:place])
        text = "".join(self._lines.kept[first : first + _count_lines([page[place]])])
        found = next(islice(find_cells(text, self._delimiter), cell, None), Cell(0, 0))
        self._refuse(first, found.start, reason)

    def _refuse_broken(self, page: list[list[str]], reason: str) -> None:
        first = _count_lines(page)
        for cell in find_cells("".join(self._lines.kept[first:]), self._delimiter):
            if cell.fault is not None or cell.end - cell.start > FIELD_CHARS_MAX:
                break
        self._refuse(first, cell.start if cell.fault is None else cell.fault, reason)

    def _refuse(self, first: int, offset: int, reason: str) -> None:
        line, column = self._lines.find_place(first, offset)
        raise ToolError("INVALID_CSV", f"The CSV is broken: {reason}.", line=line, column=column)


def _count_lines(rows: list[list[str]]) -> int:
    """The lines that these rows were read from."""
    return len(rows) + sum(cell.count("\n") + cell.count("\r") - cell.count("\r\n") for row in rows for cell in row)


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


class _PageLines:
    """The lines that a page of rows is read from, kept until the next page begins."""

    def __init__(self, lines: Iterator[str]) -> None:
        self.kept: list[str] = []
        self.chars = 0
        self._lines = lines
        self._before = 0

    def begin(self) -> None:
        """Forget what the page before was read from."""
        self._before += len(self.kept)
        self.kept.clear()
        self.chars = 0

    def read(self) -> Iterator[str]:
        """Each line, once."""
        keep = self.kept.append
        for line in self._lines:
            keep(line)
            self.chars += len(line)
            yield line

    def find_place(self, first: int, offset: int) -> tuple[int, int]:
        """Line and column, from 1, of the character that is so far behind the beginning of a kept line."""
        last = len(self.kept) - 1
        while first < last and offset >= len(self.kept[first]):
            offset -= len(self.kept[first])
            first += 1
        return self._before + first + 1, offset + 1


def _read_lines(file: TextIO, *, after: int = 0) -> Iterator[str]:
    """The lines of a file, of which so many were read already; ToolError for one that is too long."""
    read, chars_max = file.readline, LINE_CHARS_MAX + 1
    for number in count(after + 1):
        line = read(chars_max)
        if len(line) == chars_max:
            raise ToolError(
                "INVALID_CSV",
                f"a line has more than {LINE_CHARS_MAX:,} characters; end each row with a line end",
                line=number,
                column=chars_max,
            )
        if not line:
            return
        yield line


def _sample(lines: Iterator[str]) -> Iterator[str]:
    """The first lines, enough to see what they are."""
    chars = 0
    for line in islice(lines, _SAMPLE_LINES):
        yield line
        chars += len(line)
        if chars > _SAMPLE_CHARS:
            return
