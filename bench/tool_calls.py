"""The tools over HTTP: what a small call that is answered at once takes, and how many jobs by URL are done a second.

Each call and each job is a whole one: key, limits, unit, job in the ledger, child process, file kept, answer. A key
may call 60 times a minute, so there are as many accounts as that takes.
"""

import asyncio
import json
import statistics
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from bench.children import Failed, wait_until
from bench.databases import SHOWN, Engine, Site
from bench.measurement import Bench, Figures, Measurement, Variant
from bench.servers import Server, read_bench_settings, serving_jobwire
from jobwire.wiring import open_house

ENGINES: Sequence[Engine] = ("sqlite", "postgres")
CALLS = 300
JOBS = 600
CALLS_A_KEY = 60
WARM_CALLS = 10
TIMEOUT_S = 300.0
CONTENT = json.dumps([{"id": n, "name": f"name {n}", "price": 1.1, "tags": ["a", "b"]} for n in range(18)]).encode()
ENVIRONMENT = {
    "JOBWIRE_SYSTEMS": "apidatatools",
    "JOBWIRE_WORKERS": "8",
    "JOBWIRE_FETCH_ALLOW": "127.0.0.0/8",
    "APIDATATOOLS_SYNC_MS": "60000",
}


def _make_keys(site: Site, calls: int) -> list[str]:
    """A key of an account of its own for every 60 calls."""
    house = open_house(read_bench_settings(site))

    async def make() -> list[str]:
        owners, keys = house.services.owners, []
        for number in range(-(-calls // CALLS_A_KEY)):
            await owners.create_owner(f"bench-{number}")
            keys.append((await owners.create_key(f"bench-{number}")).key)
        return keys

    try:
        return asyncio.run(make())
    finally:
        house.close()


class _Caller:
    """Calls a tool on one connection, each key in its turn."""

    def __init__(self, server: Server, keys: Sequence[str]) -> None:
        self._connection = HTTPConnection("127.0.0.1", server.port, timeout=TIMEOUT_S)
        self._keys = keys
        self._count = 0

    def call(self, body: bytes, *, source: str, expected: int) -> float:
        """Milliseconds that one call took; Failed unless it is answered as expected."""
        key = self._keys[self._count % len(self._keys)]
        self._count += 1
        start = time.perf_counter()
        self._connection.request(
            "POST", "/apidatatools/json-formatter-api", body, {"x-api-key": key, "x-source-type": source}
        )
        answer = self._connection.getresponse()
        text = answer.read()
        taken_ms = (time.perf_counter() - start) * 1_000
        if answer.status != expected:
            raise Failed(f"a call was answered with {answer.status}: {text[:200]!r}")
        return taken_ms


def _time_calls(engine: Engine, bench: Bench, folder: Path) -> Figures:
    amount = int(CALLS * bench.size.share)
    with bench.databases.fresh(engine, folder) as site:
        keys = _make_keys(site, amount + WARM_CALLS)
        with serving_jobwire(site, environment=ENVIRONMENT) as server:
            caller = _Caller(server, keys)
            for _ in range(WARM_CALLS):
                caller.call(CONTENT, source="body", expected=200)
            taken_ms = sorted(caller.call(CONTENT, source="body", expected=200) for _ in range(amount))
    return {"p50 ms": statistics.median(taken_ms), "p99 ms": taken_ms[int(amount * 0.99)]}


def _count_jobs(engine: Engine, bench: Bench, folder: Path, *, url: str) -> Figures:
    amount = int(JOBS * bench.size.share)
    with bench.databases.fresh(engine, folder) as site:
        keys = _make_keys(site, amount)
        with serving_jobwire(site, environment=ENVIRONMENT) as server:
            caller = _Caller(server, keys)
            body = json.dumps({"url": url}).encode()
            start = time.monotonic()
            for _ in range(amount):
                caller.call(body, source="url", expected=202)
            end = wait_until(
                lambda: site.count("SELECT count(*) FROM state WHERE state >= 2") >= amount,
                f"{amount} jobs by URL",
                timeout_s=TIMEOUT_S,
                every_s=0.02,
            )
        done = site.count("SELECT count(*) FROM state WHERE state = 2")
        if done != amount:
            raise Failed(f"{amount} jobs by URL were submitted; {done} were completed")
    return {"jobs/s": amount / (end - start)}


@contextmanager
def _serving_content() -> Iterator[str]:
    """The URL of a small file on loopback."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(CONTENT)))
            self.end_headers()
            self.wfile.write(CONTENT)

        def log_message(self, *_: Any) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{http.server_address[1]}/small.json"
        http.shutdown()
        thread.join()


@contextmanager
def _open(folder: Path, bench: Bench) -> Iterator[Sequence[Variant]]:
    with _serving_content() as url:
        yield [
            variant
            for engine in ENGINES
            for variant in (
                Variant(f"a call in body mode, {SHOWN[engine]}", partial(_time_calls, engine, bench)),
                Variant(f"jobs in url mode, {SHOWN[engine]}", partial(_count_jobs, engine, bench, url=url)),
            )
        ]


TOOL_CALLS = Measurement(
    name="toolcalls",
    title="Tools over HTTP: json-formatter on 1 kB, answered at once, and fetched from loopback as a job",
    open=_open,
    goals=[],
)
