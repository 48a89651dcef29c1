"""Text and attributes as XML writes them, so that reading gives the same characters back."""

import re
from functools import lru_cache
from typing import Final
from xml.parsers import expat

SPACE: Final = " \t\r\n"
"""What is white space to XML: less than to Python."""

_TEXT: Final = {ord("&"): "&amp;", ord("<"): "&lt;", ord(">"): "&gt;", ord("\r"): "&#13;"}
_ATTRIBUTE: Final = _TEXT | {ord('"'): "&quot;", ord("\n"): "&#10;", ord("\t"): "&#9;"}
_NAME: Final = re.compile(r"[^\W\d][\w.\-]*(:[^\W\d][\w.\-]*)?")
_FORBIDDEN: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def show_text(text: str) -> str:
    """The text with its markup characters escaped."""
    return text.translate(_TEXT) if _needs(text) else text


def _needs(text: str) -> bool:
    return "&" in text or "<" in text or ">" in text or "\r" in text


def show_attributes(attributes: list[str]) -> str:
    """Names and values in turn, as they follow the name of an element."""
    pairs = iter(attributes)
    return "".join(f' {name}="{value.translate(_ATTRIBUTE)}"' for name, value in zip(pairs, pairs, strict=True))


def is_name(text: str) -> bool:
    """Whether an element may be called so."""
    return _NAME.fullmatch(text) is not None and (text.isascii() or _is_read(text))


@lru_cache(maxsize=1_024)
def _is_read(name: str) -> bool:
    """Whether a reader takes the name: the letters of XML are fewer than those of Unicode."""
    try:
        expat.ParserCreate("utf-8").Parse(f"<{name}/>".encode(), True)
    except expat.ExpatError:
        return False
    return True


def find_forbidden(text: str) -> str | None:
    """The first character that no XML document can hold, or None."""
    found = _FORBIDDEN.search(text)
    return None if found is None else found[0]
