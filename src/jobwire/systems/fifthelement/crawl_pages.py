"""Reads a batch of pages, in a limited child process: title, main text, links, and what a page wants of crawlers.

A file of pages in, a file of readings out: what a child is told and answers is for small things. A child because a
page may be made to be expensive: 4 MB of nested elements keep the parser busy for minutes (its time grows with the
square of the depth), which no event loop can afford.
"""

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec
from selectolax.lexbor import LexborHTMLParser, LexborNode, SelectolaxError

from jobwire.domain.errors import JobError
from jobwire.systems.fifthelement.chunking import Chunk, cut_text
from jobwire.systems.fifthelement.crawl_charsets import decode_page
from jobwire.systems.fifthelement.crawl_urls import is_in_scope, join_link
from jobwire.systems.fifthelement.robots import PRODUCT

LINKS_MAX: Final = 2_000
"""Links of one page that are followed, in their order."""

LINK_CHARS_MAX: Final = 256 * 1024
TEXT_BYTES_MAX: Final = 1024 * 1024
"""Text of one page that is kept."""

TITLE_CHARS_MAX: Final = 500

_HTML: Final = ("text/html", "application/xhtml+xml")
_LANGUAGE: Final = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8})*")
_UNSEEN: Final = ["script", "style", "noscript", "template", "svg", "iframe", "nav", "aside", "footer", "select"]
_MAIN: Final = ("main", '[role="main"]', "article")
_LINES: Final = "br, tr, li, dt, dd"
_BLOCKS: Final = "p, div, h1, h2, h3, h4, h5, h6, ul, ol, dl, table, section, article, header, blockquote, figure, hr"
# A line break of the page's own; those of its source are spaces.
_BREAK: Final = "\x1e"
_SPACES: Final = re.compile(r"[^\S\x1e]+")
_BREAKS: Final = re.compile(r" ?\x1e[ \x1e]*")


class PageBytes(msgspec.Struct, frozen=True):
    """A page as it came, with the headers that say how to read it; `tags` is its X-Robots-Tag."""

    url: str
    content_type: str
    tags: str
    body: bytes


class PageBatch(msgspec.Struct, frozen=True):
    """Pages to read, and the hosts on which links are followed."""

    pages: list[PageBytes]
    authorities: list[str]


class PageReading(msgspec.Struct, frozen=True):
    """What a page says: `canonical` and `links` in their one spelling, `sha256` (hex) of the text."""

    title: str
    text: str
    sha256: str
    chunks: list[Chunk]
    language: str | None
    canonical: str | None
    links: list[str]
    wants_no_index: bool
    is_cut: bool


class BatchFiles(msgspec.Struct, frozen=True):
    """Where a batch lies, and where its readings are to lie; both in MessagePack."""

    source: str
    into: str


def read_batch(files: BatchFiles) -> int:
    """Read the pages of a file and write their readings, in the same order; how many there were."""
    batch = msgspec.msgpack.decode(Path(files.source).read_bytes(), type=PageBatch)
    readings = read_pages(batch)
    Path(files.into).write_bytes(msgspec.msgpack.encode(readings))
    return len(readings)


def read_pages(batch: PageBatch) -> list[PageReading]:
    """The readings of a batch, in its order."""
    authorities = frozenset(batch.authorities)
    return [_read_page(page, authorities) for page in batch.pages]


def _read_page(page: PageBytes, authorities: frozenset[str]) -> PageReading:
    source = decode_page(page.body, page.content_type)
    tags = set(_read_tags(page.tags))
    if not page.content_type.lower().startswith(_HTML):
        return _make_reading(page.url, title="", text=source, tags=tags)
    try:
        tree = LexborHTMLParser(source)
    except SelectolaxError:
        raise JobError("page_unreadable", "The page cannot be read as HTML") from None
    for node in tree.css(f'meta[name="robots" i], meta[name="{PRODUCT}" i]'):
        tags |= set(_read_tags(node.attributes.get("content") or ""))
    base = _find_base(tree, page.url)
    return _make_reading(
        page.url,
        title=_find_title(tree),
        language=_find_language(tree),
        canonical=_find_canonical(tree, base),
        links=[] if "nofollow" in tags else _find_links(tree, base, page.url, authorities=authorities),
        tags=tags,
        text=_find_text(tree),
    )


