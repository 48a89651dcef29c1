"""Claim floors: where a backlogged queue's next claim starts, so that it does not walk over what is deleted already.

Under a pinned vacuum horizon the walk grows with every job claimed since; a floor keeps it flat. It is a hint of
this process alone: a key below it waits for the next unfloored claim, a second at most.
"""

import time
from typing import NamedTuple

UNFLOORED_INTERVAL_S = 1.0


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

    def start_of(self, queue: str) -> Key:
        """Where the queue's next claim starts."""
        now = read_seconds()
        if queue not in self._floors or now - self._unfloored_at[queue] >= UNFLOORED_INTERVAL_S:
            self._unfloored_at[queue] = now
            return LOWEST
        return self._floors[queue]

    def raise_to(self, queue: str, first: Key) -> None:
        """A full claim began at `first`: nothing that was ready lies below."""
        self._floors[queue] = first

    def drop(self, queue: str) -> None:
        """Something may lie below: a claim came back short, or work became ready."""
        self._floors.pop(queue, None)

    def drop_all(self) -> None:
        """A transaction was undone: what it had claimed lies below."""
        self._floors.clear()
