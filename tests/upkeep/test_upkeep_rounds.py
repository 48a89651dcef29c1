"""Upkeep on the real ledger: what is due comes in time, what was lost comes back, what is old goes."""

import asyncio
import secrets
from contextlib import asynccontextmanager

import pytest

from jobwire.domain.ids import RANDOM_BITS, make_key
from jobwire.domain.job import NewJob
from jobwire.domain.phases import Phase
from jobwire.domain.run_times import Tally
from jobwire.domain.states import Event, Reason
from jobwire.store.contract import ClaimRequest
from jobwire.store.estimates import RunGroup, add_backlog, add_runs, set_slots
from jobwire.store.sqlite import open_sqlite, read_clock
from jobwire.upkeep import rounds
from jobwire.upkeep.rounds import Upkeep

DEADLINE_S = 10
DAY_MS = 24 * 3_600_000


class Clock:
    """Real time plus what the test adds."""

    def __init__(self):
        self.ahead_ms = 0

    def __call__(self):
        return read_clock() + self.ahead_ms


def run(work):
    async def bounded():
        async with asyncio.timeout(DEADLINE_S):
            return await work

    return asyncio.run(bounded())


class Desk:
    """A ledger, its clock, and waiting for a phase."""

    def __init__(self, store, clock):
        self.store, self.clock = store, clock
        self._moved = asyncio.Event()
        loop = asyncio.get_running_loop()
        self.end = store.listen(lambda _: loop.call_soon_threadsafe(self._moved.set))

    async def submit(self, **options):
        key = make_key(self.clock(), secrets.randbits(RANDOM_BITS))
        return (await self.store.submit([NewJob(key, 1, "work", "default", "{}", **options)]))[0].number

    async def claim(self, worker="w", lease_ms=60_000):
        await self.store.heartbeat(worker, lease_ms=lease_ms)
        return await self.store.claim(ClaimRequest(worker, "default", 1))

    async def until_upkeep_rests(self):
        # A round is three answers of the ledger.
        for _ in range(20):
            await self.row(1)

    async def row(self, number):
        return await self.store.get(1, number=number)

    async def until(self, number, is_reached):
        while True:
            self._moved.clear()
            row = await self.row(number)
            if is_reached(row):
                return row
            await self._moved.wait()

    async def until_phase(self, number, phase):
        return await self.until(number, lambda row: row.phase is phase)


@asynccontextmanager
async def desk():
    clock = Clock()
    store = open_sqlite(":memory:", clock=clock)
    try:
        yield Desk(store, clock)
    finally:
        store.close()


@asynccontextmanager
async def upkeep_of(store, **options):
    task = asyncio.create_task(Upkeep(store, **options).run())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def test_a_job_that_is_due_is_promoted_at_its_time_and_not_at_the_next_tick():
    async def look():
        async with desk() as d, upkeep_of(d.store, round_ms=3_600_000):
            await d.until_upkeep_rests()
            number = await d.submit(run_at=d.clock() + 100)
            assert (await d.row(number)).phase is Phase.SCHEDULED
            row = await d.until_phase(number, Phase.WAITING)
            events = await d.store.events(0, number=number)
            return row, events

    _, events = run(look())
    assert [Event(event.event) for event in events] == [Event.SUBMITTED, Event.PROMOTED]
    assert events[1].at - events[0].at >= 99


def test_an_earlier_job_is_not_overslept_for_a_later_one():
    async def look():
        async with desk() as d, upkeep_of(d.store, round_ms=3_600_000):
            later = await d.submit(run_at=d.clock() + 3_000_000)
            await d.until_upkeep_rests()
            sooner = await d.submit(run_at=d.clock() + 50)
            await d.until_phase(sooner, Phase.WAITING)
            return (await d.row(later)).phase

    assert run(look()) is Phase.SCHEDULED


def test_a_job_past_its_deadline_expires():
    async def look():
        async with desk() as d, upkeep_of(d.store, round_ms=3_600_000):
            return await d.until_phase(await d.submit(deadline_at=d.clock() + 50), Phase.EXPIRED)

    row = run(look())
    assert (row.reason, row.attempt) == (Reason.EXPIRED, 0)


