"""Jobs of fifthelement on SQLite, timed from submission to end, in the process that was started for them."""

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

from bench.memory import measure_pss_mib
from jobwire.config import read_settings
from jobwire.domain.phases import FINAL_PHASES, Phase
from jobwire.store.contract import Transaction
from jobwire.systems.fifthelement.records import add_repository
from jobwire.systems.fifthelement.starting import start_job
from jobwire.wiring import House, open_house

PEAK_S = float(os.environ.get("JOBWIRE_BENCH_PEAK_S", "1"))
"""A look at every process of the machine takes up to 50 ms of the measured job's own event loop: for the memory of
short jobs, measure it more often in a run whose speed does not count."""
ENDED = FINAL_PHASES | {Phase.RETRYING}
"""Nothing is tried again here: a measurement with a failure in it is none."""


class Timed(NamedTuple):
    """A job's result, how long it took, and the most memory that all processes of the session had together."""

    result: Any
    seconds: float
    peak_mib: float


def open_system(folder: Path, **environment: str) -> House:
    """A house of the system, its ledger and files in the folder."""
    environment = {"JOBWIRE_FILES": str(folder / "files"), **environment}
    return open_house(read_settings(environment, db=str(folder / "jobs.db"), workers=1, systems="fifthelement"))


def make_repository(tx: Transaction, owner: int) -> str:
    """A new repository."""
    row = add_repository(tx, owner, name="bench", type="knowledge", vector_store="default", batch_model=None)
    return row.id


@asynccontextmanager
async def working(house: House) -> AsyncIterator[None]:
    """A worker, until the end of the block."""
    async with house.make_children() as children:
        worker = house.make_worker(children)
        work = asyncio.create_task(worker.run())
        yield
        worker.stop()
        await work


async def finish_job(house: House, owner: int, kind: str, wanted: Mapping[str, Any], *, repository: str) -> Any:
    """The result of a job that completes at its first attempt."""
    loop, moved = asyncio.get_running_loop(), asyncio.Event()
    unlisten = house.store.listen(lambda _: loop.call_soon_threadsafe(moved.set))
    jobs = house.services.jobs
    receipt = await house.store.write(lambda tx: start_job(tx, jobs, owner, kind, wanted, repository=repository))
    while (row := await jobs.read(owner, number=receipt.number)).phase not in ENDED:
        await moved.wait()
        moved.clear()
    unlisten()
    assert row.phase is Phase.COMPLETED and row.output is not None, row.error
    return json.loads(row.output)


async def time_job(house: House, owner: int, kind: str, wanted: Mapping[str, Any], *, repository: str) -> Timed:
    """The same with the clock and the memory watched."""
    watching = asyncio.create_task(_watch_memory())
    begun = time.perf_counter()
    result = await finish_job(house, owner, kind, wanted, repository=repository)
    seconds = time.perf_counter() - begun
    watching.cancel()
    return Timed(result, seconds, await watching)


async def _watch_memory() -> float:
    most = 0.0
    try:
        while True:
            most = max(most, measure_pss_mib([os.getsid(0)]))
            await asyncio.sleep(PEAK_S)
    except asyncio.CancelledError:
        return most
