"""The encoding of an input, and where it breaks; tables/encodings.py finds it."""

import codecs
import re
from pathlib import Path
from typing import Final

from jobwire.systems.apidatatools.tools.faults import Place, ToolError
from jobwire.tables.encodings import CHUNK_BYTES, NoEncodingError, detect_encoding, find_mark

DECLARATION_BYTES_MAX: Final = 1_000
_DECLARATION: Final = re.compile(rb"<\?xml[ \t\r\n][^>]*?\?>")
_DECLARED: Final = re.compile(rb"[ \t\r\n]encoding[ \t\r\n]*=[ \t\r\n]*[\"']([A-Za-z][A-Za-z0-9._-]*)")
# A declaration that can be read is in none of UTF-16 and UTF-32; Python's other codecs are no encodings of text.
_READABLE: Final = re.compile(
    r"utf-?8|(us-)?ascii|iso[-_]?8859[-_]\d+|latin-?\d|windows-\d+|cp\d+|koi8-[rtu]|macintosh|shift[-_]jis|euc-(jp|kr)"
    r"|iso-2022-(jp|kr)|gb(2312|k|18030)|big5|tis-620"
)


def find_encoding(path: Path) -> str:
    """Python's name for the encoding that all of the file can be read in; ToolError EMPTY_BODY, INVALID_ENCODING."""
    with path.open("rb") as file:
        head = file.read(DECLARATION_BYTES_MAX)
    if not head:
        raise ToolError("EMPTY_BODY", "the input is empty; send at least one byte")
    try:
        return detect_encoding(path, known=find_mark(head) or _find_unmarked(head[:4]) or _find_declared(head))
    except NoEncodingError as error:
        place = _find_place(path, error.encoding, error.offset)
        raise ToolError(
            "INVALID_ENCODING",
            f"the input is no valid {error.encoding}: the byte at offset {error.offset:,} does not fit; use UTF-8",
            line=place.line,
            column=place.column,
        ) from None


def _find_place(path: Path, encoding: str, offset: int) -> Place:
    """The place of the byte at `offset`, in characters of that encoding; a mark is none."""
    decoder = codecs.getincrementaldecoder(encoding)()
    line, column, left = 1, 1, offset
    with path.open("rb") as file:
        while left > 0 and (chunk := file.read(min(CHUNK_BYTES, left))):
            left -= len(chunk)
            text = decoder.decode(chunk)
            ended = text.rfind("\n")
            line += text.count("\n")
            column = column + len(text) if ended < 0 else len(text) - ended
    return Place(line, column)


def _find_unmarked(head: bytes) -> str | None:
    """UTF-16 without a mark, by the zero beside its first letter, which no text in UTF-8 has."""
    if len(head) == 4 and head.count(0) == 2:
        return {0: "utf-16-be", 1: "utf-16-le"}.get(head.index(0)) if head[2 + head.index(0)] == 0 else None
    return None


def _find_declared(head: bytes) -> str | None:
    """What the declaration of an XML document names, UTF-8 where it names none; None without a declaration."""
    declaration = _DECLARATION.match(head)
    if declaration is None:
        return None
    declared = _DECLARED.search(declaration[0])
    if declared is None:
        return "utf-8"
    name = declared[1].decode().lower()
    try:
        if _READABLE.fullmatch(name):
            return codecs.lookup(name).name
    except LookupError:
        pass
    raise ToolError(
        "INVALID_ENCODING",
        f"the declaration says that the document is in {name[:40]!r}, and it is not; use UTF-8 and say so",
        line=head.count(b"\n", 0, declared.start(1)) + 1,
        column=declared.start(1) - head.rfind(b"\n", 0, declared.start(1)),
    )
