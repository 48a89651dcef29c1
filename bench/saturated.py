"""Saturated: how long a poll takes while photo work has both cores, beside the same polls of the idle server.

Eight customers poll at a steady pace (about 400 polls a second): that is what a person feels. wrk at full speed
would only measure how two programs that both want a core share it.
"""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from bench.children import Failed, wait_until
from bench.databases import Site
from bench.finished import Finished, prepare_finished
from bench.measurement import Bench, Figures, Goal, Measurement, Variant
from bench.photo_app import PHOTOS, app
from bench.servers import OWNER, Server, read_bench_settings, serving_jobwire
from bench.wrk import run_wrk

JOBS = 30_000
CONNECTIONS = 8
PACE_MS = 20
PHOTOS_A_SECOND_MAX = 40
RENTIX = {"JOBWIRE_SYSTEMS": "rentix", "JOBWIRE_WORKERS": "8"}


async def _submit_photos(site: Site, count: int) -> None:
    app.open(read_bench_settings(site))
    try:
        inputs = [{"source": PHOTOS[index % len(PHOTOS)]} for index in range(count)]
        await app.submit_many("photo", inputs, owner=OWNER)
    finally:
        app.close()


def _count_photos(site: Site, states: str) -> int:
    sql = f"SELECT count(*) FROM job JOIN state USING (number) WHERE kind = 'photo' AND state.state IN ({states})"
    return site.count(sql)


def _poll(server: Server, finished: Finished, seconds: int) -> Figures:
    environment = {
        "BENCH_PATH": "/v1/jobs/",
        "BENCH_KEY": finished.key,
        "BENCH_IDS": str(finished.ids),
        "BENCH_PACE_MS": str(PACE_MS),
    }
    load = run_wrk(server.url, connections=CONNECTIONS, seconds=seconds, environment=environment)
    return {"p50 ms": load.p50_ms, "p99 ms": load.p99_ms, "polls/s": load.per_s}


def _measure_idle(bench: Bench, folder: Path) -> Figures:
    with bench.databases.fresh("sqlite", folder) as site:
        finished = prepare_finished(site, int(JOBS * bench.size.share))
        with serving_jobwire(site, app="bench.photo_app:app", environment=RENTIX) as server:
            return _poll(server, finished, bench.size.seconds)


def _measure_saturated(bench: Bench, folder: Path) -> Figures:
    seconds = bench.size.seconds
    with bench.databases.fresh("sqlite", folder) as site:
        finished = prepare_finished(site, int(JOBS * bench.size.share))
        asyncio.run(_submit_photos(site, PHOTOS_A_SECOND_MAX * (seconds + 5)))
        with serving_jobwire(site, app="bench.photo_app:app", environment=RENTIX) as server:
            wait_until(lambda: _count_photos(site, "2") > 0, "a first photo", timeout_s=60)
            done_before = _count_photos(site, "2")
            figures = dict(_poll(server, finished, seconds))
            done, left, failed = (_count_photos(site, states) for states in ("2", "0, 1", "3, 4"))
    if failed or not left:
        raise Failed(f"the workers were not saturated throughout: {failed} photos failed, {left} were left")
    return {**figures, "photos/s": (done - done_before) / seconds}


@contextmanager
def _open(folder: Path, bench: Bench) -> Iterator[Sequence[Variant]]:
    yield [
        Variant("idle", partial(_measure_idle, bench)),
        Variant("workers saturated with photos", partial(_measure_saturated, bench)),
    ]


SATURATED = Measurement(
    name="saturated",
    title="Saturated: GET /v1/jobs/{id} while photo work has both cores, 8 connections, about 400 polls a second",
    open=_open,
    goals=[
        Goal(
            "saturated: p99 at most 3 x idle", "p99 ms", "workers saturated with photos", 3.0,
            against=("idle",), is_minimum=False,
        ),
    ],
    needs_wrk=True,
)  # fmt: skip
