"""Estimates from the real ledger: what is read when, what is known and what is not said."""

import asyncio

import pytest

from jobwire.domain.ids import make_key
from jobwire.domain.job import NewJob
from jobwire.domain.outcome import Completed
from jobwire.domain.retry import RetryPolicy
from jobwire.domain.run_times import Tally, bucket_of
from jobwire.domain.settlement import AttemptFacts, Lease, settle_outcome
from jobwire.service import estimates as service_estimates
from jobwire.service.estimates import RUNS_KNOWN_MIN, RUNS_MS, SLOTS_MS, Estimates
from jobwire.store.contract import ClaimRequest, Place
from jobwire.store.estimates import (
    PERIOD_MS,
    PERIODS_MAX,
    RunGroup,
    add_runs,
    prune_estimates,
    read_running,
    read_runs,
    read_slots,
    set_slots,
)

LEASE_MS = 60_000


class Desk:
    """A ledger with its estimates, and what workers tell it."""

    def __init__(self, store, clock):
        self.store, self.clock = store, clock
        self.estimates = Estimates(store, clock)
        self._moment = 0

    def write(self, work):
        return self.store.write(work).result()

    def live(self, worker="w", **slots):
        self.store.heartbeat(worker, lease_ms=LEASE_MS).result()
        self.write(lambda tx: set_slots(tx, worker, slots))

    def know(self, length_ms, count=20, *, queue="default", kind="work", is_completed=1):
        group = RunGroup(queue, kind, is_completed, bucket_of(length_ms))
        self.write(lambda tx: add_runs(tx, {group: Tally(count, length_ms * 1_000 * count)}))

    def submit(self, count=1, **options):
        self._moment += 1
        jobs = [NewJob(make_key(self._moment, n), 1, "work", "default", "{}", **options) for n in range(count)]
        return self.row(self.store.submit(jobs).result()[-1].number)

    def claim(self, count=1):
        return self.store.claim(ClaimRequest("w", "default", count)).result()

    def row(self, number):
        return self.store.get(1, number=number).result()

    def find(self, row):
        async def look():
            place = await self.store.position(row) if row.started_at is None else None
            return await self.estimates.find(row, place)

        return asyncio.run(look())


@pytest.fixture
def desk(store, clock):
    return Desk(store, clock)


def test_a_job_behind_others_waits_for_them(desk):
    desk.live(default=1)
    desk.know(10_000)
    row = desk.submit(6)
    desk.claim()
    # Four of ten seconds are ahead, and what is left of the one that runs.
    assert desk.find(row) == pytest.approx((45, 49, 55, 59), abs=0.5)


def test_a_new_job_starts_at_once_where_a_slot_is_free_and_not_where_none_is(desk):
    desk.live(default=2)
    desk.know(10_000)
    assert desk.find(desk.submit())[:3] == (0.0, 0.0, 10.0)
    desk.claim(2)
    desk.submit()
    desk.claim()
    desk.clock.now += SLOTS_MS
    assert desk.find(desk.submit()).starts_in_p50_s > 1


def test_a_job_that_waits_longer_than_a_second_is_not_told_that_a_slot_is_free(desk):
    desk.live(default=2)
    desk.know(10_000)
    row = desk.submit()
    desk.clock.now += SLOTS_MS
    assert desk.find(row).starts_in_p50_s > 1


def test_without_a_live_worker_nothing_is_said(desk):
    desk.know(10_000)
    row = desk.submit()
    assert desk.find(row) is None
    desk.live(default=1)
    desk.clock.now += SLOTS_MS
    assert desk.find(row) is not None
    desk.clock.now += LEASE_MS
    assert desk.find(row) is None


@pytest.mark.parametrize(("count", "is_known"), [(RUNS_KNOWN_MIN - 1, False), (RUNS_KNOWN_MIN, True)])
def test_a_handful_of_runs_must_be_known(desk, count, is_known):
    desk.live(default=1)
    desk.know(10_000, count)
    row = desk.submit()
    desk.clock.now += SLOTS_MS
    assert (desk.find(row) is not None) is is_known


def test_failed_runs_tell_how_long_slots_are_held_and_not_when_a_job_ends(desk):
    desk.live(default=1)
    desk.know(60_000, is_completed=0)
    row = desk.submit()
    desk.clock.now += SLOTS_MS
    estimate = desk.find(row)
    assert estimate.starts_in_p50_s == pytest.approx(30, abs=1)
    assert estimate.ends_in_p50_s is None


