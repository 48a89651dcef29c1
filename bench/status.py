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
from bench.finished import Finished, list_ids, prepare_finished
from bench.measurement import Figures, Goal, Measurement, Size, Variant
from bench.servers import Server, serving_constant, serving_jobwire
from bench.wrk import run_wrk

JOBS = 300_000
POLLED = 20_000
CONNECTIONS = 32
BYTES_SLACK = 16


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
def _open(folder: Path, size: Size) -> Iterator[Sequence[Variant]]:
    finished = prepare_finished(folder, int(JOBS * size.share), polled=POLLED)
    (folder / "all.txt").write_text("\n".join(list_ids(folder)) + "\n")
    any_finished = replace(finished, ids=folder / "all.txt")
    with serving_jobwire(folder, environment={"JOBWIRE_WORKERS": "0"}) as jobwire:
        status, body, etag, _ = ask(jobwire, finished)
        if status != 200 or etag != finished.etag:
            raise Failed(f"the first poll was answered {status} with ETag {etag}: {body[:200]!r}")
        with serving_constant(folder, len(body)) as constant:
            yield [
                Variant("bare uvicorn, constant", partial(_measure, constant, finished, size.seconds)),
                Variant("Jobwire, 200", partial(_measure, jobwire, finished, size.seconds)),
                Variant("Jobwire, 200, any of all", partial(_measure, jobwire, any_finished, size.seconds)),
                Variant("Jobwire, 304", partial(_measure, jobwire, finished, size.seconds, is_conditional=True)),
            ]


STATUS = Measurement(
    name="status",
    title="Status: GET /v1/jobs/{id}, random ids among the newest 20,000 of 300,000 finished jobs, wrk -t1 -c32",
    open=_open,
    goals=[
        Goal(
            "status: at least 0.6 x a constant answer of bare uvicorn", "reads/s", "Jobwire, 200", 0.6,
            against="bare uvicorn, constant",
        ),
    ],
    needs_wrk=True,
)  # fmt: skip
