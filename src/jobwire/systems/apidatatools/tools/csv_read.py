"""CSV read page by page in constant memory: delimiter found out, strict quotes, every fault with line and column.

The compiled reader has whole blocks of lines, a page of rows at a time. Where something is, is found out of the block
when it is asked for: at a fault, and when a block ends within a row.
"""

import csv
import io
from collections import deque
from collections.abc import Generator, Iterator
from itertools import chain, islice
from typing import Final, NamedTuple, TextIO

from jobwire.systems.apidatatools.tools.contract import Option, Options, ToolError, read_text

FIELD_CHARS_MAX: Final = 1 << 20
LINE_CHARS_MAX: Final = 8 << 20
ROW_CHARS_MAX: Final = 16 << 20
"""What is held of a row that has not ended, for its cells may have lines within them."""

COLUMNS_MAX: Final = 10_000
PAGE_CELLS: Final = 10_000
"""What is read at once; short rows are filled up to the header's width, so that cells are what counts."""
PAGE_CHARS: Final = 1 << 20
"""What of the text is read at once."""

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
        self._file = file
        self._is_ended = False
        self._lines_before = 0
        """Lines of the file before the block."""
        block = self._read_block("")
        self._delimiter = delimiter or find_delimiter(_take_sample(block))
        self._pages = self._split_blocks(block)
        self._rows_max = 1
        self.header: list[str] | None = None
        if has_header:
            self.header = name_columns(next((page[0] for page in self._pages if page[0]), []))
        self._rows_max = max(1, PAGE_CELLS // max(1, len(self.header or ())))

    def __iter__(self) -> Iterator[list[str]]:
        """Each row; see read_pages."""
        return chain.from_iterable(self.read_pages())

    def read_pages(self) -> Iterator[list[list[str]]]:
        """Many rows at a time; with a header, filled with empty cells up to its width. ToolError INVALID_CSV."""
        for page in self._pages:
            yield page if all(page) else [row for row in page if row]

    def _split_blocks(self, block: str) -> Iterator[list[list[str]]]:
        """The rows, those of empty lines too; one that a block has only the beginning of is the next block's."""
        while block:
            rest = yield from self._split_block(block)
            block = self._read_block(rest)

    def _split_block(self, block: str) -> Generator[list[list[str]], None, str]:
        """The rows of a block of whole lines; what it has of one more is returned."""
        lines = _open_lines(block)
        reader = csv.reader(lines, delimiter=self._delimiter, strict=True)
        first = 0
        while True:
            page, error = _take_rows(reader, self._rows_max)
            self._fit(page, block, first)
            if page:
                yield page
            if error is not None:
                break
            first = reader.line_num
            if not page:
                self._lines_before += first
                return ""
        first += _count_lines(page)
        read, rest = lines.tell(), block[_find_line(block, first) :]
        if read < len(block) or self._is_ended:
            self._refuse_broken(rest[: len(rest) - len(block) + read], first, str(error))
        if len(rest) > ROW_CHARS_MAX:
            self._refuse(rest, first, 0, reason=f"a row has more than {ROW_CHARS_MAX:,} characters; close each quote")
        self._lines_before += first
        return rest

    def _read_block(self, rest: str) -> str:
        """What was left, and about as much again at the least, so that a long row is begun few times; whole lines."""
        wanted = max(PAGE_CHARS, len(rest))
        text = self._file.read(wanted)
        self._is_ended = len(text) < wanted
        if text.endswith("\r"):
            text += self._file.read(1)
        begun = len(text) - 1 - max(text.rfind("\n"), text.rfind("\r"))
        tail = self._file.readline(LINE_CHARS_MAX + 1)
        if begun + len(tail) > LINE_CHARS_MAX:
            raise ToolError(
                "INVALID_CSV",
                f"a line has more than {LINE_CHARS_MAX:,} characters; end each row with a line end",
                line=self._lines_before + _count_ends(rest) + _count_ends(text) + 1,
                column=LINE_CHARS_MAX + 1,
            )
        return rest + text + tail

    def _fit(self, page: list[list[str]], block: str, first: int) -> None:
        """Fill what is too short for the header; ToolError for what is too long."""
        width = COLUMNS_MAX if self.header is None else len(self.header)
        widths = set(map(len, page))
        if widths <= {width} or (self.header is None and max(widths) <= width):
            return
        for place, row in enumerate(page):
            if len(row) > width:
                before, cell = first + _count_lines(page[:place]), min(width, COLUMNS_MAX)
                text = block[_find_line(block, before) : _find_line(block, before + _count_lines([row]))]
                self._refuse_cell(text, before, cell, count=len(row))
            if row and self.header is not None:
                row.extend([""] * (width - len(row)))

    def _refuse_cell(self, text: str, first: int, cell: int, *, count: int) -> None:
        reason = f"a row has {count} cells where the header has {cell} columns"
        if count > COLUMNS_MAX:
            cell, reason = COLUMNS_MAX, f"a row has {count:,} cells; it may have {COLUMNS_MAX:,}"
        found = next(islice(find_cells(text, self._delimiter), cell, None), Cell(0, 0))
        self._refuse(text, first, found.start, reason=reason)

    def _refuse_broken(self, text: str, first: int, error: str) -> None:
        for cell in find_cells(text, self._delimiter):
            if cell.fault is not None or cell.end - cell.start > FIELD_CHARS_MAX:
                break
        offset = cell.start if cell.fault is None else cell.fault
        reason = f"{error}; look for a quote that is not closed or not doubled"
        self._refuse(text, first, offset, reason=reason)

    def _refuse(self, text: str, first: int, offset: int, *, reason: str) -> None:
        """ToolError for the character so far behind the beginning of `text`, which is that of a line of the block."""
        lines = list(_open_lines(text))
        line = 0
        while line < len(lines) - 1 and offset >= len(lines[line]):
            offset -= len(lines[line])
            line += 1
        line += self._lines_before + first + 1
        raise ToolError("INVALID_CSV", f"The CSV is broken: {reason}.", line=line, column=offset + 1)


def _take_rows(reader: "Iterator[list[str]]", rows_max: int) -> tuple[list[list[str]], csv.Error | None]:
    """The next rows, and why there are no more if they are broken."""
    page: list[list[str]] = []
    before = csv.field_size_limit(FIELD_CHARS_MAX)
    try:
        page.extend(islice(reader, rows_max))
    except csv.Error as error:
        return page, error
    finally:
        csv.field_size_limit(before)
    return page, None


def _open_lines(text: str) -> io.StringIO:
    """The lines as they are counted here: a carriage return ends one, too."""
    return io.StringIO(text, newline="")


def _find_line(text: str, number: int) -> int:
    """Where a line begins; they are counted from 0."""
    lines = _open_lines(text)
    deque(islice(lines, number), maxlen=0)
    return lines.tell()


def _count_ends(text: str) -> int:
    return text.count("\n") + text.count("\r") - text.count("\r\n")


def _count_lines(rows: list[list[str]]) -> int:
    """The lines that these rows were read from."""
    # A cell's last character and the next one's first are no line end together.
    return len(rows) + _count_ends(",".join(chain.from_iterable(rows)))


def _take_sample(block: str) -> list[str]:
    """The first lines, enough to see what they are."""
    sample = []
    chars = 0
    for line in islice(_open_lines(block), _SAMPLE_LINES):
        sample.append(line)
        chars += len(line)
        if chars > _SAMPLE_CHARS:
            break
    return sample


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
