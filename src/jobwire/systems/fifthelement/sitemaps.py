"""Reads one sitemap, in a limited child process: a list of pages or of further sitemaps, perhaps gzipped.

Pure: file in, addresses out. The XML parser loads no DTD, resolves no entity and asks no network.
"""

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec
from lxml import etree

from jobwire.domain.errors import JobError
from jobwire.net.body import GzipDecoder
from jobwire.systems.fifthelement.crawl_urls import join_link

SITEMAP_BYTES_MAX: Final = 50 * 1024 * 1024
"""After unfolding, as the protocol has it."""

SITEMAP_URLS_MAX: Final = 50_000
ANSWER_CHARS_MAX: Final = 900_000
"""What a child may answer is limited to 1 MB; ten thousand common addresses are half of this."""

_GZIP: Final = b"\x1f\x8b"
_READ_BYTES: Final = 64 * 1024
_OWNERS: Final = frozenset({"url", "sitemap"})


class SitemapFile(msgspec.Struct, frozen=True):
    """A sitemap to read: the file `path`, the URL it came from."""

    path: str
    url: str


class Sitemap(msgspec.Struct, frozen=True):
    """What a sitemap names, in order, each in its one spelling."""

    pages: list[str]
    sitemaps: list[str]


def read_sitemap(file: SitemapFile) -> Sitemap:
    """The addresses of a sitemap: XML, or text with one a line; what comes after SITEMAP_URLS_MAX is left out.

    Raises JobError sitemap_invalid (permanent) for what is damaged, and for more than SITEMAP_BYTES_MAX bytes.
    """
    try:
        pages, sitemaps = _collect(_read_locations(Path(file.path)), file.url)
    except (etree.XMLSyntaxError, zlib.error) as error:
        raise JobError("sitemap_invalid", f"The sitemap cannot be read: {str(error)[:200]}") from None
    return Sitemap(pages, sitemaps)


def _collect(locations: Iterator[tuple[str, str]], base: str) -> tuple[list[str], list[str]]:
    found: dict[str, dict[str, None]] = {"url": {}, "sitemap": {}}
    chars = count = 0
    for owner, location in locations:
        if (url := join_link(base, location)) is None or url in found[owner]:
            continue
        chars += len(url)
        count += 1
        if count > SITEMAP_URLS_MAX or chars > ANSWER_CHARS_MAX:
            break
        found[owner][url] = None
    return list(found["url"]), list(found["sitemap"])


def _read_locations(path: Path) -> Iterator[tuple[str, str]]:
    """(url or sitemap, address) pairs, read piece by piece."""
    pieces = _unfold(path)
    first = next(filter(None, pieces), b"")
    if first.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] != b"<":
        lines = b"".join((first, *pieces)).decode("utf-8-sig", "replace").splitlines()
        yield from (("url", line) for line in lines if line.startswith(("http://", "https://")))
        return
    parser = etree.XMLPullParser(
        ("end",), resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_comments=True
    )
    parser.feed(first)
    yield from _take_events(parser)
    for piece in pieces:
        parser.feed(piece)
        yield from _take_events(parser)
    parser.close()


def _take_events(parser: "etree.XMLPullParser") -> Iterator[tuple[str, str]]:
    for _, element in parser.read_events():
        parent = element.getparent()
        if parent is None or not isinstance(element.tag, str):
            continue
        owner = etree.QName(parent).localname
        if etree.QName(element).localname == "loc" and owner in _OWNERS and element.text:
            yield owner, element.text
        if owner in ("urlset", "sitemapindex"):
            # What was read is let go, or the whole tree would stay.
            element.clear()
            while element.getprevious() is not None:
                del parent[0]


def _unfold(path: Path) -> Iterator[bytes]:
    size = 0
    with path.open("rb") as file:
        is_gzip = file.read(2) == _GZIP
        file.seek(0)
        decoder = GzipDecoder()
        while chunk := file.read(_READ_BYTES):
            for piece in decoder.feed(chunk) if is_gzip else (chunk,):
                size += len(piece)
                if size > SITEMAP_BYTES_MAX:
                    message = f"The sitemap is larger than {SITEMAP_BYTES_MAX} bytes; split it"
                    raise JobError("sitemap_invalid", message)
                yield piece
        if is_gzip:
            yield from decoder.finish()
