"""Point reads of one event-loop tick share one snapshot: taking and leaving one costs two locks, a third of a read.

A snapshot never outlives its tick and never hides a commit of this process: the next read after one takes a new one.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Protocol


class Cursor(Protocol):
    """What a driver's statement gives back."""

    def fetchone(self) -> Any:
        """The next row, or None."""


class PointConnection(Protocol):
    """What a point read needs of a driver."""

    def execute(self, sql: str, parameters: Any = ..., /) -> Cursor:
        """Run one statement."""


class TickReader:
    """Reads single rows on one thread, whose loop ends each snapshot; `count_commits` counts this process's own."""

    def __init__(self, connection: PointConnection, count_commits: Callable[[], int]) -> None:
        self._connection = connection
        self._count_commits = count_commits
        self._seen = -1

    def fetch(self, sql: str, parameters: tuple[Any, ...]) -> Any:
        """The first row of a SELECT, as of the last commit of this process or a later one."""
        if self._seen != self._count_commits():
            self._renew()
        return self._connection.execute(sql, parameters).fetchone()

    def _renew(self) -> None:
        loop = asyncio.get_running_loop()
        seen = self._count_commits()
        if self._seen >= 0:
            self._connection.execute("COMMIT")
        else:
            loop.call_soon(self._end)
        self._connection.execute("BEGIN")
        self._seen = seen

    def _end(self) -> None:
        self._seen = -1
        self._connection.execute("COMMIT")
