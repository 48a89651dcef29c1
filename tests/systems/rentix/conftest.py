"""One running house for each engine, one with its workers stopped, and the photo server both may fetch from."""

from collections.abc import Callable, Iterator
from itertools import count

import pytest
from rentix_house import Client, PhotoServer, RunningHouse, run_rentix

import house_engines
from house_engines import run_on_engines

house_engine = house_engines.house_engine
pytest_runtest_setup = house_engines.pytest_runtest_setup
sqlite_file = house_engines.sqlite_file

CORE = {"test_acceptance", "test_listings", "test_rentix_backlog", "test_rentix_served"}
WITHOUT_LEDGER = {"location", "photos", "translation"}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if metafunc.definition.path.parent.name not in WITHOUT_LEDGER:
        run_on_engines(metafunc, is_core=metafunc.module.__name__ in CORE)


@pytest.fixture(scope="session")
def photos(house_engine: str) -> Iterator[PhotoServer]:
    server = PhotoServer()
    yield server
    server.close()


@pytest.fixture(scope="session")
def running(
    house_engine: str, tmp_path_factory: pytest.TempPathFactory, photos: PhotoServer
) -> Iterator[RunningHouse]:
    with run_rentix(tmp_path_factory.mktemp("running")) as house:
        yield house


@pytest.fixture(scope="session")
def stopped(house_engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHouse]:
    """A house whose worker is stopped: whatever is submitted waits."""
    with run_rentix(tmp_path_factory.mktemp("stopped"), workers=0) as house:
        yield house


@pytest.fixture(scope="session")
def agency_names() -> Iterator[str]:
    return (f"Agency {number}" for number in count(1))


@pytest.fixture
def client(running: RunningHouse, agency_names: Iterator[str]) -> Client:
    """A fresh agency at the running house."""
    return running.make_client(next(agency_names))


@pytest.fixture
def waiting(stopped: RunningHouse, agency_names: Iterator[str]) -> Client:
    """A fresh agency at the house whose worker is stopped."""
    return stopped.make_client(next(agency_names))


@pytest.fixture
def new_client(running: RunningHouse, agency_names: Iterator[str]) -> Callable[[], Client]:
    """Makes clients of further fresh agencies at the running house."""
    return lambda: running.make_client(next(agency_names))
