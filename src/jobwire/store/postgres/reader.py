"""Reads on threads of their own, so that no event loop waits for the network; a lost connection is opened again.

A poll's `get` is answered together with all that came while the last were under way, in one statement; everything
else is a read of its own on one of a few connections.
"""

import logging
import queue
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import psycopg

from jobwire.domain.errors import RequestError
from jobwire.domain.job import JobRow
from jobwire.store.pending import Pending
from jobwire.store.postgres.operations import PostgresTransaction
from jobwire.store.postgres.placeholders import int_array, text_array
from jobwire.store.postgres.session import Session
from jobwire.store.transaction import refuse_closed

T = TypeVar("T")
I = TypeVar("I", bound="Asked")  # noqa: E741 - an item

logger = logging.getLogger("jobwire.store")

SQL = PostgresTransaction.sql
GETS_MAX = 512

Connect = Callable[[], Session]


class Asked(Protocol):
    """Something that waits for an answer."""

    @property
    def pending(self) -> Pending[Any]:
        """Its answer."""


class Serving(Generic[I]):
    """Threads that answer what is asked, up to `together_max` at once, each on a connection opened at first need."""

    def __init__(
        self,
        connect: Connect,
        answer: Callable[[Session, list[I]], None],
        *,
        name: str,
        threads: int,
        together_max: int,
    ) -> None:
        self._connect = connect
        self._answer = answer
        self._together_max = together_max
        self._inbox: queue.SimpleQueue[I | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._is_closed = False
        self._threads = [
            threading.Thread(target=self._serve, name=f"{name}-{n}", daemon=True) for n in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    def ask(self, item: I) -> None:
        """Have it answered; at once with a refusal if this is closed."""
        with self._lock:
            if not self._is_closed:
                self._inbox.put(item)
                return
        item.pending.fail(refuse_closed())

    def close(self) -> None:
        """Answer what was asked before, refuse the rest, close the connections."""
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
            for _ in self._threads:
                self._inbox.put(None)
        for thread in self._threads:
            thread.join()

    def _serve(self) -> None:
        session: Session | None = None
        while (first := self._inbox.get()) is not None:
            together, is_last = self._take_beside(first)
            session = self._answer_all(session, together)
            if is_last:
                break
        if session is not None:
            session.close()

    def _take_beside(self, first: I) -> tuple[list[I], bool]:
        together = [first]
        while len(together) < self._together_max:
            try:
                item = self._inbox.get_nowait()
            except queue.Empty:
                break
            if item is None:
                return together, True
            together.append(item)
        return together, False

    def _answer_all(self, session: Session | None, together: list[I]) -> Session | None:
        """Answer on this connection, or once again on a new one; whatever fails is told to those who asked."""
        for is_second_try in (False, True):
            try:
                if session is None:
                    session = self._connect()
                self._answer(session, together)
                return session
            except BaseException as error:
                is_lost = session is None or session.is_lost
                if session is not None and is_lost:
                    session.close()
                    session = None
                elif session is not None:
                    session.doom = None
                if not is_lost or is_second_try or not isinstance(error, psycopg.Error):
                    refusal = _map_error(error)
                    for item in together:
                        item.pending.fail(refusal)
                    return session
        return session


class Get(NamedTuple):
    """A poll: the owner's job of that key, or of that number."""

    pending: Pending[JobRow | None]
    owner: int
    key: str | None
    number: int | None


class Statement(NamedTuple):
    """One of the statements that answer a batch of polls; its rows begin with a place in `places`, counted from 1."""

    name: str
    places: Sequence[int]
    params: dict[str, str]


def divide_gets(gets: Sequence[Get]) -> list[Statement]:
    """The polls by key and those by number; `places` are theirs in `gets`."""
    by_key = [place for place, get in enumerate(gets) if get.key is not None]
    by_number = [place for place, get in enumerate(gets) if get.key is None]
    named = (
        ("by_keys", by_key, "keys", text_array(gets[place].key for place in by_key)),
        ("by_numbers", by_number, "numbers", int_array(gets[place].number for place in by_number)),
    )
    return [
        Statement(name, places, {column: values, "owners": int_array(gets[place].owner for place in places)})
        for name, places, column, values in named
        if places
    ]


def answer_gets(session: Session, gets: Sequence[Get]) -> None:
    """One snapshot for all, behind the wall where there is one."""
    statements = divide_gets(gets)
    rows: dict[int, JobRow] = {}
    with _reading(session, {get.owner for get in gets}, is_snapshot=len(statements) > 1):
        for name, places, params in statements:
            for row in session.execute(SQL.get[name], params):
                rows[places[row[0] - 1]] = tuple.__new__(JobRow, row[1:])
    for place, get in enumerate(gets):
        get.pending.fulfil(rows.get(place))


@dataclass(frozen=True, slots=True)
class Read(Generic[T]):
    """Any other read; `is_snapshot` when it has several statements; `owner` when a customer asks."""

    pending: Pending[T]
    work: Callable[["SessionReader"], T]
    is_snapshot: bool
    owner: int | None = None


class SessionReader:
    """A Reader on a connection."""

    sql = SQL

    def __init__(self, session: Session) -> None:
        self.session = session

    def query(self, sql: str, /, **params: Any) -> list[tuple[Any, ...]]:
        """All rows of a SELECT."""
        return self.session.execute_portable(sql, params).fetchall()

    def run(self, sql: str, /, **params: Any) -> list[tuple[Any, ...]]:
        """All rows of one of the engine's own SELECTs."""
        return self.session.execute(sql, params).fetchall()


def answer_reads(session: Session, reads: Sequence[Read[Any]]) -> None:
    """Each read by itself; what its work raises is its asker's."""
    for read in reads:
        owners = None if read.owner is None else {read.owner}
        with _reading(session, owners, is_snapshot=read.is_snapshot):
            value = read.work(SessionReader(session))
        read.pending.fulfil(value)


@contextmanager
def _reading(session: Session, owners: Collection[int] | None, *, is_snapshot: bool) -> Iterator[None]:
    """On one snapshot if that is asked for; behind the wall of the owners who are named, where there is one."""
    has_wall = owners is not None and session.has_wall
    if not (is_snapshot or has_wall):
        yield
        return
    session.execute_script("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    try:
        if owners is not None and has_wall:
            session.execute(SQL.get["enter_wall"], {"owners": ",".join(map(str, owners))})
        yield
    finally:
        if not session.is_lost:
            session.doom = None
            session.execute_script("COMMIT")


def _map_error(error: BaseException) -> BaseException:
    if not isinstance(error, psycopg.Error):
        return error
    logger.error("the ledger refused a read: %s: %s", type(error).__name__, str(error).strip())
    return RequestError("unavailable", "The ledger cannot be read right now; try again.", retry_after_s=1)
