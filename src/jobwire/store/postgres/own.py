"""A caller's own transaction on the ledger's database. links.py has the connections of psycopg.

Whatever the caller does afterwards, its transaction must not hold up others: it locks no row that they need, except
the keys of its own jobs. So numbers and turns are taken on a connection of the store's, for good, like those of a
sequence; what a rollback leaves is a gap.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar, cast

from jobwire.domain.errors import RequestError
from jobwire.domain.job import NewJob
from jobwire.store.callers import Link, Rows, all_or_nothing
from jobwire.store.pending import Pending
from jobwire.store.postgres.floors import Floors
from jobwire.store.postgres.operations import LedgerFacts, PostgresTransaction
from jobwire.store.postgres.reader import SessionReader
from jobwire.store.postgres.session import Overtaken, Session
from jobwire.store.statements import load_statements
from jobwire.store.transaction import FinalHook

T = TypeVar("T")

SQL = load_statements("postgres", "own")
RERUNS_MAX = 3
# The policy is read under its lock, as by every writer. The caller's commit makes the places durable.
BEGIN_PLACES = """
SET LOCAL synchronous_commit = off;
SET LOCAL lock_timeout = '2s';
SELECT pg_advisory_xact_lock_shared('queue_policy'::regclass::oid::bigint);
SELECT ARRAY(SELECT queue FROM queue_policy WHERE is_fair = 0)
"""
UNDEFINED_TABLE, UNIQUE_VIOLATION, NO_TRANSACTION = "42P01", "23505", "25P01"

Places = tuple[list[int], list[int]]


class Read(Protocol):
    """Runs work on a connection of the store's, outside of any transaction."""

    def __call__(self, work: Callable[[SessionReader], T], /) -> Pending[T]:
        """The work's answer."""


class Home(NamedTuple):
    """Where the ledger's tables are, and what they are known by."""

    path: str
    table: int
    secret: str | None


class OwnTransaction(PostgresTransaction):
    """A transaction inside the caller's."""

    def __init__(self, link: Link, now: int, final_hooks: Mapping[str, FinalHook], *, read: Read) -> None:
        session = cast(Session, _OwnSession(link))
        super().__init__(session, now, final_hooks, floors=Floors(), facts=LedgerFacts(True, ()))
        self._link = link
        self._read = read

    def _take_places(self, jobs: Sequence[NewJob]) -> Places:
        def take(reader: SessionReader) -> Places:
            session = reader.session
            with session.connection.transaction():
                row: Any = session.execute_script(BEGIN_PLACES).fetchone()
                facts = LedgerFacts(is_capped=False, unfair_queues=row[0])
                places = PostgresTransaction(session, self.now, {}, floors=Floors(), facts=facts)
                return places._take_places(jobs)

        return self._link.wait(self._read(take))


class _OwnSession:
    """The caller's connection as a transaction's."""

    def __init__(self, link: Link) -> None:
        self.execute: Callable[..., Rows] = link.execute
        self.send = self.execute
        self.execute_portable: Callable[..., Rows] = link.execute_portable
        self.doom: BaseException | None = None

    def receive(self) -> None:
        """Nothing is sent ahead."""


class OwnTransactions:
    """What callers' transactions need of one store."""

    def __init__(self, read: Read, clock: Callable[[], int] | None, final_hooks: Mapping[str, FinalHook]) -> None:
        self._read = read
        self._clock = clock
        self._final_hooks = final_hooks
        self._home: Home | None = None

    def write_on(self, link: Link, work: Callable[[PostgresTransaction], T]) -> T:
        """Run `work` in the caller's open transaction: all of it, or none if it fails; it may run more than once.

        The caller's commit makes it visible, the caller's rollback undoes it. Raises ValueError for a connection to
        another database, RuntimeError without an open transaction.
        """
        for reruns_left in range(RERUNS_MAX, -1, -1):
            try:
                return self._write_once(link, work)
            except Exception as error:
                state = _read_state(error)
                if state == NO_TRANSACTION:
                    raise RuntimeError(
                        "the connection has no open transaction, it commits each statement by itself; begin one"
                    ) from error
                if state != UNIQUE_VIOLATION and not isinstance(error, Overtaken):
                    raise
                if not reruns_left:
                    raise RequestError(
                        "unavailable",
                        "The same key was submitted at the same time; roll back, and run your transaction again.",
                        retry_after_s=1,
                    ) from error
        raise AssertionError("the last run returns or raises")

    def _write_once(self, link: Link, work: Callable[[PostgresTransaction], T]) -> T:
        home = self._home
        if home is None:
            home = self._home = link.wait(self._read(_find_home))
        with all_or_nothing(link):
            path, _, now = link.execute(SQL["enter"], {"path": home.path}).fetchone()
            _check_home(link, home)
            time = now if self._clock is None else self._clock()
            result = work(OwnTransaction(link, time, self._final_hooks, read=self._read))
            link.execute(SQL["leave"], {"path": path})
            return result


def _find_home(reader: SessionReader) -> Home:
    return Home(*reader.run(SQL["ledger"])[0], *reader.run(SQL["identity"])[0])


def _check_home(link: Link, home: Home) -> None:
    try:
        found = link.execute(SQL["identity"]).fetchone()
    except Exception as error:
        if _read_state(error) != UNDEFINED_TABLE:
            raise
        found = None
    if found != (home.table, home.secret):
        raise ValueError("the connection is to another database than the ledger's; connect to that of JOBWIRE_DB")


def _read_state(error: BaseException) -> str | None:
    """The SQLSTATE of any driver's error, also inside SQLAlchemy's."""
    cause = getattr(error, "orig", None) or error
    return getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None)
