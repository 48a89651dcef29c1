"""Claim floors: where a queue's next claim starts, so that it does not walk over what is deleted already.

Under a pinned vacuum horizon the walk grows with every job claimed since; a floor keeps it flat. It is a hint of
this process alone: what another process puts below it waits for the next unfloored claim, a second at most while
claims come back full and a quarter of one while there are free slots.
"""

import time
from typing import NamedTuple

UNFLOORED_INTERVAL_S = 1.0
UNFLOORED_SHORT_INTERVAL_S = 0.25


def read_seconds() -> float:
    """This process's own seconds."""
    return time.monotonic()


class Key(NamedTuple):
    """A place in a queue's order."""

    priority: int
    turn: int
    number: int


LOWEST = Key(-1, 0, 0)


class Floors:
    """The floors of one process."""

    def __init__(self) -> None:
        self._floors: dict[str, Key] = {}
        self._unfloored_at: dict[str, float] = {}
        self._short: set[str] = set()

    def __len__(self) -> int:
        return len(self._floors)

    def start_of(self, queue: str) -> Key:
        """Where the queue's next claim starts."""
        now = read_seconds()
        interval_s = UNFLOORED_SHORT_INTERVAL_S if queue in self._short else UNFLOORED_INTERVAL_S
        if queue not in self._floors or now - self._unfloored_at[queue] >= interval_s:
            self._unfloored_at[queue] = now
            return LOWEST
        return self._floors[queue]

    def keep(self, queue: str, first: Key | None, *, is_full: bool) -> None:
        """A claim took `first` and what came after it: nothing that was ready lies below."""
        if first is not None:
            self._floors[queue] = first
        if is_full:
            self._short.discard(queue)
        else:
            self._short.add(queue)

    def lower(self, queue: str, key: Key) -> None:
        """A job has become ready there."""
        if queue in self._floors:
            self._floors[queue] = min(self._floors[queue], key)

    def drop(self, queue: str) -> None:
        """Jobs have become ready nobody knows where."""
        self._floors.pop(queue, None)

    def drop_all(self) -> None:
        """A transaction was undone: what it had claimed lies below."""
        self._floors.clear()
