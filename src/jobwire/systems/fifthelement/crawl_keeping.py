"""Keeps what visits brought: reads pages in a child, writes documents, pages and frontier in one transaction.

A page is done when that transaction has committed, and not before: whoever takes up the crawl after a crash asks for
no page again that is done, and finds no document of one that is not.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final, NamedTuple, assert_never

import msgspec

from jobwire.blobs.contract import Blobs
from jobwire.domain.errors import JobError
from jobwire.kinds.contract import ChildLimits, Context
from jobwire.net.failures import explain_redirects
from jobwire.net.policy import REDIRECTS_MAX
from jobwire.store.contract import Transaction
from jobwire.systems.fifthelement.crawl_documents import PageText, put_page, withdraw_page
from jobwire.systems.fifthelement.crawl_frontier import Frontier, Target
from jobwire.systems.fifthelement.crawl_pages import BatchFiles, PageBatch, PageBytes, PageReading, read_batch
from jobwire.systems.fifthelement.crawl_records import (
    DISALLOWED,
    FAILED_PAGE,
    UNCHANGED,
    Finished,
    PageRow,
    add_targets,
    finish_target,
    write_links,
)
from jobwire.systems.fifthelement.crawl_urls import find_authority, is_in_scope
from jobwire.systems.fifthelement.crawl_visits import Broken, Got, Left, Moved, NotModified, Visit, find_type
from jobwire.systems.fifthelement.subjects import keep_repository
from jobwire.systems.fifthelement.texts import KeptText, put_text

CHILD_MEMORY_BYTES_MAX: Final = 512 * 1024 * 1024
CHILD_CPU_S_MAX: Final = 10
"""A batch of common pages takes 0.1 s; what takes this long was made to."""

CHILD_WALL_MS_MAX: Final = 120_000
LIMITS: Final = ChildLimits(
    memory_bytes_max=CHILD_MEMORY_BYTES_MAX, cpu_s_max=CHILD_CPU_S_MAX, wall_ms_max=CHILD_WALL_MS_MAX
)

REDIRECTED: Final = "redirected"
CANONICAL: Final = "canonical"
NO_INDEX: Final = "noindex"
EMPTY: Final = "empty"
OTHER_HOST: Final = "host"


class Result(NamedTuple):
    """What a visit means: its outcome, the pages it makes known and their distance, the text to keep."""

    visit: Visit
    outcome: str | None
    found: Sequence[str] = ()
    depth: int = 0
    hops: int = 0
    error: JobError | None = None
    reading: PageReading | None = None
    text: KeptText | None = None


@dataclass(slots=True)
class Scope:
    """Where a crawl may go: the hosts, and which page moved where."""

    authorities: set[str]
    moved: dict[str, str] = field(default_factory=dict)

    def is_circle(self, url: str) -> bool:
        """Whether the page's redirects lead back to it."""
        target: str | None = url
        for _ in range(REDIRECTS_MAX + 1):
            target = self.moved.get(target or "")
            if target == url:
                return True
        return False


