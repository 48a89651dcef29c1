"""A fresh ledger for each test, on every engine."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from store_engines import DURABLE_ENGINES, ENGINES, Engine
from store_ledger import Ledger

from jobwire.store.contract import Store
from manual_clock import ManualClock


@pytest.fixture(params=ENGINES, ids=lambda engine: engine.name)
def engine(request: pytest.FixtureRequest) -> Engine:
    return request.param


@pytest.fixture(params=DURABLE_ENGINES, ids=lambda engine: engine.name)
def durable_engine(request: pytest.FixtureRequest) -> Engine:
    return request.param


@pytest.fixture
def store(engine: Engine, tmp_path: Path, clock: ManualClock) -> Iterator[Store]:
    opened = engine.open(engine.address(tmp_path), clock)
    yield opened
    opened.close()


@pytest.fixture
def ledger(store: Store, clock: ManualClock) -> Iterator[Ledger]:
    """The store with short verbs; whatever the test did, the ledger must be sound after it."""
    ledger = Ledger(store, clock)
    yield ledger
    if not ledger.is_closed:
        ledger.check()
