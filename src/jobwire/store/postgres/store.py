"""The Store on PostgreSQL: one writing connection that groups commits, a few that read, one for the doorbell.

../operations.py has what a write does, operations.py says it in PostgreSQL's words, engine.py commits it. Any number
of processes may open the same ledger.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypeVar

import msgspec
import psycopg

from jobwire.config import SettingError
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
    Wake,
)
from jobwire.store.pending import Pending
from jobwire.store.postgres.doorbell import Doorbell
from jobwire.store.postgres.engine import PostgresEngine
from jobwire.store.postgres.folding import Folding
from jobwire.store.postgres.migrate import migrate
from jobwire.store.postgres.operations import PostgresTransaction
from jobwire.store.postgres.own import OwnTransactions
from jobwire.store.postgres.polls import LoopPolls
from jobwire.store.postgres.reader import GETS_MAX, Get, Read, Serving, SessionReader, answer_gets, answer_reads
from jobwire.store.postgres.ring import EventRing
from jobwire.store.postgres.session import Session, explain_refusal, show_address
from jobwire.store.posting import PostingStore
from jobwire.store.transaction import FinalHook
from jobwire.store.writer import Writer

T = TypeVar("T")

SQL = PostgresTransaction.sql
READERS = 2


class PostgresStore(PostingStore):
    """The Store on a PostgreSQL database: see contract.py for what each method promises.

    The work given to `write` may run more than once: when the connection is lost before its commit, or when another
    process was in the way.
    """

    engine: ClassVar[str] = "postgres"

    def __init__(self, dsn: str, *, clock: Callable[[], int] | None = None, can_prepare: bool = True) -> None:
        self.path = show_address(dsn)
        self.final_hooks: dict[str, FinalHook] = {}
        self._dsn = dsn
        self._clock = clock
        self._can_prepare = can_prepare
        self.has_wall = False
        self._folding = Folding()
        self._ring = EventRing()
        self._engine: PostgresEngine | None = None
        self._writer = Writer(self._open_engine, watches_others=False)
        self._doorbell = Doorbell(self._connect, hear=self._writer.hear, waiting=self._writer.waiting_queues)
        self._writer.tell_others = self._tell_others
        self._gets: Serving[Get] = Serving(
            self._connect, answer_gets, name="jobwire-get", threads=1, together_max=GETS_MAX
        )
        self._reads: Serving[Read[Any]] = Serving(
            self._connect, answer_reads, name="jobwire-read", threads=READERS, together_max=1
        )
        self._polls: LoopPolls | None = None
        self._own = OwnTransactions(self._read, clock, self.final_hooks)

    def _take_turn(self, queues: frozenset[str]) -> Mapping[str, str] | None:
        return self._doorbell.take_turn(queues)

    def _tell_others(self, wake: Wake) -> None:
        if self._engine is not None and not self._engine.has_rung:
            self._doorbell.ring(wake)

    def _connect(self) -> Session:
        return Session(self._dsn, can_prepare=self._can_prepare, has_wall=self.has_wall)

    def _open_engine(self) -> PostgresEngine:
        session = Session(self._dsn, can_prepare=self._can_prepare, has_wall=False)
        try:
            migrate(session)
            row = session.execute(SQL.get["has_wall"]).fetchone()
            self.has_wall = row is not None and bool(row[0])
        finally:
            session.close()
        self._engine = PostgresEngine(self._connect, self._clock, self.final_hooks)
        self._engine.take_turn = self._take_turn
        return self._engine

    def write_on(self, link: Link, work: Callable[[Transaction], T]) -> T:
        """Runs `work` in the caller's own open transaction on this database; see own.py."""
        return self._own.write_on(link, work)

    # reads

    def get(self, owner: int, *, key: str | None = None, number: int | None = None) -> Pending[JobRow | None]:
        """See Store.get."""
        get = Get(Pending(), owner, key, number)
        polls = self._polls
        if polls is not None and asyncio._get_running_loop() is polls.loop:
            polls.ask(get)
        else:
            self._gets.ask(get)
        return get.pending

    def serve_polls(self, loop: asyncio.AbstractEventLoop) -> Callable[[], None]:
        """See Store.serve_polls."""
        polls = self._polls = LoopPolls(loop, self._connect, self._gets.ask)

        def end() -> None:
            self._polls = None
            polls.close()

        return end

    def find(self, owner: int, jobs: JobFilter) -> Pending[list[JobRow]]:
        """See Store.find."""
        params = {name: getattr(jobs, name) for name in JobFilter.__dataclass_fields__}
        params["states"] = None if jobs.states is None else msgspec.json.encode(jobs.states).decode()

        def look(reader: SessionReader) -> list[JobRow]:
            return [JobRow._make(row) for row in reader.query(SQL.get["find"], owner=owner, **params)]

        return self._read(look, owner=owner)

    def position(self, row: JobRow) -> Pending[Place]:
        """See Store.position."""
        place = {"queue": row.queue, "priority": row.priority, "turn": row.turn, "number": row.number}
        return self._read(lambda r: Place._make(r.run(SQL.cells["position"], **place)[0]))

    def input_of(self, number: int) -> Pending[str]:
        """See Store.input_of."""

        def look(reader: SessionReader) -> str:
            rows = reader.run(SQL.get["input_of"], number=number)
            if not rows:
                raise RequestError("gone", "the job has passed its retention time and was deleted")
            return str(rows[0][0])

        return self._read(look)

    def steps(self, number: int) -> Pending[dict[str, str]]:
        """See Store.steps."""
        return self._read(lambda r: dict(r.run(SQL.get["steps"], number=number)))

    def events(
        self, after: int, *, number: int | None = None, limit: int = 1_000, until: int = NO_LAST
    ) -> Pending[list[EventRow]]:
        """See Store.events; what has committed meanwhile is put into the log first."""
        sql = SQL.events["tail"] if number is None else SQL.events["of_job"]
        params = {"after": after, "limit": limit} | ({} if number is None else {"number": number, "until": until})

        def look(reader: SessionReader) -> list[EventRow]:
            reader.session.execute(SQL.events["sequence"])
            return [EventRow._make(row) for row in reader.run(sql, **params)]

        return self._read(look)

    def attempts(self, number: int) -> Pending[list[AttemptRow]]:
        """See Store.attempts."""
        return self._read(lambda r: [AttemptRow._make(row) for row in r.run(SQL.get["attempts"], number=number)])

    def fold(self, limit: int = 10_000) -> Pending[int]:
        """See Store.fold: what was appended comes to where it is read, and the log's ring turns."""

        def fold(reader: SessionReader) -> int:
            folded = self._folding.fold(reader.session, limit)
            self._ring.turn(reader.session)
            return folded

        return self._read(fold)

    def prune(self, before: int, limit: int = 1_000) -> Pending[int]:
        """See Store.prune; the next fold drops the parts of the log that are old."""
        self._ring.keep_from(before)
        return super().prune(before, limit)

    def read(self, work: Callable[[Reader], T]) -> Pending[T]:
        """See Store.read; after the loss of a connection `work` runs once more."""
        return self._read(work, is_snapshot=True)

    def _read(
        self, work: Callable[[SessionReader], T], *, is_snapshot: bool = False, owner: int | None = None
    ) -> Pending[T]:
        pending: Pending[T] = Pending()
        self._reads.ask(Read(pending, work, is_snapshot, owner))
        return pending

    # life

    def close(self) -> None:
        """See Store.close."""
        if self._engine is not None:
            self._engine.stop_waiting()
        if self._polls is not None:
            self._polls.close()
        self._writer.close()
        self._doorbell.close()
        self._gets.close()
        self._reads.close()


def open_postgres(dsn: str, *, clock: Callable[[], int] | None = None, can_prepare: bool = True) -> PostgresStore:
    """Open (or make) the ledger in the database at `dsn`; its time is the database's unless a `clock` is given.

    Raises SettingError if there is no way in, RuntimeError if the ledger is newer than this program.
    """
    try:
        return PostgresStore(dsn, clock=clock, can_prepare=can_prepare)
    except psycopg.Error as error:
        raise SettingError(explain_refusal(dsn, error)) from None
