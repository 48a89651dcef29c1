"""The ledgers that the processes share: how an address is opened, and how a test looks into one.

A new engine is one more class here and one more row in conftest.py.
"""

import apsw
import psycopg

from jobwire.store.postgres import open_postgres
from jobwire.store.postgres.engine import PostgresEngine
from jobwire.store.postgres.operations import PostgresTransaction
from jobwire.store.sqlite import open_sqlite
from jobwire.store.sqlite.engine import SqliteEngine, SqliteTransaction

WAIT_S = 20

# What must be the same on both sides: how many wait, by the order and by the leaves that positions are read from.
COUNTED = """
SELECT queue, priority, turn >> 23 AS leaf, count(*) AS n FROM {order} GROUP BY queue, priority, turn >> 23
 ORDER BY queue, priority, leaf
"""
ORDER = "(SELECT queue, priority, turn FROM ready UNION ALL SELECT queue, priority, turn FROM blocked) AS waiting"


def is_postgres(address):
    return address.startswith("postgresql:")


def open_store(address):
    """The store at an address, as any process opens it."""
    return open_postgres(address) if is_postgres(address) else open_sqlite(address)


def engine_of(address):
    """The classes that begin, write and commit there."""
    return (PostgresEngine, PostgresTransaction) if is_postgres(address) else (SqliteEngine, SqliteTransaction)


class SqliteLedger:
    """A file in the test's folder."""

    # Events that are not in the log yet.
    unlogged = "SELECT 0"
    leaves = "SELECT queue, priority, cell, n FROM cell WHERE level = 0 AND n <> 0 ORDER BY queue, priority, cell"

    def __init__(self, folder):
        self.address = str(folder / "jobs.db")

    def query(self, sql):
        """Rows as any other process reads them."""
        connection = apsw.Connection(self.address, flags=apsw.SQLITE_OPEN_READWRITE)
        try:
            connection.set_busy_timeout(10_000)
            return connection.execute(sql).fetchall()
        finally:
            connection.close()

    def find_damage(self):
        """What the database finds wrong with its own pages."""
        return [row for row in self.query("PRAGMA integrity_check") if row != ("ok",)]

    def close(self):
        return


class PostgresLedger:
    """A database on a server, which may be killed and started again between two queries."""

    unlogged = "SELECT count(*) FROM event_inbox"
    leaves = """
      SELECT queue, priority, cell, sum(n)::bigint FROM (
        SELECT queue, priority, cell, n FROM cell WHERE level = 0
        UNION ALL SELECT queue, priority, cell, n FROM cell_delta) AS counted
       GROUP BY queue, priority, cell HAVING sum(n) <> 0 ORDER BY queue, priority, cell
    """

    def __init__(self, address):
        self.address = address
        self._connection = None

    def query(self, sql):
        """Rows as any other process reads them, over a connection that is made again when it is lost."""
        if self._connection is not None:
            try:
                return self._connection.execute(sql).fetchall()
            except psycopg.OperationalError:
                self.close()
        self._connection = psycopg.connect(self.address, autocommit=True, connect_timeout=WAIT_S)
        return self._connection.execute(sql).fetchall()

    def find_damage(self):
        """What the database finds wrong with its pages: every index against its table, if it brings amcheck."""
        if not self.query("SELECT FROM pg_available_extensions WHERE name = 'amcheck'"):
            return []
        self._connection.execute("CREATE EXTENSION IF NOT EXISTS amcheck")
        damage = self.query("SELECT r.* FROM pg_class AS c, verify_heapam(c.oid) AS r WHERE relkind = 'r'")
        # Raises for the first index that is not sound.
        self.query(
            "SELECT bt_index_parent_check(c.oid, true) FROM pg_class AS c JOIN pg_am AS a ON a.oid = c.relam"
            " WHERE relkind = 'i' AND amname = 'btree' AND relnamespace = 'public'::regnamespace"
        )
        return damage

    def close(self):
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def count_leaves(ledger):
    """How many wait in each leaf: by the order, and by the counts."""
    return ledger.query(COUNTED.format(order=ORDER)), ledger.query(ledger.leaves)
