"""HTML text to a tree within limits: how deep, how many elements. flow.py reads the tree."""

import re
from collections.abc import Mapping
from typing import Final

from lxml import etree
from lxml.html import HtmlElement, HTMLParser, document_fromstring

from jobwire.domain.errors import JobError
from jobwire.systems.docswrite.styles import Changes, read_sheet

MARKUP_BYTES_MAX: Final = 8 * 1024 * 1024
"""A book of 1,000 pages has 3 MB as a page. A Word file of this size in the smallest paragraphs takes 23 s and
0.6 GB; the parser of pages refuses a single text of 10 million bytes."""

ELEMENTS_MAX: Final = 200_000
DEPTH_MAX: Final = 100
"""Real documents stay below 30; a level takes up to six frames of the reader, of the 1,000 that Python has."""

_OF_MACHINES: Final = ("script", "style", "head", "title", "noscript", "template", "link", "meta", "base", "param")
_PICTURES: Final = ("svg", "math", "canvas", "map", "area")
_EMBEDDED: Final = ("iframe", "object", "embed", "applet", "audio", "video", "source", "track")
_OF_FORMS: Final = ("input", "select", "textarea", "button")
DROPPED: Final = frozenset((*_OF_MACHINES, *_PICTURES, *_EMBEDDED, *_OF_FORMS))

_CONTROLS: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
_CHARSET: Final = re.compile(rb"""<meta[^>]{0,200}charset=["']?\s*([\w-]{2,40})""", re.IGNORECASE)


def decode_text(data: bytes) -> str:
    """The text of a file: UTF-8, UTF-16 with its mark, or what the page itself declares; control characters go."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        text = data.decode("utf-16", "replace")
    else:
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = _decode_declared(data)
    return _CONTROLS.sub("", text)


def _decode_declared(data: bytes) -> str:
    declared = _CHARSET.search(data[:4096])
    try:
        return data.decode(declared[1].decode() if declared else "cp1252", "replace")
    except LookupError:
        return data.decode("cp1252", "replace")


def check_markup_size(size_bytes: int) -> None:
    """Raise JobError document_too_large for a text over MARKUP_BYTES_MAX."""
    if size_bytes > MARKUP_BYTES_MAX:
        raise explain_too_large(f"a text of {size_bytes:,} bytes", f"{MARKUP_BYTES_MAX:,}")


def explain_too_large(found: str, limit: str) -> JobError:
    """The document has more of something than it may."""
    return JobError(
        "document_too_large", f"the document has {found}, more than the limit of {limit}; divide it into several"
    )


def explain_too_deep() -> JobError:
    """The document nests lists, tables or quotes deeper than it may."""
    return JobError(
        "document_too_deep",
        f"the document nests its parts more than {DEPTH_MAX} deep; take lists, tables or quotes out of each other",
    )


def parse_html(text: str) -> HtmlElement:
    """The tree of a page. Raises JobError document_too_deep, document_too_large or document_empty."""
    encoded = text.encode("utf-8", "replace")
    check_markup_size(len(encoded))
    parser = HTMLParser(encoding="utf-8", remove_comments=True, remove_pis=True, no_network=True)
    try:
        root = document_fromstring(encoded, parser=parser)
    except etree.ParserError:
        raise explain_empty() from None
    if any(entry.type == etree.ErrorTypes.ERR_RESOURCE_LIMIT for entry in parser.error_log):
        raise explain_too_deep()
    _check_shape(root)
    return root


def explain_empty() -> JobError:
    """The document has nothing to publish."""
    return JobError("document_empty", "the document has no text and no pictures; write something and export it again")


def _check_shape(root: HtmlElement) -> None:
    depth = count = 0
    for event, _ in etree.iterwalk(root, events=("start", "end")):
        depth += 1 if event == "start" else -1
        count += event == "start"
        if depth > DEPTH_MAX:
            raise explain_too_deep()
        if count > ELEMENTS_MAX:
            raise explain_too_large(f"more than {ELEMENTS_MAX:,} parts", f"{ELEMENTS_MAX:,} parts")


def find_sheet(root: HtmlElement) -> Mapping[str, Changes]:
    """What the classes of the page's style sheets change."""
    return read_sheet("\n".join(element.text or "" for element in root.iter("style")))


def find_page_title(root: HtmlElement) -> str:
    """The page's `<title>`."""
    return " ".join((root.findtext(".//title") or "").split())
