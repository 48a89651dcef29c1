"""PgQueuer on asyncpg: batches of 100, a pool for concurrent clients. It keeps the final status, no result."""

import json
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import asyncpg
from pgqueuer import PgQueuer
from pgqueuer.db import AsyncpgDriver, AsyncpgPoolDriver
from pgqueuer.queries import Queries

from bench.peers import ADDRESS
from bench.ticks import tick

BATCH = 100


class Program:
    """See peers/child.py."""

    queries: Queries

    @asynccontextmanager
    async def open(self, clients: int) -> AsyncIterator[None]:
        """One connection for one client, a pool for more."""
        async with asyncpg.create_pool(os.environ[ADDRESS], min_size=clients, max_size=clients) as pool:
            if clients > 1:
                self.queries = Queries(AsyncpgPoolDriver(pool))
                yield
                return
            async with pool.acquire() as connection:
                self.queries = Queries(AsyncpgDriver(connection))
                yield

    async def submit(self, order: dict[str, Any]) -> None:
        """See Program."""
        await self.queries.enqueue("noop", json.dumps(order).encode())

    async def submit_many(self, orders: Sequence[dict[str, Any]]) -> None:
        """See Program."""
        payloads = [json.dumps(order).encode() for order in orders]
        await self.queries.enqueue(["noop"] * len(payloads), payloads, [0] * len(payloads))

    async def setup(self) -> None:
        """See Program."""
        connection = await asyncpg.connect(os.environ[ADDRESS])
        await Queries(AsyncpgDriver(connection)).install()
        await connection.close()

    async def work(self) -> None:
        """See Program."""
        queue = PgQueuer(AsyncpgDriver(await asyncpg.connect(os.environ[ADDRESS])))

        @queue.entrypoint("noop")
        async def noop(job: Any) -> None:
            tick(json.loads(job.payload)["submitted_at"])

        await queue.run(batch_size=BATCH, dequeue_timeout=timedelta(seconds=30))
