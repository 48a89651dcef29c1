"""CSV read strictly: every record that is wrong is one bad row with its line, and the next line is read again."""

import csv
import io
from collections import deque
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TextIO

from jobwire.domain.errors import JobError
from jobwire.tables.header import check_header
from jobwire.tables.sniffing import SAMPLE_CHARS, SAMPLE_LINES, find_delimiter, find_encoding
from jobwire.tables.spec import FIELD_CHARS_MAX, RECORD_CHARS_MAX, BadRow, Row, Source


class _TooLong(Exception):  # noqa: N818 - tells what happened, and goes no further than this file
    """A record goes on and on."""


class _Lines:
    """The lines of a file, those of the record under way remembered so that they can be read again."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._record: list[str] = []
        self._again: deque[str] = deque()
        self._more_chars = 0
        self.number = 1

    def feed(self) -> Iterator[str]:
        """The next lines, for a reader of records; _TooLong after RECORD_CHARS_MAX of one record."""
        readline, record, again = self._file.readline, self._record, self._again
        while line := again.popleft() if again else readline(RECORD_CHARS_MAX + 1):
            if record or len(line) > RECORD_CHARS_MAX:
                self._more_chars += len(line)
            record.append(line)
            if self._more_chars > RECORD_CHARS_MAX:
                raise _TooLong
            yield line

    @property
    def spans_lines(self) -> bool:
        """Whether the record under way has gone on to a second line, as only an open quote lets it."""
        return len(self._record) > 1

    def close_record(self) -> None:
        """The record under way is whole: the next one starts with the next line."""
        self.number += len(self._record)
        self._record.clear()
        self._more_chars = 0

    def leave_record(self) -> None:
        """Give up the first line of the record under way and read the others again.

        No line is read more than twice: a quote left open is left behind at the next line with an odd one, whatever
        stands between them.
        """
        first, *rest = self._record
        if not rest and not first.endswith(("\n", "\r")):
            self._skip_line()
        self._again.extendleft(reversed(rest))
        del self._record[1:]
        self.close_record()

    def _skip_line(self) -> None:
        while (part := self._file.readline(RECORD_CHARS_MAX)) and not part.endswith(("\n", "\r")):
            pass


def read_csv(source: Source) -> Iterator[Row | BadRow]:
    """The rows of a CSV file by its header's names, every value text; empty lines count as none."""
    path = Path(source.path)
    csv.field_size_limit(FIELD_CHARS_MAX)
    encoding = source.encoding or find_encoding(path)
    try:
        with path.open(encoding=encoding, newline="") as file:
            delimiter = source.delimiter or find_delimiter(_sample(file))
            file.seek(0)
            yield from _read_rows(_Lines(file), delimiter)
    except (LookupError, UnicodeError):
        raise JobError("table_encoding", f"the file cannot be read as {encoding[:40]!r}; name its encoding") from None


def _sample(file: TextIO) -> list[str]:
    text = file.read(SAMPLE_CHARS)
    lines = list(islice(io.StringIO(text, newline=""), SAMPLE_LINES))
    return lines[:-1] if len(text) == SAMPLE_CHARS and 1 < len(lines) < SAMPLE_LINES else lines


def _read_rows(lines: _Lines, delimiter: str) -> Iterator[Row | BadRow]:
    records = _read_records(lines, delimiter)
    first = next((record for record in records if not isinstance(record, list) or record), None)
    if first is None:
        raise JobError("table_empty", "the file has no header; its first line must name the columns")
    if isinstance(first, BadRow):
        raise JobError("table_header", f"the header in line {first.line} cannot be read: {first.reason}")
    header = check_header(first)
    width = len(header)
    line = lines.number
    for record in records:
        if isinstance(record, BadRow):
            yield record
        elif len(record) == width:
            yield Row(line, dict(zip(header, record, strict=True)))
        elif record:
            yield BadRow(line, f"expected {width} columns, found {len(record)}")
        line = lines.number


def _read_records(lines: _Lines, delimiter: str) -> Iterator[list[str] | BadRow]:
    """Each record, or why there is none; a reader is made anew after each fault, its state being of no use then."""
    while True:
        try:
            for record in csv.reader(lines.feed(), delimiter=delimiter, strict=True):
                lines.close_record()
                yield record
        except (csv.Error, _TooLong) as error:
            yield _leave(lines, error)
        else:
            return


def _leave(lines: _Lines, error: Exception) -> BadRow:
    bad = BadRow(lines.number, _explain(error, spans_lines=lines.spans_lines))
    lines.leave_record()
    return bad


def _explain(error: Exception, *, spans_lines: bool) -> str:
    text = str(error)
    if text == "unexpected end of data" or (spans_lines and (isinstance(error, _TooLong) or "field limit" in text)):
        return "a quote opens in this line and is never closed"
    if isinstance(error, _TooLong):
        return f"the line has more than {RECORD_CHARS_MAX:,} characters"
    if "field limit" in text:
        return f"a field has more than {FIELD_CHARS_MAX:,} characters"
    if "expected after" in text:
        return "a quote closes in the middle of a field; double it, or put the delimiter after it"
    return text
