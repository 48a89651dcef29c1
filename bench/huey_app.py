"""The Huey side as its consumer imports it; the ledger and whether it is fsynced come from the environment."""

import os
from typing import Any

from huey import SqliteHuey

from bench.ticks import tick

huey = SqliteHuey("bench", filename=os.environ["BENCH_DB"], fsync=os.environ["BENCH_FSYNC"] == "1")


@huey.task()
def noop(order: dict[str, Any]) -> int:
    """The job of every measurement."""
    tick(order["submitted_at"])
    return 1
