"""Polls answered on the event loop that asks, without a thread between: reader.py answers whatever this cannot.

A thread asks for the interpreter's lock after each wait and gets it from a busy loop 0.1 ms later: 11k polls a second
in one process became 22k. What one turn of the loop asks goes out together, and the next batch while that is
answered. When anything at all goes wrong, the polls go to the thread, which knows about outages.
"""

import asyncio
import contextlib
import logging
import os
from collections.abc import Callable, Sequence

import psycopg
from psycopg import pq

from jobwire.domain.job import JobRow
from jobwire.store.callers import Rows
from jobwire.store.postgres.placeholders import number_placeholders
from jobwire.store.postgres.reader import GETS_MAX, SQL, Get, divide_gets
from jobwire.store.postgres.session import Session

logger = logging.getLogger("jobwire.store")

RECONNECT_S = 1.0
STATEMENTS = ("enter_wall", "by_keys", "by_numbers")


class LoopPolls:
    """The polls of one loop, on a connection that is opened in a thread; `elsewhere` answers while there is none."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, connect: Callable[[], Session], elsewhere: Callable[[Get], None]
    ) -> None:
        self.loop = loop
        self._connect = connect
        self._elsewhere = elsewhere
        self._waiting: list[Get] = []
        self._sent: Sequence[Get] = ()
        self._wire: _Wire | None = None
        self._is_closed = False
        self._open_soon()

    def ask(self, get: Get) -> None:
        """Have it answered with what else this turn of the loop asks; on the loop only."""
        self._waiting.append(get)
        if len(self._waiting) == 1 and not self._sent:
            self.loop.call_soon(self._send)

    def close(self) -> None:
        """Answer what was asked elsewhere, and close the connection; on the loop only."""
        self._is_closed = True
        self._lose()

    def _send(self) -> None:
        if self._sent or not self._waiting:
            return
        self._sent, self._waiting = self._waiting[:GETS_MAX], self._waiting[GETS_MAX:]
        if self._wire is None:
            self._give_away()
            return
        try:
            self._wire.send(self._sent)
        except psycopg.Error as error:
            self._lose(error)

    def _receive(self) -> None:
        assert self._wire is not None
        try:
            rows = self._wire.receive()
        except psycopg.Error as error:
            self._lose(error)
            return
        if rows is None:
            return
        gets, self._sent = self._sent, ()
        self._send()
        for place, get in enumerate(gets):
            get.pending.fulfil(rows.get(place))

    def _give_away(self) -> None:
        gets = [*self._sent, *self._waiting]
        self._sent, self._waiting = (), []
        for get in gets:
            self._elsewhere(get)

    def _lose(self, error: psycopg.Error | None = None) -> None:
        if self._wire is not None:
            self._wire.close()
            self._wire = None
            if not self._is_closed:
                logger.warning("the connection for polls is lost; opening another: %s", str(error).strip())
                self.loop.call_later(RECONNECT_S, self._open_soon)
        self._give_away()

    def _open_soon(self) -> None:
        if not self._is_closed:
            self._opening = self.loop.create_task(self._open())

    async def _open(self) -> None:
        try:
            session = await asyncio.to_thread(self._connect)
        except psycopg.Error:
            self.loop.call_later(RECONNECT_S, self._open_soon)
            return
        if self._is_closed:
            session.close()
            return
        try:
            self._wire = _Wire(session, self.loop, self._receive)
        except psycopg.Error:
            session.close()
            self.loop.call_later(RECONNECT_S, self._open_soon)


class _Wire:
    """A connection in pipeline mode: a batch of polls is at most three statements, one snapshot each, and a sync."""

    def __init__(self, session: Session, loop: asyncio.AbstractEventLoop, receive: Callable[[], None]) -> None:
        self._session = session
        self._loop = loop
        self._connection = session.connection.pgconn
        self._asked: list[Sequence[int]] = []
        self._rows: dict[int, JobRow] = {}
        self._statements = {name: number_placeholders(SQL.get[name]) for name in STATEMENTS}
        self._is_prepared = session.can_prepare
        if self._is_prepared:
            for name, (sql, _) in self._statements.items():
                session.read(self._connection.prepare(name.encode(), sql))
        self._connection.nonblocking = 1
        self._connection.enter_pipeline_mode()
        # One of our own: libpq closes its own when the server goes away, and the next connection has its number
        # while the loop still watches the old one.
        self._watched = os.dup(self._connection.socket)
        loop.add_reader(self._watched, receive)

    def send(self, gets: Sequence[Get]) -> None:
        """Put the batch on its way."""
        if self._session.has_wall:
            self._query("enter_wall", (), owners=",".join({str(get.owner) for get in gets}))
        for name, places, params in divide_gets(gets):
            self._query(name, places, **params)
        self._connection.pipeline_sync()
        self._flush()

    def _query(self, name: str, places: Sequence[int], **params: str) -> None:
        self._asked.append(places)
        sql, order = self._statements[name]
        values = [params[param].encode() for param in order]
        if self._is_prepared:
            self._connection.send_query_prepared(name.encode(), values)
        else:
            self._connection.send_query_params(sql, values)

    def _flush(self) -> None:
        if self._connection.flush():
            self._loop.add_writer(self._watched, self._flush)
        else:
            self._loop.remove_writer(self._watched)

    def receive(self) -> dict[int, JobRow] | None:
        """The rows of the batch by place, or None while more is to come."""
        self._connection.consume_input()
        has_ended = False
        while not self._connection.is_busy():
            result = self._connection.get_result()
            if result is None:
                # Once after each statement; for ever where the server spoke unasked, as it does when it goes away.
                if has_ended:
                    return None
                has_ended = True
                continue
            has_ended = False
            if result.status == pq.ExecStatus.PIPELINE_SYNC:
                rows, self._rows, self._asked = self._rows, {}, []
                return rows
            self._keep(self._session.read(result))
        return None

    def _keep(self, rows: Rows) -> None:
        places = self._asked.pop(0)
        if not places:
            return
        for row in rows:
            self._rows[places[row[0] - 1]] = tuple.__new__(JobRow, row[1:])

    def close(self) -> None:
        """Let the loop go of it, and close."""
        with contextlib.suppress(RuntimeError):
            # The loop may be closed already.
            self._loop.remove_writer(self._watched)
            self._loop.remove_reader(self._watched)
        os.close(self._watched)
        self._session.close()
