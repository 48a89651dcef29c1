"""Latency: from submission to the start of the handler, at light load: one job every 20 ms."""

import http.client
import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from bench.measurement import Bench, Figures, Goal, Measurement, Ratios, Variant
from bench.orders import make_order
from bench.peers import WARM_JOBS
from bench.peers.child import Load
from bench.peers.contract import Peer
from bench.peers.table import JOBWIRE_POSTGRES, JOBWIRE_SQLITE, SIDES
from bench.servers import make_key, serving_jobwire
from bench.ticks import read_waits

JOBS = 300
JOBS_MIN = 100
GAP_S = 0.02
IN_PROCESS, OVER_HTTP = ", in process", ", POST /v1/jobs"


def _measure(peer: Peer, bench: Bench, folder: Path) -> Figures:
    jobs = _count_jobs(bench)
    with peer.opened(bench.databases, folder) as site:
        peer.fill(site, Load(is_grouped=True, jobs=WARM_JOBS))
        with peer.together(site, Load(is_grouped=False, jobs=jobs, gap_s=GAP_S)):
            peer.wait_for_results(site, jobs + WARM_JOBS)
        return _percentiles(folder)


def _measure_http(peer: Peer, bench: Bench, folder: Path) -> Figures:
    """The same over HTTP, server and worker in one process: from before the request on a connection kept open."""
    jobs = _count_jobs(bench)
    with peer.opened(bench.databases, folder) as site:
        peer.fill(site, Load(is_grouped=True, jobs=WARM_JOBS))
        headers = {"Authorization": f"Bearer {make_key(site)}", "Content-Type": "application/json"}
        with serving_jobwire(site, app="bench.jobwire_app:app") as server:
            peer.wait_for_results(site, WARM_JOBS)
            connection = http.client.HTTPConnection("127.0.0.1", server.port)
            for _ in range(jobs):
                body = json.dumps({"kind": "noop", "input": make_order(time.monotonic())})
                connection.request("POST", "/v1/jobs", body, headers)
                answer = connection.getresponse()
                assert answer.status == 202, (answer.status, answer.read())
                answer.read()
                time.sleep(GAP_S)
            connection.close()
            peer.wait_for_results(site, jobs + WARM_JOBS)
        return _percentiles(folder)


def _count_jobs(bench: Bench) -> int:
    return max(JOBS_MIN, int(JOBS * bench.size.share))


def _percentiles(folder: Path) -> Figures:
    waits = read_waits(folder)
    return {f"p{p} ms": waits[min(len(waits) - 1, len(waits) * p // 100)] * 1000 for p in (50, 99)}


@contextmanager
def _open(folder: Path, bench: Bench) -> Iterator[Sequence[Variant]]:
    sqlite, postgres = SIDES[JOBWIRE_SQLITE], SIDES[JOBWIRE_POSTGRES]
    inside = replace(postgres, works_while_submitting=True)
    yield [
        Variant(JOBWIRE_SQLITE + IN_PROCESS, partial(_measure, sqlite, bench)),
        Variant(JOBWIRE_SQLITE + OVER_HTTP, partial(_measure_http, sqlite, bench)),
        Variant(JOBWIRE_POSTGRES + IN_PROCESS, partial(_measure, inside, bench)),
        Variant(JOBWIRE_POSTGRES + OVER_HTTP, partial(_measure_http, postgres, bench)),
        *(
            Variant(peer.name, partial(_measure, peer, bench))
            for peer in SIDES.values()
            if peer.name != JOBWIRE_SQLITE
        ),
    ]


LATENCY = Measurement(
    name="latency",
    title="Latency: submission to start of the handler, one job every 20 ms; the producer is a process of its own "
    "where nothing else is said",
    open=_open,
    goals=[
        Goal("latency, SQLite: p50 at most 1.0 ms", "p50 ms", JOBWIRE_SQLITE + IN_PROCESS, 1.0, is_minimum=False),
        Goal(
            "latency, PostgreSQL: p50 at most 2.5 ms in process", "p50 ms", JOBWIRE_POSTGRES + IN_PROCESS, 2.5,
            is_minimum=False,
        ),
        Goal(
            "latency, PostgreSQL: p50 at most 2.5 ms between processes", "p50 ms", JOBWIRE_POSTGRES, 2.5,
            is_minimum=False,
        ),
    ],
    ratios=Ratios(
        "p50 ms",
        {
            peer.name: JOBWIRE_POSTGRES if peer.engine == "postgres" else JOBWIRE_SQLITE + IN_PROCESS
            for peer in SIDES.values()
        },
        is_less_better=True,
    ),
)  # fmt: skip
