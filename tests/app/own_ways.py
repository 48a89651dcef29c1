"""Every kind of connection that a submission may be given, behind the same few verbs, sync and async ones alike."""

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

import apsw
import psycopg
import sqlalchemy
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session

from jobwire import Jobwire
from postgres_server import is_left_out, new_ledger


class Plain:
    """A driver's own connection."""

    def __init__(self, connection, begin=None):
        self.connection = connection
        self._begin = begin

    def begin(self):
        if self._begin:
            self.connection.execute(self._begin)

    def execute(self, sql):
        self.connection.execute(sql)

    def submit(self, app, kind, **options):
        return app.submit_sync(kind, connection=self.connection, **options)

    def submit_many(self, app, kind, inputs, **options):
        return app.submit_many_sync(kind, inputs, connection=self.connection, **options)

    def commit(self):
        self._end("commit")

    def rollback(self):
        self._end("rollback")

    def _end(self, word):
        # apsw leaves that to SQL.
        end = getattr(self.connection, word, None)
        if end:
            end()
        else:
            self.connection.execute(word)

    def close(self):
        self.connection.close()


class Alchemy(Plain):
    """A session or a connection of SQLAlchemy."""

    def __init__(self, address, open_on):
        self._engine = sqlalchemy.create_engine(address)
        super().__init__(open_on(self._engine))

    def execute(self, sql):
        self.connection.execute(sqlalchemy.text(sql))

    def close(self):
        self.connection.close()
        self._engine.dispose()


class Awaited:
    """An asynchronous connection, on an event loop of its own."""

    def __init__(self, connect):
        self.runner = asyncio.Runner()
        self.connection = self.runner.run(connect())

    def begin(self):
        pass

    def execute(self, sql):
        self.runner.run(self._execute(sql))

    async def _execute(self, sql):
        await self.connection.execute(sql)

    def submit(self, app, kind, **options):
        return self.runner.run(app.submit(kind, connection=self.connection, **options))

    def submit_many(self, app, kind, inputs, **options):
        return self.runner.run(app.submit_many(kind, inputs, connection=self.connection, **options))

    def commit(self):
        self.runner.run(self.connection.commit())

    def rollback(self):
        self.runner.run(self.connection.rollback())

    def close(self):
        self.runner.run(self.connection.close())
        self.runner.close()


class AwaitedAlchemy(Awaited):
    """An asynchronous session or connection of SQLAlchemy."""

    def __init__(self, address, open_on, **connect_args):
        self._engine = create_async_engine(address, connect_args=connect_args)

        async def connect():
            opened = open_on(self._engine)
            return opened if isinstance(opened, AsyncSession) else await opened

        super().__init__(connect)

    async def _execute(self, sql):
        await self.connection.execute(sqlalchemy.text(sql))

    def close(self):
        self.runner.run(self.connection.close())
        self.runner.run(self._engine.dispose())
        self.runner.close()


@dataclass(frozen=True)
class Way:
    """A kind of connection: its database, and how one is opened on an address."""

    name: str
    database: str
    open: Callable[[str], Plain | Awaited]

    @property
    def is_second_sqlite(self) -> bool:
        """Whether it brings a second SQLite, so that this process must not open the ledger meanwhile."""
        return self.database == "sqlite" and self.name != "apsw"


def alchemy(address: str, *, driver: str | None = None) -> str:
    """The address as SQLAlchemy spells it."""
    if "://" not in address:
        return f"sqlite{'' if driver is None else '+' + driver}:///{address}"
    parts = urlsplit(address)
    return parts._replace(scheme=f"postgresql+{driver or 'psycopg'}", query=quote_again(parts.query)).geturl()


def search_path_of(address: str) -> str:
    """The schema that the address names in libpq's words, which asyncpg does not read."""
    (options,) = parse_qs(urlsplit(address).query)["options"]
    return options.removeprefix("-c search_path=")


def quote_again(query: str) -> str:
    """SQLAlchemy reads an address's query as forms have it."""
    return "&".join(f"{name}={quote(values[0], safe='')}" for name, values in parse_qs(query).items())


