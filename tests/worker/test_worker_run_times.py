"""What a worker tells of how long jobs held its slots, and what it does when the ledger does not listen."""

import logging
from collections import Counter

import pytest
from worker_house import Gate, open_house, refuse, run

from jobwire.domain.errors import RequestError
from jobwire.domain.phases import Phase
from jobwire.domain.retry import RetryPolicy
from jobwire.domain.run_times import bucket_of
from jobwire.kinds.contract import Context
from jobwire.kinds.registry import make_kind
from jobwire.store.estimates import RunGroup, read_runs, read_slots
from jobwire.worker import loop as worker_loop
from jobwire.worker.stopwatch import Stopwatch


async def runs_of(house):
    runs = Counter()
    for row in await house.store.read(lambda r: read_runs(r, 0)):
        runs[row.queue, row.kind, row.is_completed] += row.runs
    return runs


async def slots_of(house):
    return await house.store.read(lambda r: read_slots(r, 0))


def test_what_ended_is_written_when_the_worker_stops_and_its_slots_are_gone():
    async def look():
        def work() -> int:
            return 1

        def fail() -> int:
            raise refuse()

        async with open_house(make_kind(work), make_kind(fail, attempts=1, queue="other")) as house:
            async with house.running(house.make_worker(slots={"default": 3, "other": 1})):
                numbers = await house.submit_many(7, "work")
                failed = await house.submit("fail")
                for number in (*numbers, failed):
                    await house.until_final(number)
                slots = await slots_of(house)
            return slots, await runs_of(house), await slots_of(house)

    slots, runs, left = run(look())
    assert slots == {"default": 3, "other": 1}
    assert runs == {("default", "work", 1): 7, ("other", "fail", 0): 1}
    assert left == {}


def test_run_times_are_written_while_the_worker_runs(monkeypatch):
    monkeypatch.setattr(worker_loop, "WRITE_S", 0.01)

    async def look():
        def work() -> int:
            return 1

        async with open_house(work) as house, house.running(house.make_worker()):
            await house.finish("work")
            while await runs_of(house) != {("default", "work", 1): 1}:
                continue

    run(look())


def test_each_attempt_of_a_job_counts_and_an_interrupted_one_held_its_slot_too():
    async def look():
        gate = Gate()

        async def work(ctx: Context) -> int:
            if ctx.attempt == 1:
                raise refuse(retryable=True)
            await gate.pass_()
            return 1

        async with open_house(make_kind(work, retry=RetryPolicy(first_ms=1, longest_ms=1))) as house:
            async with house.running(house.make_worker()):
                number = await house.submit("work")
                await house.until_phase(number, Phase.RETRYING)
                while not gate.count:
                    await house.store.promote()
            return await runs_of(house)

    assert run(look()) == {("default", "work", 0): 2}


def test_the_time_is_from_the_claim_to_the_settlement_on_disk():
    async def look():
        async with open_house() as house:
            stopwatch = Stopwatch(house.store, "w")
            stopwatch.tally("q", [("k", True, 10.0), ("k", True, 10.0), ("k", False, 11.5)], until=12.0)
            stopwatch.tally("q", [("k", True, 10.0)], until=12.01)
            await stopwatch.write({})
            return await house.store.read(lambda r: read_runs(r, 0))

    rows = run(look())
    assert {RunGroup(*row[1:5]): row[5:] for row in rows} == {
        RunGroup("q", "k", 1, bucket_of(2_000)): (3, 6_010_000),
        RunGroup("q", "k", 0, bucket_of(500)): (1, 500_000),
    }


def test_nothing_new_writes_nothing_and_changed_slots_do():
    async def look():
        async with open_house() as house:
            written = []
            write = house.store.write
            house.store.write = lambda work: written.append(work) or write(work)
            stopwatch = Stopwatch(house.store, "w")
            for slots in ({}, {"q": 2}, {"q": 2}, {"q": 1}, {}):
                await stopwatch.write(slots)
            return len(written)

    assert run(look()) == 3


def test_run_times_that_could_not_be_written_are_written_the_next_time(caplog):
    async def look():
        async with open_house() as house:
            stopwatch = Stopwatch(house.store, "w")
            write = house.store.write
            stopwatch.tally("q", [("k", True, 0.0)], until=1.0)

            def refuse_writing(work):
                raise RequestError("unavailable", "The disk is full.")

            house.store.write = refuse_writing
            await stopwatch.write({})
            house.store.write = write
            stopwatch.tally("q", [("k", True, 0.0)], until=1.0)
            await stopwatch.write({})
            return await runs_of(house)

    with caplog.at_level(logging.WARNING):
        assert run(look()) == {("q", "k", 1): 2}
    assert "The disk is full." in caplog.text


@pytest.mark.parametrize("error", [RuntimeError("a bug"), RequestError("unavailable", "closed")])
def test_a_worker_outlives_what_happens_to_its_run_times(monkeypatch, error):
    monkeypatch.setattr(worker_loop, "WRITE_S", 0.001)

    class Deaf:
        def write(self, work):
            raise error

    async def look():
        def work() -> int:
            return 1

        async with open_house(work) as house:
            worker = house.make_worker()
            worker.stopwatch = Stopwatch(Deaf(), worker.id)
            async with house.running(worker):
                return [(await house.finish("work")).phase for _ in range(5)]

    assert run(look()) == [Phase.COMPLETED] * 5
