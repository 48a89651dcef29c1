"""A real site: the documentation of three packages, several hundred pages, once and again."""

import re
import sys
from collections import Counter
from pathlib import Path
from urllib.parse import urldefrag, urljoin

import pytest
from crawl_site import FolderSite, Page, crawl, documents, html
from fifthelement_house import Client

CORPORA = Path(sys.prefix) / "corpora"
RULES = b"User-agent: *\nDisallow: /sqlalchemy/changelog/\nDisallow: /*/genindex.html$\n"
DISALLOWED = re.compile(r"/sqlalchemy/changelog/|/[^?]*/genindex\.html$")


def folder(project: str, *path: str) -> Path:
    (unpacked,) = (CORPORA / project).iterdir()
    return unpacked.joinpath(*path)


@pytest.fixture(scope="module")
def library():
    if not CORPORA.is_dir():
        pytest.fail("the corpora are not there; run python tools/fetch_corpora.py", pytrace=False)
    roots = {
        "sqlalchemy": folder("sqlalchemy", "doc"),
        "lxml": folder("lxml", "doc", "html"),
        "pygame": folder("pygame", "docs", "generated"),
    }
    site = FolderSite(roots)
    site.pages["/"] = html("Library", *(f"/{word}/index.html" for word in roots), "/lxml/apidoc/lxml.html")
    site.pages["/robots.txt"] = Page(RULES, "text/plain")
    yield site
    site.close()


def walk(site: FolderSite, depth_max: int) -> set[str]:
    """The pages a reader can reach, found with nothing but a regular expression: what the crawler is held to."""
    known, layer = {"/"}, ["/"]
    for _ in range(depth_max):
        further: list[str] = []
        for path in layer:
            page = site.find(path)
            if DISALLOWED.search(path) or page.status != 200 or not page.content_type.startswith("text/html"):
                continue
            anchors = [a for a in re.findall(rb"<a\b[^>]*>", page.body) if b'rel="nofollow"' not in a]
            for link in re.findall(rb'\bhref="([^"]*)"', b"".join(anchors)):
                address = urldefrag(urljoin(f"{site.base}{path}", link.decode().replace("&amp;", "&")))[0]
                target = address.removeprefix(site.base)
                if address.startswith(site.base) and target not in known:
                    known.add(target)
                    further.append(target)
        layer = further
    return known


@pytest.mark.slow
def test_a_site_of_hundreds_of_pages_is_crawled_once_and_then_confirmed(crawler: Client, library: FolderSite) -> None:
    library.hits.clear()
    library.statuses.clear()
    reachable = walk(library, 4)
    allowed = {path for path in reachable if not DISALLOWED.search(path)}
    pages = {p for p in allowed if library.find(p).status == 200 and library.find(p).content_type[:9] == "text/html"}
    repository = crawler.make_repository()
    wanted = {"maxDepth": 4, "maxPages": 2_000}
    job = crawl(crawler, repository, library.base, **wanted)
    result = job["result"]
    assert (job["status"], result["errors"]) == ("completed", 0), job
    # sitemap.xml was looked for beside them
    asked = {path: count for path, count in library.hits.items() if path not in ("/robots.txt", "/sitemap.xml")}
    assert asked.keys() == allowed
    assert set(asked.values()) == {1}
    assert len(pages) >= 300
    skipped = Counter(result["skipped"])
    assert skipped["robots"] == len(reachable - allowed) >= 30
    assert result["pagesFetched"] == len(pages) + skipped["content_type"]
    kept = len(pages) - skipped["empty"] - skipped["noindex"]
    assert result["documentsProcessed"] + skipped["duplicate"] == kept >= 300
    found = documents(crawler, repository)
    assert len(found) == result["documentsProcessed"] >= 290
    assert {document["status"] for document in found.values()} == {"Ready"}
    cuts = crawler.running.house.store.read(
        lambda reader: reader.query(
            "SELECT COUNT(*), MIN(chunks) FROM fifthelement_cut WHERE repository = :repository",
            repository=repository.replace("-", ""),
        )
    ).result(60)
    assert cuts == [(len(found), 1)]

    library.hits.clear()
    library.statuses.clear()
    again = crawl(crawler, repository, library.base, **wanted)["result"]
    assert (again["documentsProcessed"], again["unchanged"]) == (0, kept)
    assert library.statuses[304] == kept
    assert set(library.hits.values()) == {1}
    assert documents(crawler, repository) == found
