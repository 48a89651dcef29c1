"""The encoding of a text, read as a whole: by its mark, UTF-8, or a guess for what is no UTF-8 anywhere."""

import codecs
import re
import string
from collections.abc import Iterable
from pathlib import Path
from typing import Final, NamedTuple

import charset_normalizer

CHUNK_BYTES: Final = 1 << 20
GUESS_BYTES: Final = 1 << 16
MARKS: Final = (
    # UTF-32's little-endian mark starts with UTF-16's.
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# Single letters among others, and signs; the letters of Central Europe have the other numbers below 0xA0.
_WESTERN: Final = re.compile(rb"(?:[\x00-\x7f]|(?![\x80-\xff]{3})[\x80\x82\x84\x85\x8c\x91-\x97\x99\x9c\xa0-\xff])*+")
_WORDS: Final = (string.ascii_letters + string.digits + " ,;[]{}<>").encode()


class NoEncodingError(Exception):
    """The file cannot be read as `encoding`, nor as anything that was guessed: its byte at `offset` does not fit."""

    def __init__(self, encoding: str, offset: int) -> None:
        super().__init__(f"the byte at offset {offset:,} is no {encoding}")
        self.encoding = encoding
        self.offset = offset


class Decoded(NamedTuple):
    """A text and the encoding it was read in; not sure where that was guessed, or where bytes did not fit."""

    text: str
    encoding: str
    is_sure: bool


def find_mark(head: bytes) -> str | None:
    """The encoding that a file's first four bytes name."""
    return next((name for mark, name in MARKS if head.startswith(mark)), None)


def detect_encoding(path: Path, *, known: str | None = None) -> str:
    """Python's name for the encoding that all of the file can be read in; `known` where its start has told it.

    UTF-8 that is damaged after good letters beyond ASCII is no other encoding: a guess would garble them. Raises
    NoEncodingError.
    """
    name = known or "utf-8"
    fault = _find_fault(path, name)
    if fault is None:
        return name
    offset, is_mixed = fault
    guessed = None if known or is_mixed else _guess(_read_around(path, offset))
    if guessed is None or _find_fault(path, guessed) is not None:
        raise NoEncodingError(name, offset)
    return guessed


def decode_text(data: bytes, *, declared: Iterable[str] = ()) -> Decoded:
    """A whole text by its mark, as the first `declared` encoding that fits, or as `detect_encoding` would have it.

    Never refuses: what does not fit becomes U+FFFD.
    """
    if (marked := find_mark(data[:4])) is not None:
        return Decoded(data.decode(marked, "replace"), marked, True)
    for name in declared:
        try:
            return Decoded(data.decode(name), name, True)
        except (LookupError, ValueError):
            continue
    try:
        return Decoded(data.decode(), "utf-8", True)
    except UnicodeDecodeError as error:
        offset = error.start
    encoding = (_guess(_cut_around(data, offset)) if data[:offset].isascii() else None) or "utf-8"
    return Decoded(data.decode(encoding, "replace"), encoding, False)


def _find_fault(path: Path, encoding: str) -> tuple[int, bool] | None:
    """The offset of the first byte that does not fit, and whether letters beyond ASCII stand before it."""
    # The decoder that skips the mark counts its places behind it.
    decoder = codecs.getincrementaldecoder(encoding.removesuffix("-sig"))()
    offset, is_mixed = 0, False
    with path.open("rb") as file:
        while True:
            chunk = file.read(CHUNK_BYTES)
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


def _read_around(path: Path, offset: int) -> bytes:
    with path.open("rb") as file:
        file.seek(max(0, offset - GUESS_BYTES // 2))
        return file.read(GUESS_BYTES)


def _cut_around(data: bytes, offset: int) -> bytes:
    first = max(0, offset - GUESS_BYTES // 2)
    return data[first : first + GUESS_BYTES]


def _guess(sample: bytes) -> str | None:
    # Asked for these, the guesser is wrong for three texts of four, long ones too.
    if _WESTERN.fullmatch(sample):
        return "cp1252"
    # All before the offset is ASCII, and stays so: of a few bytes the best guess may be UTF-16 or EBCDIC.
    return next(
        (match.encoding for match in charset_normalizer.from_bytes(sample) if _keeps_ascii(match.encoding)), None
    )


def _keeps_ascii(encoding: str) -> bool:
    return _WORDS.decode(encoding, errors="replace") == _WORDS.decode()