def test_a_job_that_was_started_before_its_deadline_is_left_alone():
    async def look():
        async with desk() as d:
            number = await d.submit(deadline_at=d.clock() + 1_000)
            await d.claim()
            d.clock.ahead_ms += 5_000
            await Upkeep(d.store).run_round()
            return await d.row(number)

    assert run(look()).phase is Phase.RUNNING


def test_a_lost_worker_is_noticed_within_a_round_of_its_leases_end():
    async def look():
        async with desk() as d, upkeep_of(d.store, round_ms=50):
            number = await d.submit()
            assert len(await d.claim(lease_ms=100)) == 1
            row = await d.until_phase(number, Phase.WAITING)
            claimed, rescued = (await d.store.events(0, number=number))[1:]
            return row, rescued.at - claimed.at

    row, waited_ms = run(look())
    assert (row.reason, row.attempt, row.fence) == (Reason.WORKER_LOST, 1, 2)
    assert waited_ms >= 95


def test_a_worker_whose_heart_beats_keeps_its_jobs():
    async def look():
        async with desk() as d:
            number = await d.submit()
            await d.claim(lease_ms=1_000)
            for _ in range(5):
                d.clock.ahead_ms += 900
                await d.store.heartbeat("w", lease_ms=1_000)
                await Upkeep(d.store).run_round()
            return await d.row(number)

    assert run(look()).phase is Phase.RUNNING


@pytest.mark.parametrize("count", [1, 7])
def test_a_round_takes_all_that_is_lost_however_many(monkeypatch, count):
    monkeypatch.setattr(rounds, "BATCH", 3)

    async def look():
        async with desk() as d:
            numbers = [await d.submit() for _ in range(count)]
            for _ in numbers:
                await d.claim("dead", lease_ms=1)
            d.clock.ahead_ms += 1_000
            await Upkeep(d.store).run_round()
            return {(await d.row(number)).phase for number in numbers}

    assert run(look()) == {Phase.WAITING}


def test_due_jobs_beyond_one_batch_are_promoted_without_waiting_for_a_tick(monkeypatch):
    monkeypatch.setattr(rounds, "BATCH", 3)

    async def look():
        async with desk() as d:
            numbers = [await d.submit(run_at=d.clock() + 1_000) for _ in range(10)]
            d.clock.ahead_ms += 2_000
            async with upkeep_of(d.store, round_ms=3_600_000):
                return [(await d.until_phase(number, Phase.WAITING)).number for number in numbers]

    assert len(run(look())) == 10


def test_a_round_that_finds_nothing_writes_nothing():
    async def look():
        async with desk() as d:
            await d.submit()
            await d.submit(run_at=d.clock() + 1_000_000)
            heard = []
            await Upkeep(d.store).run_round()
            before = await changes(d)
            end = d.store.listen(heard.append)
            wait_ms = await Upkeep(d.store, round_ms=500).run_round()
            end()
            return wait_ms, heard, await changes(d) - before

    async def changes(d):
        return (await d.store.write(lambda tx: tx.query("SELECT total_changes()")))[0][0]

    assert run(look()) == (500, [], 0)


def test_upkeep_in_many_places_rescues_each_loss_once():
    async def look():
        async with desk() as d:
            numbers = [await d.submit() for _ in range(20)]
            for _ in numbers:
                await d.claim("dead", lease_ms=1)
            d.clock.ahead_ms += 1_000
            await asyncio.gather(*(Upkeep(d.store).run_round() for _ in range(8)))
            rows = [await d.row(number) for number in numbers]
            return {(row.phase, row.fence, row.attempt) for row in rows}

    assert run(look()) == {(Phase.WAITING, 2, 1)}


@pytest.mark.parametrize(("ahead_ms", "is_kept"), [(2 * DAY_MS - 60_000, True), (2 * DAY_MS + 60_000, False)])
def test_a_finished_job_is_kept_for_the_retention(ahead_ms, is_kept):
    async def look():
        async with desk() as d:
            number, live = await d.submit(), await d.submit()
            await d.store.cancel(1, [number])
            d.clock.ahead_ms += ahead_ms
            await Upkeep(d.store, retention_ms=2 * DAY_MS).prune()
            return await d.row(number), await d.row(live)

    row, live = run(look())
    assert (row is not None) is is_kept
    assert live.phase is Phase.WAITING


