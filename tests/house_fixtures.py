"""The fixtures of a system's suite: its houses, one for each engine, and fresh customers of theirs.

A suite's conftest.py says `running = house_of(run_rentix)` and `client = customer_of("running")`.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from itertools import count
from typing import Any

import pytest

from house_serving import ServedHouse
from loopback_site import LoopbackSite

_numbers = count(1)


def site_of(make: Callable[[], LoopbackSite]) -> Any:
    """A fixture: the site that the suite's houses may fetch from, one for each engine."""

    @pytest.fixture(scope="session")
    def site(house_engine: str) -> Iterator[LoopbackSite]:
        served = make()
        yield served
        served.close()

    return site


def house_of(run: Callable[..., AbstractContextManager[ServedHouse]], **options: Any) -> Any:
    """A fixture: a house that serves until the end of the run; with `workers=0` whatever is submitted waits."""

    @pytest.fixture(scope="session")
    def house(house_engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedHouse]:
        with run(tmp_path_factory.mktemp("house"), **options) as served:
            yield served

    return house


def maker_of(house: str) -> Any:
    """A fixture: makes clients of accounts that are new at the house of that name."""

    @pytest.fixture
    def make(request: pytest.FixtureRequest) -> Callable[..., Any]:
        return lambda **options: request.getfixturevalue(house).make_client(f"Customer {next(_numbers)}", **options)

    return make


def customer_of(house: str) -> Any:
    """A fixture: the client of an account that is new at the house of that name."""

    @pytest.fixture
    def customer(request: pytest.FixtureRequest) -> Any:
        return request.getfixturevalue(house).make_client(f"Customer {next(_numbers)}")

    return customer
