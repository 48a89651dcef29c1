"""Tells what a file is by its bytes alone, and whether it is all there; decode.py decodes what is supported."""

import re
import string
from typing import Final

_HEAD_BYTES: Final = 1024
_PRINTABLE: Final = string.printable.encode()
_TEXT_START: Final = rb"(?i)(?:\xef\xbb\xbf)?\s*"
# The first match wins: supported types first, then what people send by mistake or on purpose, by a name they know.
_SIGNATURES: Final = tuple(
    (name, re.compile(pattern, re.DOTALL))
    for name, pattern in (
        ("jpeg", rb"\xff\xd8\xff"),
        ("png", rb"\x89PNG\r\n\x1a\n"),
        ("gif", rb"GIF8[79]a"),
        ("webp", rb"RIFF.{4}WEBP"),
        ("avif", rb".{4}ftyp(?:avif|avis|(?:mif1|msf1).{4}(?:.{4}){0,12}?(?:avif|avis))"),
        ("heic", rb".{4}ftyp(?:hei[cmsx]|hev[cmsx]|mif1|msf1)"),
        ("jpeg-xl", rb"\xff\x0a|\0\0\0\x0cJXL "),
        ("jpeg-2000", rb"\xff\x4f\xff\x51|\0\0\0\x0cjP  "),
        ("video", rb".{4}ftyp|\x1a\x45\xdf\xa3|RIFF.{4}AVI "),
        ("tiff", rb"II\*\0|MM\0\*"),
        ("bmp", rb"BM.{4}\0{4}"),
        ("psd", rb"8BPS"),
        ("pdf", rb"%PDF-"),
        ("zip", rb"PK(?:\x03\x04|\x05\x06)"),
        ("archive", rb"\x1f\x8b|Rar!\x1a|7z\xbc\xaf\x27\x1c|BZh|\xfd7zXZ\0"),
        ("executable", rb"MZ|\x7fELF"),
        ("php", _TEXT_START + rb"<\?(?:php|=)"),
        ("svg", _TEXT_START + rb"(?:<\?xml.{0,800}?)?<svg\b"),
        ("html", _TEXT_START + rb"<(?:!doctype\s+html|html|head|body|script)\b"),
        ("xml", _TEXT_START + rb"<\?xml"),
        ("script", rb"#!"),
    )
)


def detect_type(data: bytes) -> str:
    """Name the type by content alone, never by a file name; `text` or `unknown` when nothing matches."""
    head = data[:_HEAD_BYTES]
    for name, signature in _SIGNATURES:
        if signature.match(head):
            return name
    return "text" if head and all(byte in _PRINTABLE for byte in head) else "unknown"


def is_whole(data: bytes, kind: str) -> bool:
    """Tell whether a jpeg, png, gif, webp or avif file ends the way a complete one does: a hint, no proof."""
    match kind:
        case "jpeg":
            return data.rstrip(b"\0").endswith(b"\xff\xd9")
        case "png":
            return b"IEND" in data[-16:]
        case "gif":
            return data.rstrip(b"\0").endswith(b";")
        case "webp":
            return len(data) >= int.from_bytes(data[4:8], "little") + 8
        case _:
            return _end_of_boxes(data) <= len(data)


def _end_of_boxes(data: bytes) -> int:
    end = 0
    while end + 8 <= len(data):  # AVIF is a row of boxes that each open with their length
        length = int.from_bytes(data[end : end + 4], "big")
        if length < 8:  # 0 is "to the end of the file", 1 a 64-bit length: legal, rare, and not worth more
            break
        end += length
    return end
