"""Ledger: a store with a test's everyday verbs, each waited for, and the two checks that must always hold."""

from collections import Counter
from collections.abc import Sequence
from itertools import count
from typing import Any

from jobwire.domain.caps import Cap
from jobwire.domain.ids import make_key
from jobwire.domain.job import JobRow, NewJob, Receipt
from jobwire.domain.order import CELL_SHIFTS
from jobwire.domain.outcome import CancelConfirmed, Completed, Failed, Interrupted, Outcome, PublicError, Snoozed
from jobwire.domain.retry import RetryPolicy
from jobwire.domain.settlement import AttemptFacts, Lease, Settlement, settle_outcome
from jobwire.domain.states import FINAL_STATES, TRANSITIONS, Event, State, is_legal
from jobwire.store.contract import (
    CancelReply,
    Claim,
    ClaimRequest,
    HeldLease,
    Place,
    ProgressReport,
    Settled,
    Store,
    Transaction,
)
from jobwire.store.pending import Pending
from manual_clock import ManualClock

# How long a test waits for an answer that must come; reached only when something is broken.
WAIT_S = 20
LEASE_MS = 20_000

DONE = Completed('{"ok":true}')
BROKEN = Failed(PublicError("broken", "The input is broken."), internal="Traceback: broken")
FLAKY = Failed(PublicError("flaky", "The service was away.", retryable=True), internal="Traceback: flaky")
LATER = Snoozed(5_000)
SHUTDOWN = Interrupted()
STOPPED = CancelConfirmed()
OUTCOMES: tuple[Outcome, ...] = (DONE, BROKEN, FLAKY, LATER, SHUTDOWN, STOPPED)
POLICY = RetryPolicy(first_ms=1_000, longest_ms=60_000)

TARGETS = {transition.event: transition.target for transition in TRANSITIONS}

_serials = count(1)

STRAYS = """
WITH waiting AS (
  SELECT queue, priority, turn, number FROM ready UNION ALL SELECT queue, priority, turn, number FROM blocked
)
SELECT 'not in the order and not due', number FROM state WHERE state = 0
   AND (SELECT count(*) FROM waiting JOIN job USING (queue, priority, turn, number) WHERE number = state.number)
     + (SELECT count(*) FROM due WHERE due.number = state.number AND due.run_at = state.run_at) <> 1
UNION ALL SELECT 'due and in the order', number FROM due WHERE number IN (SELECT number FROM waiting)
UNION ALL SELECT 'in the order, not waiting', number FROM waiting
   WHERE number NOT IN (SELECT number FROM state WHERE state = 0 AND run_at IS NULL)
UNION ALL SELECT 'twice in the order', number FROM waiting GROUP BY number HAVING count(*) > 1
UNION ALL SELECT 'due, not waiting', number FROM due
   WHERE number NOT IN (SELECT number FROM state WHERE state = 0 AND run_at IS NOT NULL)
UNION ALL SELECT 'twice due', number FROM due GROUP BY number HAVING count(*) > 1
UNION ALL SELECT 'running without its lease', number FROM state WHERE state = 1
   AND NOT EXISTS (SELECT 1 FROM lease WHERE lease.number = state.number AND lease.fence = state.fence)
UNION ALL SELECT 'leased, not running', number FROM lease
   WHERE number NOT IN (SELECT number FROM state WHERE state = 1)
UNION ALL SELECT 'unique key of a final job', number FROM live
   WHERE number NOT IN (SELECT number FROM state WHERE state < 2)
UNION ALL SELECT 'job without a state', number FROM job WHERE number NOT IN (SELECT number FROM state)
UNION ALL SELECT 'state without a job', number FROM state WHERE number NOT IN (SELECT number FROM job)
"""

IN_ORDER = "SELECT queue, priority, turn FROM ready UNION ALL SELECT queue, priority, turn FROM blocked"


