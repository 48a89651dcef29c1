"""Finds the pages a site names in its sitemaps, for a crawl that has just begun. sitemaps.py reads one file."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from jobwire.domain.errors import JobError
from jobwire.kinds.contract import ChildLimits, Context
from jobwire.net.fetch import Fetcher
from jobwire.systems.fifthelement.crawl_hosts import Hosts
from jobwire.systems.fifthelement.crawl_urls import find_origin, is_in_scope, normalise_url
from jobwire.systems.fifthelement.sitemaps import Sitemap, SitemapFile, read_sitemap

SITEMAPS_MAX: Final = 50
"""Sitemap files of one crawl, those that other sitemaps name among them."""

SITEMAP_FILE_BYTES_MAX: Final = 20 * 1024 * 1024
"""On the wire: 50 MiB of sitemap are 3 MiB of gzip."""

SITEMAP_DEADLINE_MS: Final = 30_000

_LIMITS: Final = ChildLimits(memory_bytes_max=512 * 1024 * 1024, cpu_s_max=20, wall_ms_max=120_000)
# A site without a sitemap is none that is broken.
_ABSENT: Final = frozenset({"fetch_status"})


@dataclass(slots=True)
class SitemapPages:
    """The pages that sitemaps name, and what was wrong with sitemaps."""

    pages: dict[str, None] = field(default_factory=dict)
    failures: list[dict[str, str]] = field(default_factory=list)


async def find_pages(
    ctx: Context, fetcher: Fetcher, hosts: Hosts, *, start: str, authorities: set[str], pages_max: int
) -> SitemapPages:
    """At most `pages_max` pages in scope, from the sitemaps of robots.txt or else from `/sitemap.xml`."""
    found = SitemapPages()
    named = list(filter(None, map(normalise_url, (await hosts.robots(start)).sitemaps[:SITEMAPS_MAX])))
    waiting = named or [f"{find_origin(start)}/sitemap.xml"]
    known = set(waiting)
    for url in waiting:
        if len(found.pages) >= pages_max:
            break
        try:
            sitemap = await _fetch(ctx, fetcher, hosts, url)
        except JobError as error:
            if named or error.code not in _ABSENT:
                found.failures.append({"url": url, "code": error.code, "message": error.message})
            continue
        found.pages |= dict.fromkeys(page for page in sitemap.pages if is_in_scope(page, authorities))
        waiting += _choose_new(sitemap.sitemaps, known)
    return found


def _choose_new(urls: Sequence[str], known: set[str]) -> list[str]:
    new = [url for url in urls if url not in known][: max(0, SITEMAPS_MAX - len(known))]
    known |= set(new)
    return new


async def _fetch(ctx: Context, fetcher: Fetcher, hosts: Hosts, url: str) -> Sitemap:
    with ctx.scratch() as folder:
        path = folder / "sitemap"
        async with hosts.turn(url):
            fetched = await fetcher.download(
                url, path, body_bytes_max=SITEMAP_FILE_BYTES_MAX, deadline_ms=SITEMAP_DEADLINE_MS
            )
        sitemap: Sitemap = await ctx.isolate(read_sitemap, SitemapFile(str(path), fetched.url), limits=_LIMITS)
        return sitemap
