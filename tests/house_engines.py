"""The engines that houses stand on in the suites of HTTP, worker, service, app and rentix.

A suite's conftest.py takes `house_engine` and `pytest_runtest_setup` from here and calls `run_on_engines` for its
tests; its house asks for a ledger here. `JOBWIRE_TEST_ENGINES` chooses: unset, every test on SQLite and the suites'
core on PostgreSQL too; `all`, everything on both; `sqlite` or `postgresql`, everything on that one.
"""

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest

from jobwire.config import is_postgres, read_settings
from jobwire.wiring import Ledger, open_ledger, read_clock
from postgres_server import is_left_out, new_ledger

VARIABLE = "JOBWIRE_TEST_ENGINES"
SQLITE, POSTGRESQL = "sqlite", "postgresql"

_engine = SQLITE
_addresses: dict[Path, str] = {}


def engines_of(*, is_core: bool) -> tuple[str, ...]:
    """The engines to run a test on."""
    wanted = os.environ.get(VARIABLE, "")
    if wanted in (SQLITE, POSTGRESQL):
        return (wanted,)
    if wanted not in ("", "all"):
        raise ValueError(f"{VARIABLE} must be all, {SQLITE} or {POSTGRESQL}, got {wanted!r}")
    has_both = (is_core or wanted == "all") and not is_left_out()
    return (SQLITE, POSTGRESQL) if has_both else (SQLITE,)


def run_on_engines(metafunc: pytest.Metafunc, *, is_core: bool = True) -> None:
    """Run a test once an engine; on SQLite only if it takes `sqlite_file`."""
    engines = engines_of(is_core=is_core)
    if "sqlite_file" in metafunc.fixturenames:
        engines = tuple(engine for engine in engines if engine == SQLITE)
    metafunc.parametrize("house_engine", engines, indirect=True, scope="session")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Before any fixture of the test: houses that are opened from now on stand on its engine."""
    global _engine  # noqa: PLW0603 - a house is opened deep in a test and asks which engine is meant
    callspec = getattr(item, "callspec", None)
    _engine = SQLITE if callspec is None else callspec.params.get("house_engine", SQLITE)
    # The folder of a test that has passed is gone, and another may get its name.
    for folder in [folder for folder in _addresses if not folder.exists()]:
        del _addresses[folder]


@pytest.fixture(scope="session", autouse=True)
def house_engine(request: pytest.FixtureRequest) -> str:
    """The engine of the test; a fixture that outlives a test and opens a house must ask for it."""
    engine: str = getattr(request, "param", SQLITE)
    return engine


@pytest.fixture
def sqlite_file(tmp_path: Path) -> Path:
    """Where the ledger of a test about SQLite's file lies."""
    return tmp_path / "jobs.db"


def new_address() -> str:
    """The address of a ledger that nobody else opens; SQLite's is in memory."""
    return ":memory:" if _engine == SQLITE else new_ledger()


def address_in(folder: Path) -> str:
    """The address of the folder's ledger: the same for the same folder, for whoever opens it."""
    if _engine == SQLITE:
        return str(folder / "jobs.db")
    if folder not in _addresses:
        _addresses[folder] = new_ledger()
    return _addresses[folder]


def open_store(address: str, clock: Callable[[], int] = read_clock) -> Ledger:
    """Open the ledger at an address, as a house does."""
    return open_ledger(read_settings({}, db=address), clock)


def look_into(address: str, sql: str) -> list[tuple[Any, ...]]:
    """Rows of a ledger as any other process reads them; its process must be another one."""
    if is_postgres(address):
        with psycopg.connect(address) as connection:
            return connection.execute(sql.encode()).fetchall()
    with closing(sqlite3.connect(f"{Path(address).as_uri()}?mode=ro", uri=True)) as connection:
        return connection.execute(sql).fetchall()
