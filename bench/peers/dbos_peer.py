"""DBOS on psycopg: a queue polled every 50 ms (its default is 1 s), 50 workflows at once in each process."""

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from dbos import DBOS, DBOSClient

from bench.peers import ADDRESS, WORKER
from bench.ticks import tick

CONCURRENCY = 50
POLL_S = 0.05
VERSION = "1"
OPTIONS = {"queue_name": "bench", "workflow_name": "noop", "app_version": VERSION}


def _address() -> str:
    return os.environ[ADDRESS].replace("postgresql://", "postgresql+psycopg://")


@DBOS.workflow(name="noop")
def noop(order: dict[str, Any]) -> int:
    """The job of every measurement."""
    tick(order["submitted_at"])
    return 1


def _launch() -> None:
    executor = f"worker-{os.environ.get(WORKER, '0')}"
    DBOS(
        config={
            "name": "bench",
            "system_database_url": _address(),
            "log_level": "ERROR",
            "application_version": VERSION,
            "executor_id": executor,
            "run_admin_server": False,
        }
    )
    DBOS.launch()
    DBOS.register_queue("bench", worker_concurrency=CONCURRENCY, polling_interval_sec=POLL_S)


class Program:
    """See peers/child.py."""

    client: DBOSClient

    @contextmanager
    def open(self, clients: int) -> Iterator[None]:
        """A connection for each client."""
        self.client = DBOSClient(system_database_url=_address(), system_database_pool_size=clients)
        yield
        self.client.destroy()

    def submit(self, order: dict[str, Any]) -> None:
        """See Program."""
        self.client.enqueue(OPTIONS, order)

    def submit_many(self, orders: Sequence[dict[str, Any]]) -> None:
        """It has no call for many."""
        for order in orders:
            self.submit(order)

    def setup(self) -> None:
        """See Program."""
        _launch()
        DBOS.destroy()

    def work(self) -> None:
        """See Program."""
        _launch()
        threading.Event().wait()
