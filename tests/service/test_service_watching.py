"""Watching over a real ledger: nobody who waits is forgotten, whatever is lost on the way, and no past has a gap."""

import asyncio
import threading

import pytest

from jobwire.config import read_settings
from jobwire.domain.ids import make_key
from jobwire.domain.job import NewJob
from jobwire.domain.outcome import Completed
from jobwire.domain.retry import RetryPolicy
from jobwire.domain.settlement import AttemptFacts, Lease, settle_outcome
from jobwire.domain.states import FINAL_EVENTS, FINAL_STATES
from jobwire.kinds.registry import Registry
from jobwire.service import tail as service_tail
from jobwire.service import watching as service_watching
from jobwire.service.admission import Admission
from jobwire.service.call import Principal
from jobwire.service.estimates import Estimates
from jobwire.service.jobs import Jobs
from jobwire.service.tail import Tail
from jobwire.service.watching import Watching
from jobwire.store.contract import ClaimRequest
from jobwire.wiring import open_house

ADA = Principal(1, "ada", "k", frozenset())
WITHIN_S = 20


class Deaf:
    """A store that hears of no commit, and whose log cannot be read for the first few times."""

    def __init__(self, store, *, failures=0):
        self._store = store
        self.failures = failures
        self.reads = 0

    def __getattr__(self, name):
        return getattr(self._store, name)

    def listen(self, wake):
        return lambda: None

    def events(self, after, **options):
        self.reads += 1
        if self.failures:
            self.failures -= 1
            raise OSError("away")
        return self._store.events(after, **options)


class Desk:
    """A ledger, who watches it, and what happens to its jobs."""

    def __init__(self, store, clock, seen_as=None):
        self.store = store
        seen = seen_as or store
        self.watching = Watching(seen, Jobs(seen, Registry([]), clock, Admission(store, Estimates(store, clock))))
        self._made = 0

    async def submit(self, count=1):
        jobs = [NewJob(make_key(self._made + n, n), 1, "work", "default", "{}") for n in range(count)]
        self._made += count
        return [await self.row(receipt.number) for receipt in await self.store.submit(jobs)]

    async def row(self, number):
        return await self.store.get(1, number=number)

    async def work(self, count=1):
        claims = await self.store.claim(ClaimRequest("w", "default", count))
        facts = AttemptFacts(1, 5, 0, False)
        for claim in claims:
            lease = Lease(claim.number, claim.fence)
            done = settle_outcome(lease, Completed("1"), facts=facts, policy=RetryPolicy(), jitter=0.5)
            await self.store.settle([done])

    async def wait(self, row, *, wait_s=WITHIN_S):
        return await self.watching.wait(
            ADA, row, wait_s=wait_s, is_enough=lambda row: row.state in FINAL_STATES, wanted=FINAL_EVENTS, gone=stay
        )

    async def read_history(self, row, after=0):
        return [event.no async for events in self.watching.read_history(row, after) for event in events]


async def stay():
    await asyncio.Event().wait()


@pytest.fixture
def desk(store, clock):
    return Desk(store, clock)


def test_all_who_wait_are_told_by_one_reader_of_the_log(store, clock):
    seen = Deaf(store)
    desk = Desk(store, clock, seen)
    seen.listen = store.listen

    async def run():
        rows = await desk.submit(300)
        waits = [asyncio.create_task(desk.wait(row)) for row in rows]
        while desk.watching.tail.open_watches < 300:  # noqa: ASYNC110 - nobody tells a test
            await asyncio.sleep(0)
        seen.reads = 0
        await store.cancel(1, [row.number for row in rows])
        told = await asyncio.gather(*waits)
        assert all(row.state in FINAL_STATES for row in told)
        assert seen.reads < 20 and desk.watching.tail.open_watches == desk.watching.waits.taken == 0

    asyncio.run(run())


