"""How a crawl behaves towards hosts: their robots.txt, how many requests at a time, and whose turn it is.

The turn is kept in the ledger (crawl_records.py), so that all crawls of all processes wait for the same clock.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Final
from weakref import WeakValueDictionary

from jobwire.domain.errors import JobError
from jobwire.kinds.contract import Context
from jobwire.net.fetch import Fetcher, Response
from jobwire.systems.fifthelement.crawl_records import hold_host, reserve_turn
from jobwire.systems.fifthelement.crawl_urls import find_authority, find_origin, join_link
from jobwire.systems.fifthelement.robots import (
    CLOSED,
    OPEN,
    ROBOTS_BYTES_MAX,
    ROBOTS_REDIRECTS_MAX,
    Robots,
    judge_robots,
)

ROBOTS_DEADLINE_MS: Final = 10_000
REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_PERMANENT_TROUBLE: Final = frozenset({"url_forbidden", "url_invalid"})


class Gates:
    """The requests that run against each host at a time, over all crawls of one process: at most `running_max`."""

    def __init__(self, running_max: int) -> None:
        self._running_max = running_max
        self._gates: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    def of(self, authority: str) -> asyncio.Semaphore:
        """The gate of a host, to be held while it is asked."""
        gate = self._gates.get(authority)
        if gate is None:
            gate = self._gates[authority] = asyncio.Semaphore(self._running_max)
        return gate


class Hosts:
    """The hosts of one crawl's attempt; `delay_ms` holds where a robots.txt asks for less."""

    def __init__(self, ctx: Context, fetcher: Fetcher, gates: Gates, *, delay_ms: int) -> None:
        self._ctx = ctx
        self._fetcher = fetcher
        self._gates = gates
        self._delay_ms = delay_ms
        self._robots: dict[str, asyncio.Task[Robots]] = {}
        self._held: set[str] = set()

    async def robots(self, url: str) -> Robots:
        """The rules for a URL, fetched once an attempt for each scheme and host.

        A host that cannot be reached, answers with 5xx or does not come to an end allows nothing. Raises JobError
        url_forbidden where the guard refuses it.
        """
        origin = find_origin(url)
        task = self._robots.get(origin)
        if task is None:
            task = self._robots[origin] = asyncio.create_task(self._fetch_robots(origin))
        return await asyncio.shield(task)

    @asynccontextmanager
    async def turn(self, url: str) -> AsyncIterator[None]:
        """Hold the host while it is asked: its delay has passed, and not too many ask it."""
        authority = find_authority(url)
        gate = self._gates.of(authority)
        async with gate:
            delay_ms = max(self._delay_ms, (await self.robots(url)).delay_ms)
            if delay_ms or authority in self._held:
                wait_ms = await self._ctx.write(partial(reserve_turn, authority=authority, delay_ms=delay_ms))
                await asyncio.sleep(wait_ms / 1000)
            yield

    async def hold(self, url: str, wait_ms: int) -> None:
        """The host wants to be left alone for so long: by every crawl."""
        self._held.add(find_authority(url))
        await self._ctx.write(partial(hold_host, authority=find_authority(url), wait_ms=wait_ms))

    async def close(self) -> None:
        """End what is still under way."""
        for task in self._robots.values():
            task.cancel()
        await asyncio.gather(*self._robots.values(), return_exceptions=True)

    async def _fetch_robots(self, origin: str) -> Robots:
        try:
            async with asyncio.timeout(ROBOTS_DEADLINE_MS / 1000):
                return await self._follow_robots(f"{origin}/robots.txt")
        except TimeoutError:
            return CLOSED
        except JobError as error:
            if error.code in _PERMANENT_TROUBLE:
                raise
            return CLOSED

    async def _follow_robots(self, url: str) -> Robots:
        for _ in range(ROBOTS_REDIRECTS_MAX + 1):
            answer = await self._fetcher.visit(
                url,
                headers={"Accept": "text/plain, */*;q=0.5"},
                wants=lambda status, _: status == 200,
                body_bytes_max=ROBOTS_BYTES_MAX,
                is_cut=True,
            )
            target = find_redirect(answer)
            if target is None:
                return judge_robots(answer.status, answer.body)
            url = target
        return OPEN


def find_redirect(answer: Response) -> str | None:
    """Where an answer leads, in the one spelling; None for one that leads nowhere we would go."""
    location = answer.headers.get("Location")
    return join_link(answer.url, location) if answer.status in REDIRECTS and location else None
