"""The collector's own round: what it says in the log, and that a failure does not end it."""

import asyncio
import logging
import os
from pathlib import Path

import pytest

from jobwire.blobs.local import LEDGER_FILE, LocalBlobs
from jobwire.store.sqlite import open_sqlite
from jobwire.upkeep import collecting
from jobwire.upkeep.collecting import GRACE_S, Collector

DEADLINE_S = 10
NOW_S = 1_000_000.0


class Log(logging.Handler):
    """Lets a coroutine wait for a line."""

    def __init__(self) -> None:
        super().__init__()
        self._lines: asyncio.Queue[str] = asyncio.Queue()

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.put_nowait(record.getMessage())

    async def next_line(self) -> str:
        return await asyncio.wait_for(self._lines.get(), DEADLINE_S)


async def say_first(blobs: LocalBlobs, *, clock_s: object = lambda: NOW_S, lines: int = 1) -> list[str]:
    """The first lines of a collector that runs."""
    log = Log()
    logger = logging.getLogger("jobwire.upkeep")
    logger.addHandler(log)
    logger.setLevel(logging.INFO)
    store = open_sqlite(":memory:")
    running = asyncio.create_task(Collector(store, blobs).run(clock_s))  # type: ignore[arg-type]
    try:
        return [await log.next_line() for _ in range(lines)]
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        store.close()
        logger.removeHandler(log)
        logger.setLevel(logging.NOTSET)


@pytest.fixture
def blobs(tmp_path: Path) -> LocalBlobs:
    return LocalBlobs(tmp_path / "kept")


def test_it_collects_as_soon_as_it_runs(blobs: LocalBlobs) -> None:
    address = blobs.put_bytes(b"plan").sha256
    os.utime(blobs.path_of(address), (NOW_S - GRACE_S - 1,) * 2)
    assert asyncio.run(say_first(blobs)) == ["removed 1 kept files that nobody holds"]
    assert not blobs.verify(address)


def test_it_says_why_it_does_not_collect(blobs: LocalBlobs) -> None:
    (blobs.root / LEDGER_FILE).write_text("another ledger's id")
    (line,) = asyncio.run(say_first(blobs))
    assert line.startswith("kept files are not collected: the folder ") and "give each ledger its own" in line


def test_a_failure_is_told_and_tried_again(blobs: LocalBlobs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collecting, "COLLECT_INTERVAL_S", 0)

    def fail() -> float:
        raise OSError("the clock is gone")

    assert set(asyncio.run(say_first(blobs, clock_s=fail, lines=2))) == {
        "collecting kept files failed; trying again in an hour"
    }
