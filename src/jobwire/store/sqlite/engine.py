"""SQLite's side of a write: connect, migrate, begin, commit. store.py is the Store, ../writer.py groups."""

import logging
import time
from collections.abc import Callable

import apsw

from jobwire.domain.errors import JobwireError, RequestError
from jobwire.store.complaints import Complaints
from jobwire.store.contract import LeaseLost
from jobwire.store.operations import OpenTransaction
from jobwire.store.sqlite.libraries import remember
from jobwire.store.sqlite.vectors import load_functions
from jobwire.store.statements import load_migrations, load_sql
from jobwire.store.transaction import FinalHook

logger = logging.getLogger("jobwire.store")

SQLITE_VERSION_MIN = 3_051_003
BUSY_MS = 10_000
CACHE_KIB = 65_536


class SqliteTransaction(OpenTransaction):
    """A transaction in SQLite's words."""

    sql = load_sql("sqlite")


def read_clock() -> int:
    """Unix milliseconds."""
    return time.time_ns() // 1_000_000


class SqliteEngine:
    """The writer's connection: opens, migrates, begins and commits."""

    is_optimistic = False

    def __init__(self, path: str, clock: Callable[[], int], final_hooks: dict[str, FinalHook]) -> None:
        self.connection = connect(path)
        self._clock = clock
        self._final_hooks = final_hooks
        self._complaints = Complaints(logger)
        migrate(self.connection)
        last = self.connection.execute(SqliteTransaction.sql.events["last_at"]).fetchone()
        self._last_now: int = last[0] if last else 0
        self._data_version = self._read_data_version()

    def begin(self) -> SqliteTransaction:
        """Open a write transaction at a time that never goes back."""
        self.connection.execute("BEGIN IMMEDIATE")
        self._last_now = max(self._last_now, self._clock())
        return SqliteTransaction(self.connection, self._last_now, self._final_hooks)

    def commit(self) -> None:
        """Fsync the write-ahead log."""
        self.connection.execute("COMMIT")

    def rollback(self) -> None:
        """Undo an open transaction."""
        if self.connection.in_transaction:
            self.connection.execute("ROLLBACK")

    def waits_to_rerun(self, error: BaseException) -> bool:
        """Never: the one writer is in nobody's way."""
        return False

    def map_error(self, error: BaseException) -> BaseException:
        """Errors raised on purpose pass; the database's own become `unavailable`, logged here."""
        if isinstance(error, JobwireError | LeaseLost) or not isinstance(error, apsw.Error):
            return error
        self._complaints.say("the ledger refused a write: %s: %s", type(error).__name__, error)
        return RequestError("unavailable", "The ledger cannot be written right now; try again.", retry_after_s=1)

    def has_foreign_changes(self) -> bool:
        """PRAGMA data_version moves only when another connection has committed."""
        try:
            seen = self._read_data_version()
        except apsw.Error:
            # A ledger that cannot be read now is asked again; the next write says what is wrong.
            return False
        changed, self._data_version = seen != self._data_version, seen
        return changed

    def _read_data_version(self) -> int:
        return read_pragma(self.connection, "data_version")

    def close(self) -> None:
        """Close; the last connection of a file checkpoints it."""
        self.connection.close()


def connect(path: str, *, is_reader: bool = False) -> apsw.Connection:
    """A connection with the ledger's settings; refuses an SQLite with the WAL-reset bug (fixed in 3.51.3)."""
    if apsw.SQLITE_VERSION_NUMBER < SQLITE_VERSION_MIN:
        raise RuntimeError(f"SQLite 3.51.3 or newer is needed, apsw brings {apsw.sqlite_lib_version()}; upgrade apsw")
    flags = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE
    connection = remember(apsw.Connection(path, flags=flags, statementcachesize=256), path)
    load_functions(connection)
    connection.set_busy_timeout(BUSY_MS)
    # Without it SQLite plans a statement anew for each bound value: 22 µs instead of 4 for a read by key.
    connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
    connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
    if is_reader:
        connection.execute("PRAGMA query_only = ON")
    else:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA wal_autocheckpoint = 0")
    return connection


def read_pragma(connection: apsw.Connection, name: str) -> int:
    """The value of a numeric PRAGMA."""
    row = connection.execute(f"PRAGMA {name}").fetchone()
    assert row is not None
    return int(row[0])


def migrate(connection: apsw.Connection) -> None:
    """Bring the ledger to this program's version; refuse a newer one."""
    migrations = load_migrations("sqlite")
    newest = migrations[-1][0]
    connection.execute("BEGIN IMMEDIATE")
    try:
        version = read_pragma(connection, "user_version")
        if version > newest:
            raise RuntimeError(
                f"the ledger has version {version}, this program knows up to {newest}; upgrade jobwire"
            )
        for number, script in migrations:
            if number > version:
                connection.execute(script)
                connection.execute(f"PRAGMA user_version = {number}")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
