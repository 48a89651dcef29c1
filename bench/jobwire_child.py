"""The Jobwire side as a program of peers/child.py, on either engine; also worker and producer in one process."""

import asyncio
import atexit
import os
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import uvloop

from bench.jobwire_app import app
from bench.peers import ADDRESS, WARM_JOBS
from bench.peers.child import Load, produce
from bench.ticks import FOLDER, wait_for_ticks
from jobwire.serving import tune_interpreter


def _open() -> None:
    app.open(app.read_settings(db=os.environ[ADDRESS], files=Path(os.environ[FOLDER]) / "files"))
    atexit.register(app.close)


class Program:
    """See peers/child.py."""

    @asynccontextmanager
    async def open(self, clients: int) -> AsyncIterator[None]:
        """The writer groups what its clients submit at the same time."""
        _open()
        yield

    async def submit(self, order: dict[str, Any]) -> None:
        """See Program."""
        await app.submit("noop", input=order)

    async def submit_many(self, orders: Sequence[dict[str, Any]]) -> None:
        """See Program."""
        await app.submit_many("noop", orders)

    def setup(self) -> None:
        """See Program."""
        _open()

    async def work(self) -> None:
        """Run the worker until SIGTERM, with the interpreter as `jobwire worker` sets it."""
        _open()
        stop = asyncio.Event()
        async with app.running():
            tune_interpreter()
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
            await stop.wait()

    async def together(self, load: Load) -> None:
        """The worker beside a producer: in a thread for throughput, on the worker's own loop for latency."""
        working = asyncio.create_task(self.work())
        await asyncio.to_thread(wait_for_ticks, Path(os.environ[FOLDER]), WARM_JOBS)
        if load.gap_s:
            await produce(self, load)
        else:
            await asyncio.to_thread(lambda: uvloop.run(produce(self, load)))
        await working
