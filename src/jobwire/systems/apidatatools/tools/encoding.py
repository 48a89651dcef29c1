"""The encoding of a whole file: by its mark, UTF-8, or a guess for what is no UTF-8 anywhere."""

import codecs
from pathlib import Path
from typing import Final

import charset_normalizer

from jobwire.systems.apidatatools.tools.faults import ToolError, find_place

_MARKS: Final = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_CHUNK_BYTES: Final = 1 << 20
_GUESS_BYTES: Final = 1 << 16


def find_encoding(path: Path) -> str:
    """Python's name for the encoding that all of the file can be read in; ToolError EMPTY_BODY, INVALID_ENCODING.

    UTF-8 that is damaged after good letters beyond ASCII is no other encoding: a guess would garble them.
    """
    with path.open("rb") as file:
        head = file.read(4)
    if not head:
        raise ToolError("EMPTY_BODY", "the input is empty; send at least one byte")
    marked = next((name for mark, name in _MARKS if head.startswith(mark)), None) or _find_unmarked(head)
    fault = _find_fault(path, marked or "utf-8")
    if fault is None:
        return marked or "utf-8"
    offset, is_mixed = fault
    guessed = None if marked or is_mixed else _guess(path, offset)
    if guessed is None or _find_fault(path, guessed) is not None:
        with path.open("rb") as file:
            place = find_place(file, offset)
        raise ToolError(
            "INVALID_ENCODING",
            f"the input is no valid {marked or 'utf-8'}: the byte at offset {offset:,} does not fit; use UTF-8",
            line=place.line,
            column=place.column,
        )
    return guessed


def _find_unmarked(head: bytes) -> str | None:
    """UTF-16 without a mark, by the zero beside its first letter, which no text in UTF-8 has."""
    if len(head) == 4 and head.count(0) == 2:
        return {0: "utf-16-be", 1: "utf-16-le"}.get(head.index(0)) if head[2 + head.index(0)] == 0 else None
    return None


def _find_fault(path: Path, encoding: str) -> tuple[int, bool] | None:
    """The offset of the first byte that does not fit, and whether letters beyond ASCII stand before it."""
    decoder = codecs.getincrementaldecoder(encoding)()
    offset, is_mixed = 0, False
    with path.open("rb") as file:
        while True:
            chunk = file.read(_CHUNK_BYTES)
            kept = decoder.getstate()[0]
            if chunk and not kept and encoding == "utf-8" and chunk.isascii():
                offset += len(chunk)
                continue
            try:
                is_mixed = not decoder.decode(chunk, final=not chunk).isascii() or is_mixed
            except UnicodeDecodeError as error:
                before = error.object[: error.start].decode(encoding, errors="replace")
                return offset - len(kept) + error.start, is_mixed or not before.isascii()
            if not chunk:
                return None
            offset += len(chunk)


def _guess(path: Path, offset: int) -> str | None:
    with path.open("rb") as file:
        file.seek(max(0, offset - _GUESS_BYTES // 2))
        found = charset_normalizer.from_bytes(file.read(_GUESS_BYTES)).best()
    return None if found is None else found.encoding
