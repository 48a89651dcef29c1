"""Huey on SQLite: one consumer with two process workers; whether it is fsynced comes from the environment.

Without fsync it is at its fastest and may lose the last jobs at a power cut; with it it promises what Jobwire does.
The consumer's options are the best of those tried.
"""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from huey import SqliteHuey

from bench.peers import ADDRESS
from bench.ticks import tick

CONSUMER = ("-k", "process", "-w", "2", "-d", "0.005", "-m", "0.05", "-q")

huey = SqliteHuey("bench", filename=os.environ[ADDRESS], fsync=os.environ["BENCH_FSYNC"] == "1")


@huey.task()
def noop(order: dict[str, Any]) -> int:
    """The job of every measurement."""
    tick(order["submitted_at"])
    return 1


class Program:
    """See peers/child.py."""

    @contextmanager
    def open(self, clients: int) -> Iterator[None]:
        """A connection for each thread, made by itself."""
        yield

    def submit(self, order: dict[str, Any]) -> None:
        """See Program."""
        noop(order)

    def submit_many(self, orders: Sequence[dict[str, Any]]) -> None:
        """It has no call for many."""
        for order in orders:
            noop(order)

    def setup(self) -> None:
        """The file is made on first use."""

    def work(self) -> None:
        """See Program."""
        command = [sys.executable, "-m", "huey.bin.huey_consumer", "bench.peers.huey_peer.huey", *CONSUMER]
        os.execv(sys.executable, command)
