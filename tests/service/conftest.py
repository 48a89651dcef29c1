"""A real ledger of each engine, on a clock that the test moves."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

import house_engines
from house_engines import new_address, open_store, run_on_engines
from jobwire.store.contract import Store

house_engine = house_engines.house_engine
pytest_runtest_setup = house_engines.pytest_runtest_setup

LEDGERS = {
    "test_service_jobs", "test_service_owners", "test_service_estimates", "test_service_watching",
    "test_service_shared_limits",
}  # fmt: skip


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if metafunc.module.__name__ in LEDGERS:
        run_on_engines(metafunc)


@dataclass
class Clock:
    """Unix milliseconds, standing still until moved."""

    now: int = 1_700_000_000_000

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(clock: Clock) -> Iterator[Store]:
    opened = open_store(new_address(), clock)
    yield opened
    opened.close()
