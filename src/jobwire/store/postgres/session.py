"""A connection in the house's words: connect with its settings, run `:name` statements, know what a failure means.

engine.py writes through one, reader.py reads through others.
"""

from collections.abc import Mapping
from typing import Any

import psycopg
from psycopg import ClientCursor, errors
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.types.numeric import Int8Dumper

from jobwire.store.postgres.placeholders import compile_placeholders

CONNECT_TIMEOUT_S = 5
PREPARED_MAX = 500
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

OVERTAKEN = frozenset({"job_by_key", "idempotency_by_key", "live_by_key", "live_number_key"})


class Overtaken(Exception):  # noqa: N818 - states a fact: another process was faster
    """Another process has committed the same key meanwhile; run again, this one finds it."""


class Session:
    """One connection outside the driver's own transactions. `doom` is the error after which nothing more may run."""

    def __init__(self, dsn: str, *, can_prepare: bool, has_wall: bool) -> None:
        given = conninfo_to_dict(dsn)
        settings: dict[str, Any] = {name: value for name, value in NETWORK.items() if name not in given}
        self.connection = psycopg.connect(make_conninfo(dsn, **settings), autocommit=True)
        # One width for every whole number, so that a statement is prepared once.
        self.connection.adapters.register_dumper(int, Int8Dumper)
        self.connection.prepare_threshold = 0 if can_prepare else None
        self.connection.prepared_max = PREPARED_MAX
        self.has_wall = has_wall
        # A plan that guesses millions of rows would be compiled for 50 ms to run for one.
        self.connection.execute("SET jit = off")
        self._portable = ClientCursor(self.connection)
        self.doom: BaseException | None = None

    @property
    def is_lost(self) -> bool:
        """Whether the connection is gone."""
        return bool(self.connection.closed or self.connection.broken)

    def execute(self, sql: str, parameters: Mapping[str, Any] | None = None) -> psycopg.Cursor[Any]:
        """Run one of the engine's own statements, prepared where that is allowed."""
        cursor = self.connection.cursor()
        self._run(cursor, sql, parameters)
        return cursor

    def execute_portable(self, sql: str, parameters: Mapping[str, Any]) -> psycopg.Cursor[Any]:
        """Run a statement that knows no types: values are written into it, so that NULL needs none."""
        self._run(self._portable, sql, parameters)
        return self._portable

    def execute_script(self, script: str) -> psycopg.Cursor[Any]:
        """Run several statements in one round trip; the cursor stands at the last one's rows."""
        cursor = self.connection.cursor()
        cursor.execute(script, prepare=False)
        while cursor.nextset():
            continue
        return cursor

    def _run(self, cursor: psycopg.Cursor[Any], sql: str, parameters: Mapping[str, Any] | None) -> None:
        if self.doom is not None:
            raise self.doom
        try:
            cursor.execute(compile_placeholders(sql), parameters or {})
        except psycopg.Error as error:
            if self.is_lost or is_passing(error):
                self.doom = error
            raise

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()


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
