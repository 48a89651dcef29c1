"""PostgreSQL's side of a write: begin at the database's time, commit, and survive the loss of the connection.

../writer.py groups. Whatever breaks a transaction that was not committed is met by running the group again; when the
connection is lost while it commits, the mark that a commit leaves says what became of it. So what was acknowledged is
exact, over the death of a server and the promotion of its standby too.
"""

import logging
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import psycopg

from jobwire.domain.errors import JobwireError, RequestError
from jobwire.store.callers import Rows
from jobwire.store.contract import LeaseLost
from jobwire.store.postgres.floors import Floors
from jobwire.store.postgres.operations import LedgerFacts, PostgresTransaction
from jobwire.store.postgres.session import Overtaken, Session, is_passing
from jobwire.store.transaction import FinalHook

logger = logging.getLogger("jobwire.store")

OUTAGE_S = 10.0
"""How long a group waits for a database that is away before its writes are refused."""
RETRY_FIRST_S, RETRY_MAX_S = 0.02, 0.5
RERUNS_MAX = 20
# Batches come as arrays, whose length a prepared plan does not know: it must walk indexes, whatever it estimates (a
# claim of 500 at 20,000 jobs took 31 ms when it hashed the whole table, 4 when it walked). And a process that stands
# still with a transaction open must not hold its locks for ever, nor a submission its group, when its key is one that
# a caller has submitted in an open transaction of its own: such a submission is refused.
BEGIN = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"
SETTINGS = """
SELECT set_config('plan_cache_mode', 'force_generic_plan', true), set_config('jit', 'off', true),
       set_config('enable_seqscan', 'off', true), set_config('enable_hashjoin', 'off', true),
       set_config('enable_mergejoin', 'off', true), set_config('idle_in_transaction_session_timeout', '30s', true),
       set_config('lock_timeout', '2s', true),
       pg_advisory_xact_lock_shared('queue_policy'::regclass::oid::bigint)
"""
# Behind the lock. Statements that are sent before the time is known here read it where it was set.
FACTS = """
SELECT set_config('jobwire.now', at::text, true)::bigint, EXISTS (SELECT FROM cap),
       ARRAY(SELECT queue FROM queue_policy WHERE is_fair = 0 ORDER BY queue)
  FROM greatest(:last_at, coalesce(:now::bigint, floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint)) AS at
"""
# The mark takes 30 µs, the commit's fsync milliseconds. A commit that wrote nothing leaves none.
MARK = """
INSERT INTO commit_mark (process, no, at, is_done)
SELECT :process, :no, current_setting('jobwire.now')::bigint, true WHERE pg_current_xact_id_if_assigned() IS NOT NULL
"""
# Waits for a commit that is under way, and for the standby; what was told once is told again.
ASK = """
INSERT INTO commit_mark AS mark (process, no, at, is_done) VALUES ({process}, {no}, {at}, false)
ON CONFLICT (process, no) DO UPDATE SET is_done = mark.is_done RETURNING is_done
"""
# Behind the commit, in a transaction of its own, which is not synced; inside, commits of the server would take turns.
RING = "SELECT pg_notify(:channel, :payload)"
FORGET = "DELETE FROM commit_mark WHERE process = :process AND no >= :no - :kept AND no < :no"
MARKS_KEPT = 1_000


