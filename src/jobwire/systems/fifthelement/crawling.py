"""The job web_crawling: a site's pages become documents. crawl_run.py is one attempt of it.

The frontier lies in the ledger: what one attempt has kept, the next does not ask for again.
"""

from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any, Final

import msgspec
from aiohttp.abc import AbstractResolver

from jobwire.domain.errors import JobError
from jobwire.kinds.contract import Context, FinalJob, Kind
from jobwire.kinds.registry import make_kind
from jobwire.net.fetch import Fetcher, validate_url
from jobwire.service.services import Services
from jobwire.store.contract import Reader, Transaction
from jobwire.systems.fifthelement.crawl_hosts import Gates, Hosts
from jobwire.systems.fifthelement.crawl_records import count_outcomes, forget_crawl, list_failures, list_targets
from jobwire.systems.fifthelement.crawl_results import make_result
from jobwire.systems.fifthelement.crawl_run import CrawlRun
from jobwire.systems.fifthelement.crawl_urls import normalise_url
from jobwire.systems.fifthelement.settings import FifthelementSettings
from jobwire.systems.fifthelement.starting import QUEUE, WEB_CRAWLING
from jobwire.systems.fifthelement.subjects import conclude_job, require_repository, take_up

PAGES_MAX: Final = 10_000
PAGES_DEFAULT: Final = 100
DEPTH_MAX: Final = 50
DEPTH_DEFAULT: Final = 2
HOSTS_MAX: Final = 20

_HOST_CHARS_MAX: Final = 260


class CrawlBody(msgspec.Struct, frozen=True, rename="camel"):
    """Where to crawl from, how far, and on which hosts (`name` or `name:port`) beside that of `url`."""

    url: str
    max_pages: Annotated[int, msgspec.Meta(ge=1, le=PAGES_MAX)] = PAGES_DEFAULT
    max_depth: Annotated[int, msgspec.Meta(ge=0, le=DEPTH_MAX)] = DEPTH_DEFAULT
    hosts: Annotated[
        list[Annotated[str, msgspec.Meta(min_length=1, max_length=_HOST_CHARS_MAX)]],
        msgspec.Meta(max_length=HOSTS_MAX),
    ] = []


class CrawlInput(CrawlBody, frozen=True, rename="camel", kw_only=True):
    """The same, and into which repository."""

    repository: str


class Crawling:
    """Crawls for one house; a `resolver` stands in for the system's."""

    def __init__(
        self, services: Services, settings: FifthelementSettings, *, resolver: AbstractResolver | None = None
    ) -> None:
        self._store = services.store
        self._blobs = services.blobs
        self._policy = settings.fetch_policy
        self._delay_ms = settings.crawl_delay_ms
        self._gates = Gates(settings.crawl_host_requests)
        self._resolver = resolver

    async def crawl(self, ctx: Context, wanted: CrawlInput) -> dict[str, Any]:
        """Make documents of a site's pages."""
        start = normalise_url(str(validate_url(wanted.url, self._policy)))
        if start is None:
            raise JobError("url_invalid", "the start URL cannot be read; give an http or https URL")
        await ctx.write(partial(take_up, owner=ctx.owner, job=ctx.number, repository=wanted.repository))
        async with Fetcher(self._policy, resolver=self._resolver) as fetcher:
            hosts = Hosts(ctx, fetcher, self._gates, delay_ms=self._delay_ms)
            run = CrawlRun(
                ctx,
                self._store,
                self._blobs,
                fetcher=fetcher,
                hosts=hosts,
                repository=wanted.repository,
                pages_max=wanted.max_pages,
                depth_max=wanted.max_depth,
            )
            known = await self._store.read(partial(list_targets, owner=ctx.owner, job=ctx.number))
            try:
                failures = await run.crawl(start, wanted.hosts, known)
            finally:
                await hosts.close()
        return await self._store.read(
            partial(_sum_up, owner=ctx.owner, job=ctx.number, repository=wanted.repository, failures=failures)
        )


def make_kinds(
    services: Services, settings: FifthelementSettings, *, resolver: AbstractResolver | None = None
) -> Sequence[Kind]:
    """The kind of this part, bound to one house."""
    crawling = Crawling(services, settings, resolver=resolver)
    return (
        make_kind(
            crawling.crawl,
            name=WEB_CRAWLING,
            queue=QUEUE,
            attempts=settings.attempts_max,
            timeout="24h",
            retry=settings.retry,
            on_final=conclude_crawl,
        ),
    )


def conclude_crawl(tx: Transaction, final: FinalJob) -> None:
    """A crawl has ended: its frontier goes."""
    conclude_job(tx, final)
    forget_crawl(tx, final.owner, final.number)


def _sum_up(
    reader: Reader, *, owner: int, job: int, repository: str, failures: Sequence[dict[str, str]]
) -> dict[str, Any]:
    require_repository(reader, owner, repository)
    return make_result(count_outcomes(reader, owner, job), list_failures(reader, owner, job), failures)
