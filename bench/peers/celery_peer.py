"""Celery on Redis: one worker with two prefork children, results in Redis, no gossip, mingle or heartbeat."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from celery import Celery

from bench.peers import ADDRESS
from bench.ticks import tick

PREFETCH = 64
WORKER_OPTIONS = (
    "-P",
    "prefork",
    "-c",
    "2",
    "-l",
    "WARNING",
    "--without-gossip",
    "--without-mingle",
    "--without-heartbeat",
)

app = Celery("bench.peers.celery_peer", broker=f"{os.environ[ADDRESS]}/0", backend=f"{os.environ[ADDRESS]}/1")
app.conf.update(worker_prefetch_multiplier=PREFETCH, broker_connection_retry_on_startup=True, broker_pool_limit=32)


@app.task(name="noop")
def noop(order: dict[str, Any]) -> int:
    """The job of every measurement."""
    tick(order["submitted_at"])
    return 1


class Program:
    """See peers/child.py."""

    @contextmanager
    def open(self, clients: int) -> Iterator[None]:
        """The app's own pools."""
        yield

    def submit(self, order: dict[str, Any]) -> None:
        """See Program."""
        noop.delay(order)

    def submit_many(self, orders: Sequence[dict[str, Any]]) -> None:
        """It has no call for many that is faster."""
        for order in orders:
            noop.delay(order)

    def setup(self) -> None:
        """Redis needs nothing."""

    def work(self) -> None:
        """See Program."""
        command = [sys.executable, "-m", "celery", "-A", "bench.peers.celery_peer", "worker", *WORKER_OPTIONS]
        os.execv(sys.executable, command)
