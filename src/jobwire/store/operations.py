"""What each write of the contract does inside a transaction: the statements of sql/ in their order.

Batches travel as one JSON parameter a statement and come back as one JSON row, because each row fetched is a
chance to lose the interpreter's lock: 47k jobs/s drained with one row a batch, a third less with a row a job.
Nothing here decides: domain/ has decided, the WHERE clauses guard.
"""

import logging
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import msgspec

from jobwire.domain.errors import RequestError
from jobwire.domain.job import NewJob, Receipt
from jobwire.domain.order import give_turns
from jobwire.domain.outcome import PublicError
from jobwire.domain.settlement import AttemptFacts, Lease, Settlement, cancel, settle_loss
from jobwire.domain.states import Event, Reason, State
from jobwire.kinds.contract import FinalJob
from jobwire.store.contract import CancelReply, Claim, ClaimRequest, HeldLease, LeaseLost, ProgressReport, Settled
from jobwire.store.statements import load_statements

logger = logging.getLogger("jobwire.store")

IDEMPOTENCY_MS = 24 * 3_600_000
# A job leaves three to five entries in the log: pruning ten for each job keeps the log from growing for ever.
EVENTS_A_JOB = 10

SUBMIT, EVENTS, CLAIM = load_statements("submit"), load_statements("events"), load_statements("claim")
SETTLE, HEARTBEAT, RESCUE = load_statements("settle"), load_statements("heartbeat"), load_statements("rescue")
PROMOTE, CANCEL, GET, PRUNE = (load_statements(name) for name in ("promote", "cancel", "get", "prune"))

_encode = msgspec.json.Encoder().encode
_decode_claims = msgspec.json.Decoder(list[Claim]).decode
_decode_leases = msgspec.json.Decoder(list[HeldLease]).decode
_decode_numbers = msgspec.json.Decoder(list[int]).decode
_decode_places = msgspec.json.Decoder(list[tuple[int, int, int]]).decode

FinalHook = Callable[[Any, FinalJob], None]


class Connection(Protocol):
    """What a transaction needs of a driver's connection."""

    def execute(self, sql: str, parameters: Any = ..., /) -> Any:
        """Run one statement; the cursor iterates over its rows."""


def _json(value: Any) -> str:
    return _encode(value).decode()


