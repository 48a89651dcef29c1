"""CSV read row by row in constant memory: delimiter found out, strict quotes, every limit with its line."""

import csv
from collections.abc import Iterator
from itertools import chain, count, islice
from typing import Final, TextIO

from jobwire.systems.apidatatools.tools.contract import Option, Options, ToolError, read_text

FIELD_CHARS_MAX: Final = 1 << 20
LINE_CHARS_MAX: Final = 8 << 20
COLUMNS_MAX: Final = 10_000

_PAGE_ROWS: Final = 1_000
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
        found = delimiter or find_delimiter(sample)
        lines = chain(sample, _read_lines(file, after=len(sample)))
        self._reader = csv.reader(lines, delimiter=found, strict=True)
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
        while page := self._read_page(_PAGE_ROWS):
            yield [row for row in page if row]

    def _read_page(self, rows_max: int) -> list[list[str]]:
        """The next rows, those of empty lines too."""
        page: list[list[str]] = []
        start = self._reader.line_num + 1
        before = csv.field_size_limit(FIELD_CHARS_MAX)
        try:
            page.extend(islice(self._reader, rows_max))
        except csv.Error as error:
            self._fit(page, start)
            raise _refuse(
                f"{error}; look for a quote that is not closed or not doubled", start + _count_lines(page)
            ) from None
        finally:
            csv.field_size_limit(before)
        self._fit(page, start)
        return page

    def _fit(self, page: list[list[str]], start: int) -> None:
        """Fill what is too short for the header; ToolError for what is too long."""
        width = COLUMNS_MAX if self.header is None else len(self.header)
        widths = set(map(len, page))
        if widths <= {width}:
            return
        for place, row in enumerate(page):
            if len(row) > COLUMNS_MAX:
                reason = f"a row has {len(row):,} cells; it may have {COLUMNS_MAX:,}"
                raise _refuse(reason, start + _count_lines(page[:place]))
            if len(row) > width:
                reason = f"a row has {len(row)} cells where the header has {width} columns"
                raise _refuse(reason, start + _count_lines(page[:place]))
            if row and self.header is not None:
                row.extend([""] * (width - len(row)))


def _count_lines(rows: list[list[str]]) -> int:
    """The lines that these rows were read from."""
    return len(rows) + sum(cell.count("\n") + cell.count("\r") - cell.count("\r\n") for row in rows for cell in row)


def _refuse(reason: str, line: int) -> ToolError:
    return ToolError("INVALID_CSV", f"The CSV is broken: {reason}.", line=line)


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
