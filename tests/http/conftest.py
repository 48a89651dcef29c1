"""A house with the native dialect on each engine, the key of one owner and a stranger."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from http_house import House, open_house, stop_hosts

import house_engines
from house_engines import run_on_engines

house_engine = house_engines.house_engine
pytest_runtest_setup = house_engines.pytest_runtest_setup


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    run_on_engines(metafunc)


def pytest_sessionfinish() -> None:
    stop_hosts()


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with open_house(tmp_path) as opened:
        yield opened


@pytest.fixture
def key(house: House) -> str:
    return house.make_key("ada")


@pytest.fixture
def client(house: House, key: str) -> Iterator[httpx.Client]:
    with house.client(key) as opened:
        yield opened


@pytest.fixture
def stranger(house: House) -> Iterator[httpx.Client]:
    with house.client(house.make_key("eve")) as opened:
        yield opened