class OpenTransaction:
    """One open transaction on `connection`; remembers what its commit will have to wake."""

    def __init__(self, connection: Connection, now: int, final_hooks: Mapping[str, FinalHook]) -> None:
        self.connection = connection
        self.now = now
        self.final_hooks = final_hooks
        self.ready_queues: set[str] = set()
        self.has_changes = False

    def query(self, sql: str, /, **params: Any) -> list[tuple[Any, ...]]:
        """All rows of a SELECT."""
        return list(self.connection.execute(sql, params))

    def execute(self, sql: str, /, **params: Any) -> int:
        """Run a statement; returns the number of rows it changed."""
        self.connection.execute(sql, params).fetchall()
        return int(self._one("SELECT changes()")[0])

    def _run(self, sql: str, **params: Any) -> None:
        self.connection.execute(sql, params)

    def _one(self, sql: str, **params: Any) -> Any:
        return self.connection.execute(sql, params).fetchone()

    # submit

    def submit(self, jobs: Sequence[NewJob]) -> list[Receipt]:
        """T1: writes jobs, order, event and keys; a job whose key is known gives the earlier one's receipt."""
        sent_keys = _json([job.key for job in jobs])
        if any(_has_keys(job) for job in jobs) or self._one(SUBMIT["sent_before"], keys=sent_keys) is not None:
            # One after the other, so that a twin in the same batch finds the first.
            return [self._find_earlier(job) or self._insert([job])[0] for job in jobs]
        return self._insert(jobs)

    def _find_earlier(self, job: NewJob) -> Receipt | None:
        sent = self._one(SUBMIT["number_of"], key=job.key, owner=job.owner)
        if sent is not None:
            return Receipt(sent[0], job.key, is_new=False)
        if job.idempotency_key is not None:
            known = self._one(SUBMIT["known_submission"], owner=job.owner, key=job.idempotency_key, now=self.now)
            if known is not None:
                number, key, fingerprint = known
                return Receipt(number, key, is_new=False, conflict=fingerprint != (job.fingerprint or ""))
        if job.unique_key is not None:
            live = self._one(SUBMIT["live_job"], owner=job.owner, kind=job.kind, unique_key=job.unique_key)
            if live is not None:
                self._keep_idempotency(job, live[0])
                return Receipt(live[0], live[1], is_new=False)
        return None

    def _insert(self, jobs: Sequence[NewJob]) -> list[Receipt]:
        if not jobs:
            return []
        last = self._one(SUBMIT["take_numbers"], count=len(jobs))[0]
        numbers = range(last - len(jobs) + 1, last + 1)
        turns = self._take_turns(jobs)
        rows = _json(
            [self._job_row(number, job, turn) for number, job, turn in zip(numbers, jobs, turns, strict=True)]
        )
        # The batch is parsed once, for the jobs; what follows from them is read back from their pages: 6 µs a job in
        # groups of 500 instead of 10.
        new = {"first": numbers[0], "last": last}
        self._run(SUBMIT["insert_jobs"], rows=rows, now=self.now)
        self._run(SUBMIT["insert_states"], **new)
        if any(job.run_at is not None for job in jobs):
            self._run(SUBMIT["set_due"], rows=rows)
            self._run(SUBMIT["insert_due"], **new)
        self._run(SUBMIT["insert_ready"], **new)
        if any(job.deadline_at is not None for job in jobs):
            self._run(SUBMIT["insert_deadlines"], **new)
        self._run(EVENTS["log_new"], now=self.now, event=int(Event.SUBMITTED), **new)
        for number, job in zip(numbers, jobs, strict=True):
            self._keep_keys(job, number)
        self.ready_queues.update(job.queue for job in jobs)
        self.has_changes = True
        return [Receipt(number, job.key, is_new=True) for number, job in zip(numbers, jobs, strict=True)]

    def _job_row(self, number: int, job: NewJob, turn: int) -> tuple[Any, ...]:
        run_at = job.run_at if job.run_at is not None and job.run_at > self.now else None
        place = (number, job.key, job.owner, job.kind, job.queue, job.priority, turn, job.attempts_max)
        return (*place, job.deadline_at, job.tags, job.rerun_of, job.root, job.input, run_at)

    def _take_turns(self, jobs: Sequence[NewJob]) -> list[int]:
        lanes: dict[tuple[str, int, int], list[int]] = defaultdict(list)
        for index, job in enumerate(jobs):
            lanes[job.queue, job.priority, job.owner].append(index)
        turns = [0] * len(jobs)
        for (queue, priority, owner), places in lanes.items():
            lane = {"queue": queue, "priority": priority, "owner": owner}
            now_turn, last_turn, weight = self._one(SUBMIT["lane_of"], **lane)
            given = give_turns(len(places), now_turn=now_turn or 0, last_turn=last_turn, weight=weight or 1)
            for place, turn in zip(places, given, strict=True):
                turns[place] = turn
            self._run(SUBMIT["move_owner"], last_turn=given[-1], **lane)
        return turns

    def _keep_keys(self, job: NewJob, number: int) -> None:
        if job.unique_key is not None:
            self._run(SUBMIT["insert_live"], owner=job.owner, kind=job.kind, unique_key=job.unique_key, number=number)
        self._keep_idempotency(job, number)

    def _keep_idempotency(self, job: NewJob, number: int) -> None:
        if job.idempotency_key is not None:
            self._run(
                SUBMIT["insert_idempotency"],
                owner=job.owner,
                key=job.idempotency_key,
                fingerprint=job.fingerprint or "",
                number=number,
                expires_at=self.now + IDEMPOTENCY_MS,
            )

    # claim

    def claim(self, request: ClaimRequest) -> list[Claim]:
        """T3: takes the first jobs of the queue's order, grows their fences and leases them."""
        places = _decode_places(self._one(CLAIM["pick"], queue=request.queue, limit=request.limit)[0])
        if not places:
            return []
        priority, turn, number = places[-1]
        numbers = _json([place[2] for place in places])
        self._run(CLAIM["take"], queue=request.queue, priority=priority, turn=turn, number=number)
        self._run(CLAIM["start"], now=self.now, numbers=numbers)
        self._run(CLAIM["lease"], worker=request.worker, numbers=numbers)
        for lane_priority, lane_turn in {place[0]: place[1] for place in places}.items():
            self._run(CLAIM["move_lane"], queue=request.queue, priority=lane_priority, turn=lane_turn)
        self._log(Event.CLAIMED, numbers)
        return _decode_claims(self._one(CLAIM["claimed"], numbers=numbers)[0])

    # settle

    def settle(self, settlements: Sequence[Settlement]) -> Settled:
        """T5 to T13, T16: applies the decisions whose fence is current; keeps the others as diagnostics."""
        newest: dict[int, Settlement] = {}
        for settlement in settlements:
            number, fence = settlement.lease.number, settlement.lease.fence
            if number not in newest or newest[number].lease.fence < fence:
                newest[number] = settlement
        groups: dict[Event, list[Settlement]] = defaultdict(list)
        for settlement in self._honour_cancels(list(newest.values())):
            groups[settlement.event].append(settlement)
        accepted: list[int] = []
        for event, group in groups.items():
            accepted += self._apply(event, group)
        if len(accepted) < len(settlements):
            taken = set(accepted)
            self._keep_late(
                [s for s in settlements if s.lease.number not in taken or newest[s.lease.number] is not s]
            )
        return Settled(accepted, [])

    def _honour_cancels(self, settlements: Sequence[Settlement]) -> Sequence[Settlement]:
        """A job whose cancel was asked never goes back to its queue, even if the worker had not heard of it."""
        back = [s.lease.number for s in settlements if s.delay_ms is not None]
        if not back:
            return settlements
        asked = {row[0] for row in self.query(SETTLE["asked"], numbers=_json(back))}
        return [cancel(s.lease) if s.lease.number in asked else s for s in settlements]

    def _apply(self, event: Event, group: Sequence[Settlement]) -> list[int]:
        if event is Event.COMPLETED:
            rows = _json([(s.lease.number, s.lease.fence, s.output) for s in group])
        else:
            rows = _json([self._decision_row(s) for s in group])
        accepted_json = self._one(SETTLE["accepted"], rows=rows)[0]
        accepted = _decode_numbers(accepted_json)
        if not accepted:
            return accepted
        self._run(SETTLE["complete" if event is Event.COMPLETED else "decide"], rows=rows, now=self.now)
        self._run(SETTLE["end_leases"], numbers=accepted_json)
        self._log(event, accepted_json)
        if event is not Event.COMPLETED:
            taken = set(accepted)
            self._place_back([s for s in group if s.lease.number in taken])
            self._log_attempts([s for s in group if s.lease.number in taken])
        if group[0].delay_ms is None:
            self._end(accepted_json)
        return accepted

    def _decision_row(self, s: Settlement) -> tuple[Any, ...]:
        run_at = self.now + s.delay_ms if s.delay_ms else None
        finalized_at = self.now if s.delay_ms is None else None
        error = None if s.error is None else encode_error(s.error)
        lease = (s.lease.number, s.lease.fence, int(s.state), int(s.reason), int(s.moves_fence))
        return (*lease, s.attempt_refund, s.loss, run_at, finalized_at, error)

    def _place_back(self, group: Sequence[Settlement]) -> None:
        ready = [s.lease.number for s in group if s.delay_ms == 0]
        later = [s.lease.number for s in group if s.delay_ms]
        if ready:
            numbers = _json(ready)
            self._run(SETTLE["back_to_ready"], numbers=numbers)
            self.ready_queues.update(
                row[0] for row in self.connection.execute(SETTLE["queues_of"], {"numbers": numbers})
            )
        if later:
            self._run(SETTLE["back_to_due"], numbers=_json(later))

    def _log_attempts(self, group: Sequence[Settlement]) -> None:
        rows = [
            (s.lease.number, s.lease.fence, s.event.name.lower(), s.error.code if s.error else None, s.internal)
            for s in group
            if s.error is not None or s.loss
        ]
        if rows:
            self._run(SETTLE["log_attempts"], rows=_json(rows), now=self.now)

    def _keep_late(self, refused: Sequence[Settlement]) -> None:
        rows = [
            (
                s.lease.number,
                s.lease.fence,
                "late",
                s.error.code if s.error else None,
                f"refused: {s.event.name.lower()}",
            )
            for s in refused
        ]
        self._run(SETTLE["log_attempts"], rows=_json(rows), now=self.now)

    def _end(self, numbers: str) -> None:
        """What every job that became final needs, however it did: its unique key is free, its hook has run."""
        self._run(SETTLE["end_live"], numbers=numbers)
        if not self.final_hooks:
            return
        found = self.query(SETTLE["final_jobs"], numbers=numbers, kinds=_json(list(self.final_hooks)))
        for number, owner, kind, state, job_input, output, error in found:
            message = None if error is None else msgspec.json.decode(error, type=PublicError).message
            job = FinalJob(number, owner, kind, state == State.COMPLETED, job_input, output, message)
            self._run("SAVEPOINT final_hook")
            try:
                self.final_hooks[kind](self, job)
            except Exception:
                # The job's end stands: a failing hook must not hold the ledger back. Its own writes are undone.
                logger.exception("the on_final hook of kind %s failed for job %d", kind, number)
                self._run("ROLLBACK TO final_hook")
            self._run("RELEASE final_hook")

    def _log(self, event: Event, numbers: str) -> None:
        self._run(EVENTS["log"], now=self.now, event=int(event), numbers=numbers)
        self.has_changes = True

    # leases

    def heartbeat(self, worker: str, *, lease_ms: int, progress: Sequence[ProgressReport]) -> list[HeldLease]:
        """T4: renews the worker's leases and writes progress under the fence."""
        self._run(HEARTBEAT["renew"], worker=worker, expires_at=self.now + lease_ms)
        if progress:
            # One report an attempt, so that the version grows by one with its event.
            rows = _json(list({(report.number, report.fence): report for report in progress}.values()))
            numbers = self._one(HEARTBEAT["progressed"], rows=rows)[0]
            if numbers != "[]":
                self._run(HEARTBEAT["progress"], rows=rows)
                self._log(Event.PROGRESSED, numbers)
        return _decode_leases(self._one(HEARTBEAT["held"], worker=worker)[0])

    def retire(self, worker: str) -> None:
        """Ends the worker's leases."""
        self._run(HEARTBEAT["retire"], worker=worker)

    def rescue(self, limit: int) -> int:
        """T8, T11: takes back jobs whose worker's lease has expired, as the domain decides."""
        settlements = [
            settle_loss(
                Lease(number, fence),
                facts=AttemptFacts(attempt, attempts_max, losses, cancel_requested=bool(cancel_requested)),
            )
            for number, fence, attempt, attempts_max, losses, cancel_requested in self.query(
                RESCUE["expired"], now=self.now, limit=limit
            )
        ]
        if settlements:
            self.settle(settlements)
        self._run(HEARTBEAT["forget_workers"], now=self.now)
        return len(settlements)

    def save_step(self, lease: Lease, *, name: str, output: str) -> bool:
        """Keeps a step's output under the fence."""
        params = {"number": lease.number, "fence": lease.fence, "name": name, "output": output, "now": self.now}
        return self.execute(GET["save_step"], **params) == 1

    def check_lease(self, lease: Lease) -> None:
        """Raises LeaseLost unless the fence is current."""
        if self._one(GET["holds"], number=lease.number, fence=lease.fence) is None:
            raise LeaseLost(f"job {lease.number} is no longer leased with fence {lease.fence}")

    # waiting jobs

    def promote(self, limit: int) -> int | None:
        """T2, T14: due jobs enter their order; jobs past their deadline expire."""
        late = self._one(PROMOTE["late"], now=self.now, limit=limit)[0]
        if late != "[]":
            message = "The job was not started before its deadline."
            self._end_waiting(late, State.FAILED, Reason.EXPIRED, PublicError("expired", message, retryable=True))
        self._run(PROMOTE["pass_deadlines"], now=self.now)
        numbers = self._one(PROMOTE["due"], now=self.now, limit=limit)[0]
        if numbers != "[]":
            self._run(PROMOTE["leave_due"], numbers=numbers)
            self._run(PROMOTE["become_ready"], numbers=numbers)
            self._run(SETTLE["back_to_ready"], numbers=numbers)
            self.ready_queues.update(row[0] for row in self.query(SETTLE["queues_of"], numbers=numbers))
            self._log(Event.PROMOTED, numbers)
        next_at: int | None = self._one(PROMOTE["next_due"])[0]
        return next_at

    def _end_waiting(self, numbers: str, state: State, reason: Reason, error: PublicError | None = None) -> None:
        self._run(CANCEL["leave_ready"], numbers=numbers)
        self._run(PROMOTE["leave_due"], numbers=numbers)
        text = None if error is None else encode_error(error)
        params = {"state": int(state), "reason": int(reason), "error": text}
        self._run(CANCEL["end_waiting"], numbers=numbers, now=self.now, **params)
        self._log(Event.CANCELLED if state is State.CANCELLED else Event.EXPIRED, numbers)
        self._end(numbers)

    def cancel(self, owner: int, numbers: Sequence[int]) -> list[CancelReply | None]:
        """T9, T10: a waiting job ends at once; a running one is asked, once."""
        found = {row[0]: row for row in self.query(CANCEL["found"], numbers=_json(numbers), owner=owner)}
        waiting = [n for n, (_, state, _) in found.items() if state == State.QUEUED]
        running = [n for n, (_, state, asked) in found.items() if state == State.RUNNING and not asked]
        if waiting:
            self._end_waiting(_json(waiting), State.CANCELLED, Reason.REQUESTED)
        if running:
            self._run(CANCEL["ask_running"], numbers=_json(running), now=self.now)
            self._log(Event.CANCEL_REQUESTED, _json(running))
        changed = {*waiting, *running}
        return [CancelReply(State(found[n][1]), n in changed) if n in found else None for n in numbers]

    def prune(self, before: int, limit: int) -> int:
        """Deletes final jobs with everything that belongs to them; events stay while a job they may concern does."""
        numbers = self._one(PRUNE["old"], before=before, limit=limit)[0]
        for name in ("job", "state", "step", "attempt_log"):
            self._run(PRUNE[name], numbers=numbers)
        self._run(PRUNE["idempotency"], now=self.now)
        self._run(PRUNE["event"], before=before, limit=limit * EVENTS_A_JOB)
        return len(_decode_numbers(numbers))


def _has_keys(job: NewJob) -> bool:
    return job.idempotency_key is not None or job.unique_key is not None


def encode_error(error: PublicError) -> str:
    """The public error as the ledger keeps it: JSON with code, message, retryable and details (JSON text or null)."""
    return _json(error)


def refuse_closed() -> RequestError:
    """What a caller of a closed store is told."""
    return RequestError("unavailable", "The ledger is closed; send the request again in a moment.", retry_after_s=1)
