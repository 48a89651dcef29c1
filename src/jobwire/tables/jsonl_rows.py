"""JSON lines: an object a line, each line read by itself."""

from collections.abc import Iterator
from pathlib import Path

import msgspec

from jobwire.domain.errors import JobError
from jobwire.tables.sniffing import find_encoding
from jobwire.tables.spec import COLUMNS_MAX, RECORD_CHARS_MAX, BadRow, Row, Source

_decode = msgspec.json.Decoder().decode
_NAMES = {list: "an array", str: "text", int: "a number", float: "a number", bool: "a boolean", type(None): "null"}


def read_jsonl(source: Source) -> Iterator[Row | BadRow]:
    """The objects of a file of JSON lines; empty lines count as none."""
    path = Path(source.path)
    encoding = source.encoding or find_encoding(path)
    try:
        # newline="\n": JSON text may hold a bare carriage return between its tokens.
        with path.open(encoding=encoding, newline="\n") as file:
            number = 0
            while line := file.readline(RECORD_CHARS_MAX + 1):
                number += 1
                if len(line) > RECORD_CHARS_MAX:
                    yield BadRow(number, f"the line has more than {RECORD_CHARS_MAX:,} characters")
                    while not line.endswith("\n") and (line := file.readline(RECORD_CHARS_MAX)):
                        pass
                elif not line.isspace():
                    yield _read_line(number, line)
    except (LookupError, UnicodeError):
        raise JobError("table_encoding", f"the file cannot be read as {encoding[:40]!r}; name its encoding") from None


def _read_line(number: int, line: str) -> Row | BadRow:
    try:
        value = _decode(line)
    except msgspec.DecodeError as error:
        return BadRow(number, str(error))
    except (RecursionError, UnicodeError):
        return BadRow(number, "JSON is nested too deeply or holds half a character")
    if not isinstance(value, dict):
        return BadRow(number, f"expected an object, found {_NAMES[type(value)]}")
    if len(value) > COLUMNS_MAX:
        return BadRow(number, f"the object has {len(value):,} fields; it may have {COLUMNS_MAX:,}")
    return Row(number, value)
