"""A ledger of each engine, a receiver, and what moves webhooks between them."""

from collections.abc import Iterator

import pytest
from webhook_receiver import Receiver

import house_engines
from house_engines import new_address, open_store, run_on_engines
from jobwire.store.contract import Store
from manual_clock import ManualClock

house_engine = house_engines.house_engine
sqlite_file = house_engines.sqlite_file
pytest_runtest_setup = house_engines.pytest_runtest_setup


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    run_on_engines(metafunc)


@pytest.fixture
def store(clock: ManualClock) -> Iterator[Store]:
    opened = open_store(new_address(), clock)
    yield opened
    opened.close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    opened = Receiver()
    yield opened
    opened.close()
