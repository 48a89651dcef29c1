"""Waiting: how often customers ask who come again when Retry-After says, and how much longer they wait for that.

Time is simulated; the ledger, its estimates and what is computed from them are the real ones. For each kind 1,000
customers submit a job each, at random moments, to a worker that is busy four fifths of the time; the same jobs are
then asked for every second.
"""

import asyncio
import heapq
import math
import random
import statistics
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from bench.children import Failed
from bench.measurement import Bench, Figures, Goal, Measurement, Variant
from jobwire.domain.estimate import Estimate
from jobwire.domain.ids import make_key
from jobwire.domain.job import JobRow, NewJob
from jobwire.domain.outcome import Completed
from jobwire.domain.retry import RetryPolicy
from jobwire.domain.run_times import Tally, bucket_of
from jobwire.domain.settlement import AttemptFacts, Lease, settle_outcome
from jobwire.domain.states import State
from jobwire.service.estimates import Estimates
from jobwire.store.contract import Claim, ClaimRequest
from jobwire.store.estimates import RunGroup, add_runs, set_slots
from jobwire.store.sqlite import open_sqlite

CUSTOMERS = 1_000
SLOTS = 20
BUSY = 0.8
KNOWN_RUNS = 200
# Runs differ by about a fifth to both sides.
SPREAD = 0.2
KINDS_MS = {"short, 0.2 s": 200, "medium, 10 s": 10_000, "long, 3 min": 180_000}
POLLS_MAX = 2.5
ADDED_MAX = 0.10
OWNER, WORKER, QUEUE, KIND = 1, "w", "default", "work"
LEASE_MS = 10**12


@dataclass(slots=True)
class Clock:
    """Simulated Unix milliseconds."""

    now: int = 1_900_000_000_000

    def __call__(self) -> int:
        """The time."""
        return self.now


@dataclass(order=True, slots=True)
class Moment:
    """What happens when; those of the same time in their order."""

    at: int
    order: int
    what: str = field(compare=False)
    number: int = field(compare=False, default=0)


