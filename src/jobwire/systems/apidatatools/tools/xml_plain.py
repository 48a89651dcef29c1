"""Plain XML indented by libxml2: elements with either text or children, in whose tree nothing is lost."""

import re
from typing import Any, Final

from lxml import etree

_INDENT: Final = 2
"""What libxml2 indents by."""

_RARE: Final = (b"<?xml", b"<![CDATA[", b"<!DOCTYPE", b"xml:space", b"xmlns:xml")
_find_late_declaration: Final = re.compile(rb"<[^<\s]+\s+(?!xmlns)[^<]*\sxmlns").search
_is_odd: Final = etree.XPath("boolean(//text()[../* or not(normalize-space())])")
"""Text beside elements, or white space alone in one."""


def indent_plain(text: bytes, *, indent: int) -> bytes | None:
    """The document indented, or None when it is not well formed, or may not be plain."""
    if any(map(text.__contains__, _RARE)):
        return None
    # libxml2 writes declarations of namespaces before other attributes.
    if b"xmlns" in text and _find_late_declaration(text):
        return None
    try:
        root = etree.fromstring(text, _make_parser())
    except etree.XMLSyntaxError:
        return None
    if _is_odd(root) or root.getprevious() is not None or root.getnext() is not None:
        return None
    if indent != _INDENT:
        etree.indent(root, " " * indent)
    made: bytes = etree.tostring(root, encoding="utf-8", pretty_print=indent == _INDENT)
    return made.rstrip(b"\n")


def _make_parser() -> Any:
    return etree.XMLParser(remove_blank_text=True, resolve_entities=False, no_network=True, load_dtd=False)