def test_who_waits_is_told_although_no_commit_is_heard_and_the_log_is_away_for_a_while(store, clock, monkeypatch):
    monkeypatch.setattr(service_tail, "POLL_S", 0.01)
    desk = Desk(store, clock, Deaf(store, failures=3))

    async def run():
        [row] = await desk.submit()
        waiting = asyncio.create_task(desk.wait(row))
        await asyncio.sleep(0)
        await desk.work()
        assert (await waiting).state in FINAL_STATES

    asyncio.run(run())


def test_a_ledger_that_is_away_refuses_a_wait_and_the_next_one_is_tried_again(desk, monkeypatch):
    async def run():
        [row] = await desk.submit()
        read = desk.store.read
        monkeypatch.setattr(desk.store, "read", lambda work: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            await desk.wait(row)
        monkeypatch.setattr(desk.store, "read", read)
        assert (await desk.wait(row, wait_s=0.01)).state == row.state
        assert desk.watching.waits.taken == 0

    asyncio.run(run())


def test_the_tail_rests_when_nobody_has_waited_for_a_while_and_wakes_for_the_next(desk, monkeypatch):
    monkeypatch.setattr(service_tail, "LINGER_S", 0.05)
    monkeypatch.setattr(service_tail, "POLL_S", 0.01)

    async def run():
        for _ in range(2):
            [row] = await desk.submit()
            assert (await desk.wait(row, wait_s=0.01)).state == row.state
            async with asyncio.timeout(WITHIN_S):
                await desk.watching.tail._task
            await desk.work()
            assert (await desk.wait(row)).state in FINAL_STATES
            async with asyncio.timeout(WITHIN_S):
                await desk.watching.tail._task

    asyncio.run(run())


def test_a_watch_keeps_so_many_events_and_is_cut_with_the_next():
    tail = Tail(None)
    watch = tail.open(1)
    event = service_watching.EventRow(1, 0, 1, 1, 1)
    for _ in range(service_tail.BUFFERED_MAX):
        watch.tell(event)
    assert not watch.is_cut
    watch.tell(event)
    assert watch.is_cut and len(watch.take()) == service_tail.BUFFERED_MAX
    tail.close(watch)
    assert tail.open_watches == 0


def test_a_past_has_no_gap_wherever_it_begins_and_however_long_the_log_is(desk, clock, monkeypatch):
    monkeypatch.setattr(service_watching, "LOOK_ENTRIES", 3)

    async def run():
        for _ in range(4):
            clock.now += 10
            await desk.submit(2)
            await desk.work(1)
        rows = await desk.submit(3)
        await desk.work(8)
        everything = await desk.store.events(0, limit=10_000)
        for row in [*rows, await desk.row(1), await desk.row(4)]:
            own = [event.no for event in everything if event.number == row.number]
            assert await desk.read_history(row) == own
            for index, number in enumerate(own):
                assert await desk.read_history(row, number) == own[index + 1 :]
            assert await desk.read_history(row, own[-1] + 1_000) == []

    asyncio.run(run())


def test_a_past_has_no_gap_although_the_clock_was_set_back(desk, clock, monkeypatch):
    monkeypatch.setattr(service_watching, "LOOK_ENTRIES", 2)

    async def run():
        for _ in range(6):
            await desk.submit()
        clock.now -= 100_000
        [row] = await desk.submit()
        clock.now += 50_000
        for _ in range(6):
            await desk.submit()
        await desk.work(13)
        own = [event.no for event in await desk.store.events(0, limit=10_000) if event.number == row.number]
        assert await desk.read_history(row) == own and len(own) == 3

    asyncio.run(run())


def test_who_followed_a_ledger_that_is_closed_ends_without_a_word(tmp_path, caplog):
    async def follow():
        house = open_house(read_settings({}, db=str(tmp_path / "jobs.db"), systems="none"))
        await house.services.watching.tail.start()
        (following,) = (task for task in asyncio.all_tasks() if task.get_name() == "jobwire-tail")
        house.close()
        await asyncio.wait_for(following, WITHIN_S)

    asyncio.run(follow())
    # Servers of other tests may still be ending in threads of theirs.
    assert not [record for record in caplog.records if record.thread == threading.get_ident()]
