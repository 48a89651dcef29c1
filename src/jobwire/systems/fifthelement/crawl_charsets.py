"""Decode a page whatever it says of its charset: byte order mark, header, page, the bytes themselves, in turn."""

import codecs
import re
from typing import Final

from charset_normalizer import from_bytes

SNIFFED_BYTES: Final = 4_096
GUESSED_BYTES: Final = 65_536

_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_META: Final = re.compile(rb"<meta[^>]{0,300}?charset\s*=\s*[\"']?\s*([A-Za-z0-9_:.-]{1,40})", re.IGNORECASE)
_HEADER: Final = re.compile(r"charset\s*=\s*[\"']?([A-Za-z0-9_:.-]{1,40})", re.IGNORECASE)
_FAMILIES: Final = ("utf-8", "utf-16", "cp125", "cp866", "cp874", "cp932", "iso8859", "koi8", "mac-", "gb", "big5")
_MORE: Final = frozenset({"ascii", "shift_jis", "euc_jp", "euc_kr", "cp949", "iso2022_jp", "tis-620"})
# What the web writes and means otherwise (WHATWG Encoding): the wider of two charsets.
_WIDER: Final = {
    "ascii": "cp1252",
    "iso8859-1": "cp1252",
    "iso8859-9": "cp1254",
    "gb2312": "gb18030",
    "gbk": "gb18030",
}


def decode_page(body: bytes, content_type: str) -> str:
    """The text of a page; what no charset can say becomes U+FFFD. Never raises for what the page says."""
    for mark, charset in _MARKS:
        if body.startswith(mark):
            return body[len(mark) :].decode(charset, "replace")
    header, meta = _HEADER.search(content_type), _META.search(body[:SNIFFED_BYTES])
    named = [header[1] if header else None, meta[1].decode("ascii") if meta else None, "utf-8"]
    for charset_ in filter(None, map(_find_charset, named)):
        try:
            return body.decode(charset_)
        except (UnicodeError, ValueError):
            continue
    best = from_bytes(body[:GUESSED_BYTES]).best()
    return body.decode(best.encoding if best else "cp1252", "replace")


def _find_charset(name: str | None) -> str | None:
    """Python's name of a charset that pages may be in; None for others: Python knows codecs that are no charsets."""
    if name is None:
        return None
    try:
        known = codecs.lookup(name).name
    except LookupError:
        return None
    known = _WIDER.get(known, known)
    return known if known.startswith(_FAMILIES) or known in _MORE else None
