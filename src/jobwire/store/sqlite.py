"""The engine for one machine: SQLite in WAL mode, every commit fsynced, one writer thread, short readers.

operations.py has what a write does, writer.py groups writes into commits. A second process on the same file stays
correct (its claims and settles are guarded by the same statements) but is not the fast path. `:memory:` is the
test double: the same engine without a file.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import apsw
import msgspec

from jobwire.domain.errors import JobwireError, RequestError
from jobwire.domain.job import JobFilter, JobRow, NewJob, Receipt
from jobwire.domain.settlement import Lease, Settlement
from jobwire.store.contract import (
    AttemptRow,
    CancelReply,
    Claim,
    ClaimRequest,
    EventRow,
    HeldLease,
    LeaseLost,
    ProgressReport,
    Reader,
    Settled,
    Transaction,
    Wake,
)
from jobwire.store.operations import EVENTS, GET, Connection, FinalHook, OpenTransaction, refuse_closed
from jobwire.store.pending import Pending
from jobwire.store.statements import load_migrations
from jobwire.store.ticks import TickReader
from jobwire.store.writer import Writer

T = TypeVar("T")

BY_KEY, BY_NUMBER = GET["by_key"], GET["by_number"]

logger = logging.getLogger("jobwire.store")

SQLITE_VERSION_MIN = 3_051_003
BUSY_MS = 10_000
CHECKPOINT_INTERVAL_S = 0.25
CHECKPOINT_PAGES = 1_000
RESTART_PAGES = 64_000
CACHE_KIB = 65_536
NEAR = 1_000


def read_clock() -> int:
    """Unix milliseconds."""
    return time.time_ns() // 1_000_000


class SqliteEngine:
    """The writer's connection: opens, migrates, begins and commits."""

    def __init__(self, path: str, clock: Callable[[], int], final_hooks: dict[str, FinalHook]) -> None:
        self.connection = connect(path)
        self._clock = clock
        self._final_hooks = final_hooks
        migrate(self.connection)
        last = self.connection.execute(EVENTS["last_at"]).fetchone()
        self._last_now: int = last[0] if last else 0
        self._data_version = self._read_data_version()

    def begin(self) -> OpenTransaction:
        """Open a write transaction at a time that never goes back."""
        self.connection.execute("BEGIN IMMEDIATE")
        self._last_now = max(self._last_now, self._clock())
        return OpenTransaction(self.connection, self._last_now, self._final_hooks)

    def commit(self) -> None:
        """Fsync the write-ahead log."""
        self.connection.execute("COMMIT")

    def rollback(self) -> None:
        """Undo an open transaction."""
        if self.connection.in_transaction:
            self.connection.execute("ROLLBACK")

    def is_open(self) -> bool:
        """Whether the transaction survived (a full disk ends it)."""
        return bool(self.connection.in_transaction)

    def map_error(self, error: BaseException) -> BaseException:
        """Errors raised on purpose pass; the database's own become `unavailable`, logged here."""
        if isinstance(error, JobwireError | LeaseLost) or not isinstance(error, apsw.Error):
            return error
        logger.error("the ledger refused a write: %s: %s", type(error).__name__, error)
        return RequestError("unavailable", "The ledger cannot be written right now; try again.", retry_after_s=1)

    def has_foreign_changes(self) -> bool:
        """PRAGMA data_version moves only when another connection has committed."""
        try:
            seen = self._read_data_version()
        except apsw.Error:
            # A ledger that cannot be read now is asked again; the next write says what is wrong.
            return False
        changed, self._data_version = seen != self._data_version, seen
        return changed

    def _read_data_version(self) -> int:
        return read_pragma(self.connection, "data_version")

    def close(self) -> None:
        """Close; the last connection of a file checkpoints it."""
        self.connection.close()


def connect(path: str, *, is_reader: bool = False) -> apsw.Connection:
    """A connection with the ledger's settings; refuses an SQLite with the WAL-reset bug (fixed in 3.51.3)."""
    if apsw.SQLITE_VERSION_NUMBER < SQLITE_VERSION_MIN:
        raise RuntimeError(f"SQLite 3.51.3 or newer is needed, apsw brings {apsw.sqlite_lib_version()}; upgrade apsw")
    flags = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE
    connection = apsw.Connection(path, flags=flags, statementcachesize=256)
    connection.set_busy_timeout(BUSY_MS)
    # Without it SQLite plans a statement anew for each bound value: 22 µs instead of 4 for a read by key.
    connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
    connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
    if is_reader:
        connection.execute("PRAGMA query_only = ON")
    else:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA wal_autocheckpoint = 0")
    return connection


