"""Latency: from submission to the start of the handler, at light load: one job every 20 ms."""

import http.client
import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from bench.measurement import Figures, Goal, Measurement, Size, Variant
from bench.orders import make_order
from bench.peers import WARM_JOBS, Huey, Jobwire, Peer, wait_for_results
from bench.servers import make_key, serving_jobwire
from bench.ticks import read_waits

JOBS = 300
GAP_S = 0.02


def _measure_peer(peer: Peer, jobs: int, folder: Path) -> Figures:
    peer.fill(folder, WARM_JOBS)
    with peer.together(folder, jobs, GAP_S):
        wait_for_results(peer, folder, jobs + WARM_JOBS)
    return _percentiles(folder)


def _measure_http(jobs: int, folder: Path) -> Figures:
    """The same over HTTP: from before `POST /v1/jobs` on a connection kept open."""
    peer = Jobwire("over HTTP")
    peer.fill(folder, WARM_JOBS)
    headers = {"Authorization": f"Bearer {make_key(folder)}", "Content-Type": "application/json"}
    with serving_jobwire(folder, app="bench.jobwire_app:app") as server:
        wait_for_results(peer, folder, WARM_JOBS)
        connection = http.client.HTTPConnection("127.0.0.1", server.port)
        for _ in range(jobs):
            body = json.dumps({"kind": "noop", "input": make_order(time.monotonic())})
            connection.request("POST", "/v1/jobs", body, headers)
            answer = connection.getresponse()
            assert answer.status == 202, (answer.status, answer.read())
            answer.read()
            time.sleep(GAP_S)
        connection.close()
        wait_for_results(peer, folder, jobs + WARM_JOBS)
    return _percentiles(folder)


def _percentiles(folder: Path) -> Figures:
    waits = read_waits(folder)
    return {f"p{p} ms": waits[min(len(waits) - 1, len(waits) * p // 100)] * 1000 for p in (50, 99)}


@contextmanager
def _open(folder: Path, size: Size) -> Iterator[Sequence[Variant]]:
    jobs = max(100, int(JOBS * size.share))
    yield [
        Variant("Jobwire, in process", partial(_measure_peer, Jobwire("Jobwire, in process"), jobs)),
        Variant("Jobwire, POST /v1/jobs", partial(_measure_http, jobs)),
        Variant("Huey, no fsync", partial(_measure_peer, Huey("Huey, no fsync", is_fsynced=False), jobs)),
        Variant("Huey, fsync", partial(_measure_peer, Huey("Huey, fsync", is_fsynced=True), jobs)),
    ]


LATENCY = Measurement(
    name="latency",
    title="Latency: submission to start of the handler, one job every 20 ms",
    open=_open,
    goals=[Goal("latency: p50 at most 1.0 ms", "p50 ms", "Jobwire, in process", 1.0, is_minimum=False)],
)
