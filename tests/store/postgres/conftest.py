"""Ledgers on PostgreSQL alone, for what only this engine promises."""

from collections.abc import Iterator

import pytest
from store_ledger import Ledger

from jobwire.store.postgres import PostgresStore, open_postgres
from manual_clock import ManualClock
from postgres_server import is_left_out, new_ledger

collect_ignore_glob = ["test_*.py"] if is_left_out() else []


@pytest.fixture
def address() -> str:
    """A ledger of this test's own."""
    return new_ledger()


@pytest.fixture
def store(address: str, clock: ManualClock) -> Iterator[PostgresStore]:
    opened = open_postgres(address, clock=clock)
    yield opened
    opened.close()


@pytest.fixture
def ledger(store: PostgresStore, clock: ManualClock) -> Iterator[Ledger]:
    ledger = Ledger(store, clock)
    yield ledger
    if not ledger.is_closed:
        ledger.check()


@pytest.fixture
def other(address: str, store: PostgresStore, clock: ManualClock) -> Iterator[Ledger]:
    """The same ledger, as another process has it open."""
    opened = open_postgres(address, clock=clock)
    yield Ledger(opened, clock)
    opened.close()
