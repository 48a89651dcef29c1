"""Procrastinate on psycopg: 20 jobs at once in each process, jobs kept. It keeps the final status, no result."""

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import procrastinate

from bench.peers import ADDRESS
from bench.ticks import tick

CONCURRENCY = 20
CONNECTIONS_MIN, CONNECTIONS_MAX = 4, 32

app = procrastinate.App(
    connector=procrastinate.PsycopgConnector(
        conninfo=os.environ[ADDRESS], min_size=CONNECTIONS_MIN, max_size=CONNECTIONS_MAX
    )
)


@app.task(name="noop")
async def noop(order: dict[str, Any]) -> int:
    """The job of every measurement."""
    tick(order["submitted_at"])
    return 1


class Program:
    """See peers/child.py."""

    @asynccontextmanager
    async def open(self, clients: int) -> AsyncIterator[None]:
        """The app's own pool."""
        async with app.open_async():
            yield

    async def submit(self, order: dict[str, Any]) -> None:
        """See Program."""
        await noop.defer_async(order=order)

    async def submit_many(self, orders: Sequence[dict[str, Any]]) -> None:
        """See Program."""
        await noop.batch_defer_async(*[{"order": order} for order in orders])

    async def setup(self) -> None:
        """See Program."""
        async with app.open_async():
            await app.schema_manager.apply_schema_async()

    async def work(self) -> None:
        """See Program."""
        async with app.open_async():
            await app.run_worker_async(concurrency=CONCURRENCY, install_signal_handlers=False, delete_jobs="never")
