"""Long polls: 10,000 callers that wait in one process: their memory, how long it takes to tell all, and what it costs
those who do not wait.

Each of the waiting callers has a connection and a job of its own; all jobs are cancelled at once. Other requests are
polls of finished jobs, one after the other, without anyone waiting and beside all who wait.
"""

import asyncio
import resource
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import msgspec

from bench.children import Failed
from bench.databases import Site
from bench.measurement import Bench, Figures, Goal, Measurement, Variant
from bench.memory import measure_pss_mib
from bench.peers.install import Missing
from bench.servers import Server, read_bench_settings, serving_jobwire
from jobwire.domain.ids import make_key as make_job_key
from jobwire.domain.ids import show_id
from jobwire.domain.job import NewJob
from jobwire.wiring import open_house

WAITERS = 10_000
KEYS = 10
POLLS = 2_000
OPENED_TOGETHER = 200
ANSWER_S_MAX = 60
# A caller's end of a connection and the server's are descriptors of different processes.
DESCRIPTORS_SPARE = 200
QUEUE = "none"


class Prepared(msgspec.Struct):
    """What the callers know: API keys, and a live job's id for each of them in turn; the jobs' numbers by owner."""

    keys: list[str]
    ids: list[str]
    numbers: dict[int, list[int]]


def prepare(site: Site, waiters: int) -> Prepared:
    """A ledger with a job for each caller that nobody works on."""
    house = open_house(read_bench_settings(site))

    async def fill() -> Prepared:
        prepared = Prepared([], [], {})
        owners = []
        for number in range(KEYS):
            owner = await house.services.owners.create_owner(f"bench{number}")
            prepared.keys.append((await house.services.owners.create_key(owner.name)).key)
            owners.append(owner.id)
        now = house.services.clock()
        jobs = [
            NewJob(make_job_key(now, number), owners[number % KEYS], "noop", QUEUE, "{}") for number in range(waiters)
        ]
        for start in range(0, waiters, 1_000):
            for job, receipt in zip(
                jobs[start : start + 1_000], await house.store.submit(jobs[start : start + 1_000]), strict=True
            ):
                prepared.ids.append(show_id(receipt.key))
                prepared.numbers.setdefault(job.owner, []).append(receipt.number)
        return prepared

    try:
        return asyncio.run(fill())
    finally:
        house.close()


async def _ask(server: Server, target: str, key: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=4_096)
    writer.write(f"GET {target} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n\r\n".encode())
    return reader, writer


async def _read_answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
    return int(head[9:12]), await reader.readexactly(int(length.partition(b":")[2]))


async def _poll(server: Server, prepared: Prepared, polls: int) -> list[float]:
    """How long each of some polls took, in milliseconds; one after the other on one connection."""
    took = []
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    request = (
        f"GET /v1/jobs/{prepared.ids[0]} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {prepared.keys[0]}\r\n\r\n"
    )
    for _ in range(polls):
        start = time.perf_counter()
        writer.write(request.encode())
        status, _ = await _read_answer(reader)
        took.append((time.perf_counter() - start) * 1_000)
        if status != 200:
            raise Failed(f"a poll was answered {status}")
        # As fast as possible would measure how the kernel shares two cores, not what waits.
        await asyncio.sleep(0.001)
    writer.close()
    return took


async def _hold(server: Server, prepared: Prepared, site: Site) -> Figures:
    await _poll(server, prepared, 200)
    idle = await _poll(server, prepared, POLLS)
    before_mib = measure_pss_mib([server.leader])
    waiters = len(prepared.ids)
    callers: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
    for start in range(0, waiters, OPENED_TOGETHER):
        callers += await asyncio.gather(
            *(
                _ask(server, f"/v1/jobs/{prepared.ids[number]}?wait=60", prepared.keys[number % KEYS])
                for number in range(start, min(start + OPENED_TOGETHER, waiters))
            )
        )
    # The server has read all of them when it answers one that came last.
    await _poll(server, prepared, 100)
    beside = await _poll(server, prepared, POLLS)
    held_mib = measure_pss_mib([server.leader]) - before_mib
    waking = asyncio.create_task(_poll(server, prepared, 300))
    answers = [asyncio.create_task(_read_answer(reader)) for reader, _ in callers]
    await asyncio.sleep(0)
    start_at = time.perf_counter()
    await asyncio.to_thread(_cancel_all, site, prepared)
    told_at = time.perf_counter()
    async with asyncio.timeout(ANSWER_S_MAX):
        told = await asyncio.gather(*answers)
    woken_s = time.perf_counter() - told_at
    wrong = [status for status, body in told if status != 200 or b'"phase":"cancelled"' not in body]
    if wrong:
        raise Failed(f"{len(wrong)} of {waiters} callers were not told the end")
    while_waking = await waking
    for _, writer in callers:
        writer.close()
    idle_ms, beside_ms = _p99(idle), _p99(beside)
    return {
        "KiB a caller": held_mib * 1_024 / waiters,
        "all told s": woken_s,
        "cancelled s": told_at - start_at,
        "p99 ms idle": idle_ms,
        "p99 ms beside": beside_ms,
        "p99 ratio": beside_ms / idle_ms,
        "p50 ms idle": statistics.median(idle),
        "p50 ms beside": statistics.median(beside),
        "max ms waking": max(while_waking),
    }


def _cancel_all(site: Site, prepared: Prepared) -> None:
    """End all jobs from this process, which is another one than the server's."""
    house = open_house(read_bench_settings(site))
    try:
        pending = [house.store.cancel(owner, numbers) for owner, numbers in prepared.numbers.items()]
        for one in pending:
            one.result()
    finally:
        house.close()


def _p99(took: Sequence[float]) -> float:
    return sorted(took)[len(took) * 99 // 100]


def _measure(bench: Bench, waiters: int, folder: Path) -> Figures:
    with bench.databases.fresh("sqlite", folder) as site:
        prepared = prepare(site, waiters)
        with serving_jobwire(site, environment={"JOBWIRE_WORKERS": "0"}) as server:
            return asyncio.run(_hold(server, prepared, site))


@contextmanager
def _open(folder: Path, bench: Bench) -> Iterator[Sequence[Variant]]:
    waiters = int(WAITERS * bench.size.share)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = waiters + DESCRIPTORS_SPARE
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise Missing(f"{needed} file descriptors; this shell allows {hard}: ulimit -Hn")
    # The server's process takes the limit over.
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, needed), hard))
    try:
        yield [Variant("Jobwire", partial(_measure, bench, waiters))]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


LONGPOLLS = Measurement(
    name="longpolls",
    title="Long polls: 10,000 callers wait in one process, SQLite; all jobs are cancelled at once by another",
    open=_open,
    goals=[
        Goal(
            "long polls: p99 of other requests beside 10,000 who wait at most 2 x idle", "p99 ratio", "Jobwire", 2.0,
            is_minimum=False,
        ),
    ],
)  # fmt: skip
