"""A connection in the house's words: connect with its settings, run `:name` statements, know what a failure means.

The engine's own statements go straight to libpq, which waits without the interpreter's lock: 8 µs of CPU each, where
a cursor takes 39 and asks for the lock four times. What need not be waited for is sent with the next that is: each
round trip costs 0.15 ms where everybody has just slept. engine.py writes through one, reader.py reads through others.
"""

import select
from collections.abc import Callable, Mapping
from typing import Any

import psycopg
from psycopg import ClientCursor, errors, pq
from psycopg.adapt import Transformer
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.types.numeric import Int8Dumper

from jobwire.store.callers import Rows
from jobwire.store.postgres.placeholders import compile_placeholders, number_placeholders

CONNECT_TIMEOUT_S = 5
# A peer that vanished without a word is noticed in about ten seconds, not in the kernel's quarter of an hour.
NETWORK = {
    "connect_timeout": CONNECT_TIMEOUT_S,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
    "application_name": "jobwire",
    "client_encoding": "utf8",
}

INT8, UNKNOWN = 20, 0
READ = frozenset({pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK, pq.ExecStatus.EMPTY_QUERY})

OVERTAKEN = frozenset({"job_by_key", "idempotency_by_key", "live_by_key", "live_number_key"})


class Overtaken(Exception):  # noqa: N818 - states a fact: another process was faster
    """Another process has committed the same key meanwhile; run again, this one finds it."""


class Session:
    """One connection outside the driver's own transactions. `doom` is the error after which nothing more may run."""

    def __init__(self, dsn: str, *, can_prepare: bool, has_wall: bool) -> None:
        given = conninfo_to_dict(dsn)
        settings: dict[str, Any] = {name: value for name, value in NETWORK.items() if name not in given}
        self.connection = psycopg.connect(make_conninfo(dsn, **settings), autocommit=True)
        self.connection.adapters.register_dumper(int, Int8Dumper)
        # Where the driver has prepared anything, it has all forgotten after a ROLLBACK TO, ours too.
        self.connection.prepare_threshold = None
        self.can_prepare = can_prepare
        self._prepared: dict[tuple[bytes, tuple[int, ...]], bytes] = {}
        self._transformer = Transformer(self.connection)
        self.has_wall = has_wall
        # A plan that guesses millions of rows would be compiled for 50 ms to run for one.
        self.connection.execute("SET jit = off")
        self._portable = ClientCursor(self.connection)
        self.doom: BaseException | None = None
        self._sent: list[Callable[[Rows], None] | None] = []
        # Not select(), which refuses descriptors from 1024 on.
        self._readable = select.poll()
        self._readable.register(self.connection.fileno(), select.POLLIN)
        self._movable = select.poll()
        self._movable.register(self.connection.fileno(), select.POLLIN | select.POLLOUT)

    @property
    def is_lost(self) -> bool:
        """Whether the connection is gone."""
        return bool(self.connection.closed or self.connection.broken)

    def execute(self, sql: str, parameters: Mapping[str, Any] | None = None) -> Rows:
        """Run one of the engine's own statements, prepared where that is allowed."""
        if self._sent:
            self.send(sql, parameters)
            return self.receive()
        if self.doom is not None:
            raise self.doom
        text, names = number_placeholders(sql)
        values, types = _write_values([parameters[name] for name in names] if parameters else [])
        try:
            if not self.can_prepare:
                return self.read(self.connection.pgconn.exec_params(text, values, types))
            # The driver's stub knows no NULL.
            given: Any = values
            return self.read(self.connection.pgconn.exec_prepared(self._prepare(text, types), given))
        except psycopg.Error as error:
            self._note(error)
            raise

    def send(
        self, sql: str, parameters: Mapping[str, Any] | None = None, tell: Callable[[Rows], None] | None = None
    ) -> None:
        """Run a statement in the round trip of the next that is waited for, which raises what this one comes to.

        `tell` is given its rows then, unless it or one before it has failed.
        """
        if self.doom is not None:
            raise self.doom
        text, names = number_placeholders(sql)
        values, types = _write_values([parameters[name] for name in names] if parameters else [])
        connection = self.connection.pgconn
        try:
            if self.can_prepare and (text, types) not in self._prepared:
                self.receive()
                self._prepare(text, types)
            if not self._sent:
                connection.enter_pipeline_mode()
            self._sent.append(tell)
            if self.can_prepare:
                # The driver's stub knows no NULL.
                given: Any = values
                connection.send_query_prepared(self._prepared[text, types], given)
            else:
                connection.send_query_params(text, values, types)
        except psycopg.Error as error:
            self._note(error)
            raise

    def receive(self) -> Rows:
        """Wait for what was sent; the rows of the last statement, or the first error."""
        rows = Rows([])
        if not self._sent:
            return rows
        tells, self._sent = self._sent, []
        try:
            for tell, result in zip(tells, self._take_results(), strict=True):
                rows = self.read(result)
                if tell is not None:
                    tell(rows)
        except psycopg.Error as error:
            self._note(error)
            raise
        return rows

    def _take_results(self) -> list[pq.abc.PGresult]:
        """One of each statement that was sent."""
        connection = self.connection.pgconn
        connection.pipeline_sync()
        while connection.flush():
            # A large batch goes piece by piece, and the server says something meanwhile.
            self._movable.poll()
            connection.consume_input()
        results: list[pq.abc.PGresult] = []
        has_ended = False
        while True:
            # The driver's get_result() would wait with the interpreter's lock.
            while connection.is_busy():
                self._readable.poll()
                connection.consume_input()
            result = connection.get_result()
            if result is None and has_ended:
                # Once after each statement; again where the server has gone away.
                raise psycopg.OperationalError("the connection ended before the answer was complete")
            has_ended = result is None
            if result is None:
                continue
            if result.status == pq.ExecStatus.PIPELINE_SYNC:
                connection.exit_pipeline_mode()
                return results
            results.append(result)

    def _prepare(self, text: bytes, types: tuple[int, ...]) -> bytes:
        name = self._prepared.get((text, types))
        if name is None:
            name = b"own%d" % len(self._prepared)
            self.read(self.connection.pgconn.prepare(name, text, types))
            self._prepared[text, types] = name
        return name

    def execute_portable(self, sql: str, parameters: Mapping[str, Any]) -> psycopg.Cursor[Any]:
        """Run a statement that knows no types: values are written into it, so that NULL needs none."""
        self.receive()
        if self.doom is not None:
            raise self.doom
        try:
            return self._portable.execute(compile_placeholders(sql), parameters)
        except psycopg.Error as error:
            self._note(error)
            raise

    def execute_script(self, script: str) -> Rows:
        """Run several statements in one round trip; gives the last one's rows."""
        self.receive()
        return self.read(self.connection.pgconn.exec_(script.encode()))

    def read(self, result: pq.abc.PGresult) -> Rows:
        """The rows of a result of libpq; the driver's error if it is one."""
        if result.status not in READ:
            raise errors.error_from_result(result)
        if not result.nfields:
            return Rows([], result.command_tuples or 0)
        self._transformer.set_pgresult(result)
        return Rows(self._transformer.load_rows(0, result.ntuples, tuple), result.ntuples)

    def _note(self, error: psycopg.Error) -> None:
        if self.is_lost or is_passing(error):
            self.doom = error

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()


