"""One running house for each engine, one with its workers stopped, and the site that crawls may fetch."""

from collections.abc import Callable, Iterator
from itertools import count

import pytest
from fifthelement_house import Client, GatedSite, RunningHouse, run_fifthelement

import house_engines
from house_engines import run_on_engines

house_engine = house_engines.house_engine
pytest_runtest_setup = house_engines.pytest_runtest_setup
sqlite_file = house_engines.sqlite_file

CORE = {"test_fifthelement_acceptance", "test_fifthelement_resources", "test_fifthelement_members"}
CORE |= {"test_crawl_sites", "test_crawl_corpus", "test_crawl_killed"}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    run_on_engines(metafunc, is_core=metafunc.module.__name__ in CORE)


@pytest.fixture(scope="session")
def site(house_engine: str) -> Iterator[GatedSite]:
    served = GatedSite()
    yield served
    served.close()


@pytest.fixture(scope="session")
def running(house_engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHouse]:
    with run_fifthelement(tmp_path_factory.mktemp("running")) as house:
        yield house


@pytest.fixture(scope="session")
def stopped(house_engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHouse]:
    """A house whose worker is stopped: whatever is submitted waits."""
    with run_fifthelement(tmp_path_factory.mktemp("stopped"), workers=0) as house:
        yield house


@pytest.fixture(scope="session")
def workspace_names() -> Iterator[str]:
    return (f"Workspace {number}" for number in count(1))


@pytest.fixture
def client(running: RunningHouse, workspace_names: Iterator[str]) -> Client:
    """A fresh workspace at the running house."""
    return running.make_client(next(workspace_names))


@pytest.fixture
def waiting(stopped: RunningHouse, workspace_names: Iterator[str]) -> Client:
    """A fresh workspace at the house whose worker is stopped."""
    return stopped.make_client(next(workspace_names))


@pytest.fixture
def new_client(stopped: RunningHouse, workspace_names: Iterator[str]) -> Callable[..., Client]:
    """Makes clients of further fresh workspaces at the house whose worker is stopped."""
    return lambda **options: stopped.make_client(next(workspace_names), **options)
