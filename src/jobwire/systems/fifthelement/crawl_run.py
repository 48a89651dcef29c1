"""One attempt of a crawl: first the start page, then the sitemaps, then page after page, several at a time.

Pages are fetched while those before them are read in a child and written: what has arrived meanwhile is read and
written together. One page at a time would cost a process and a commit each.
"""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Any, Final

from jobwire.blobs.contract import Blobs
from jobwire.kinds.contract import Context
from jobwire.net.fetch import Fetcher
from jobwire.store.contract import Store, Transaction
from jobwire.systems.fifthelement.crawl_frontier import Frontier, Target
from jobwire.systems.fifthelement.crawl_hosts import Hosts
from jobwire.systems.fifthelement.crawl_keeping import REDIRECTED, Keeper, Scope
from jobwire.systems.fifthelement.crawl_records import DISALLOWED, Finished, add_targets, find_page, forget_crawl
from jobwire.systems.fifthelement.crawl_results import explain_unreachable, is_read
from jobwire.systems.fifthelement.crawl_sitemaps import find_pages
from jobwire.systems.fifthelement.crawl_urls import find_authority
from jobwire.systems.fifthelement.crawl_visits import Broken, Got, Visit, Visitor

FETCHES_MAX: Final = 8
"""Pages a crawl asks for at a time, over all its hosts."""

IN_HAND_MAX: Final = 24
"""Pages that were asked for and are not written yet: all that a crash can make us ask for again."""

KEEPING_MAX: Final = 2
"""Batches that are read and written at a time: one is read while the other is on its way to the disk."""

BATCH_PAGES_MIN: Final = 4
"""Pages that make it worth to begin a second batch."""

BATCH_BYTES_MAX: Final = 4 * 1024 * 1024
"""Pages read by one child together, beside the first."""

KnownTarget = tuple[Target, str | None, str | None]


