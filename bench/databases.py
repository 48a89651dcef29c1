"""The databases under measurement: for each run an empty one of its own, counted and weighed from outside."""

import os
import struct
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import apsw
import psycopg
from psycopg import sql

from bench.children import wait_until
from bench.peers.install import Missing
from bench.redis_server import ask_redis
from bench.ticks import keeping_ticks

Engine = Literal["sqlite", "postgres", "redis"]
SHOWN: Mapping[Engine, str] = {"sqlite": "SQLite", "postgres": "PostgreSQL", "redis": "Redis"}

# The WAL index counts transactions in its header (sqlite.org/walformat.html, iChange); each is one commit, one fsync.
_COMMITS = struct.Struct("=8xI")
LEAVE_S_MAX = 15.0
BUSY_MS = 10_000


@dataclass(frozen=True, slots=True)
class Spent:
    """What a database has been through since it was made, as far as it tells."""

    commits: int | None = None
    log_bytes: int | None = None

    def for_each(self, before: "Spent", jobs: int) -> dict[str, float]:
        """The difference, for each job, as figures."""
        figures = {"commits/job": (self.commits, before.commits), "WAL bytes/job": (self.log_bytes, before.log_bytes)}
        return {
            name: (after - earlier) / jobs
            for name, (after, earlier) in figures.items()
            if after is not None and earlier is not None
        }


class Site(Protocol):
    """A folder for a run's files and the database of the run."""

    folder: Path
    address: str

    def count(self, query: str) -> int:
        """The one number that `query` asks for."""

    def spent(self) -> Spent:
        """Commits and log so far; with PostgreSQL, everybody else has left first."""


class SqliteSite:
    """A file in the run's folder, read with apsw: a second copy of SQLite in this process, or a descriptor closed
    early, would drop the locks by which a ledger opened here is kept whole."""

    def __init__(self, folder: Path, address: str) -> None:
        self.folder = folder
        self.address = address
        self._connection: apsw.Connection | None = None
        self._index: int | None = None

    def count(self, query: str) -> int:
        """See Site."""
        row = self._open().execute(query).fetchone()
        assert row is not None
        return int(row[0])

    def spent(self) -> Spent:
        """See Site; the index lives as long as our connection."""
        self.count("SELECT count(*) FROM sqlite_schema")
        if self._index is None:
            self._index = os.open(f"{self.address}-shm", os.O_RDONLY)
        return Spent(commits=_COMMITS.unpack(os.pread(self._index, _COMMITS.size, 0))[0])

    def close(self) -> None:
        """Let the file go."""
        if self._index is not None:
            os.close(self._index)
        if self._connection is not None:
            self._connection.close()

    def _open(self) -> apsw.Connection:
        if self._connection is None:
            self._connection = apsw.Connection(self.address, flags=apsw.SQLITE_OPEN_READONLY)
            self._connection.set_busy_timeout(BUSY_MS)
        return self._connection


@dataclass(slots=True)
class PostgresSite:
    """A database of the server, named like the run's folder."""

    folder: Path
    address: str
    server: str
    name: str

    def count(self, query: str) -> int:
        """See Site."""
        return _ask(self.address, query)

    def spent(self) -> Spent:
        """See Site: the transactions that wrote; those that only read take no number and force no log to the disk."""
        # A session's last commit is done when it has ended.
        others = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s"
        wait_until(lambda: _ask(self.server, others, self.name) == 0, "the last session", timeout_s=LEAVE_S_MAX)
        commits = _ask(self.server, "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint")
        log_bytes = _ask(self.server, "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint")
        return Spent(commits, log_bytes)


@dataclass(slots=True)
class RedisSite:
    """The whole server; a query is `DATABASE COMMAND …`, several are added up."""

    folder: Path
    address: str
    port: int

    def count(self, query: str) -> int:
        """See Site."""
        asked = [part.strip().partition(" ") for part in query.split("+")]
        return sum(ask_redis(self.port, int(database), command) for database, _, command in asked)

    def spent(self) -> Spent:
        """It has no log here."""
        return Spent()


@dataclass(frozen=True, slots=True)
class Databases:
    """What this run has: the address of a PostgreSQL and the port of a Redis, or why there is none."""

    postgres: str | Missing
    redis: int | Missing

    @contextmanager
    def fresh(self, engine: Engine, folder: Path) -> Iterator[Site]:
        """An empty database for a run in `folder`; Missing if its server is not there."""
        with keeping_ticks(folder), self._fresh(engine, folder) as site:
            yield site

    @contextmanager
    def _fresh(self, engine: Engine, folder: Path) -> Iterator[Site]:
        match engine:
            case "sqlite":
                site = SqliteSite(folder, str(folder / "ledger.db"))
                with closing(site):
                    yield site
            case "postgres":
                if isinstance(self.postgres, Missing):
                    raise self.postgres
                with _fresh_database(self.postgres, folder) as postgres_site:
                    yield postgres_site
            case "redis":
                if isinstance(self.redis, Missing):
                    raise self.redis
                ask_redis(self.redis, 0, "FLUSHALL")
                yield RedisSite(folder, f"redis://127.0.0.1:{self.redis}", self.redis)


@contextmanager
def _fresh_database(server: str, folder: Path) -> Iterator[PostgresSite]:
    name = f"bench_{folder.name}".lower()
    _run(server, sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    try:
        address, question, options = server.partition("?")
        yield PostgresSite(folder, f"{address.rpartition('/')[0]}/{name}{question}{options}", server, name)
    finally:
        _run(server, sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def _run(address: str, statement: sql.Composed) -> None:
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(statement)


def _ask(address: str, query: str, *values: Any) -> int:
    with psycopg.connect(address, autocommit=True) as connection:
        row = connection.execute(query.encode(), values or None).fetchone()
    assert row is not None
    return int(row[0])
