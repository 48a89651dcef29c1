"""The encoding of an input, and where it breaks; tables/encodings.py finds it."""

from pathlib import Path

from jobwire.systems.apidatatools.tools.faults import ToolError, find_place
from jobwire.tables.encodings import NoEncodingError, detect_encoding, find_mark


def find_encoding(path: Path) -> str:
    """Python's name for the encoding that all of the file can be read in; ToolError EMPTY_BODY, INVALID_ENCODING."""
    with path.open("rb") as file:
        head = file.read(4)
    if not head:
        raise ToolError("EMPTY_BODY", "the input is empty; send at least one byte")
    try:
        return detect_encoding(path, known=find_mark(head) or _find_unmarked(head))
    except NoEncodingError as error:
        with path.open("rb") as file:
            place = find_place(file, error.offset)
        raise ToolError(
            "INVALID_ENCODING",
            f"the input is no valid {error.encoding}: the byte at offset {error.offset:,} does not fit; use UTF-8",
            line=place.line,
            column=place.column,
        ) from None


def _find_unmarked(head: bytes) -> str | None:
    """UTF-16 without a mark, by the zero beside its first letter, which no text in UTF-8 has."""
    if len(head) == 4 and head.count(0) == 2:
        return {0: "utf-16-be", 1: "utf-16-le"}.get(head.index(0)) if head[2 + head.index(0)] == 0 else None
    return None
