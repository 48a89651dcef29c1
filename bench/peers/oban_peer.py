"""Oban for Python on psycopg: 50 jobs at once in each process, the result recorded."""

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import psycopg
from oban import Oban, Record, worker
from oban.schema import install_sql
from psycopg_pool import AsyncConnectionPool

from bench.peers import ADDRESS
from bench.ticks import tick

LIMIT = 50
CONNECTIONS_MIN = 20


@worker(queue="default")
class Noop:
    """The job of every measurement."""

    async def process(self, job: Any) -> Any:
        """Note the start."""
        tick(job.args["submitted_at"])
        return Record(1)


class Program:
    """See peers/child.py."""

    oban: Oban

    @asynccontextmanager
    async def _connect(self, size: int, **options: Any) -> AsyncIterator[None]:
        pool = AsyncConnectionPool(os.environ[ADDRESS], min_size=2, max_size=size, open=False)
        async with pool, Oban(pool=pool, **options) as self.oban:
            yield

    @asynccontextmanager
    async def open(self, clients: int) -> AsyncIterator[None]:
        """A connection for each client."""
        async with self._connect(max(clients, CONNECTIONS_MIN)):
            yield

    async def submit(self, order: dict[str, Any]) -> None:
        """See Program."""
        await self.oban.enqueue(Noop.new(order))

    async def submit_many(self, orders: Sequence[dict[str, Any]]) -> None:
        """See Program."""
        await self.oban.enqueue_many(*[Noop.new(order) for order in orders])

    def setup(self) -> None:
        """See Program."""
        with psycopg.connect(os.environ[ADDRESS], autocommit=True) as connection:
            connection.execute(install_sql())

    async def work(self) -> None:
        """See Program."""
        async with self._connect(CONNECTIONS_MIN, queues={"default": LIMIT}):
            await asyncio.Event().wait()
