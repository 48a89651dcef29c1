"""Random histories on every engine, checked after each step against a model built on the transition table."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from store_engines import ENGINES, Engine
from store_ledger import OUTCOMES, POLICY, STRAYS, TARGETS, WAIT_S, Ledger

from jobwire.domain.outcome import Outcome
from jobwire.domain.settlement import AttemptFacts, Lease, Settlement, cancel, settle_loss, settle_outcome
from jobwire.domain.states import FINAL_STATES, Event, Reason, State, is_legal
from jobwire.store.contract import CancelReply, ClaimRequest, HeldLease, ProgressReport
from manual_clock import ManualClock

LEASE_MS = 20_000
WORKERS = ("w1", "w2", "w3")
STORED = """
SELECT number, state, reason, version, fence, attempt, losses, cancel_requested_at IS NOT NULL, run_at
  FROM state ORDER BY number
"""


@dataclass
class Model:
    """A job as the transition table says it must be."""

    number: int
    owner: int
    place: tuple[int, int, int]
    attempts_max: int
    deadline_at: int | None
    run_at: int | None
    state: State = State.QUEUED
    reason: Reason = Reason.NONE
    version: int = 1
    fence: int = 0
    attempt: int = 0
    losses: int = 0
    cancel_requested: bool = False
    worker: str | None = None

    def go(self, event: Event, target: State, **changes: Any) -> None:
        """Take one arrow of the table; there must be one."""
        assert is_legal(event, source=self.state, target=target), (event, self)
        self.state = target
        self.version += 1
        for name, value in changes.items():
            setattr(self, name, value)
        if target is not State.RUNNING:
            self.worker = None
        if target in FINAL_STATES:
            self.run_at = None

    def facts(self) -> AttemptFacts:
        return AttemptFacts(self.attempt, self.attempts_max, self.losses, self.cancel_requested)

    def holds(self, lease: Lease) -> bool:
        return self.state is State.RUNNING and self.fence == lease.fence

    def settle(self, decision: Settlement, now: int) -> None:
        undone = decision.delay_ms is not None or decision.state is State.FAILED
        if undone and self.cancel_requested:
            decision = cancel(decision.lease)
        self.go(
            decision.event,
            decision.state,
            reason=decision.reason,
            run_at=now + decision.delay_ms if decision.delay_ms else None,
            fence=self.fence + decision.moves_fence,
            attempt=max(0, self.attempt - decision.attempt_refund),
            losses=self.losses + 1 if decision.loss else 0,
        )

    def row(self) -> tuple[Any, ...]:
        shown = (self.number, self.state, self.reason, self.version, self.fence, self.attempt, self.losses)
        return (*shown, int(self.cancel_requested), self.run_at)


class LedgerMachine(RuleBasedStateMachine):
    """Every actor of the house in any order: customers, workers, upkeep and the clock."""

    def __init__(self, engine: Engine) -> None:
        super().__init__()
        self.clock = ManualClock()
        self.folder = TemporaryDirectory()
        self.ledger = Ledger(engine.open(engine.address(Path(self.folder.name)), self.clock), self.clock)
        self.store = self.ledger.store
        self.jobs: dict[int, Model] = {}
        self.workers: dict[str, int] = {}
        self.leases: list[Lease] = []
        self.seen_event = 0
        self.seen_states: dict[int, State] = {}

    def teardown(self) -> None:
        self.ledger.check()
        self.store.close()
        self.folder.cleanup()

    # customers

    @rule(
        owner=st.integers(1, 2),
        count=st.integers(1, 4),
        priority=st.integers(4, 6),
        attempts_max=st.integers(1, 4),
        delay=st.none() | st.integers(-5, 20_000),
        deadline=st.none() | st.integers(1, 30_000),
    )
    def submit(
        self, owner: int, count: int, priority: int, attempts_max: int, delay: int | None, deadline: int | None
    ) -> None:
        now = self.clock.now
        run_at = None if delay is None else now + delay
        deadline_at = None if deadline is None else now + deadline
        numbers = self.ledger.submit_many(
            count, owner=owner, priority=priority, attempts_max=attempts_max, run_at=run_at, deadline_at=deadline_at
        )
        for number in numbers:
            place = (priority, self.ledger.row(number, owner=owner).turn, number)
            waits = run_at if run_at is not None and run_at > now else None
            self.jobs[number] = Model(number, owner, place, attempts_max, deadline_at, waits)

    @precondition(lambda self: self.jobs)
    @rule(owner=st.integers(1, 2), picks=st.lists(st.integers(0, 10**6), min_size=1, max_size=3, unique=True))
    def cancel(self, owner: int, picks: list[int]) -> None:
        numbers = list(dict.fromkeys(1 + pick % (len(self.jobs) + 1) for pick in picks))
        replies = self.store.cancel(owner, numbers).result(WAIT_S)
        for number, reply in zip(numbers, replies, strict=True):
            job = self.jobs.get(number)
            if job is None or job.owner != owner:
                assert reply is None
                continue
            found, changed = job.state, False
            if job.state is State.QUEUED:
                job.go(Event.CANCELLED, State.CANCELLED, reason=Reason.REQUESTED, cancel_requested=True)
                changed = True
            elif job.state is State.RUNNING and not job.cancel_requested:
                job.go(Event.CANCEL_REQUESTED, State.RUNNING, cancel_requested=True)
                changed = True
            assert reply == CancelReply(found, changed)

    # workers

    @rule(worker=st.sampled_from(WORKERS), limit=st.integers(1, 4))
    def claim(self, worker: str, limit: int) -> None:
        ready = sorted(
            (job for job in self.jobs.values() if job.state is State.QUEUED and job.run_at is None),
            key=lambda job: job.place,
        )
        claims = self.store.settle([], ClaimRequest(worker, "q", limit)).result(WAIT_S).claims
        assert [claim.number for claim in claims] == [job.number for job in ready[:limit]]
        for claim in claims:
            job = self.jobs[claim.number]
            changes = {"fence": job.fence + 1, "attempt": job.attempt + 1, "worker": worker, "reason": Reason.NONE}
            job.go(Event.CLAIMED, State.RUNNING, **changes)
            assert (claim.fence, claim.attempt, claim.losses) == (job.fence, job.attempt, job.losses)
            self.leases.append(Lease(claim.number, claim.fence))

    @precondition(lambda self: self.leases)
    @rule(
        picks=st.lists(st.tuples(st.integers(0, 10**6), st.sampled_from(OUTCOMES)), min_size=1, max_size=4),
        worker_knows=st.booleans(),
    )
    def settle(self, picks: list[tuple[int, Outcome]], worker_knows: bool) -> None:
        """Any lease ever given, stale ones too; the newest given are picked more often."""
        chosen: dict[Lease, Outcome] = {}
        for pick, outcome in picks:
            chosen[self.leases[-1 - min(pick % len(self.leases), pick % 5)]] = outcome
        decisions: list[Settlement] = []
        for lease, outcome in chosen.items():
            facts = self.jobs[lease.number].facts()
            facts = facts if worker_knows else facts._replace(cancel_requested=False)
            decisions.append(settle_outcome(lease, outcome, facts=facts, policy=POLICY, jitter=0.5))
        current = [d for d in decisions if self.jobs[d.lease.number].holds(d.lease)]
        accepted = self.store.settle(decisions).result(WAIT_S).accepted
        assert sorted(accepted) == sorted(d.lease.number for d in current)
        for decision in current:
            self.jobs[decision.lease.number].settle(decision, self.clock.now)
        for decision in decisions:
            if decision not in current:
                assert (decision.lease.fence, "late") in self.ledger.attempts(decision.lease.number)

    @rule(worker=st.sampled_from(WORKERS), picks=st.lists(st.integers(0, 10**6), max_size=3))
    def heartbeat(self, worker: str, picks: list[int]) -> None:
        leases = {self.leases[pick % len(self.leases)] for pick in picks} if self.leases else set()
        reports = [ProgressReport(lease.number, lease.fence, '{"percent":5}') for lease in leases]
        for lease in leases:
            job = self.jobs[lease.number]
            if job.holds(lease):
                job.go(Event.PROGRESSED, State.RUNNING)
        held = self.ledger.beat(worker, lease_ms=LEASE_MS, progress=reports)
        self.workers[worker] = self.clock.now + LEASE_MS
        assert sorted(held) == [
            HeldLease(job.number, job.fence, int(job.cancel_requested))
            for job in self.jobs.values()
            if job.worker == worker
        ]

    @rule(worker=st.sampled_from(WORKERS))
    def retire(self, worker: str) -> None:
        self.store.retire(worker).result(WAIT_S)
        self.workers.pop(worker, None)

    # upkeep and time

    @initialize()
    def start_workers(self) -> None:
        for worker in WORKERS:
            self.heartbeat(worker, [])

    @rule()
    def rescue(self) -> None:
        lost = [
            job
            for job in self.jobs.values()
            if job.worker is not None and self.workers.get(job.worker, 0) <= self.clock.now
        ]
        assert self.store.rescue().result(WAIT_S) == len(lost)
        for job in lost:
            job.settle(settle_loss(Lease(job.number, job.fence), facts=job.facts()), self.clock.now)

    @rule()
    def promote(self) -> None:
        now = self.clock.now
        next_at = self.store.promote().result(WAIT_S)
        for job in self.jobs.values():
            if job.deadline_at is not None and job.deadline_at <= now:
                job.deadline_at = None
                if job.state is State.QUEUED:
                    job.go(Event.EXPIRED, State.FAILED, reason=Reason.EXPIRED)
            if job.run_at is not None and job.run_at <= now:
                job.go(Event.PROMOTED, State.QUEUED, run_at=None)
        waits = [job.run_at for job in self.jobs.values()] + [job.deadline_at for job in self.jobs.values()]
        assert next_at == min((at for at in waits if at is not None), default=None)

    @rule(ms=st.sampled_from([1, 500, 5_000, LEASE_MS - 1, LEASE_MS, 60_000]))
    def advance(self, ms: int) -> None:
        self.clock.advance(ms)

    # after every step

    @invariant()
    def stored_is_what_the_model_says(self) -> None:
        assert self.ledger.query(STORED) == [job.row() for job in self.jobs.values()]

    @invariant()
    def every_job_is_in_one_place(self) -> None:
        assert self.ledger.query(STRAYS) == []

    @invariant()
    def every_new_event_is_an_arrow_of_the_table(self) -> None:
        for entry in self.store.events(self.seen_event).result(WAIT_S):
            event, source = Event(entry.event), self.seen_states.get(entry.number)
            assert is_legal(event, source=source, target=TARGETS[event]), (entry, source)
            self.seen_states[entry.number] = TARGETS[event]
            self.seen_event = entry.no
        assert self.seen_states == {number: job.state for number, job in self.jobs.items()}


def run_machine(engine: Engine, *, examples: int, steps: int) -> None:
    factory: Callable[[], LedgerMachine] = lambda: LedgerMachine(engine)  # noqa: E731 - hypothesis wants a callable
    run_state_machine_as_test(
        factory,
        settings=settings(
            max_examples=max(1, int(examples * engine.share)),
            stateful_step_count=steps,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        ),
    )


@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine.name)
@pytest.mark.slow
def test_any_history_leaves_the_ledger_where_the_table_says(engine: Engine) -> None:
    run_machine(engine, examples=50, steps=40)


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine.name)
def test_long_histories_leave_the_ledger_where_the_table_says(engine: Engine) -> None:
    run_machine(engine, examples=150, steps=80)