def _write_values(given: list[Any]) -> tuple[list[bytes | None], tuple[int, ...]]:
    """The values as libpq takes them, and their types: a text has that of its place, a whole number has one width."""
    values: list[bytes | None] = []
    types: list[int] = []
    for value in given:
        types.append(INT8 if type(value) is int else UNKNOWN)
        if value is None:
            values.append(None)
            continue
        written = str(value).encode()
        if b"\0" in written:
            raise psycopg.DataError("PostgreSQL text fields cannot contain NUL (0x00) bytes")
        values.append(written)
    return values, tuple(types)


def is_passing(error: BaseException) -> bool:
    """Whether the whole transaction may succeed when it is run again: others were in its way."""
    if isinstance(error, errors.UniqueViolation):
        return error.diag.constraint_name in OVERTAKEN
    return isinstance(error, Overtaken | errors.SerializationFailure | errors.DeadlockDetected)


def explain_refusal(dsn: str, error: psycopg.Error) -> str:
    """Why the ledger cannot be opened, in one sentence without the password."""
    reason = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
    return f"the ledger {show_address(dsn)} cannot be opened: {reason}"


def show_address(dsn: str) -> str:
    """The address without its password."""
    parts = conninfo_to_dict(dsn)
    user, host = parts.get("user"), parts.get("host") or "localhost"
    port, database = parts.get("port"), parts.get("dbname", "")
    return f"postgresql://{f'{user}@' if user else ''}{host}{f':{port}' if port else ''}/{database}"