def test_the_queue_is_that_of_all_its_kinds_and_the_end_that_of_the_jobs_own(desk):
    desk.live(default=1)
    desk.know(60_000, kind="other")
    desk.know(1_000)
    row = desk.submit()
    desk.clock.now += SLOTS_MS
    estimate = desk.find(row)
    assert estimate.starts_in_p50_s > 20
    assert estimate.ends_in_p50_s - estimate.starts_in_p50_s == pytest.approx(1, abs=0.2)


def test_a_job_held_back_by_a_cap_gets_no_estimate(desk):
    desk.live(default=1)
    desk.know(10_000)
    row = desk.submit()
    assert asyncio.run(desk.estimates.find(row, Place(0, "kind"))) is None
    assert asyncio.run(desk.estimates.find(row, Place(0, None))) is not None


def test_a_scheduled_job_does_not_start_before_its_time(desk):
    desk.live(default=1)
    desk.know(10_000)
    row = desk.submit(run_at=desk.clock.now + 3_600_000)
    assert desk.find(row)[:3] == (3_600.0, 3_600.0, 3_610.0)


def test_a_running_job_ends_when_others_like_it_did(desk):
    desk.live(default=1)
    desk.know(10_000)
    number = desk.submit().number
    desk.claim()
    desk.clock.now += 4_000
    assert desk.find(desk.row(number)) == (0.0, 0.0, 6.0, 6.0)
    desk.clock.now += 7_000
    assert desk.find(desk.row(number)) is None


def test_the_ledger_is_asked_once_a_second_however_many_poll(desk, monkeypatch):
    asked = []
    monkeypatch.setattr(service_estimates, "read_slots", lambda r, now: asked.append("slots") or read_slots(r, now))
    monkeypatch.setattr(service_estimates, "read_runs", lambda r, first: asked.append("runs") or read_runs(r, first))
    desk.live(default=1)
    desk.know(10_000)
    row = desk.submit()

    async def poll_together():
        await asyncio.gather(*(desk.estimates.find(row, Place(0, None)) for _ in range(50)))

    for _ in range(RUNS_MS // SLOTS_MS + 1):
        asyncio.run(poll_together())
        desk.clock.now += SLOTS_MS
    assert asked == ["slots", "runs", "slots", "slots", "slots", "slots", "slots", "runs"]


def test_recent_runs_count_more_than_those_of_earlier_periods(desk):
    desk.live(default=1)
    row = desk.submit()
    desk.know(100_000, 100)
    desk.clock.now += 3 * PERIOD_MS
    desk.know(1_000, 100)
    desk.live(default=1)
    assert desk.find(row).ends_in_p50_s is not None
    claimed = desk.claim()
    assert desk.find(desk.row(claimed[0].number)).ends_in_p50_s == 1.0


def test_runs_of_over_a_week_ago_are_forgotten_and_pruned(desk):
    desk.live(default=1)
    desk.know(10_000)
    row = desk.submit()
    assert desk.find(row) is not None
    desk.clock.now += PERIODS_MAX * PERIOD_MS
    desk.live(default=1)
    desk.know(20_000)
    assert desk.find(row).ends_in_p50_s - desk.find(row).starts_in_p50_s > 15
    desk.write(prune_estimates)
    assert [run.total_us for run in desk.store.read(lambda r: read_runs(r, 0)).result()] == [400_000_000]


def test_tallies_of_several_workers_add_up(desk):
    desk.know(10_000, 3)
    desk.know(11_000, 4)
    [run] = desk.store.read(lambda r: read_runs(r, 0)).result()
    assert (run.runs, run.total_us) == (7, 74_000_000)


def test_slots_are_those_of_the_live_workers_and_go_with_them(desk):
    def look():
        return desk.store.read(lambda r: read_slots(r, desk.clock.now)).result()

    desk.live("a", default=4, media=1)
    desk.live("b", default=2)
    assert look() == {"default": 6, "media": 1}
    desk.live("a", default=3)
    assert look() == {"default": 5}
    desk.store.retire("b").result()
    assert look() == {"default": 3}
    desk.write(prune_estimates)
    kept = desk.store.read(lambda r: r.query("SELECT worker, queue FROM worker_queue")).result()
    assert kept == [("a", "default")]


def test_running_jobs_are_counted_by_queue(desk):
    desk.live(default=4)
    desk.submit(3)
    claims = desk.claim(2)
    assert desk.store.read(read_running).result() == {"default": 2}
    facts = AttemptFacts(1, 5, 0, cancel_requested=False)
    done = [
        settle_outcome(Lease(c.number, c.fence), Completed("1"), facts=facts, policy=RetryPolicy(), jitter=0)
        for c in claims
    ]
    desk.store.settle(done).result()
    assert desk.store.read(read_running).result() == {}
