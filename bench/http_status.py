"""Status reads a second of the native dialect, as a ratio to a constant answer of the same uvicorn.

Needs `wrk` on the PATH. Jobs are read at random among JOBS completed ones, each answer is a full 200.
Run: python bench/http_status.py [seconds]
"""

import asyncio
import random
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import uvicorn

from jobwire.blobs.links import FileLinks
from jobwire.blobs.local import LocalBlobs
from jobwire.dialects.native import NATIVE
from jobwire.domain.ids import show_id
from jobwire.domain.outcome import Completed
from jobwire.domain.retry import RetryPolicy
from jobwire.domain.settlement import AttemptFacts, Lease, settle_outcome
from jobwire.http.app import build_app
from jobwire.kinds.registry import Registry, make_kind
from jobwire.service.jobs import Jobs
from jobwire.service.limits import Limits
from jobwire.service.owners import Owners
from jobwire.service.services import Services
from jobwire.store.contract import ClaimRequest
from jobwire.store.sqlite import open_sqlite

JOBS = 20_000
BATCH = 1_000
CONNECTIONS = 32
SECONDS = 5
ROUNDS = 3
OUTPUT = '{"announcementId":42,"completedOperations":["translate","locate","analyze"],"finalStatus":"active"}'
CONSTANT = b"x" * 700


def echo(text: str = "") -> str:
    """The kind of every job here."""
    return text


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def make_services(directory: Path) -> Services:
    store, registry = open_sqlite(directory / "ledger.db"), Registry([make_kind(echo, name="echo")])
    return Services(
        jobs=Jobs(store, registry, now_ms),
        owners=Owners(store, now_ms),
        limits=Limits(now_ms),
        store=store,
        blobs=LocalBlobs(directory / "blobs"),
        links=FileLinks(b"s" * 32, now_ms),
        registry=registry,
        settings={},
        clock=now_ms,
    )


def fill_ledger(services: Services, owner: int) -> list[str]:
    """Complete JOBS jobs; returns their ids."""
    ids: list[str] = []
    for _ in range(JOBS // BATCH):
        jobs = [services.jobs.build(owner, "echo", {"text": "hi"}) for _ in range(BATCH)]
        ids += [show_id(receipt.key) for receipt in services.store.submit(jobs).result()]
        claims = services.store.claim(ClaimRequest("bench", "default", BATCH)).result()
        services.store.heartbeat("bench", lease_ms=60_000).result()
        services.store.settle(
            [
                settle_outcome(
                    Lease(claim.number, claim.fence),
                    Completed(OUTPUT),
                    facts=AttemptFacts(claim.attempt, claim.attempts_max, claim.losses, False),
                    policy=RetryPolicy(),
                    jitter=0.5,
                )
                for claim in claims
            ]
        ).result()
    return ids


def run_wrk(url: str, script: Path, seconds: int) -> tuple[float, float]:
    """Requests a second, and the CPU microseconds that each cost this process, which only serves meanwhile."""
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "-s", str(script), url]
    spent = time.process_time()
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    spent = time.process_time() - spent
    if "Non-2xx" in text:
        raise SystemExit(text)
    rate, count = re.search(r"Requests/sec:\s+([\d.]+)", text), re.search(r"(\d+) requests in", text)
    assert rate is not None and count is not None, text
    return float(rate[1]), spent / int(count[1]) * 1e6


def main() -> None:
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else SECONDS
    directory = Path(tempfile.mkdtemp(prefix="jobwire-bench-"))
    services = make_services(directory)

    async def make_key() -> tuple[int, str]:
        owner = await services.owners.create_owner("bench")
        return owner.id, (await services.owners.create_key("bench")).key

    owner, key = asyncio.run(make_key())
    ids = fill_ledger(services, owner)
    app = build_app(services, [NATIVE])

    async def measured(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and scope["path"] == "/constant":
            headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(CONSTANT))]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": CONSTANT})
            return
        await app(scope, receive, send)

    server = uvicorn.Server(uvicorn.Config(measured, port=0, log_level="error", access_log=False, loop="uvloop"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    names = ",".join(f'"{one}"' for one in random.Random(1).sample(ids, min(JOBS, 5_000)))
    header = f'{{["Authorization"]="Bearer {key}"}}'
    poll, constant = directory / "poll.lua", directory / "constant.lua"
    poll.write_text(
        f"local ids={{{names}}} local n=0\n"
        f'request=function() n=n%#ids+1 return wrk.format("GET","/v1/jobs/"..ids[n],{header}) end'
    )
    constant.write_text(f'request=function() return wrk.format("GET","/constant",{header}) end')
    ratios = []
    for _ in range(ROUNDS):
        (floor, floor_us), (reads, reads_us) = run_wrk(url, constant, seconds), run_wrk(url, poll, seconds)
        ratios.append((reads / floor, floor_us / reads_us))
        print(
            f"constant {floor:6.0f}/s {floor_us:5.1f} µs CPU   status {reads:6.0f}/s {reads_us:5.1f} µs CPU   "
            f"ratio {reads / floor:.2f}, of CPU {floor_us / reads_us:.2f}"
        )
    print(
        "median ratio {:.2f}, of CPU {:.2f}".format(
            *[sorted(column)[ROUNDS // 2] for column in zip(*ratios, strict=True)]
        )
    )
    server.should_exit = True
    thread.join()
    services.store.close()
    shutil.rmtree(directory)


if __name__ == "__main__":
    main()
