"""A house for each engine that exports and imports, and a repository of a fresh owner in it."""

from collections.abc import Iterator
from itertools import count

import pytest
from table_house import Shelf, TableHouse, run_tables

import house_engines
from house_engines import run_on_engines

house_engine = house_engines.house_engine
pytest_runtest_setup = house_engines.pytest_runtest_setup
sqlite_file = house_engines.sqlite_file

_names = count(1)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    run_on_engines(metafunc)


@pytest.fixture(scope="session")
def running(house_engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TableHouse]:
    with run_tables(tmp_path_factory.mktemp("tables")) as house:
        yield house


@pytest.fixture
def shelf(running: TableHouse) -> Shelf:
    return running.open_shelf(f"Reader {next(_names)}")


@pytest.fixture
def other(running: TableHouse) -> Shelf:
    """Another owner's repository in the same house."""
    return running.open_shelf(f"Reader {next(_names)}")
