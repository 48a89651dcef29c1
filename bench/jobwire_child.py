"""A Jobwire process to measure: `python -m bench.jobwire_child fill|work|together JOBS GAP_S groups|singles`."""

import asyncio
import os
import signal
import sys
import time
from pathlib import Path

import uvloop

from bench.jobwire_app import app
from bench.orders import make_order
from bench.peers import WARM_JOBS, wait_for_starts
from bench.ticks import FOLDER
from jobwire.serving import tune_interpreter

GROUP = 500
PRODUCERS = 32


async def fill(jobs: int, mode: str) -> None:
    """Submit in groups of 500, or one by one from 32 tasks at once."""
    if mode == "groups":
        for start in range(0, jobs, GROUP):
            await app.submit_many("noop", [make_order() for _ in range(min(GROUP, jobs - start))])
        return

    async def produce(count: int) -> None:
        for _ in range(count):
            await app.submit("noop", input=make_order())

    counts = [jobs // PRODUCERS + (index < jobs % PRODUCERS) for index in range(PRODUCERS)]
    await asyncio.gather(*[produce(count) for count in counts])


async def trickle(jobs: int, gap_s: float) -> None:
    """Submit one by one, `gap_s` apart, each with the time of its submission."""
    for _ in range(jobs):
        await app.submit("noop", input=make_order(time.monotonic()))
        await asyncio.sleep(gap_s)


async def work() -> None:
    """Run the worker until SIGTERM, with the interpreter as `jobwire worker` sets it."""
    stop = asyncio.Event()
    async with app.running():
        tune_interpreter()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
        await stop.wait()


async def work_together(jobs: int, gap_s: float, mode: str) -> None:
    """Run the worker beside a producer: in a thread for throughput, on the worker's own loop for latency."""
    folder = Path(os.environ[FOLDER])
    working = asyncio.create_task(work())
    await asyncio.to_thread(wait_for_starts, folder, WARM_JOBS)
    (folder / "began").write_text(str(time.monotonic()))
    if gap_s:
        await trickle(jobs, gap_s)
    else:
        await asyncio.to_thread(lambda: uvloop.run(fill(jobs, mode)))
    await working


def main(command: str, jobs: int, gap_s: float, mode: str) -> None:
    """See the module's docstring."""
    match command:
        case "fill":
            uvloop.run(fill(jobs, mode))
        case "work":
            uvloop.run(work())
        case "together":
            uvloop.run(work_together(jobs, gap_s, mode))
    app.close()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), sys.argv[4])
