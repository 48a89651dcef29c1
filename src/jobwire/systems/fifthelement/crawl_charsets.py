"""Decodes a page whatever it says of its charset: mark, header, page, and at last as tables/encodings.py guesses."""

import codecs
import re
from typing import Final

from jobwire.tables.encodings import decode_text

SNIFFED_BYTES: Final = 4_096

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
    header, meta = _HEADER.search(content_type), _META.search(body[:SNIFFED_BYTES])
    named = [header[1] if header else None, meta[1].decode("ascii") if meta else None]
    return decode_text(body, declared=filter(None, map(_find_charset, named))).text


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