class Keeper:
    """Keeps the visits of one crawl's attempt."""

    def __init__(self, ctx: Context, blobs: Blobs, *, repository: str, frontier: Frontier, scope: Scope) -> None:
        self._ctx = ctx
        self._blobs = blobs
        self._repository = repository
        self._frontier = frontier
        self._scope = scope

    async def keep(self, visits: Sequence[Visit]) -> list[Finished]:
        """Write what the visits came to; LeaseLost or JobError repository_gone where nobody wants it any more."""
        readings = await self._read([visit.answer.page for visit in visits if isinstance(visit.answer, Got)])
        results = [self._interpret(visit, readings) for visit in visits]
        results = await asyncio.to_thread(lambda: [self._put_text(result) for result in results])
        targets: list[Target] = []
        # Nothing is awaited from here to the write: what is made known here is written before anybody can visit it.
        for result in results:
            if result.outcome == DISALLOWED:
                self._frontier.forget_visit()
            targets += self._frontier.add(result.found, depth=result.depth, hops=result.hops)
        finished: list[Finished] = await self._ctx.write(
            partial(_write, ctx=self._ctx, repository=self._repository, results=results, targets=targets)
        )
        return finished

    async def _read(self, pages: list[PageBytes]) -> dict[str, PageReading | JobError]:
        """The readings by URL; a batch that a child cannot take is read page by page, to find the one to blame."""
        if not pages:
            return {}
        try:
            readings = await self._read_batch(PageBatch(pages, sorted(self._scope.authorities)))
        except JobError as error:
            if error.retryable:
                raise
            if len(pages) == 1:
                return {pages[0].url: error}
            return {url: found for page in pages for url, found in (await self._read([page])).items()}
        return {page.url: reading for page, reading in zip(pages, readings, strict=True)}

    async def _read_batch(self, batch: PageBatch) -> list[PageReading]:
        with self._ctx.scratch() as folder:
            source, into = folder / "pages", folder / "readings"
            source.write_bytes(msgspec.msgpack.encode(batch))
            await self._ctx.isolate(read_batch, BatchFiles(str(source), str(into)), limits=LIMITS)
            return msgspec.msgpack.decode(into.read_bytes(), type=list[PageReading])

    def _interpret(self, visit: Visit, readings: dict[str, PageReading | JobError]) -> Result:
        target, answer = visit.target, visit.answer
        match answer:
            case Got():
                return self._interpret_page(visit, readings[target.url])
            case NotModified(before):
                return Result(visit, UNCHANGED, before.found_links, target.depth + 1)
            case Moved(url):
                return self._interpret_move(visit, url)
            case Left(outcome):
                return Result(visit, outcome)
            case Broken(error):
                return Result(visit, FAILED_PAGE, error=error)
        assert_never(answer)

    def _interpret_page(self, visit: Visit, reading: PageReading | JobError) -> Result:
        target = visit.target
        if isinstance(reading, JobError):
            return Result(visit, FAILED_PAGE, error=reading)
        canonical = reading.canonical
        if canonical not in (None, target.url) and is_in_scope(canonical, self._scope.authorities):
            return Result(visit, CANONICAL, (canonical,), target.depth)
        outcome = NO_INDEX if reading.wants_no_index else None if reading.text else EMPTY
        return Result(visit, outcome, reading.links, target.depth + 1, reading=reading)

    def _interpret_move(self, visit: Visit, url: str) -> Result:
        target, scope = visit.target, self._scope
        scope.moved[target.url] = url
        if target.hops >= REDIRECTS_MAX or scope.is_circle(target.url):
            return Result(visit, FAILED_PAGE, error=explain_redirects(find_authority(target.url), REDIRECTS_MAX))
        if target.depth == 0:
            # Where the start page is sent to, the site is.
            scope.authorities.add(find_authority(url))
        if not is_in_scope(url, scope.authorities):
            return Result(visit, OTHER_HOST)
        return Result(visit, REDIRECTED, (url,), target.depth, target.hops + 1)

    def _put_text(self, result: Result) -> Result:
        if result.outcome is not None or result.reading is None:
            return result
        return result._replace(text=put_text(self._blobs, result.reading.text))


def _write(
    tx: Transaction, *, ctx: Context, repository: str, results: Sequence[Result], targets: Sequence[Target]
) -> list[Finished]:
    keep_repository(tx, ctx.owner, repository)
    finished = [_write_result(tx, ctx.owner, repository, result) for result in results]
    for one in finished:
        finish_target(tx, ctx.owner, ctx.number, one)
    add_targets(tx, ctx.owner, ctx.number, targets)
    return finished


def _write_result(tx: Transaction, owner: int, repository: str, result: Result) -> Finished:
    visit, target = result.visit, result.visit.target
    if result.error is not None:
        return Finished(target, FAILED_PAGE, result.error.code, result.error.message)
    if result.text is not None and result.reading is not None and isinstance(visit.answer, Got):
        page = PageText(
            row=_make_row(visit.answer, result.reading),
            reading=result.reading,
            text=result.text,
            media_type=find_type(visit.answer.page.content_type),
            facts=_describe(tx, result),
        )
        return Finished(target, put_page(tx, owner, repository, page))
    outcome = result.outcome or EMPTY
    if outcome not in (UNCHANGED, DISALLOWED):
        withdraw_page(tx, owner, repository, url=target.url, outcome=outcome)
    return Finished(target, outcome, message=visit.answer.url if isinstance(visit.answer, Moved) else None)


def _make_row(got: Got, reading: PageReading) -> PageRow:
    return PageRow(
        url=got.page.url,
        document=None,
        text_key=reading.sha256,
        etag=got.etag,
        last_modified=got.last_modified,
        links=write_links(reading.links),
    )


def _describe(tx: Transaction, result: Result) -> dict[str, Any]:
    """What a document says of the page it was made of."""
    assert result.reading is not None
    shown = {
        "url": result.visit.target.url,
        "status": 200,
        "fetchedAt": datetime.fromtimestamp(tx.now // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "language": result.reading.language,
        "depth": result.visit.target.depth,
    }
    return {name: value for name, value in shown.items() if value is not None}
