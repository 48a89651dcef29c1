"""The program as an operator runs it: `jobwire keys create`, `jobwire serve`, a crash in the middle, and again."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from rentix_house import DEADLINE_S, FLAT, PhotoServer

JOBWIRE = (sys.executable, "-m", "jobwire.cli")


def environment(folder: Path) -> dict[str, str]:
    return {
        **os.environ,
        "JOBWIRE_DB": str(folder / "rentix.db"),
        "JOBWIRE_FETCH_ALLOW": "127.0.0.0/8",
        "JOBWIRE_LEASE_MS": "1000",
        "RENTIX_APERTIUM": "off",
    }


@contextmanager
def serve(folder: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    command = [*JOBWIRE, "serve", "--systems", "rentix", "--port", "0"]
    process = subprocess.Popen(command, env=environment(folder), stderr=subprocess.PIPE, text=True, cwd=folder)
    try:
        assert process.stderr is not None
        address = next(found[0] for line in process.stderr if (found := re.search(r"http://[\d.:]+", line)))
        yield process, address
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=DEADLINE_S)


@pytest.mark.slow
def test_a_publication_survives_the_death_of_the_server(tmp_path: Path, photos: PhotoServer) -> None:
    create = [*JOBWIRE, "keys", "create", "--owner", "Agency"]
    made = subprocess.run(create, env=environment(tmp_path), capture_output=True, text=True, check=True, cwd=tmp_path)
    key = re.search(r"jw_\w+", made.stdout)
    assert key is not None, made.stdout
    headers = {"Authorization": f"ApiKey {key[0]}"}
    names = ("ok/balcony?crash", "ok/pavilion?crash", "gate/living-room?crash")
    files = [{"url": f"{photos.base}/{name}"} for name in names]
    photos.gate.clear()
    photos.reached.clear()
    with serve(tmp_path) as (process, address):
        body = {**FLAT, "externalId": "A", "announcementStatus": "active", "files": files}
        job = httpx.put(f"{address}/api/v1/listings", json=body, headers=headers).json()["jobId"]
        assert photos.reached.wait(DEADLINE_S)
        process.kill()
        process.wait()
    photos.gate.set()
    with serve(tmp_path) as (_, address):
        with httpx.Client(headers=headers) as client:
            deadline = time.monotonic() + DEADLINE_S
            status = {"status": "pending"}
            while status["status"] not in ("completed", "failed") and time.monotonic() < deadline:
                status = client.get(f"{address}/api/v1/job/status?id={job}").json()
            listing = client.get(f"{address}/api/v1/listings/external/A").json()
    assert status["status"] == "completed", status
    assert listing["formData"]["announcementStatus"] == "active"
    assert [photos.hits[f"/{name}"] for name in names] == [1, 1, 2]
