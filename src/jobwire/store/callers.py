"""The caller's own connection, whatever driver it is of, so that a submission is part of the caller's transaction.

A Caller runs work with a Link, on which the ledger's flow (transaction.py) runs its statements. Here is what all
drivers share; alchemy.py, postgres/links.py and sqlite/own.py have their links, postgres/own.py and sqlite/own.py
what makes the caller's transaction one of the ledger's.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol, TypeVar

from jobwire.store.pending import Pending

T = TypeVar("T")

_MAKERS = {
    "apsw": "jobwire.store.sqlite.own",
    "sqlite3": "jobwire.store.sqlite.own",
    "psycopg": "jobwire.store.postgres.links",
    "sqlalchemy": "jobwire.store.alchemy",
}
_KINDS = (
    "an apsw.Connection, sqlite3.Connection, psycopg.Connection or AsyncConnection, or SQLAlchemy's Session, "
    "Connection, AsyncSession or AsyncConnection"
)
_BEGIN, _UNDO, _END = "SAVEPOINT jobwire", "ROLLBACK TO SAVEPOINT jobwire", "RELEASE SAVEPOINT jobwire"


class Rows:
    """What a statement gave; read from the driver at once, so that nothing of it stays open."""

    __slots__ = ("_rows", "rowcount")

    def __init__(self, rows: Sequence[tuple[Any, ...]], rowcount: int = -1) -> None:
        self._rows = rows
        self.rowcount = rowcount

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return iter(self._rows)

    def fetchone(self) -> tuple[Any, ...] | None:
        """The first row."""
        return self._rows[0] if self._rows else None

    def fetchall(self) -> list[tuple[Any, ...]]:
        """All rows."""
        return list(self._rows)


class Link(Protocol):
    """The caller's connection in the ledger's words: `:name` parameters, rows as tuples, the driver's own errors."""

    @property
    def driver(self) -> Any:
        """The driver's connection."""

    def execute(self, sql: str, parameters: Mapping[str, Any] = ..., /) -> Any:
        """Run one of the engine's own statements."""

    def execute_portable(self, sql: str, parameters: Mapping[str, Any] = ..., /) -> Any:
        """Run a statement that tells the database no types."""

    def wait(self, pending: Pending[T], /) -> T:
        """The store's answer, without holding up an event loop."""


@dataclass(frozen=True, slots=True)
class Caller:
    """A caller's connection. `run` gives the work's result, or with `is_async` an awaitable of it."""

    database: str
    library: str
    is_async: bool
    run: Callable[[Callable[[Link], Any]], Any]


def find_caller(connection: object) -> Caller:
    """How work runs on that connection; TypeError if it is of no kind that is known."""
    for kind in type(connection).__mro__:
        maker = _MAKERS.get(kind.__module__.partition(".")[0])
        caller: Caller | None = None if maker is None else import_module(maker).make_caller(connection)
        if caller is not None:
            return caller
    raise TypeError(f"connection is {type(connection).__module__}.{type(connection).__qualname__}; give {_KINDS}")


@contextlib.contextmanager
def all_or_nothing(link: Link) -> Iterator[None]:
    """What the block writes is undone if it fails, and nothing else of the caller's transaction is."""
    link.execute(_BEGIN)
    try:
        yield
    except BaseException:
        # Where this cannot be done, the transaction or the connection is gone, and what was written with it.
        with contextlib.suppress(Exception):
            link.execute(_UNDO)
            link.execute(_END)
        raise
    link.execute(_END)
