"""psycopg's connections as callers. own.py writes through them."""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError, Future
from typing import Any, TypeVar

from psycopg import AsyncClientCursor, AsyncConnection, AsyncCursor, ClientCursor, Connection, Cursor
from psycopg.rows import tuple_row
from psycopg.types.numeric import Int8Dumper

from jobwire.store.callers import Caller, Link, Rows
from jobwire.store.pending import Pending
from jobwire.store.postgres.placeholders import compile_placeholders

T = TypeVar("T")


class PsycopgLink:
    """A Connection."""

    def __init__(self, driver: Connection[Any]) -> None:
        self.driver = driver

    def execute(self, sql: str, parameters: Mapping[str, Any] | None = None, /) -> Rows:
        """Run one of the engine's own statements."""
        return self._run(Cursor(self.driver, row_factory=tuple_row), sql, parameters)

    def execute_portable(self, sql: str, parameters: Mapping[str, Any] | None = None, /) -> Rows:
        """Run a statement that knows no types."""
        return self._run(ClientCursor(self.driver, row_factory=tuple_row), sql, parameters)

    def _run(self, cursor: Cursor[Any], sql: str, parameters: Mapping[str, Any] | None) -> Rows:
        cursor.adapters.register_dumper(int, Int8Dumper)
        cursor.execute(compile_placeholders(sql), parameters or {})
        return Rows(cursor.fetchall() if cursor.description else [], cursor.rowcount)

    def wait(self, pending: Pending[T], /) -> T:
        """The store's answer."""
        return pending.result()


class AwaitedLink:
    """An AsyncConnection, for work in a thread: each statement is awaited on the caller's event loop."""

    def __init__(self, driver: AsyncConnection[Any], loop: asyncio.AbstractEventLoop) -> None:
        self.driver = driver
        self._loop = loop
        self._running: Future[Rows] | None = None
        self._is_cancelled = False

    def execute(self, sql: str, parameters: Mapping[str, Any] | None = None, /) -> Rows:
        """Run one of the engine's own statements."""
        return self._run(AsyncCursor(self.driver, row_factory=tuple_row), sql, parameters)

    def execute_portable(self, sql: str, parameters: Mapping[str, Any] | None = None, /) -> Rows:
        """Run a statement that knows no types."""
        return self._run(AsyncClientCursor(self.driver, row_factory=tuple_row), sql, parameters)

    def _run(self, cursor: AsyncCursor[Any], sql: str, parameters: Mapping[str, Any] | None) -> Rows:
        if not self._is_cancelled:
            self._running = asyncio.run_coroutine_threadsafe(_fetch(cursor, sql, parameters), self._loop)
            with contextlib.suppress(CancelledError):
                return self._running.result()
        # What the work does about it goes through.
        self._is_cancelled = False
        raise CancelledError("the submission was cancelled")

    def cancel(self) -> None:
        """Cancel the statement that runs, or the next one."""
        self._is_cancelled = True
        if self._running is not None:
            self._running.cancel()

    def wait(self, pending: Pending[T], /) -> T:
        """The store's answer."""
        return pending.result()


async def _fetch(cursor: AsyncCursor[Any], sql: str, parameters: Mapping[str, Any] | None) -> Rows:
    cursor.adapters.register_dumper(int, Int8Dumper)
    await cursor.execute(compile_placeholders(sql), parameters or {})
    return Rows(await cursor.fetchall() if cursor.description else [], cursor.rowcount)


def make_caller(connection: object) -> Caller | None:
    """The caller that a Connection or an AsyncConnection is; RuntimeError in a pipeline."""
    if isinstance(connection, Connection | AsyncConnection) and connection.pgconn.pipeline_status:
        raise RuntimeError(
            "the connection is in pipeline mode, whose answers come later; submit outside of pipeline()"
        )
    if isinstance(connection, Connection):
        return Caller("postgresql", "psycopg", is_async=False, run=lambda work: work(PsycopgLink(connection)))
    if isinstance(connection, AsyncConnection):
        return Caller("postgresql", "psycopg", is_async=True, run=lambda work: _run_beside(connection, work))
    return None


async def _run_beside(driver: AsyncConnection[Any], work: Callable[[Link], Any]) -> Any:
    """Run the work in a thread of its own: in a shared pool, those who wait for a lock would keep out its holder."""
    link = AwaitedLink(driver, asyncio.get_running_loop())
    answer: Pending[Any] = Pending()

    def run() -> None:
        try:
            answer.fulfil(work(link))
        except BaseException as error:
            answer.fail(error)

    threading.Thread(target=run, name="jobwire-submit", daemon=True).start()
    try:
        return await answer
    except asyncio.CancelledError:
        # The connection is the caller's again only when nothing of the work runs on it any more.
        link.cancel()
        while not answer.is_done:
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await answer
        raise
