"""One running house for each engine, one with its workers stopped, and the files both may fetch."""

from collections.abc import Callable, Iterator
from itertools import count

import pytest
from apidatatools_house import Customer, FileServer, RunningTools, run_tools

import house_engines
from house_engines import run_on_engines

house_engine = house_engines.house_engine
pytest_runtest_setup = house_engines.pytest_runtest_setup

CORE = {"test_apidatatools_acceptance"}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    run_on_engines(metafunc, is_core=metafunc.module.__name__ in CORE)


@pytest.fixture(scope="session")
def files(house_engine: str) -> Iterator[FileServer]:
    server = FileServer()
    yield server
    server.close()


@pytest.fixture(scope="session")
def running_tools(house_engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningTools]:
    with run_tools(tmp_path_factory.mktemp("tools")) as house:
        yield house


@pytest.fixture(scope="session")
def stopped_tools(house_engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningTools]:
    """A house whose worker is stopped: whatever is submitted waits."""
    with run_tools(tmp_path_factory.mktemp("stopped"), workers=0, APIDATATOOLS_SYNC_MS="0") as house:
        yield house


@pytest.fixture(scope="session")
def names() -> Iterator[str]:
    return (f"customer-{number}" for number in count(1))


@pytest.fixture
def customer(running_tools: RunningTools, names: Iterator[str]) -> Customer:
    """A fresh account at the running house."""
    return running_tools.make_customer(next(names))


@pytest.fixture
def waiting(stopped_tools: RunningTools, names: Iterator[str]) -> Customer:
    """A fresh account at the house whose worker is stopped."""
    return stopped_tools.make_customer(next(names))


@pytest.fixture
def new_customer(running_tools: RunningTools, names: Iterator[str]) -> Callable[[], Customer]:
    """Makes further fresh accounts at the running house."""
    return lambda: running_tools.make_customer(next(names))
