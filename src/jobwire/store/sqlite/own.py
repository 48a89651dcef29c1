"""A caller's own transaction on the ledger's file, through apsw or through Python's sqlite3.

libraries.py says why sqlite3 is only taken in a process that does not open the ledger itself.
"""

import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import apsw

from jobwire.store.callers import Caller, Link, Rows, all_or_nothing
from jobwire.store.pending import Pending
from jobwire.store.sqlite.engine import SqliteTransaction
from jobwire.store.sqlite.libraries import refuse_second_library
from jobwire.store.statements import SqlTexts, load_migrations
from jobwire.store.transaction import FinalHook

T = TypeVar("T")

OTHER_SQLITE_MIN = (3, 38, 0)
"""The first SQLite with the operator ->>, in which the ledger's statements are written."""


class _OtherTransaction(SqliteTransaction):
    """For libraries before SQLite 3.51, which brought jsonb_each: json_each gives the same, more slowly."""

    each = "json_each"
    sql = SqlTexts(
        *(
            {name: text.replace("jsonb_each(", "json_each(") for name, text in texts.items()}
            for texts in SqliteTransaction.sql
        )
    )


class SqliteLink:
    """An apsw or sqlite3 connection."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def execute(self, sql: str, parameters: Mapping[str, Any] | None = None, /) -> Rows:
        """Run one statement."""
        cursor = self.driver.cursor()
        if isinstance(cursor, sqlite3.Cursor):
            # The caller may like rows of another shape.
            cursor.row_factory = None
        cursor.execute(sql, parameters or {})
        return Rows(cursor.fetchall())

    execute_portable = execute

    def wait(self, pending: Pending[T], /) -> T:
        """The store's answer."""
        return pending.result()


def make_caller(connection: object) -> Caller | None:
    """The caller that an apsw or sqlite3 connection is."""
    if not isinstance(connection, apsw.Connection | sqlite3.Connection):
        return None
    library = "apsw" if isinstance(connection, apsw.Connection) else "sqlite3"
    return Caller("sqlite", library, is_async=False, run=lambda work: work(SqliteLink(connection)))


def write_on(
    link: Link,
    work: Callable[[SqliteTransaction], T],
    *,
    path: str,
    clock: Callable[[], int],
    final_hooks: Mapping[str, FinalHook],
) -> T:
    """Run `work` in the caller's open transaction on the ledger at `path`: all of it, or none if it fails.

    The caller's commit makes it visible, the caller's rollback undoes it. Raises ValueError for a connection to
    another file, RuntimeError without an open transaction or where this connection must not write.
    """
    _check_file(link, path)
    transaction_of = SqliteTransaction
    if not isinstance(link.driver, apsw.Connection):
        _admit_other_library(link, path)
        transaction_of = _OtherTransaction
    _check_version(link)
    _begin(link)
    with all_or_nothing(link):
        last = link.execute(SqliteTransaction.sql.events["last_at"]).fetchone()
        now = max(clock(), last[0] if last else 0)
        transaction = transaction_of(link, now, final_hooks)
        result = work(transaction)
        transaction.finish()
        return result


def _check_file(link: Link, path: str) -> None:
    files = {name: file for _, name, file in link.execute("PRAGMA database_list")}
    if path == ":memory:":
        raise ValueError("a ledger in memory has one connection only; name a file (JOBWIRE_DB)")
    if not Path(path).exists():
        raise ValueError(f"there is no ledger at {path} yet; start `jobwire serve`, which makes it")
    if not files["main"] or not Path(files["main"]).samefile(path):
        raise ValueError(
            f"the connection's database is {files['main'] or 'in memory'}, the ledger is {path}; connect to that file"
        )


def _admit_other_library(link: Link, path: str) -> None:
    version = link.execute("SELECT sqlite_version()").fetchone()[0]
    if tuple(map(int, version.split("."))) < OTHER_SQLITE_MIN:
        least = ".".join(map(str, OTHER_SQLITE_MIN))
        raise RuntimeError(
            f"the connection's SQLite is {version}, the ledger needs {least} or newer; use connect() of the app"
        )
    refuse_second_library(path)
    # Before 3.51.3 a checkpoint may miss that a commit has started the log anew, and damage the file. Commits alone
    # are safe; the processes that have the ledger open make the checkpoints.
    link.execute("PRAGMA wal_autocheckpoint = 0")


def _check_version(link: Link) -> None:
    newest = load_migrations("sqlite")[-1][0]
    version = link.execute("PRAGMA user_version").fetchone()[0]
    if version > newest:
        raise RuntimeError(f"the ledger has version {version}, this program knows up to {newest}; upgrade jobwire")
    if version < newest:
        raise RuntimeError(
            f"the ledger has version {version}, this program needs {newest}; start `jobwire serve`, which brings it "
            "forward"
        )


def _begin(link: Link) -> None:
    driver = link.driver
    if driver.in_transaction:
        return
    # The sqlite3 module begins by itself before a statement that writes, unless it was told not to.
    if getattr(driver, "isolation_level", None) is None or getattr(driver, "autocommit", None) is True:
        raise RuntimeError("the connection has no open transaction; run its execute('BEGIN IMMEDIATE') first")
    link.execute("BEGIN IMMEDIATE")