def connect_apsw(path: str) -> apsw.Connection:
    """Waits for others as long as sqlite3 does by itself."""
    connection = apsw.Connection(path)
    connection.set_busy_timeout(5_000)
    return connection


SQLITE_WAYS = (
    Way("apsw", "sqlite", lambda path: Plain(connect_apsw(path), "BEGIN IMMEDIATE")),
    Way("sqlite3", "sqlite", lambda path: Plain(sqlite3.connect(path))),
    Way(
        "sqlite3-explicit",
        "sqlite",
        lambda path: Plain(sqlite3.connect(path, isolation_level=None), "BEGIN IMMEDIATE"),
    ),
    Way("sqlite3-session", "sqlite", lambda path: Alchemy(alchemy(path), Session)),
    Way(
        "aiosqlite-session",
        "sqlite",
        lambda path: AwaitedAlchemy(alchemy(path, driver="aiosqlite"), AsyncSession),
    ),
    Way("sqlite3-alchemy", "sqlite", lambda path: Alchemy(alchemy(path), lambda engine: engine.connect())),
)
POSTGRES_WAYS = (
    Way("psycopg", "postgresql", lambda address: Plain(psycopg.connect(address))),
    Way("psycopg-explicit", "postgresql", lambda address: Plain(psycopg.connect(address, autocommit=True), "BEGIN")),
    Way("psycopg-async", "postgresql", lambda address: Awaited(lambda: psycopg.AsyncConnection.connect(address))),
    Way("session", "postgresql", lambda address: Alchemy(alchemy(address), Session)),
    Way("alchemy", "postgresql", lambda address: Alchemy(alchemy(address), lambda engine: engine.connect())),
    Way("session-psycopg2", "postgresql", lambda address: Alchemy(alchemy(address, driver="psycopg2"), Session)),
    Way(
        "session-asyncpg",
        "postgresql",
        lambda address: AwaitedAlchemy(
            alchemy(address, driver="asyncpg").rpartition("options=")[0].rstrip("?&"),
            AsyncSession,
            server_settings={"search_path": search_path_of(address)},
        ),
    ),
    Way("session-async", "postgresql", lambda address: AwaitedAlchemy(alchemy(address), AsyncSession)),
    Way(
        "alchemy-async",
        "postgresql",
        lambda address: AwaitedAlchemy(alchemy(address), lambda engine: engine.connect()),
    ),
)
WAYS = SQLITE_WAYS if is_left_out() else (*SQLITE_WAYS, *POSTGRES_WAYS)


class Place:
    """A ledger, and beside it, in the same database, a table of the caller's."""

    def __init__(self, way: Way, folder: Path) -> None:
        self.way = way
        if way.database == "sqlite":
            self.ledger = self.own = str(folder / "jobs.db")
        else:
            self.ledger, self.own = new_ledger(), new_ledger()
        with contextlib.closing(Jobwire(db=self.ledger)) as maker:
            maker.open()
        with contextlib.closing(way.open(self.own)) as own:
            own.begin()
            own.execute("CREATE TABLE purchase (n INTEGER)")
            own.commit()

    def look(self, sql: str) -> list[tuple]:
        """What is committed, seen from the ledger."""
        return self._look(self.ledger, sql)

    def look_own(self, sql: str) -> list[tuple]:
        """What is committed, seen from the caller's tables."""
        return self._look(self.own, sql)

    def count(self) -> tuple[int, int]:
        """How many jobs and how many of the caller's rows are committed."""
        return self.look("SELECT count(*) FROM job")[0][0], self.look_own("SELECT count(*) FROM purchase")[0][0]

    def _look(self, address: str, sql: str) -> list[tuple]:
        connect = psycopg.connect
        if self.way.database == "sqlite":
            connect = sqlite3.connect if self.way.is_second_sqlite else apsw.Connection
        with contextlib.closing(connect(address)) as connection:
            return [tuple(row) for row in connection.execute(sql)]