class Ledger:
    """A store, its clock and short verbs; owner 1, queue "q" and worker "w1" unless a test says otherwise."""

    def __init__(self, store: Store, clock: ManualClock) -> None:
        self.store = store
        self.clock = clock
        self.is_closed = False

    def close(self) -> None:
        self.is_closed = True
        self.store.close()

    def new(self, **fields: Any) -> NewJob:
        key = make_key(self.clock(), next(_serials))
        return NewJob(**{"key": key, "owner": 1, "kind": "convert", "queue": "q", "input": "{}"} | fields)

    def receive(self, *jobs: NewJob) -> list[Receipt]:
        return self.store.submit(jobs).result(WAIT_S)

    def submit(self, **fields: Any) -> int:
        (receipt,) = self.receive(self.new(**fields))
        assert receipt.is_new
        return receipt.number

    def submit_many(self, how_many: int, **fields: Any) -> list[int]:
        return [receipt.number for receipt in self.receive(*[self.new(**fields) for _ in range(how_many)])]

    def beat(
        self, worker: str = "w1", *, lease_ms: int = LEASE_MS, progress: Sequence[ProgressReport] = ()
    ) -> list[HeldLease]:
        return self.store.heartbeat(worker, lease_ms=lease_ms, progress=progress).result(WAIT_S)

    def claim(self, limit: int = 1, *, worker: str = "w1", queue: str = "q") -> list[Claim]:
        """Up to `limit` claims under a fresh heartbeat, without waiting for work."""
        self.beat(worker)
        return self.store.settle([], ClaimRequest(worker, queue, limit)).result(WAIT_S).claims

    def claim_one(self, **where: Any) -> Claim:
        (claim,) = self.claim(1, **where)
        return claim

    def park(self, *, worker: str = "w1", queue: str = "q", limit: int = 1) -> Pending[list[Claim]]:
        """A claim that waits for work; it is in the ledger's hands when this returns."""
        self.beat(worker)
        parked = self.store.claim(ClaimRequest(worker, queue, limit))
        self.beat(worker)
        return parked

    def settle_all(self, *settlements: Settlement) -> Settled:
        return self.store.settle(settlements).result(WAIT_S)

    def settle(self, claim: Claim, outcome: Outcome, *, cancel_requested: bool = False) -> bool:
        """Whether the outcome of this claim was accepted."""
        decision = decide(claim, outcome, cancel_requested=cancel_requested)
        return self.settle_all(decision).accepted == [claim.number]

    def run(self, outcome: Outcome = DONE, **where: Any) -> int:
        """Claim the next job and settle it."""
        claim = self.claim_one(**where)
        assert self.settle(claim, outcome)
        return claim.number

    def run_new(self, outcome: Outcome = DONE, **fields: Any) -> int:
        """Submit, claim and settle one job."""
        self.submit(**fields)
        return self.run(outcome)

    def set_cap(self, cap: Cap) -> None:
        self.store.write(lambda tx: tx.set_cap(cap)).result(WAIT_S)

    def drop_cap(self, scope: str, name: str) -> None:
        self.store.write(lambda tx: tx.drop_cap(scope, name)).result(WAIT_S)

    def cancel(self, number: int, *, owner: int = 1) -> CancelReply | None:
        return self.store.cancel(owner, [number]).result(WAIT_S)[0]

    def lose_worker(self, *, lease_ms: int = LEASE_MS) -> int:
        """Let every lease run out and rescue; returns how many jobs were taken back."""
        self.clock.advance(lease_ms)
        return self.store.rescue().result(WAIT_S)

    def row(self, number: int, *, owner: int = 1) -> JobRow:
        row = self.store.get(owner, number=number).result(WAIT_S)
        assert row is not None, f"job {number} of owner {owner} is not there"
        return row

    def place(self, number: int, *, owner: int = 1) -> Place:
        return self.store.position(self.row(number, owner=owner)).result(WAIT_S)

    def position(self, number: int, *, owner: int = 1) -> int:
        return self.place(number, owner=owner).position

    def state(self, number: int) -> State:
        return State(self.row(number).state)

    def events(self, number: int) -> list[Event]:
        return [Event(row.event) for row in self.store.events(0, number=number).result(WAIT_S)]

    def attempts(self, number: int) -> list[tuple[int, str]]:
        """The attempt log as (fence, event) pairs."""
        return [(row.fence, row.event) for row in self.store.attempts(number).result(WAIT_S)]

    def query(self, sql: str, **params: Any) -> list[tuple[Any, ...]]:
        return self.store.read(lambda reader: reader.query(sql, **params)).result(WAIT_S)

    def check(self) -> None:
        """Every job is in exactly one place and counted there, and its events are a legal path to where it is."""
        assert self.query(STRAYS) == []
        self.check_cells()
        stored = {number: rest for number, *rest in self.query("SELECT number, state, version FROM state")}
        at: dict[int, tuple[State | None, int]] = {}
        for entry in self.store.events(0, limit=1_000_000).result(WAIT_S):
            if entry.number not in stored:
                continue
            event, (source, version) = Event(entry.event), at.get(entry.number, (None, 0))
            assert is_legal(event, source=source, target=TARGETS[event]), (entry, source)
            assert source not in FINAL_STATES and entry.version == version + 1, (entry, source, version)
            at[entry.number] = TARGETS[event], entry.version
        assert {number: list(place) for number, place in at.items()} == stored

    def check_cells(self) -> None:
        """The cells of every level hold the numbers of the jobs in the order, and no empty one stays."""
        while self.store.fold().result(WAIT_S):
            continue
        counted: Counter[tuple[str, int, int, int]] = Counter()
        for queue, priority, turn in self.query(IN_ORDER):
            counted.update((queue, level, priority, turn >> shift) for level, shift in enumerate(CELL_SHIFTS))
        cells = self.query("SELECT queue, level, priority, cell, n FROM cell")
        assert {tuple(cell): n for *cell, n in cells} == counted


def decide(claim: Claim, outcome: Outcome, *, cancel_requested: bool = False, jitter: float = 0.5) -> Settlement:
    """The settlement of a claim's outcome."""
    facts = AttemptFacts(claim.attempt, claim.attempts_max, claim.losses, cancel_requested)
    return settle_outcome(lease_of(claim), outcome, facts=facts, policy=POLICY, jitter=jitter)


def lease_of(claim: Claim) -> Lease:
    return Lease(claim.number, claim.fence)


def give_weight(ledger: Ledger, owner: int, weight: int) -> None:
    """Make the owner's account with its share of the turns."""

    def write(tx: Transaction) -> None:
        tx.execute(
            "INSERT INTO owner (id, name, weight, created_at) VALUES (:id, :name, :weight, 0)",
            id=owner,
            name=f"owner {owner}",
            weight=weight,
        )

    ledger.store.write(write).result(WAIT_S)