class CrawlRun:
    """One attempt of one crawl."""

    def __init__(
        self,
        ctx: Context,
        store: Store,
        blobs: Blobs,
        *,
        fetcher: Fetcher,
        hosts: Hosts,
        repository: str,
        pages_max: int,
        depth_max: int,
    ) -> None:
        self._ctx = ctx
        self._store = store
        self._fetcher = fetcher
        self._hosts = hosts
        self._repository = repository
        self._frontier = Frontier(pages_max, depth_max)
        self._scope = Scope(set())
        self._visitor = Visitor(fetcher, hosts)
        self._keeper = Keeper(ctx, blobs, repository=repository, frontier=self._frontier, scope=self._scope)
        self._fetching: set[asyncio.Task[Visit]] = set()
        self._arrived: list[Visit] = []
        self._keeping: dict[asyncio.Task[list[Finished]], int] = {}
        self._kept = 0

    async def crawl(self, start: str, hosts: Sequence[str], known: Sequence[KnownTarget]) -> list[dict[str, str]]:
        """Crawl to the end; `known` is what earlier attempts left. Returns what was wrong with sitemaps.

        Raises JobError start_unreachable when there is no page to begin with.
        """
        self._scope.authorities |= {find_authority(start), *(host.lower() for host in hosts)}
        if known and all(outcome is not None and not is_read(outcome) for _, outcome, _ in known):
            # Killed between finding no start page and saying so.
            await self._forget()
            known = ()
        self._restore(known)
        if not known:
            await self._ctx.write(partial(self._begin, targets=self._frontier.add([start], depth=0)))
        site = await self._read_start(known)
        failures: list[dict[str, str]] = await self._ctx.step("sitemaps", partial(self._read_sitemaps, site or start))
        try:
            await self._read_all()
        finally:
            await self._stop()
        return failures

    def _restore(self, known: Sequence[KnownTarget]) -> None:
        for target, outcome, message in known:
            is_visited = outcome not in (None, DISALLOWED)
            self._frontier.restore(target, is_waiting=outcome is None, is_visited=is_visited)
            self._kept += is_visited
            if target.depth == 0:
                self._scope.authorities.add(find_authority(target.url))
            if outcome == REDIRECTED and message is not None:
                self._scope.moved[target.url] = message

    def _begin(self, tx: Transaction, *, targets: Sequence[Target]) -> None:
        add_targets(tx, self._ctx.owner, self._ctx.number, targets)

    async def _read_start(self, known: Sequence[KnownTarget]) -> str | None:
        """Read the start page, wherever it moved to; the URL it was read at, None where an earlier attempt did."""
        site = None
        is_begun = any(is_read(outcome) for _, outcome, _ in known)
        while (target := self._frontier.take(depth_max=0)) is not None:
            visit = await self._visit(target)
            (finished,) = await self._keeper.keep([visit])
            self._kept += finished.outcome != DISALLOWED
            self._tell()
            if finished.outcome == REDIRECTED:
                # Of one page asked for, one is to be read.
                self._frontier.forget_visit()
            if is_read(finished.outcome):
                is_begun, site = True, target.url
            elif not (is_begun or self._frontier.has_waiting):
                await self._fail_start(visit, finished)
        return site

    async def _fail_start(self, visit: Visit, finished: Finished) -> None:
        retryable = isinstance(visit.answer, Broken) and visit.answer.error.retryable
        # The next attempt begins anew.
        await self._forget()
        raise explain_unreachable(finished, retryable=retryable)

    async def _forget(self) -> None:
        await self._ctx.write(partial(forget_crawl, owner=self._ctx.owner, job=self._ctx.number))

    async def _read_sitemaps(self, site: str) -> list[dict[str, str]]:
        if self._frontier.depth_max == 0:
            return []
        found = await find_pages(
            self._ctx,
            self._fetcher,
            self._hosts,
            start=site,
            authorities=self._scope.authorities,
            pages_max=self._frontier.pages_max,
        )
        await self._ctx.write(partial(self._begin, targets=self._frontier.add(found.pages, depth=1)))
        return found.failures

    async def _visit(self, target: Target) -> Visit:
        before = await self._store.read(
            partial(find_page, owner=self._ctx.owner, repository=self._repository, url=target.url)
        )
        return await self._visitor.visit(target, before)

    async def _read_all(self) -> None:
        while True:
            self._start_fetching()
            self._start_keeping()
            under_way: set[asyncio.Task[Any]] = {*self._fetching, *self._keeping}
            if not under_way:
                return
            await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
            self._take_arrived()
            self._take_kept()

    def _start_fetching(self) -> None:
        while len(self._fetching) < FETCHES_MAX and self._in_hand < IN_HAND_MAX:
            target = self._frontier.take()
            if target is None:
                return
            self._fetching.add(asyncio.create_task(self._visit(target)))

    def _take_arrived(self) -> None:
        arrived = {task for task in self._fetching if task.done()}
        self._fetching -= arrived
        self._arrived += [task.result() for task in arrived]

    def _start_keeping(self) -> None:
        enough = BATCH_PAGES_MIN if self._keeping else 1
        if len(self._keeping) >= KEEPING_MAX or len(self._arrived) < enough:
            return
        count = _count_batch(self._arrived)
        batch, self._arrived = self._arrived[:count], self._arrived[count:]
        self._keeping[asyncio.create_task(self._keeper.keep(batch))] = count

    def _take_kept(self) -> None:
        for task in [task for task in self._keeping if task.done()]:
            del self._keeping[task]
            self._kept += sum(one.outcome != DISALLOWED for one in task.result())
            self._tell()

    def _tell(self) -> None:
        if self._kept < (total := self._frontier.total):
            self._ctx.progress(done=self._kept, total=total)

    @property
    def _in_hand(self) -> int:
        return len(self._fetching) + len(self._arrived) + sum(self._keeping.values())

    async def _stop(self) -> None:
        """End what is under way: a job that was cancelled asks for nothing more."""
        tasks: list[asyncio.Task[Any]] = [*self._fetching, *self._keeping]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _count_batch(visits: Sequence[Visit]) -> int:
    """How many of the first visits one child can read together: at least one."""
    size = 0
    for count, visit in enumerate(visits):
        size += len(visit.answer.page.body) if isinstance(visit.answer, Got) else 0
        if count and size > BATCH_BYTES_MAX:
            return count
    return len(visits)