class Ward:
    """One kind's customers, its worker and their ledger."""

    def __init__(self, run_ms: int, rng: random.Random) -> None:
        self.clock = Clock()
        self.store = open_sqlite(":memory:", clock=self.clock)
        self.estimates = Estimates(self.store, self.clock)
        self._rng = rng
        self._run_ms = run_ms
        self._moments: list[Moment] = []
        self._order = 0
        self._claims: dict[int, Claim] = {}
        self.submitted: dict[int, int] = {}
        self.ended: dict[int, int] = {}
        self.polls: dict[int, int] = {}
        self.told: dict[int, int] = {}

    async def run(self, customers: int) -> None:
        """All of it, until every customer has been told the end."""
        await self.store.heartbeat(WORKER, lease_ms=LEASE_MS)
        await self.store.write(lambda tx: set_slots(tx, WORKER, {QUEUE: SLOTS}))
        for _ in range(KNOWN_RUNS):
            await self._know(self._draw_ms())
        at = float(self.clock.now)
        for _ in range(customers):
            at += self._rng.expovariate(SLOTS * BUSY / self._run_ms)
            self._plan(int(at), "submit")
        while self._moments:
            moment = heapq.heappop(self._moments)
            self.clock.now = max(self.clock.now, moment.at)
            match moment.what:
                case "submit":
                    await self._submit()
                case "end":
                    await self._end(moment.number)
                case _:
                    await self._poll(moment.number)

    def _plan(self, at: int, what: str, number: int = 0) -> None:
        self._order += 1
        heapq.heappush(self._moments, Moment(at, self._order, what, number))

    def _draw_ms(self) -> int:
        return max(1, round(self._run_ms * self._rng.lognormvariate(0, SPREAD)))

    async def _know(self, run_ms: int) -> None:
        group = RunGroup(QUEUE, KIND, 1, bucket_of(run_ms))
        await self.store.write(lambda tx: add_runs(tx, {group: Tally(1, run_ms * 1_000)}))

    async def _submit(self) -> None:
        job = NewJob(make_key(self.clock.now, self._rng.getrandbits(80)), OWNER, KIND, QUEUE, "{}")
        [receipt] = await self.store.submit([job])
        self.submitted[receipt.number] = self.clock.now
        self.polls[receipt.number] = 0
        # The answer to a submission tells when to come, as a poll's does; nothing has been started by then.
        await self._advise(await self._read(receipt.number))
        await self._fill_slots()

    async def _fill_slots(self) -> None:
        free = SLOTS - len(self._claims)
        for claim in (await self.store.settle([], ClaimRequest(WORKER, QUEUE, free))).claims if free else ():
            self._claims[claim.number] = claim
            self._plan(self.clock.now + self._draw_ms(), "end", claim.number)

    async def _end(self, number: int) -> None:
        claim = self._claims.pop(number)
        facts = AttemptFacts(claim.attempt, claim.attempts_max, claim.losses, False)
        lease = Lease(claim.number, claim.fence)
        settlement = settle_outcome(lease, Completed("1"), facts=facts, policy=RetryPolicy(), jitter=0.5)
        await self.store.settle([settlement])
        row = await self._read(number)
        await self._know(self.clock.now - (row.started_at or 0))
        self.ended[number] = self.clock.now
        await self._fill_slots()

    async def _poll(self, number: int) -> None:
        self.polls[number] += 1
        row = await self._read(number)
        if row.finalized_at is None:
            await self._advise(row)
        else:
            self.told[number] = self.clock.now

    async def _advise(self, row: JobRow) -> None:
        estimate: Estimate | None = await self.estimates.find(
            row, await self.store.position(row) if row.state == State.QUEUED else None
        )
        wait_s = self.estimates.retry_after_s(row, estimate, least_s=1)
        self._plan(self.clock.now + wait_s * 1_000, "poll", row.number)

    async def _read(self, number: int) -> JobRow:
        row = await self.store.get(OWNER, number=number)
        if row is None:
            raise Failed(f"job {number} is not in the ledger")
        return row


def _measure(run_ms: int, customers: int, folder: Path) -> Figures:
    ward = Ward(run_ms, random.Random(run_ms))
    with closing(ward.store):
        asyncio.run(ward.run(customers))
    if len(ward.told) != customers:
        raise Failed(f"{customers - len(ward.told)} customers were never told the end")
    waited = {number: at - ward.submitted[number] for number, at in ward.told.items()}
    every_second = {number: _next_second(ward.ended[number] - at) for number, at in ward.submitted.items()}
    return {
        "polls a job": statistics.mean(ward.polls.values()),
        "polls at 1 s": statistics.mean(at / 1_000 for at in every_second.values()),
        "waited s": statistics.mean(waited.values()) / 1_000,
        "added": sum(waited.values()) / sum(every_second.values()) - 1,
    }


def _next_second(wait_ms: int) -> int:
    return max(1, math.ceil(wait_ms / 1_000)) * 1_000


@contextmanager
def _open(folder: Path, bench: Bench) -> Iterator[Sequence[Variant]]:
    customers = max(100, int(CUSTOMERS * bench.size.share))
    yield [Variant(name, partial(_measure, run_ms, customers)) for name, run_ms in KINDS_MS.items()]


WAITING = Measurement(
    name="waiting",
    title="Waiting: 1,000 customers who come when Retry-After says, against a poll every second; simulated time",
    open=_open,
    goals=[
        goal
        for kind in KINDS_MS
        for goal in (
            Goal(
                f"waiting, {kind}: at most {POLLS_MAX} polls a job", "polls a job", kind, POLLS_MAX, is_minimum=False
            ),
            Goal(f"waiting, {kind}: at most 10 % added", "added", kind, ADDED_MAX, is_minimum=False),
        )
    ],
)