def test_pruning_goes_on_until_nothing_old_is_left(monkeypatch):
    monkeypatch.setattr(rounds, "BATCH", 3)

    async def look():
        async with desk() as d:
            numbers = [await d.submit() for _ in range(10)]
            await d.store.cancel(1, numbers)
            d.clock.ahead_ms += 40 * DAY_MS
            await Upkeep(d.store).prune()
            return [await d.row(number) for number in numbers]

    assert run(look()) == [None] * 10


def test_pruning_forgets_run_times_slots_and_backlogs_that_tell_nothing_any_more():
    tables = ("run_time", "worker_queue", "backlog")

    async def look():
        async with desk() as d:
            number, live = await d.submit(), await d.submit()
            await d.store.heartbeat("w", lease_ms=90 * DAY_MS)

            def fill(tx):
                add_runs(tx, {RunGroup("default", "work", 1, 20): Tally(1, 1_000)})
                set_slots(tx, "w", {"default": 1})
                set_slots(tx, "gone", {"default": 1})
                add_backlog(tx, 1, [number, live])

            await d.store.write(fill)
            await d.store.cancel(1, [number])
            d.clock.ahead_ms += 8 * DAY_MS
            await Upkeep(d.store).prune()
            counts = [await d.store.read(lambda r, t=t: r.query(f"SELECT count(*) FROM {t}")[0][0]) for t in tables]
            return dict(zip(tables, counts, strict=True))

    assert run(look()) == {"run_time": 0, "worker_queue": 1, "backlog": 1}


def test_counters_are_folded_beside_the_rounds():
    async def look():
        async with desk() as d:
            folded = asyncio.Event()
            fold = d.store.fold

            def hear():
                folded.set()
                return fold()

            d.store.fold = hear
            async with upkeep_of(d.store, round_ms=3_600_000):
                await folded.wait()

    run(look())


def test_old_jobs_are_pruned_by_themselves_after_the_start():
    async def look():
        async with desk() as d:
            number = await d.submit()
            await d.store.cancel(1, [number])
            d.clock.ahead_ms += 40 * DAY_MS
            witness = await d.submit(run_at=d.clock() + 50)
            async with upkeep_of(d.store):
                await d.until_phase(witness, Phase.WAITING)
                return await d.row(number)

    assert run(look()) is None


def test_a_cancellation_ends_upkeep_even_as_the_ledger_moves(monkeypatch):
    monkeypatch.setattr(rounds, "SETTLE_MS", 0)

    async def look():
        loop = asyncio.get_running_loop()

        def cancel_after(steps, task):
            if steps:
                loop.call_soon(cancel_after, steps - 1, task)
            else:
                task.cancel()

        async with desk() as d:
            for steps in range(6):
                task = asyncio.create_task(Upkeep(d.store, round_ms=3_600_000).run())
                await d.until_upkeep_rests()
                end = d.store.listen(lambda _, s=steps, t=task: loop.call_soon_threadsafe(cancel_after, s, t))
                await d.submit()
                done, _ = await asyncio.wait([task], timeout=2)
                end()
                assert done, f"upkeep runs on after a cancellation {steps} steps after a commit"

    run(look())


def test_a_failing_round_is_tried_again(monkeypatch):
    monkeypatch.setattr(rounds, "SETTLE_MS", 1)
    failures = []

    async def look():
        async with desk() as d:
            promote = d.store.promote

            def fail_twice(limit):
                if len(failures) < 2:
                    failures.append(limit)
                    raise OSError("the disk is away")
                return promote(limit)

            d.store.promote = fail_twice
            async with upkeep_of(d.store, round_ms=10):
                return await d.until_phase(await d.submit(run_at=d.clock() + 20), Phase.WAITING)

    assert run(look()).phase is Phase.WAITING
    assert len(failures) == 2
