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
from bench.peers import SLOTS, Jobwire, ledger_of
from bench.servers import make_key, serving_jobwire
from bench.wrk import run_wrk

CONNECTIONS = 32
# The WAL index counts transactions in its header (sqlite.org/walformat.html, iChange); each is one commit, one fsync.
_COMMITS = struct.Struct("=8xI")


def _count_commits(folder: Path) -> int:
    with ledger_of(folder).with_suffix(".db-shm").open("rb") as index:
        count: int = _COMMITS.unpack(index.read(_COMMITS.size))[0]
    return count


def _measure(seconds: int, folder: Path, *, slots: str) -> Figures:
    environment = {
        "BENCH_METHOD": "POST",
        "BENCH_PATH": "/v1/jobs",
        "BENCH_KEY": make_key(folder),
        "BENCH_BODY": json.dumps({"kind": "noop", "input": make_order()}),
    }
    peer = Jobwire("Jobwire")
    with serving_jobwire(folder, app="bench.jobwire_app:app", environment={"JOBWIRE_WORKERS": slots}) as server:
        run_wrk(server.url, connections=CONNECTIONS, seconds=1, environment=environment)
        jobs, commits = peer.kept(folder) + peer.left(folder), _count_commits(folder)
        load = run_wrk(server.url, connections=CONNECTIONS, seconds=seconds, environment=environment)
        new_jobs, new_commits = peer.kept(folder) + peer.left(folder) - jobs, _count_commits(folder) - commits
    # What either run had sent when it stopped may be in the ledger without having been counted, nothing else.
    if not load.requests <= new_jobs <= load.requests + 2 * CONNECTIONS:
        raise Failed(f"wrk counted {load.requests} submissions, the ledger {new_jobs}")
    return {
        "jobs/s": load.per_s,
        "jobs a commit": new_jobs / new_commits,
        "p50 ms": load.p50_ms,
        "p99 ms": load.p99_ms,
    }


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
        Goal("submit: group-committed, more than 1 job a commit", "jobs a commit", "no worker in the process", 2.0)
    ],
    needs_wrk=True,
)
