"""What drain, both and latency ask of a side, and the two sides: Huey on SQLite and Jobwire.

Both get the same input, the same handler, two processes at most and a folder of their own. What a side cannot do
like the other is said where it differs, and in docs/performance.md.
"""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from bench.children import Failed, python, run, running, wait_until
from bench.ticks import read_ticks

WARM_JOBS = 20
RUN_S_MAX = 180.0
CONSUMER = ("-k", "process", "-w", "2", "-d", "0.005", "-m", "0.05", "-q")
SLOTS = "1000"


class Peer(Protocol):
    """One side of a comparison."""

    @property
    def name(self) -> str:
        """As the table shows it."""

    def fill(self, folder: Path, jobs: int) -> None:
        """Submit `jobs` jobs with no worker running."""

    def work(self, folder: Path) -> AbstractContextManager[None]:
        """Run workers."""

    def together(self, folder: Path, jobs: int, gap_s: float = 0.0) -> AbstractContextManager[None]:
        """Run workers and, once the WARM_JOBS are through, a producer of `jobs` jobs, `gap_s` apart; the file
        `began` tells when its first submission began."""

    def kept(self, folder: Path) -> int:
        """How many jobs have their result in the ledger."""

    def left(self, folder: Path) -> int:
        """How many jobs still wait or run."""


@dataclass(frozen=True, slots=True)
class Huey:
    """One consumer with two process workers and a producer process of its own, which submits one by one.

    Without fsync it is at its fastest and may lose the last jobs at a power cut; with it it promises what Jobwire
    does. The consumer's options are the best of those tried.
    """

    name: str
    is_fsynced: bool

    def _environment(self, folder: Path) -> Mapping[str, str]:
        return {"BENCH_DB": str(folder / "huey.db"), "BENCH_FSYNC": "1" if self.is_fsynced else "0"}

    def fill(self, folder: Path, jobs: int) -> None:
        """See Peer."""
        run(python("-m", "bench.huey_produce", jobs, 0), folder, self._environment(folder))

    @contextmanager
    def work(self, folder: Path) -> Iterator[None]:
        """See Peer."""
        command = python("-m", "huey.bin.huey_consumer", "bench.huey_app.huey", *CONSUMER)
        with running(command, folder, self._environment(folder)):
            yield

    @contextmanager
    def together(self, folder: Path, jobs: int, gap_s: float = 0.0) -> Iterator[None]:
        """See Peer."""
        producer = python("-m", "bench.huey_produce", jobs, gap_s)
        with self.work(folder):
            wait_for_starts(folder, WARM_JOBS)
            with running(producer, folder, self._environment(folder)):
                yield

    def kept(self, folder: Path) -> int:
        """See Peer."""
        return count_rows(folder / "huey.db", "SELECT count(*) FROM kv")

    def left(self, folder: Path) -> int:
        """See Peer."""
        return count_rows(folder / "huey.db", "SELECT count(*) FROM task")


@dataclass(frozen=True, slots=True)
class Jobwire:
    """One process with the worker; the producer is a thread of it and submits in groups of 500, or one by one from
    32 tasks at once. Every commit is fsynced."""

    name: str
    mode: Literal["groups", "singles"] = "groups"

    def _command(self, *words: object) -> list[str]:
        return python("-m", "bench.jobwire_child", *words)

    def fill(self, folder: Path, jobs: int) -> None:
        """See Peer."""
        run(self._command("fill", jobs, 0, self.mode), folder, environment_of(folder))

    @contextmanager
    def work(self, folder: Path) -> Iterator[None]:
        """See Peer."""
        with running(self._command("work", 0, 0, self.mode), folder, environment_of(folder)):
            yield

    @contextmanager
    def together(self, folder: Path, jobs: int, gap_s: float = 0.0) -> Iterator[None]:
        """See Peer."""
        with running(self._command("together", jobs, gap_s, self.mode), folder, environment_of(folder)):
            yield

    def kept(self, folder: Path) -> int:
        """See Peer."""
        return count_rows(ledger_of(folder), "SELECT count(*) FROM state WHERE state = 2 AND output = '1'")

    def left(self, folder: Path) -> int:
        """See Peer."""
        return count_rows(ledger_of(folder), "SELECT count(*) FROM state WHERE state < 2")


def ledger_of(folder: Path) -> Path:
    """Where a Jobwire of this folder keeps its jobs."""
    return folder / "jobwire.db"


def environment_of(folder: Path) -> Mapping[str, str]:
    """The settings of a Jobwire in this folder."""
    return {
        "JOBWIRE_DB": str(ledger_of(folder)),
        "JOBWIRE_WORKERS": SLOTS,
        "JOBWIRE_SYSTEMS": "none",
        "JOBWIRE_LOG": "warning",
    }


def wait_for_starts(folder: Path, count: int) -> None:
    """Wait until the handlers have been called `count` times."""
    wait_until(lambda: read_ticks(folder).count >= count, f"{count} starts", timeout_s=RUN_S_MAX, every_s=0.005)


def wait_for_results(peer: Peer, folder: Path, jobs: int) -> float:
    """Wait until `jobs` results are kept; the time at which they were. Failed if a job was lost or ran twice."""
    wait_for_starts(folder, jobs)
    ended_at = wait_until(lambda: peer.kept(folder) >= jobs, f"{jobs} results of {peer.name}", timeout_s=RUN_S_MAX)
    counts = {"started": read_ticks(folder).count, "kept": peer.kept(folder), "left": peer.left(folder)}
    if counts != {"started": jobs, "kept": jobs, "left": 0}:
        raise Failed(f"{peer.name} was given {jobs} jobs, but {counts}")
    return ended_at


def count_rows(ledger: Path, sql: str) -> int:
    """The one number `sql` asks a ledger for."""
    with closing(sqlite3.connect(f"file:{ledger}?mode=ro", uri=True, timeout=10)) as connection:
        count: int = connection.execute(sql).fetchone()[0]
    return count