def _make_reading(
    url: str,
    *,
    title: str,
    text: str,
    tags: set[str],
    language: str | None = None,
    canonical: str | None = None,
    links: list[str] | None = None,
) -> PageReading:
    data = text.replace("\0", "").strip().encode("utf-8", "replace")
    kept = data[:TEXT_BYTES_MAX].decode("utf-8", "ignore")
    return PageReading(
        title=" ".join(title.replace("\0", "").split())[:TITLE_CHARS_MAX] or url[:TITLE_CHARS_MAX],
        text=kept,
        sha256=hashlib.sha256(data).hexdigest(),
        chunks=cut_text(kept),
        language=language,
        canonical=canonical,
        links=links or [],
        wants_no_index="noindex" in tags,
        is_cut=len(data) > TEXT_BYTES_MAX,
    )


def _read_tags(value: str) -> Iterator[str]:
    """The rules of a robots tag that are for everyone or for us: `noindex`, `nofollow`; `none` is both."""
    for rule in value.lower().split(","):
        agent, separator, said = rule.rpartition(":")
        if separator and agent.strip() != PRODUCT:
            continue
        word = said.strip()
        yield from ("noindex", "nofollow") if word == "none" else (word,)


def _find_base(tree: LexborHTMLParser, url: str) -> str:
    node = tree.css_first("base[href]")
    return (join_link(url, node.attributes.get("href") or "") if node is not None else None) or url


def _find_title(tree: LexborHTMLParser) -> str:
    for selector in ("title", "h1"):
        node = tree.css_first(selector)
        if node is not None and (said := node.text().strip()):
            return said
    return ""


def _find_language(tree: LexborHTMLParser) -> str | None:
    node = tree.css_first("html[lang]")
    found = _LANGUAGE.fullmatch((node.attributes.get("lang") or "").strip()) if node is not None else None
    return found[0].lower() if found else None


def _find_canonical(tree: LexborHTMLParser, base: str) -> str | None:
    node = tree.css_first('link[rel~="canonical" i][href]')
    return join_link(base, node.attributes.get("href") or "") if node is not None else None


def _find_links(tree: LexborHTMLParser, base: str, url: str, *, authorities: frozenset[str]) -> list[str]:
    """The pages in scope that the page links to, each once, in their order."""
    spelt: dict[str, None] = {}
    chars = 0
    for raw in _list_links(tree):
        link = join_link(base, raw)
        if link is None or link == url or link in spelt or not is_in_scope(link, authorities):
            continue
        chars += len(link)
        if len(spelt) >= LINKS_MAX or chars > LINK_CHARS_MAX:
            break
        spelt[link] = None
    return list(spelt)


def _list_links(tree: LexborHTMLParser) -> dict[str, None]:
    raw: dict[str, None] = {}
    for node in tree.css("a[href], area[href]"):
        attributes = node.attributes
        if "nofollow" not in (attributes.get("rel") or "").lower().split():
            raw[(attributes.get("href") or "").partition("#")[0]] = None
    return raw


def _find_text(tree: LexborHTMLParser) -> str:
    """What a reader reads, block by block. Takes the tree apart: everything else is read before."""
    tree.strip_tags(_UNSEEN)
    main = _find_main(tree)
    if main is None:
        return ""
    for node in main.css("pre"):
        node.replace_with(f"{_BREAK}{node.text()}{_BREAK}".replace("\n", _BREAK))
    for node in main.css(_LINES):
        node.insert_before(_BREAK)
    for node in main.css(_BLOCKS):
        node.insert_before(_BREAK)
        node.insert_after(_BREAK)
    return _BREAKS.sub(_break_line, _SPACES.sub(" ", main.text()))


def _find_main(tree: LexborHTMLParser) -> LexborNode | None:
    for selector in _MAIN:
        found = tree.css(selector)
        if len(found) == 1:
            return found[0]
    return tree.body


def _break_line(found: re.Match[str]) -> str:
    return "\n\n" if found[0].count(_BREAK) > 1 else "\n"
