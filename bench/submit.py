"""Submit: 32 connections post one job at a time; how many jobs a second, and how many of them share an fsync."""

import json
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from bench.children import Failed
from bench.measurement import Figures, Goal, Measurement, Size, Variant
from bench.orders import make_order
from bench.peers import SLOTS, count_rows, ledger_of
from bench.servers import Server, make_key, serving_jobwire
from bench.wrk import Load, run_wrk

CONNECTIONS = 32
# The WAL index counts transactions in its header (sqlite.org/walformat.html, iChange); each is one commit, one fsync.
_COMMITS = struct.Struct("=8xI")


def _count_commits(folder: Path) -> int:
    with ledger_of(folder).with_suffix(".db-shm").open("rb") as index:
        count: int = _COMMITS.unpack(index.read(_COMMITS.size))[0]
    return count


def _submit(server: Server, key: str, seconds: int, run: str) -> Load:
    order = {**make_order(), "note": f"{run} @N@"}
    environment = {
        "BENCH_METHOD": "POST",
        "BENCH_PATH": "/v1/jobs",
        "BENCH_KEY": key,
        "BENCH_BODY": json.dumps({"kind": "noop", "input": order}),
    }
    return run_wrk(server.url, connections=CONNECTIONS, seconds=seconds, environment=environment)


def _count_jobs(folder: Path, run: str) -> tuple[int, int]:
    """The jobs of a run of wrk and the different numbers they carry."""
    sql = f"SELECT {{}} FROM job WHERE input ->> 'note' LIKE '{run} %'"
    ledger = ledger_of(folder)
    return count_rows(ledger, sql.format("count(*)")), count_rows(ledger, sql.format("count(DISTINCT input)"))


def _measure(seconds: int, folder: Path, *, slots: str) -> Figures:
    key = make_key(folder)
    with serving_jobwire(folder, app="bench.jobwire_app:app", environment={"JOBWIRE_WORKERS": slots}) as server:
        _submit(server, key, 1, "warm")
        commits = _count_commits(folder)
        load = _submit(server, key, seconds, "measured")
        commits = _count_commits(folder) - commits
    # Jobs that were on their way when wrk stopped are in the ledger without having been counted.
    jobs, different = _count_jobs(folder, "measured")
    if not load.requests <= different == jobs <= load.requests + CONNECTIONS:
        raise Failed(f"wrk counted {load.requests} submissions; the ledger has {jobs} jobs of {different} requests")
    return {"jobs/s": load.per_s, "jobs a commit": jobs / commits, "p50 ms": load.p50_ms, "p99 ms": load.p99_ms}


@contextmanager
def _open(folder: Path, size: Size) -> Iterator[Sequence[Variant]]:
    yield [
        Variant("no worker in the process", partial(_measure, size.seconds, slots="0")),
        Variant("with a worker in the process", partial(_measure, size.seconds, slots=SLOTS)),
    ]


SUBMIT = Measurement(
    name="submit",
    title="Submit: POST /v1/jobs, one job a request, 32 connections, `jobwire serve`",
    open=_open,
    goals=[
        Goal("submit: at least 2 jobs share a commit and its fsync", "jobs a commit", "no worker in the process", 2.0)
    ],
    needs_wrk=True,
)
