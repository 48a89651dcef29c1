"""A transaction in PostgreSQL's words: what is hot is one statement, what waits or runs is locked in one order.

The shared flow (../operations.py) decides what happens when; here a submission, a claim and a settlement are one
statement each, and the guards hold while other processes write: rows of `ready` and `due` are locked before those of
`state`, several rows of a table by ascending key, and what was changed is taken from RETURNING.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, TypeVar

import msgspec

from jobwire.domain.caps import Cap
from jobwire.domain.job import IDEMPOTENCY_MS, NewJob, Receipt
from jobwire.domain.order import FIFO_LANE, LEAF_SHIFT
from jobwire.domain.outcome import PublicError
from jobwire.domain.settlement import Settlement
from jobwire.domain.states import Event, Reason, State
from jobwire.store.capping import Spot
from jobwire.store.contract import CancelReply, Claim, ClaimRequest, Settled
from jobwire.store.files import hold_inputs
from jobwire.store.operations import OpenTransaction
from jobwire.store.postgres.floors import Floors, Key
from jobwire.store.postgres.placeholders import int_array, text_array
from jobwire.store.postgres.session import Overtaken, Session
from jobwire.store.statements import load_sql
from jobwire.store.transaction import FinalHook, decode_numbers, encode_error, encode_json
from jobwire.store.webhooks import keep_wishes

T = TypeVar("T")

_decode_moved = msgspec.json.Decoder(list[tuple[str, int, int, int, int]]).decode


class LedgerFacts(NamedTuple):
    """What a transaction learns with its begin, because every claim and submission needs it."""

    is_capped: bool
    unfair_queues: Collection[str]


class PostgresTransaction(OpenTransaction):
    """One open transaction; may be run again from its start when the connection is lost or others were in its way."""

    sql = load_sql("postgres")
    connection: Session

    def __init__(
        self,
        session: Session,
        now: int | None,
        final_hooks: Mapping[str, FinalHook],
        *,
        floors: Floors,
        facts: LedgerFacts,
        is_rerun: bool = False,
    ) -> None:
        super().__init__(session, now or 0, final_hooks)
        self._floors = floors
        self._is_capped = facts.is_capped
        self._unfair = facts.unfair_queues
        self._is_rerun = is_rerun

    @property
    def now(self) -> int:
        """The time of the transaction; waits for it if it has only just begun."""
        if not self._now:
            self.connection.receive()
        return self._now

    @now.setter
    def now(self, at: int) -> None:
        self._now = at

    def attempt(self, work: Callable[[], T]) -> tuple[T | None, Exception | None]:
        """See Transaction.attempt; what is refused later is the work's, too."""

        def complete() -> T:
            value = work()
            self.connection.receive()
            return value

        return super().attempt(complete)

    def query(self, sql: str, /, **params: Any) -> list[tuple[Any, ...]]:
        """All rows of a SELECT."""
        return self.connection.execute_portable(sql, params).fetchall()

    def execute(self, sql: str, /, **params: Any) -> int:
        """Run a statement; returns the number of rows it changed."""
        return max(0, self.connection.execute_portable(sql, params).rowcount)

    def insert(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], /, **shared: Any) -> None:
        """See Transaction.insert: the table's own columns say what type a value is of."""
        if rows:
            names = ", ".join((*shared, *columns))
            self._run(
                f"INSERT INTO {table} ({names}) SELECT {names} FROM json_populate_recordset(NULL::{table}, :rows)",  # noqa: S608
                rows=encode_json([{**shared, **dict(zip(columns, row, strict=True))} for row in rows]),
            )

    def find(
        self, table: str, columns: Sequence[str], key: str, values: Sequence[str], /, **shared: Any
    ) -> list[tuple[Any, ...]]:
        """See Transaction.find."""
        same = "".join(f" AND {name} = :{name}" for name in shared)
        select = f"SELECT {', '.join(columns)} FROM {table} WHERE {key} = ANY(CAST(:values_ AS text[])){same}"  # noqa: S608
        return self.query(select, values_=text_array(values), **shared) if values else []

    # submission

    def _find_sent(self, keys: Collection[str]) -> dict[tuple[int, str], int]:
        """A job that was sent before breaks the insertion of its batch: then it is run again, and is looked for."""
        return super()._find_sent(keys) if self._is_rerun else {}

    def _insert(self, jobs: Sequence[NewJob]) -> list[Receipt]:
        if not jobs:
            return []
        numbers, turns = self._take_places(jobs)
        if any(job.webhook is not None or job.rerun_of is not None for job in jobs):
            keep_wishes(self, jobs, numbers)
        hold_inputs(self, jobs, numbers)
        insertion = {
            "now": self.now,
            "event": int(Event.SUBMITTED),
            "lo": numbers[0],
            "hi": numbers[-1],
            "jobs": encode_json([(number, 1) for number in numbers]),
            "numbers": int_array(numbers),
            "turns": int_array(turns),
        }
        self.connection.send(
            self.sql.submit["insert"], insertion | self._columns(jobs) | self._cell_columns(jobs, turns)
        )
        new = list(zip(jobs, numbers, strict=True))
        if any(job.concurrency_key is not None or job.rerun_of is not None for job in jobs):
            rows = encode_json([(number, job.concurrency_key, job.rerun_of) for job, number in new])
            self._run(self.sql.submit["insert_concurrency"], rows=rows)
        self._keep_new_keys(
            [(job, n) for job, n in new if job.idempotency_key is not None or job.unique_key is not None]
        )
        for (job, number), turn in zip(new, turns, strict=True) if self._floors else ():
            if self._run_at(job) is None:
                self._floors.lower(job.queue, Key(job.priority, turn, number))
        self._keep_steps(jobs, numbers)
        self.ready_queues.update(job.queue for job in jobs)
        self.has_changes = True
        return [
            Receipt(number, job.key, is_new=True, turn=turn, created_at=self.now)
            for (job, number), turn in zip(new, turns, strict=True)
        ]

    def _take_places(self, jobs: Sequence[NewJob]) -> tuple[list[int], list[int]]:
        """The jobs' numbers and turns: order.give_turns in SQL, for many processes."""
        lanes = [(job.queue, job.priority, FIFO_LANE if job.queue in self._unfair else job.owner) for job in jobs]
        counts = sorted(Counter(lanes).items())
        numbers, moved = self._one(
            self.sql.submit["take_places"],
            count=len(jobs),
            queues=text_array(lane[0] for lane, _ in counts),
            priorities=int_array(lane[1] for lane, _ in counts),
            lanes=int_array(lane[2] for lane, _ in counts),
            jobs=int_array(count for _, count in counts),
        )
        given: dict[tuple[str, int, int], Iterator[int]] = {}
        jobs_of = dict(counts)
        for queue, priority, owner, last, advance in _decode_moved(moved):
            step = advance // jobs_of[queue, priority, owner]
            given[queue, priority, owner] = iter(range(last - advance + step, last + step, step))
        return sorted(decode_numbers(numbers)), [next(given[lane]) for lane in lanes]

    def _columns(self, jobs: Sequence[NewJob]) -> dict[str, str]:
        return {
            "keys": text_array(job.key for job in jobs),
            "owners": int_array(job.owner for job in jobs),
            "kinds": text_array(job.kind for job in jobs),
            "queues": text_array(job.queue for job in jobs),
            "priorities": int_array(job.priority for job in jobs),
            "attempts_maxes": int_array(job.attempts_max for job in jobs),
            "deadlines": int_array(job.deadline_at for job in jobs),
            "tags": text_array(job.tags for job in jobs),
            "reruns": int_array(job.rerun_of for job in jobs),
            "roots": int_array(job.root for job in jobs),
            "inputs": text_array(job.input for job in jobs),
            "run_ats": int_array(self._run_at(job) for job in jobs),
        }

    def _run_at(self, job: NewJob) -> int | None:
        return job.run_at if job.run_at is not None and job.run_at > self.now else None

    def _cell_columns(self, jobs: Sequence[NewJob], turns: Sequence[int]) -> dict[str, str]:
        cells = Counter(
            (job.queue, job.priority, turn >> LEAF_SHIFT)
            for job, turn in zip(jobs, turns, strict=True)
            if self._run_at(job) is None
        )
        return {
            "cell_queues": text_array(queue for queue, _, _ in cells),
            "cell_priorities": int_array(priority for _, priority, _ in cells),
            "cells": int_array(cell for _, _, cell in cells),
            "counts": int_array(cells.values()),
        }

    def _keep_new_keys(self, keyed: Sequence[tuple[NewJob, int]]) -> None:
        if not keyed:
            return
        kept = self._one(
            self.sql.submit["keep_keys"],
            now=self.now,
            expires_at=self.now + IDEMPOTENCY_MS,
            numbers=int_array(number for _, number in keyed),
            owners=int_array(job.owner for job, _ in keyed),
            kinds=text_array(job.kind for job, _ in keyed),
            unique_keys=text_array(job.unique_key for job, _ in keyed),
            idempotency_keys=text_array(job.idempotency_key for job, _ in keyed),
            fingerprints=text_array(job.fingerprint or "" for job, _ in keyed),
        )
        if kept[0] < sum(job.idempotency_key is not None for job, _ in keyed):
            self._start_over("the same idempotency key was submitted through another process")

    def _start_over(self, why: str) -> None:
        self.connection.doom = Overtaken(why)
        raise self.connection.doom

    # leases

    def claim(self, request: ClaimRequest) -> list[Claim]:
        """T3: see Leasing.claim; jobs another process is about to claim are passed over."""
        if self._has_caps():
            return super().claim(request)
        floor = self._floors.start_of(request.queue)
        rows = self._all(
            self.sql.claim["claim"],
            queue=request.queue,
            worker=request.worker,
            limit=request.limit,
            event=int(Event.CLAIMED),
            floor_priority=floor.priority,
            floor_turn=floor.turn,
            floor_number=floor.number,
        )
        first = None
        if rows:
            number, *_, priority, turn = rows[0]
            first = Key(priority, turn, number)
        self._floors.keep(request.queue, first, is_full=len(rows) == request.limit)
        self.has_changes = self.has_changes or bool(rows)
        return [Claim._make(row[: len(Claim._fields)]) for row in rows]

    def _tell_ready(self, queue: str) -> None:
        self._floors.drop(queue)
        super()._tell_ready(queue)

    # caps

    def _take(self, queue: str, spots: Sequence[Spot]) -> None:
        self._run(self.sql.claim["take"], queue=queue, spots=encode_json(spots))

    def _lock_scopes(self, scopes: Iterable[tuple[str, str]]) -> None:
        self._run(self.sql.caps["lock_scopes"], scopes=encode_json(list(scopes)))

    def _let_go(self, numbers: str) -> None:
        # Deleted first: what another process ends at this moment stays away from the order.
        held = [row[0] for row in self._all(self.sql.caps["let_go"], numbers=numbers)]
        self._run(self.sql.settle["back_to_ready"], numbers=encode_json(held))
        self.has_changes = True

    def set_cap(self, cap: Cap) -> None:
        """See Capping.set_cap; waits for the claims that are under way and know nothing of it."""
        self._run(self.sql.caps["lock_caps"])
        super().set_cap(cap)

    # settlement

    def settle(self, settlements: Sequence[Settlement]) -> Settled:
        """T5 to T13, T16: see Settling.settle; decisions of several kinds lock their jobs in one order first."""
        if len({settlement.event for settlement in settlements}) > 1:
            self._run(self.sql.settle["lock"], numbers=int_array(s.lease.number for s in settlements))
        return super().settle(settlements)

    def _apply(self, event: Event, group: Sequence[Settlement]) -> list[int]:
        rows = sorted(group, key=lambda s: s.lease.number)
        columns = {
            "numbers": int_array(s.lease.number for s in rows),
            "fences": int_array(s.lease.fence for s in rows),
            "progresses": text_array(s.progress for s in rows),
        }
        if event is Event.COMPLETED:
            name, columns["outputs"] = "complete", text_array(s.output for s in rows)
        else:
            name, columns = "decide", columns | self._decision_columns(rows)
        numbers = self._one(self.sql.settle[name], event=int(event), **columns)[0]
        accepted = set(decode_numbers(numbers))
        if not accepted:
            return []
        self.has_changes = True
        self._end_permits(numbers)
        taken = [s for s in group if s.lease.number in accepted]
        if event is not Event.COMPLETED:
            self._place_back(taken)
            self._log_attempts(taken)
        if group[0].delay_ms is None and self.final_hooks:
            self._end(numbers)
        if group[0].delay_ms is None and event is not Event.COMPLETED:
            self._leave_hooks(numbers)
        return [s.lease.number for s in taken]

    def _decision_columns(self, rows: Sequence[Settlement]) -> dict[str, str]:
        return {
            "states": int_array(int(s.state) for s in rows),
            "reasons": int_array(int(s.reason) for s in rows),
            "moves": int_array(int(s.moves_fence) for s in rows),
            "refunds": int_array(s.attempt_refund for s in rows),
            "losses": int_array(s.loss for s in rows),
            "run_ats": int_array(self.now + s.delay_ms if s.delay_ms else None for s in rows),
            "finals": int_array(self.now if s.delay_ms is None else None for s in rows),
            "errors": text_array(None if s.error is None else encode_error(s.error) for s in rows),
        }

    def _log_attempts(self, group: Sequence[Settlement]) -> None:
        # PostgreSQL's texts cannot hold the character zero, which a traceback may quote.
        super()._log_attempts(
            [replace(s, internal=s.internal.replace("\0", "\N{REPLACEMENT CHARACTER}")) for s in group]
        )

    # what waits

    def _count(self, queue: str, priority: int, leaves: Mapping[int, int]) -> None:
        counts = {"leaves": int_array(leaves), "counts": int_array(leaves.values())}
        self._run(self.sql.cells["add"], queue=queue, priority=priority, **counts)

    def _end_waiting(self, numbers: str, state: State, reason: Reason, error: PublicError | None = None) -> None:
        self._run(self.sql.cancel["lock_waiting"], numbers=numbers, owner=None)
        # A claimer may have been faster: only what still waits ends.
        waiting: str = self._one(self.sql.cancel["lock_states"], numbers=numbers)[0]
        if waiting != "[]":
            super()._end_waiting(waiting, state, reason, error)

    def cancel(self, owner: int, numbers: Sequence[int]) -> list[CancelReply | None]:
        """T9, T10: see Waiting.cancel; a claimer who has locked the place in the order goes first."""
        if numbers:
            self._run(self.sql.cancel["lock_waiting"], numbers=encode_json(numbers), owner=owner)
        return super().cancel(owner, numbers)

    def prune(self, before: int, limit: int) -> int:
        """See Waiting.prune; the log drops whole parts of itself (ring.py)."""
        self._run(self.sql.prune["commit_mark"], before=before)
        return super().prune(before, limit)

    def _prune_events(self, before: int, limit: int) -> None:
        """A ring has no rows to delete."""

    def _all(self, sql: str, **params: Any) -> list[tuple[Any, ...]]:
        return self.connection.execute(sql, params).fetchall()
