"""A worker killed in the middle of its job: another goes on behind what is done, nothing is there twice."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from documents_house import FINAL, DocumentHouse, run_documents

from jobwire.domain.ids import show_hex
from jobwire.domain.states import State

pytestmark = pytest.mark.slow
LEASE_MS = "3000"


@contextmanager
def worker_process(folder: Path, address: str) -> Iterator[subprocess.Popen[bytes]]:
    environment = {
        **os.environ,
        "JOBWIRE_FILES": str(folder / "files"),
        "JOBWIRE_LEASE_MS": LEASE_MS,
        "JOBWIRE_WORKERS": "1",
        "JOBWIRE_DRAIN_S": "0",
        "FIFTHELEMENT_RETRY_FIRST_MS": "20",
    }
    command = [sys.executable, "-m", "jobwire", "worker", "--db", address, "--systems", "fifthelement"]
    with (folder / "worker.log").open("ab") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.kill()
        process.wait(30)


@pytest.fixture
def house(tmp_path: Path, ledger: str) -> Iterator[DocumentHouse]:
    """A house without a worker of its own: it submits, looks, and takes back what dead workers held."""
    with run_documents(tmp_path, ledger, workers=0, JOBWIRE_LEASE_MS=LEASE_MS) as opened:
        yield opened


def count(house: DocumentHouse, what: str, condition: str = "1 = 1") -> int:
    sql = f"SELECT COUNT(*) FROM fifthelement_{what} WHERE owner = :owner AND {condition}"
    return int(house.store.read(lambda reader: reader.query(sql, owner=house.owner)).result()[0][0])


def watch_progress(house: DocumentHouse, number: int) -> Callable[[], int]:
    """A look at the job as its customer sees it, which fails where less is done than at the look before."""
    client = house.open_http("/v1/api", {"Authorization": f"Bearer {house.make_key()}"})
    path = f"/jobs/job_{show_hex(house.job(number).key)}"
    seen = [0]

    def look() -> int:
        seen.append(client.get(path).json()["data"]["progress"])
        assert seen[-1] >= seen[-2], seen
        return seen[-1]

    return look


def kill_when(house: DocumentHouse, folder: Path, address: str, number: int, what: str, least: int, **named) -> int:
    """How many rows there were when the worker that made them was killed, in the middle of its job."""
    with worker_process(folder, address) as process:
        house.wait_until(lambda: True if count(house, what, **named) >= least else None)
        process.send_signal(signal.SIGKILL)
        process.wait(30)
    assert house.job(number).state not in FINAL, "the job was over before its worker could be killed"
    return count(house, what, **named)


def test_processing_goes_on_behind_the_last_document(
    house: DocumentHouse, tmp_path: Path, ledger: str, corpora: Path
) -> None:
    (path,) = corpora.rglob("GeoBase_NHNC1_Data_Model_UML_EN.pdf")
    repository = house.add_repository()
    rows = [house.add_file(repository, path.read_bytes(), f"{n}.pdf") for n in range(60)]
    number = house.start_batch(repository, rows)
    look = watch_progress(house, number)
    with worker_process(tmp_path, ledger) as process:
        house.wait_until(lambda: True if look() > 1 and count(house, "cut") >= 3 else None)
        process.send_signal(signal.SIGKILL)
        process.wait(30)
    assert 1 < look() < 100
    done = count(house, "cut")
    before = house.store.read(
        lambda r: r.query("SELECT document, updated_at FROM fifthelement_cut c JOIN fifthelement_document d"
                          " ON d.id = c.document ORDER BY document")
    ).result()  # fmt: skip
    with worker_process(tmp_path, ledger):
        house.wait_until(lambda: True if look() == 100 else None)
    result = house.result(number)
    assert (result["documentsProcessed"], result["errors"], result["pages"]) == (60, 0, 60 * 19)
    assert count(house, "cut") == count(house, "document", "status = 'Ready'") == 60
    after = dict(house.store.read(lambda r: r.query("SELECT id, updated_at FROM fifthelement_document")).result())
    assert done >= 3 and all(after[document] == at for document, at in before), "a finished document was redone"


def test_embedding_goes_on_behind_the_last_batch(house: DocumentHouse, tmp_path: Path, ledger: str) -> None:
    repository = house.add_repository()
    rows = [house.add_text(repository, f"Pump number {n} was primed on a rainy day.") for n in range(96)]
    with worker_process(tmp_path, ledger):
        house.result(house.start_batch(repository, rows))
    number = house.start_embedding(repository)
    done = kill_when(house, tmp_path, ledger, number, "vector", 16)
    with worker_process(tmp_path, ledger):
        result = house.result(number)
    assert house.job(number).state == State.COMPLETED
    assert count(house, "vector") == result["chunks"] == 96
    assert result["chunksEmbedded"] == 96 - done < 96