class PostgresEngine:
    """The writer's connection: begins, commits, and comes back."""

    is_optimistic = True

    def __init__(
        self,
        connect: Callable[[], Session],
        clock: Callable[[], int] | None,
        final_hooks: dict[str, FinalHook],
    ) -> None:
        self._connect = connect
        self._clock = clock
        self._final_hooks = final_hooks
        self._floors = Floors()
        self._stop = threading.Event()
        self._process = secrets.randbits(63)
        self._commit_no = 0
        self._facts: LedgerFacts | None = None
        self._has_begun = False
        self._is_committed = False
        self.take_turn: Callable[[frozenset[str]], Mapping[str, str] | None] = lambda queues: None
        """What a commit that made these queues ready may tell others by itself, and where; doorbell.py."""
        self.has_rung = False
        """Whether the last commit did."""
        self._reruns = 0
        self._lost_at: float | None = None
        self._session: Session | None = connect()
        row = self._session.execute(PostgresTransaction.sql.events["last_at"]).fetchone()
        self._last_now: int = row[0] if row is not None and row[0] is not None else 0

    def begin(self) -> PostgresTransaction:
        """Open a write transaction at a time that never goes back.

        It begins with its first statement, on the facts of the last one; if they are others now, it is run again.
        """
        session = self._session
        if session is None:
            session = self._session = self._connect()
        session.doom = None
        self._has_begun = False
        guessed = self._facts if self._reruns == 0 else None
        session.send(BEGIN)
        session.send(SETTINGS)
        now = None if self._clock is None else self._clock()
        session.send(FACTS, {"last_at": self._last_now, "now": now}, lambda rows: self._learn(session, rows, guessed))
        if guessed is None:
            session.receive()
        facts = guessed or self._facts
        assert facts is not None
        self._commit_no += 1
        self._transaction = PostgresTransaction(
            session,
            self._last_now if guessed is None else None,
            self._final_hooks,
            floors=self._floors,
            facts=facts,
            is_rerun=self._reruns > 0,
        )
        return self._transaction

    def _learn(self, session: Session, rows: Rows, guessed: LedgerFacts | None) -> None:
        """The transaction's time, and what it rests on."""
        row: Any = rows.fetchone()
        self._has_begun = True
        self._last_now = row[0]
        self._facts = LedgerFacts(row[1], row[2])
        if guessed is None:
            return
        self._transaction.now = row[0]
        if guessed != self._facts:
            session.doom = Overtaken("the queues' policies or the caps have changed")
            raise session.doom

    def commit(self) -> None:
        """Make it durable; when the connection is lost meanwhile, only if its mark is there."""
        session = self._session
        assert session is not None
        if session.doom is not None:
            raise session.doom
        mark = {"process": self._process, "no": self._commit_no}
        self._is_committed = self.has_rung = False
        try:
            if not self._has_begun:
                session.receive()
            if self._commit_no % MARKS_KEPT == 0:
                session.send(FORGET, mark | {"kept": MARKS_KEPT})
            session.send(MARK, mark)
            session.send("COMMIT", tell=self._note_commit)
            ring = self.take_turn(frozenset(self._transaction.ready_queues))
            if ring is not None:
                session.send(RING, ring, self._note_ring)
            session.receive()
        except psycopg.Error as error:
            if self._is_committed:
                logger.warning("a commit was done that could not be told to others at once: %s", error)
            # Only an answer of that severity says that it was undone; "terminating connection" says nothing.
            elif error.diag.severity_nonlocalized == "ERROR" or not self._was_committed():
                raise
            else:
                session.close()
                logger.warning("the connection was lost during a commit that was done: %s", error)
        self._reruns = 0
        self._lost_at = None

    def _note_commit(self, rows: Rows) -> None:
        self._is_committed = True

    def _note_ring(self, rows: Rows) -> None:
        self.has_rung = True

    def _was_committed(self) -> bool:
        """Whether the transaction whose COMMIT got no answer is there; RequestError if nobody can be asked."""
        give_up_at = time.monotonic() + OUTAGE_S
        wait_s = RETRY_FIRST_S
        while True:
            session: Session | None = None
            try:
                session = self._connect()
                ask = ASK.format(process=self._process, no=self._commit_no, at=self._last_now)
                row: Any = session.execute_script(ask).fetchone()
            except psycopg.Error as error:
                if session is not None:
                    session.close()
                if time.monotonic() > give_up_at or self._stop.is_set():
                    logger.error("the ledger was lost during a commit, whose outcome is not known: %s", error)
                    raise RequestError(
                        "unavailable",
                        "The ledger was lost while it wrote this; look whether it is there before you send it again.",
                        retry_after_s=1,
                    ) from error
                self._stop.wait(wait_s)
                wait_s = min(RETRY_MAX_S, wait_s * 2)
                continue
            if not row[0]:
                session.close()
                return False
            self._session = session
            return True

    def rollback(self) -> None:
        """Undo it, if it is still open; a lost connection has undone it."""
        self._floors.drop_all()
        session = self._session
        if session is None:
            return
        try:
            if not session.is_lost:
                session.doom = None
                # Whatever it comes to is undone.
                with suppress(psycopg.Error, Overtaken):
                    session.receive()
                session.doom = None
                session.execute_script("ROLLBACK")
        except psycopg.Error:
            pass
        # One that did not begin may be on a server that has become a standby: another may be led elsewhere.
        if session.is_lost or not self._has_begun:
            session.close()
            self._session = None

    def waits_to_rerun(self, error: BaseException) -> bool:
        """Whether the group is to be run again, after the wait that is due before it."""
        if is_passing(error):
            self._reruns += 1
            return self._reruns <= RERUNS_MAX
        if not isinstance(error, psycopg.Error) or self._session is not None:
            return False
        now = time.monotonic()
        if self._lost_at is None:
            self._lost_at = now
            logger.warning("the connection to the ledger is lost; connecting again: %s", error)
        outage_s = now - self._lost_at
        if outage_s > OUTAGE_S or self._stop.is_set():
            return False
        self._stop.wait(min(RETRY_MAX_S, max(RETRY_FIRST_S, outage_s / 2)))
        return True

    def map_error(self, error: BaseException) -> BaseException:
        """Errors raised on purpose pass; the database's own become `unavailable`, logged here."""
        if isinstance(error, JobwireError | LeaseLost) or not isinstance(error, psycopg.Error | Overtaken):
            return error
        return refuse_unavailable(error)

    def has_foreign_changes(self) -> bool:
        """Others are heard of through the doorbell."""
        return False

    def stop_waiting(self) -> None:
        """The store closes: an outage is not waited out any more."""
        self._stop.set()

    def close(self) -> None:
        """Close the connection."""
        if self._session is not None:
            self._session.close()


def refuse_unavailable(error: BaseException) -> RequestError:
    """What a caller is told of a database error, which is logged."""
    if isinstance(error, psycopg.DataError):
        return RequestError("invalid_request", f"A value cannot be kept: {str(error).splitlines()[0]}")
    logger.error("the ledger refused: %s: %s", type(error).__name__, str(error).strip())
    return RequestError("unavailable", "The ledger cannot be written right now; try again.", retry_after_s=1)
