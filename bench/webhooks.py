"""`python -m bench webhooks`: what webhooks cost the jobs of one `jobwire worker`, and how fast messages go out.

The jobs wait, the worker starts; timed are the last job's end, and the messages taken until all are or some seconds
have passed. The receiver is a bare uvicorn on loopback, which takes everything. Without an endpoint, with one of
another account, and with one that is told of each end, or of every event.
"""

import asyncio
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import NamedTuple

from bench.databases import SHOWN, Databases, Engine
from bench.filling import fill, make_owners
from bench.servers import serving_constant
from bench.study import ENGINES, OUT, Finding, databases_of, make_parser, publish
from jobwire.config import read_settings
from jobwire.kinds.registry import make_kind
from jobwire.serving import run_house, tune_interpreter
from jobwire.wiring import House, open_house

JOBS = 10_000
ROUNDS = 2
LOOK_S = 0.02
SENDING_S = 5.0
SIDES: Sequence[tuple[str, str | None, list[str] | None]] = (
    ("no endpoint", None, None),
    ("an endpoint of another account", "other", ["*"]),
    ("told of each end", "own", None),
    ("told of every event", "own", ["*"]),
)
COUNTS = (
    "SELECT (SELECT count(*) FROM state WHERE state = 2), "
    "(SELECT count(*) FROM webhook_delivery WHERE state = 1), (SELECT count(*) FROM webhook_stream)"
)


class Times(NamedTuple):
    """Jobs a second until the last has ended, and messages a second in SENDING_S, or until the last; 0 without."""

    jobs: float
    messages: float


def main(words: list[str]) -> int:
    """Measure and show; the exit code."""
    parser = make_parser("webhooks", "What webhooks cost the jobs, and how fast messages go out.")
    parser.add_argument("--jobs", type=int, default=JOBS, help=f"jobs that wait ({JOBS:,})")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"how often ({ROUNDS})")
    options = parser.parse_args(words)
    if options.jobs < 1 or options.rounds < 1:
        parser.error("--jobs and --rounds must be at least 1")
    tune_interpreter()
    with databases_of(options) as databases:
        told: dict[tuple[Engine, str], list[Times]] = {}
        for _ in range(options.rounds):
            for engine in options.engine or ENGINES:
                for name, account, events in SIDES:
                    times = _measure(databases, engine, account=account, events=events, jobs=options.jobs)
                    told.setdefault((engine, name), []).append(times)
        finding = Finding(
            "webhooks",
            f"A drain of {options.jobs:,} jobs with webhooks, {options.rounds} rounds",
            ["", "endpoint", "jobs/s", "of none", "messages/s"],
            _tabulate(told),
            {f"{engine}, {name}": [one._asdict() for one in rounds] for (engine, name), rounds in told.items()},
            [],
        )
        return publish(finding, [], options=options, databases=databases, words=words)


def _measure(
    databases: Databases, engine: Engine, *, account: str | None, events: list[str] | None, jobs: int
) -> Times:
    with (
        TemporaryDirectory(dir=OUT, ignore_cleanup_errors=True) as folder,
        databases.fresh(engine, Path(folder)) as site,
        serving_constant(Path(folder), 2) as receiver,
    ):
        environment = {"JOBWIRE_WEBHOOK_ALLOW": "127.0.0.0/8", "JOBWIRE_WORKERS": "100"}
        settings = read_settings(environment, db=site.address, files=site.folder / "files", systems="none")
        with closing(open_house(settings, [make_kind(_work, name="noop")])) as house:
            [own, other] = make_owners(house, ["own", "other"])
            owner = {"own": own, "other": other, None: None}[account]
            if owner is not None:
                asyncio.run(house.services.webhooks.create(owner, receiver.url, events=events))
            fill(house, jobs, [own])
            return asyncio.run(_drain(house, jobs, is_told=account == "own"))


async def _work(submitted_at: float, user: int, items: list[int], note: str) -> int:
    return 1


async def _drain(house: House, jobs: int, *, is_told: bool) -> Times:
    stop = asyncio.Event()
    started = time.monotonic()
    running = asyncio.create_task(run_house(house, listener=None, stop=stop))
    ended = 0.0
    while True:
        await asyncio.sleep(LOOK_S)
        [(done, delivered, streams)] = await house.store.read(lambda reader: reader.query(COUNTS))
        passed = time.monotonic() - started
        if done == jobs and not ended:
            ended = passed
        if ended and (not is_told or passed >= SENDING_S or (delivered >= jobs and not streams)):
            break
    stop.set()
    await running
    return Times(jobs / ended, delivered / passed if is_told else 0.0)


def _tabulate(told: dict[tuple[Engine, str], list[Times]]) -> list[list[str]]:
    rows = []
    for (engine, name), rounds in told.items():
        rate = median(one.jobs for one in rounds)
        free = median(one.jobs for one in told[engine, SIDES[0][0]])
        messages = median(one.messages for one in rounds)
        rows.append(
            [SHOWN[engine], name, f"{rate:,.0f}", f"{rate / free:.2f}", f"{messages:,.0f}" if messages else ""]
        )
    return rows
