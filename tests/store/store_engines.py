"""The engines that the store suite runs on. A new engine is one more row: no test names an engine."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from jobwire.store.contract import Store
from jobwire.store.postgres import open_postgres
from jobwire.store.sqlite import open_sqlite
from postgres_server import is_left_out, new_ledger


@dataclass(frozen=True)
class Engine:
    """How to open a store: `address(folder)` is a ledger of its own, `open` opens it, again too if it is durable.

    `share` of the random histories are run on it: on a server each of their steps takes milliseconds.
    """

    name: str
    is_durable: bool
    address: Callable[[Path], str]
    open: Callable[[str, Callable[[], int]], Store]
    share: float = 1.0


SQLITE_MEMORY = Engine(
    "sqlite-memory", False, lambda folder: ":memory:", lambda address, clock: open_sqlite(address, clock=clock)
)
SQLITE_FILE = Engine(
    "sqlite-file",
    True,
    lambda folder: str(folder / "jobwire.db"),
    lambda address, clock: open_sqlite(address, clock=clock),
)
POSTGRES = Engine(
    "postgresql",
    True,
    lambda folder: new_ledger(),
    lambda address, clock: open_postgres(address, clock=clock),
    share=0.15,
)
ENGINES = (SQLITE_MEMORY, SQLITE_FILE) if is_left_out() else (SQLITE_MEMORY, SQLITE_FILE, POSTGRES)
DURABLE_ENGINES = tuple(engine for engine in ENGINES if engine.is_durable)
