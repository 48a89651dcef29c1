"""Status: reads a second of finished jobs, with a real key and random ids, beside bare uvicorn's constant answer.

Pollers ask for jobs of the last minutes: the newest 20,000 of 300,000 are polled; a row for any of them is beside it.
"""

import http.client
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from bench.children import Failed
from bench.databases import SHOWN, Engine
from bench.finished import Finished, list_ids, prepare_finished
from bench.measurement import Bench, Figures, Goal, Measurement, Variant
from bench.servers import Server, serving_constant, serving_jobwire
from bench.wrk import run_wrk

JOBS = 300_000
POLLED = 20_000
CONNECTIONS = 32
BYTES_SLACK = 16
CONSTANT = "bare uvicorn, constant"


def ask(server: Server, finished: Finished, etag: str | None = None) -> tuple[int, bytes, str, int]:
    """One poll of the first finished job: status, body, ETag, and bytes of the whole answer."""
    headers = {"Authorization": f"Bearer {finished.key}"}
    if etag is not None:
        headers["If-None-Match"] = etag
    with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)) as connection:
        connection.request("GET", f"/v1/jobs/{finished.first_id}", headers=headers)
        answer = connection.getresponse()
        body = answer.read()
    head = [f"HTTP/1.1 {answer.status} {answer.reason}", *(f"{name}: {value}" for name, value in answer.getheaders())]
    return answer.status, body, answer.headers.get("ETag", ""), sum(len(line) + 2 for line in head) + 2 + len(body)


def _measure(
    server: Server, finished: Finished, seconds: int, folder: Path, *, is_conditional: bool = False
) -> Figures:
    environment = {"BENCH_PATH": "/v1/jobs/", "BENCH_KEY": finished.key, "BENCH_IDS": str(finished.ids)}
    expected = 200
    etag = None
    if is_conditional:
        etag = environment["BENCH_ETAG"] = finished.etag
        expected = 304
    status, _, _, answer_bytes = ask(server, finished, etag)
    if status != expected:
        raise Failed(f"a poll was answered {status}, not {expected}")
    load = run_wrk(server.url, connections=CONNECTIONS, seconds=seconds, environment=environment)
    # Every answer was as long as the one looked at: none was an error page or another job's 404.
    if abs(load.bytes_each - answer_bytes) > BYTES_SLACK:
        raise Failed(f"answers were {load.bytes_each:.0f} bytes on average, the one looked at {answer_bytes}")
    return {"reads/s": load.per_s, "p50 ms": load.p50_ms, "p99 ms": load.p99_ms}


@contextmanager
def _open(engine: Engine, folder: Path, bench: Bench) -> Iterator[Sequence[Variant]]:
    seconds = bench.size.seconds
    with bench.databases.fresh(engine, folder) as site:
        finished = prepare_finished(site, int(JOBS * bench.size.share), polled=POLLED)
        (folder / "all.txt").write_text("\n".join(list_ids(site)) + "\n")
        any_finished = replace(finished, ids=folder / "all.txt")
        with serving_jobwire(site, environment={"JOBWIRE_WORKERS": "0"}) as jobwire:
            status, body, etag, _ = ask(jobwire, finished)
            if status != 200 or etag != finished.etag:
                raise Failed(f"the first poll was answered {status} with ETag {etag}: {body[:200]!r}")
            with serving_constant(folder, len(body)) as constant:
                yield [
                    Variant(CONSTANT, partial(_measure, constant, finished, seconds)),
                    Variant("Jobwire, 200", partial(_measure, jobwire, finished, seconds)),
                    Variant("Jobwire, 200, any of all", partial(_measure, jobwire, any_finished, seconds)),
                    Variant("Jobwire, 304", partial(_measure, jobwire, finished, seconds, is_conditional=True)),
                ]


def _make(name: str, engine: Engine, least: float) -> Measurement:
    title = SHOWN[engine]
    goal = f"{name}, {title}: at least {least} x a constant answer of bare uvicorn"
    return Measurement(
        name=name,
        title=f"Status, {title}: GET /v1/jobs/{{id}}, random ids among the newest 20,000 of 300,000 finished jobs, "
        "wrk -t1 -c32",
        open=partial(_open, engine),
        goals=[Goal(goal, "reads/s", "Jobwire, 200", least, against=(CONSTANT,))],
        needs_wrk=True,
    )


STATUS = _make("status", "sqlite", 0.6)
STATUS_POSTGRES = _make("status-postgres", "postgres", 0.35)
