"""A house with the native dialect, the key of one owner and a stranger."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from http_house import House, open_house, stop_hosts


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