def read_pragma(connection: apsw.Connection, name: str) -> int:
    """The value of a numeric PRAGMA."""
    row = connection.execute(f"PRAGMA {name}").fetchone()
    assert row is not None
    return int(row[0])


def migrate(connection: apsw.Connection) -> None:
    """Bring the ledger to this program's version; refuse a newer one."""
    migrations = load_migrations()
    newest = migrations[-1][0]
    connection.execute("BEGIN IMMEDIATE")
    try:
        version = read_pragma(connection, "user_version")
        if version > newest:
            raise RuntimeError(
                f"the ledger has version {version}, this program knows up to {newest}; upgrade jobwire"
            )
        for number, script in migrations:
            if number > version:
                connection.execute(script)
                connection.execute(f"PRAGMA user_version = {number}")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


class SqliteStore:
    """The Store on one SQLite file (or in memory): see contract.py for what each method promises."""

    def __init__(self, path: str, *, clock: Callable[[], int] = read_clock) -> None:
        self.path = path
        self.clock = clock
        self.final_hooks: dict[str, FinalHook] = {}
        self._in_memory = path == ":memory:"
        self._engine: SqliteEngine | None = None
        self._local = threading.local()
        self._stop = threading.Event()
        self._counter = ThreadPoolExecutor(1, thread_name_prefix="jobwire-position")
        self._writer = Writer(self._open_engine, watches_others=not self._in_memory)
        self._checkpointer: threading.Thread | None = None
        if not self._in_memory:
            self._checkpointer = threading.Thread(target=self._checkpoint, name="jobwire-checkpoint", daemon=True)
            self._checkpointer.start()

    def _open_engine(self) -> SqliteEngine:
        self._engine = SqliteEngine(self.path, self.clock, self.final_hooks)
        return self._engine

    # writes

    def submit(self, jobs: Sequence[NewJob]) -> Pending[list[Receipt]]:
        """See Store.submit."""
        return self._writer.submit(jobs)

    def claim(self, request: ClaimRequest) -> Pending[list[Claim]]:
        """See Store.claim."""
        return self._writer.park(request)

    def withdraw(self, pending: Pending[list[Claim]]) -> None:
        """See Store.withdraw."""
        self._writer.withdraw(pending)

    def settle(self, settlements: Sequence[Settlement], claim: ClaimRequest | None = None) -> Pending[Settled]:
        """See Store.settle."""

        def apply(tx: OpenTransaction) -> Settled:
            settled = tx.settle(settlements)
            return settled if claim is None else Settled(settled.accepted, tx.claim(claim))

        return self._writer.post(apply)

    def heartbeat(
        self, worker: str, *, lease_ms: int, progress: Sequence[ProgressReport] = ()
    ) -> Pending[list[HeldLease]]:
        """See Store.heartbeat."""
        return self._writer.post(lambda tx: tx.heartbeat(worker, lease_ms=lease_ms, progress=progress))

    def retire(self, worker: str) -> Pending[None]:
        """See Store.retire."""
        return self._writer.post(lambda tx: tx.retire(worker))

    def rescue(self, limit: int = 100) -> Pending[int]:
        """See Store.rescue."""
        return self._writer.post(lambda tx: tx.rescue(limit))

    def promote(self, limit: int = 1_000) -> Pending[int | None]:
        """See Store.promote."""
        return self._writer.post(lambda tx: tx.promote(limit))

    def cancel(self, owner: int, numbers: Sequence[int]) -> Pending[list[CancelReply | None]]:
        """See Store.cancel."""
        return self._writer.post(lambda tx: tx.cancel(owner, numbers))

    def save_step(self, lease: Lease, *, name: str, output: str) -> Pending[bool]:
        """See Store.save_step."""
        return self._writer.post(lambda tx: tx.save_step(lease, name=name, output=output))

    def prune(self, before: int, limit: int = 1_000) -> Pending[int]:
        """See Store.prune."""
        return self._writer.post(lambda tx: tx.prune(before, limit))

    def write(self, work: Callable[[Transaction], T], *, lease: Lease | None = None) -> Pending[T]:
        """See Store.write."""

        def apply(tx: OpenTransaction) -> T:
            if lease is not None:
                tx.check_lease(lease)
            return work(tx)

        return self._writer.post(apply)

    def transaction_on(self, connection: Connection) -> OpenTransaction:
        """The caller's own open transaction on this ledger's file as a Transaction: their commit makes what is done
        through it visible, their rollback undoes it.

        Only apsw connections (else TypeError) with a begun transaction (else RuntimeError). The sqlite3 module brings
        a second SQLite into the process: POSIX locks do not part the two, and one overwrites the other's commits.
        """
        if not isinstance(connection, apsw.Connection):
            raise TypeError(
                f"the ledger cannot share its file with a {type(connection).__module__} connection in one process; "
                "open yours with apsw.Connection"
            )
        if not connection.in_transaction:
            raise RuntimeError("the connection has no open transaction; run its execute('BEGIN IMMEDIATE') first")
        return OpenTransaction(connection, self.clock(), self.final_hooks)

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

    def find(self, owner: int, jobs: JobFilter) -> Pending[list[JobRow]]:
        """See Store.find."""
        params = {name: getattr(jobs, name) for name in JobFilter.__dataclass_fields__}
        params["states"] = None if jobs.states is None else msgspec.json.encode(jobs.states).decode()
        return self.read(lambda r: [JobRow._make(row) for row in r.query(GET["find"], owner=owner, **params)])

    def position(self, row: JobRow, *, limit: int | None = None) -> Pending[int]:
        """See Store.position: a near one at once, a far one on a thread of its own, for it takes 40 ns a job."""
        if self._in_memory or (limit is not None and limit <= NEAR):
            return self.read(lambda r: _count_before(r, row, limit))
        near = self.read(lambda r: _count_before(r, row, NEAR)).result()
        if near < NEAR:
            return Pending.of(near)
        far: Pending[int] = Pending()
        self._counter.submit(self._count_far, row, limit, far)
        return far

    def _count_far(self, row: JobRow, limit: int | None, far: Pending[int]) -> None:
        try:
            far.fulfil(self.read(lambda r: _count_before(r, row, limit)).result())
        except BaseException as error:
            far.fail(error)

    def input_of(self, number: int) -> Pending[str]:
        """See Store.input_of."""

        def look(reader: Reader) -> str:
            rows = reader.query(GET["input_of"], number=number)
            if not rows:
                raise RequestError("gone", "the job has passed its retention time and was deleted")
            return str(rows[0][0])

        return self.read(look)

    def steps(self, number: int) -> Pending[dict[str, str]]:
        """See Store.steps."""
        return self.read(lambda r: dict(r.query(GET["steps"], number=number)))

    def events(self, after: int, *, number: int | None = None, limit: int = 1_000) -> Pending[list[EventRow]]:
        """See Store.events."""
        sql = EVENTS["tail"] if number is None else EVENTS["of_job"]
        params = {"after": after, "limit": limit} | ({} if number is None else {"number": number})
        return self.read(lambda r: [EventRow._make(row) for row in r.query(sql, **params)])

    def attempts(self, number: int) -> Pending[list[AttemptRow]]:
        """See Store.attempts."""
        return self.read(lambda r: [AttemptRow._make(row) for row in r.query(GET["attempts"], number=number)])

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

    def listen(self, wake: Callable[[Wake], None]) -> Callable[[], None]:
        """See Store.listen."""
        return self._writer.listen(wake)

    def close(self) -> None:
        """See Store.close."""
        self._stop.set()
        self._counter.shutdown(wait=True, cancel_futures=True)
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

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection

    def query(self, sql: str, /, **params: Any) -> list[tuple[Any, ...]]:
        return self._connection.execute(sql, params).fetchall()


def _count_before(reader: Reader, row: JobRow, limit: int | None) -> int:
    place = {"queue": row.queue, "priority": row.priority, "turn": row.turn, "number": row.number}
    return int(reader.query(GET["position"], **place, limit=-1 if limit is None else limit)[0][0])


def _get(reader: Reader, owner: int, *, key: str | None, number: int | None) -> JobRow | None:
    if key is not None:
        rows = reader.query(GET["by_key"], key=key, owner=owner)
    else:
        rows = reader.query(GET["by_number"], number=number, owner=owner)
    return JobRow._make(rows[0]) if rows else None


def open_sqlite(path: str | Path, *, clock: Callable[[], int] = read_clock) -> SqliteStore:
    """Open (or make) the ledger at `path`; `:memory:` keeps it in memory only."""
    return SqliteStore(str(path), clock=clock)
