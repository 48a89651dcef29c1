"""The real ledger in memory, on a clock that the test moves."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from jobwire.store.sqlite import SqliteStore, open_sqlite


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
def store(clock: Clock) -> Iterator[SqliteStore]:
    opened = open_sqlite(":memory:", clock=clock)
    yield opened
    opened.close()
