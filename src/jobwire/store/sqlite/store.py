"""The Store on one SQLite file in WAL mode, every commit fsynced: one writer thread, short readers.

../operations.py has what a write does, engine.py how it commits. A second process on the same file stays correct
(its claims and settles are guarded by the same statements) but is not the fast path. `:memory:` is the test double:
the same engine without a file.
"""

import logging
import threading
from asyncio import AbstractEventLoop
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import apsw
import msgspec

from jobwire.domain.errors import RequestError
from jobwire.domain.job import JobFilter, JobRow
from jobwire.store.callers import Link
from jobwire.store.contract import (
    NO_LAST,
    AttemptRow,
    EventRow,
    Place,
    Reader,
    Transaction,
)
from jobwire.store.pending import Pending
from jobwire.store.posting import PostingStore
from jobwire.store.sqlite.engine import SqliteEngine, SqliteTransaction, connect, read_clock, read_pragma
from jobwire.store.sqlite.libraries import opening, refuse_other_opener
from jobwire.store.sqlite.own import write_on
from jobwire.store.sqlite.ticks import TickReader
from jobwire.store.transaction import FinalHook, refuse_closed
from jobwire.store.writer import Writer

T = TypeVar("T")

SQL = SqliteTransaction.sql
BY_KEY, BY_NUMBER = SQL.get["by_key"], SQL.get["by_number"]

logger = logging.getLogger("jobwire.store")

CHECKPOINT_INTERVAL_S = 0.25
CHECKPOINT_PAGES = 1_000
RESTART_PAGES = 64_000


