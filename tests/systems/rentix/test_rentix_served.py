"""The program as an operator runs it: `jobwire keys create`, `jobwire serve`, a crash in the middle, and again."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from rentix_house import DEADLINE_S, FLAT, POLLERS_FOLDER, PhotoServer

from house_engines import address_in

JOBWIRE = (str(Path(sys.executable).with_name("jobwire")),)


def environment(folder: Path) -> dict[str, str]:
    return {
        **os.environ,
        "JOBWIRE_DB": address_in(folder),
        "JOBWIRE_FILES": str(folder / "files"),
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
    create = [*JOBWIRE, "keys", "create", "--owner", "Agency", "--json"]
    made = subprocess.run(create, env=environment(tmp_path), capture_output=True, text=True, check=True, cwd=tmp_path)
    key = json.loads(made.stdout)["key"]
    headers = {"Authorization": f"ApiKey {key}"}
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
        poller = [sys.executable, str(POLLERS_FOLDER / "poller.py"), address, key, str(job)]
        ended = subprocess.run(poller, capture_output=True, text=True, timeout=DEADLINE_S, check=False)
        listing = httpx.get(f"{address}/api/v1/listings/external/A", headers=headers).json()
    assert ended.returncode == 0, ended.stderr
    assert listing["formData"]["announcementStatus"] == "active"
    assert [photos.hits[f"/{name}"] for name in names] == [1, 1, 2]
