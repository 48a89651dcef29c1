"""Submit: 32 connections post one job at a time; how many jobs a second, and how many of them share a commit."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from bench.children import Failed
from bench.databases import SHOWN, Engine, Site
from bench.measurement import Bench, Figures, Goal, Measurement, Variant
from bench.orders import make_order
from bench.peers.table import SLOTS
from bench.servers import Server, make_key, serving_jobwire
from bench.wrk import Load, run_wrk

CONNECTIONS = 32
WARM_S = 1
NO_WORKER, WITH_WORKER = "no worker in the process", "with a worker in the process"
ENGINES: Sequence[Engine] = ("sqlite", "postgres")


def _submit(server: Server, key: str, seconds: int, run: str) -> Load:
    order = {**make_order(), "note": f"{run} @N@"}
    environment = {
        "BENCH_METHOD": "POST",
        "BENCH_PATH": "/v1/jobs",
        "BENCH_KEY": key,
        "BENCH_BODY": json.dumps({"kind": "noop", "input": order}),
    }
    return run_wrk(server.url, connections=CONNECTIONS, seconds=seconds, environment=environment)


def _count_jobs(site: Site, run: str) -> tuple[int, int]:
    """The jobs of a run of wrk and the different numbers they carry."""
    sql = f'SELECT count({{}}) FROM job WHERE input LIKE \'%"note":"{run} %\''
    return site.count(sql.format("*")), site.count(sql.format("DISTINCT input"))


def _measure(engine: Engine, bench: Bench, folder: Path, *, slots: str) -> Figures:
    with bench.databases.fresh(engine, folder) as site:
        key = make_key(site)
        before = site.spent()
        with serving_jobwire(site, app="bench.jobwire_app:app", environment={"JOBWIRE_WORKERS": slots}) as server:
            _submit(server, key, WARM_S, "warm")
            load = _submit(server, key, bench.size.seconds, "measured")
        # Jobs that were on their way when wrk stopped are in the ledger without having been counted.
        jobs, different = _count_jobs(site, "measured")
        if not load.requests <= different == jobs <= load.requests + CONNECTIONS:
            raise Failed(
                f"wrk counted {load.requests} submissions; the ledger has {jobs} jobs of {different} requests"
            )
        spent = site.spent().for_each(before, site.count("SELECT count(*) FROM job"))
    spent["jobs a commit"] = 1 / spent.pop("commits/job")
    return {"jobs/s": load.per_s, "p50 ms": load.p50_ms, "p99 ms": load.p99_ms, **spent}


@contextmanager
def _open(folder: Path, bench: Bench) -> Iterator[Sequence[Variant]]:
    yield [
        Variant(f"{SHOWN[engine]}, {workers}", partial(_measure, engine, bench, slots=slots))
        for engine in ENGINES
        for workers, slots in ((NO_WORKER, "0"), (WITH_WORKER, SLOTS))
    ]


SUBMIT = Measurement(
    name="submit",
    title="Submit: POST /v1/jobs, one job a request, 32 connections, `jobwire serve`",
    open=_open,
    goals=[
        Goal(
            f"submit, {name}: at least 2 jobs share a commit", "jobs a commit", f"{name}, {NO_WORKER}", 2.0
        )
        for name in map(SHOWN.__getitem__, ENGINES)
    ],
    needs_wrk=True,
)  # fmt: skip