class SqliteStore(PostingStore):
    """The Store on one SQLite file (or in memory): see contract.py for what each method promises."""

    engine: ClassVar[str] = "sqlite"

    def __init__(self, path: str, *, clock: Callable[[], int] = read_clock) -> None:
        self.path = path
        self.clock = clock
        self.final_hooks: dict[str, FinalHook] = {}
        self._in_memory = path == ":memory:"
        self._engine: SqliteEngine | None = None
        self._local = threading.local()
        self._stop = threading.Event()
        self._writer = Writer(self._open_engine, watches_others=not self._in_memory)
        self._checkpointer: threading.Thread | None = None
        if not self._in_memory:
            self._checkpointer = threading.Thread(target=self._checkpoint, name="jobwire-checkpoint", daemon=True)
            self._checkpointer.start()

    def _open_engine(self) -> SqliteEngine:
        self._engine = SqliteEngine(self.path, self.clock, self.final_hooks)
        return self._engine

    def fold(self, limit: int = 10_000) -> Pending[int]:
        """See Store.fold: empty cells go."""
        return self._writer.post(lambda tx: tx.fold(limit))

    def write_on(self, link: Link, work: Callable[[Transaction], T]) -> T:
        """Runs `work` in the caller's own open transaction on this file; see own.py."""
        return write_on(link, work, path=self.path, clock=self.clock, final_hooks=self.final_hooks)

    # reads

    def get(self, owner: int, *, key: str | None = None, number: int | None = None) -> Pending[JobRow | None]:
        """See Store.get."""
        if self._in_memory:
            return self.read(lambda r: _get(r, owner, key=key, number=number))
        # The read of every poll: values by place, a kept statement, a snapshot shared by the loop's tick.
        sql, place = (BY_KEY, key) if key is not None else (BY_NUMBER, number)
        try:
            row = self._tick_reader().fetch(sql, (place, owner))
        except RuntimeError:
            # No loop runs in this thread.
            row = self._reader().execute(sql, (place, owner)).fetchone()
        return Pending.of(None if row is None else tuple.__new__(JobRow, row))

    def serve_polls(self, loop: AbstractEventLoop) -> Callable[[], None]:
        """See Store.serve_polls: a read takes microseconds and is done where it is asked anyway."""
        return lambda: None

    def find(self, owner: int, jobs: JobFilter) -> Pending[list[JobRow]]:
        """See Store.find."""
        params = {name: getattr(jobs, name) for name in JobFilter.__dataclass_fields__}
        params["states"] = None if jobs.states is None else msgspec.json.encode(jobs.states).decode()
        return self.read(lambda r: [JobRow._make(row) for row in r.query(SQL.get["find"], owner=owner, **params)])

    def position(self, row: JobRow) -> Pending[Place]:
        """See Store.position."""
        place = {"queue": row.queue, "priority": row.priority, "turn": row.turn, "number": row.number}
        return self.read(lambda r: Place._make(r.query(SQL.cells["position"], **place)[0]))

    def input_of(self, number: int) -> Pending[str]:
        """See Store.input_of."""

        def look(reader: Reader) -> str:
            rows = reader.query(SQL.get["input_of"], number=number)
            if not rows:
                raise RequestError("gone", "the job has passed its retention time and was deleted")
            return str(rows[0][0])

        return self.read(look)

    def steps(self, number: int) -> Pending[dict[str, str]]:
        """See Store.steps."""
        return self.read(lambda r: dict(r.query(SQL.get["steps"], number=number)))

    def events(
        self, after: int, *, number: int | None = None, limit: int = 1_000, until: int = NO_LAST
    ) -> Pending[list[EventRow]]:
        """See Store.events."""
        sql = SQL.events["tail"] if number is None else SQL.events["of_job"]
        params = {"after": after, "limit": limit} | ({} if number is None else {"number": number, "until": until})
        return self.read(lambda r: [EventRow._make(row) for row in r.query(sql, **params)])

    def attempts(self, number: int) -> Pending[list[AttemptRow]]:
        """See Store.attempts."""
        return self.read(lambda r: [AttemptRow._make(row) for row in r.query(SQL.get["attempts"], number=number)])

    def read(self, work: Callable[[Reader], T]) -> Pending[T]:
        """See Store.read: on this thread's own connection, in one snapshot."""
        if self._in_memory:
            return self._writer.post(work)
        connection = self._reader()
        connection.execute("BEGIN")
        try:
            return Pending.of(work(_Snapshot(connection)))
        finally:
            connection.execute("COMMIT")

    def _reader(self) -> apsw.Connection:
        if self._stop.is_set():
            raise refuse_closed()
        connection: apsw.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = connect(self.path, is_reader=True)
        return connection

    def _tick_reader(self) -> TickReader:
        reader: TickReader | None = getattr(self._local, "tick_reader", None)
        if reader is None:
            if self._stop.is_set():
                raise refuse_closed()
            writer = self._writer
            reader = TickReader(connect(self.path, is_reader=True), lambda: writer.commits)
            self._local.tick_reader = reader
        return reader

    # life

    def close(self) -> None:
        """See Store.close."""
        self._stop.set()
        if self._checkpointer is not None:
            self._checkpointer.join()
        # Each thread's reading connection closes with its last reference: at once, or when its read is over.
        self._local = threading.local()
        self._writer.close()

    def _checkpoint(self) -> None:
        """Move the log into the file beside the writer, so that no commit pays for it."""
        connection = connect(self.path)
        log = Path(f"{self.path}-wal")
        page = read_pragma(connection, "page_size")
        while not self._stop.wait(CHECKPOINT_INTERVAL_S):
            pages = log.stat().st_size // page if log.exists() else 0
            if pages < CHECKPOINT_PAGES:
                continue
            mode = apsw.SQLITE_CHECKPOINT_RESTART if pages > RESTART_PAGES else apsw.SQLITE_CHECKPOINT_PASSIVE
            try:
                connection.wal_checkpoint(mode=mode)
            except apsw.BusyError:
                continue
            except apsw.Error:
                logger.exception("the log could not be moved into the ledger file")
        connection.close()


class _Snapshot:
    """A reader inside one read transaction."""

    sql = SQL

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection

    def query(self, sql: str, /, **params: Any) -> list[tuple[Any, ...]]:
        return self._connection.execute(sql, params).fetchall()


def _get(reader: Reader, owner: int, *, key: str | None, number: int | None) -> JobRow | None:
    if key is not None:
        rows = reader.query(SQL.get["by_key"], key=key, owner=owner)
    else:
        rows = reader.query(SQL.get["by_number"], number=number, owner=owner)
    return JobRow._make(rows[0]) if rows else None


def open_sqlite(path: str | Path, *, clock: Callable[[], int] = read_clock) -> SqliteStore:
    """Open (or make) the ledger at `path`; `:memory:` keeps it in memory only."""
    with opening:
        refuse_other_opener(str(path))
        return SqliteStore(str(path), clock=clock)
