"""A worker that is killed in the middle of an export or import loses nothing and does nothing twice."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from flights import write_flights
from table_house import DEADLINE_S, Shelf, TableHouse, run_tables

from house_engines import address_in
from jobwire.domain.phases import Phase
from jobwire.systems.fifthelement.starting import EXPORT, IMPORT

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent
ROWS = 30_000
PARTS = {"PART_BYTES": str(1 << 20)}


@pytest.fixture
def idle(tmp_path: Path) -> Iterator[TableHouse]:
    """A house without a worker: the workers are processes of their own."""
    with run_tables(tmp_path, workers=0) as house:
        yield house


@contextmanager
def worker(folder: Path, **environment: str) -> Iterator["subprocess.Popen[bytes]"]:
    """A worker on the folder's ledger; dead after the block, with its children."""
    scratch = folder / "scratch"
    scratch.mkdir(exist_ok=True)
    process = subprocess.Popen(
        [sys.executable, str(HERE / "table_worker.py"), str(folder), address_in(folder)],
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(HERE), str(HERE.parents[1])]),
            "TMPDIR": str(scratch),
            **environment,
        },
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        yield process
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()


def wait_for(is_so: Callable[[], Any]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not is_so():
        assert time.monotonic() < deadline, "waited in vain"
        threading.Event().wait(0.005)


def find_scratch(folder: Path, pattern: str) -> Callable[[], bool]:
    return lambda: any(path.stat().st_size > 0 for path in (folder / "scratch").glob(pattern))


def kill_when(folder: Path, is_so: Callable[[], Any], **environment: str) -> None:
    with worker(folder, **environment):
        wait_for(is_so)


def check_whole(shelf: Shelf, number: int, rows: int) -> None:
    ended = shelf.wait(number)
    assert ended.phase is Phase.COMPLETED, ended.error
    assert [ended.result[name] for name in ("rows", "added", "changed", "unchanged")] == [rows, rows, 0, 0]
    contents = [row.content for row in shelf.documents()]
    assert len(contents) == len(set(contents)) == rows
    assert shelf.query("SELECT COUNT(*) FROM fifthelement_row_key") == [(rows,)]


def test_an_import_goes_on_where_it_was_killed(idle: TableHouse, tmp_path: Path) -> None:
    shelf = idle.open_shelf("Airline")
    source = shelf.keep(write_flights(tmp_path / "flights.csv", ROWS))
    number = shelf.start(IMPORT, source=source, title="flight", process=False)
    kill_when(tmp_path, find_scratch(tmp_path, "jobwire-scratch-*/*/rows"))
    assert shelf.count() == 0
    kill_when(tmp_path, lambda: shelf.count() > 0)
    assert 0 < shelf.count() < ROWS
    with worker(tmp_path):
        check_whole(shelf, number, ROWS)


def test_an_export_goes_on_behind_the_last_part_it_kept(idle: TableHouse, tmp_path: Path) -> None:
    shelf = idle.open_shelf("Airline")
    source = shelf.keep(write_flights(tmp_path / "flights.csv", ROWS))
    loading = shelf.start(IMPORT, source=source, title="flight", process=False)
    with worker(tmp_path):
        check_whole(shelf, loading, ROWS)
    number = shelf.start(EXPORT, format="xlsx")
    store = idle.house.store

    def read_parts() -> list[Any]:
        return [msgspec.json.decode(part)["reached"] for part in store.steps(number).result().values()]

    for kill in range(2):
        asked, before = tmp_path / f"asked {kill}", len(read_parts())
        kill_when(tmp_path, lambda before=before: len(read_parts()) > before, ASKED=str(asked), **PARTS)
    behind = max(part["after"] for part in read_parts())
    assert not any(part["is_over"] for part in read_parts()), "killed in the middle"
    last = tmp_path / "asked at last"
    with worker(tmp_path, ASKED=str(last), **PARTS):
        ended = shelf.wait(number)
        assert ended.phase is Phase.COMPLETED, ended.error
        assert ended.result["rows"] == ended.result["documentsProcessed"] == ROWS
        assert min(last.read_text().splitlines()) == behind, "nothing before that is read again"
        copy = idle.open_shelf("Copy")
        again = copy.wait(copy.start(IMPORT, source=ended.result["downloadUrl"], process=False))
    assert again.result["added"] == ROWS
    assert copy.texts() == shelf.texts()
