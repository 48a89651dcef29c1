"""SQLAlchemy's sessions and connections as callers, sync and async, over any driver of SQLite and PostgreSQL.

Statements go through SQLAlchemy itself: it knows its drivers' parameters, and one flow serves its async side too,
which it runs without a thread.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, TypeVar

from sqlalchemy import BigInteger, Connection, Text, TextClause, bindparam, text
from sqlalchemy.util import await_only

from jobwire.store.callers import Caller, Link, Rows
from jobwire.store.pending import Pending

T = TypeVar("T")

STATEMENTS_MAX = 256
_TYPES: Mapping[type, Any] = {int: BigInteger(), str: Text()}


class AlchemyLink:
    """A begun SQLAlchemy connection."""

    def __init__(self, connection: Connection, *, is_async: bool) -> None:
        self._connection = connection
        self._is_async = is_async

    @property
    def driver(self) -> Any:
        """The driver's connection."""
        return self._connection.connection.driver_connection

    def execute(self, sql: str, parameters: Mapping[str, Any] | None = None, /) -> Rows:
        """Run one statement."""
        given = parameters or {}
        types = tuple((name, type(value)) for name, value in given.items() if value is not None)
        result = self._connection.execute(_compile(sql, types), given)
        rows = [tuple(row) for row in result] if result.returns_rows else []
        return Rows(rows, result.rowcount)

    execute_portable = execute

    def wait(self, pending: Pending[T], /) -> T:
        """The store's answer."""
        return await_only(_answer(pending)) if self._is_async else pending.result()


@lru_cache(maxsize=STATEMENTS_MAX)
def _compile(sql: str, types: tuple[tuple[str, type], ...]) -> TextClause:
    # A cast is no parameter, and would hide the one before it.
    statement = text(sql.replace("::", r"\:\:"))
    names = statement.compile().params
    # asyncpg has PostgreSQL guess the types that it is not told, and then takes no text for an array.
    return statement.bindparams(*(bindparam(name, type_=_TYPES.get(kind)) for name, kind in types if name in names))


async def _answer(pending: Pending[T]) -> T:
    return await pending


def make_caller(connection: Any) -> Caller | None:
    """The caller that a Session, Connection, AsyncSession or AsyncConnection is, scoped ones too."""
    is_async = hasattr(connection, "run_sync")
    if not is_async and not isinstance(connection, Connection) and not hasattr(connection, "flush"):
        return None
    dialect = connection.dialect if hasattr(connection, "dialect") else connection.get_bind().dialect

    def run(work: Callable[[Link], Any]) -> Any:
        def work_on(given: Any) -> Any:
            connection = given if isinstance(given, Connection) else given.connection()
            return work(AlchemyLink(connection, is_async=is_async))

        return connection.run_sync(work_on) if is_async else work_on(connection)

    return Caller(dialect.name, f"SQLAlchemy {dialect.driver}", is_async, run)
