"""Time limits, slots, and turns among owners and workers."""

import asyncio
import threading
from collections import deque

import pytest
from worker_house import ALICE, BOB, Gate, error_of, kind_of, open_house, run, working_house

from jobwire.domain.phases import Phase
from jobwire.kinds.contract import Context
from jobwire.worker import loop as worker_loop

SLOW = "50ms"


@pytest.fixture(autouse=True)
def short_ticks(monkeypatch):
    monkeypatch.setattr(worker_loop, "TICK_S", 0.01)
    monkeypatch.setattr(worker_loop, "STOP_GRACE_S", 0.1)


def test_an_async_attempt_over_its_time_is_stopped_and_tried_again():
    calls = []

    async def work(ctx: Context) -> int:
        calls.append(ctx.attempt)
        if ctx.attempt == 1:
            await asyncio.Event().wait()
        return ctx.attempt

    async def look():
        async with working_house(kind_of(work, timeout=SLOW)) as house:
            row = await house.finish("work")
            return row, await house.store.attempts(row.number)

    row, attempts = run(look())
    assert (row.output, calls, [entry.code for entry in attempts]) == ("2", [1, 2], ["timeout"])


def test_a_thread_over_its_time_is_left_behind_and_learns_that_it_must_stop():
    left = threading.Event()
    seen = []

    def work(ctx: Context) -> None:
        left.wait(20)
        try:
            ctx.check_cancelled()
        except BaseException as error:
            seen.append(type(error).__name__)
            raise
        finally:
            done.set()

    done = threading.Event()

    async def look():
        async with working_house(kind_of(work, timeout=SLOW, attempts=1)) as house:
            row = await house.finish("work")
            left.set()
            await asyncio.to_thread(done.wait, 20)
            return row, await house.row(row.number)

    row, after = run(look())
    assert (row.phase, error_of(row)["code"], error_of(row)["retryable"]) == (Phase.FAILED, "timeout", True)
    assert "0.05 s" in error_of(row)["message"]
    assert seen == ["LeaseLost"]
    assert after == row


def test_a_thread_that_never_returns_takes_no_slot_from_the_next_job():
    left = threading.Event()

    def stuck() -> None:
        left.wait(20)

    def fine() -> int:
        return 1

    async def look():
        kinds = (kind_of(stuck, timeout=SLOW, attempts=1), kind_of(fine, timeout="5s"))
        async with working_house(*kinds, slots=1) as house:
            try:
                for _ in range(3):
                    await house.finish("stuck")
                return await house.finish("fine")
            finally:
                left.set()

    assert run(look()).phase is Phase.COMPLETED


def test_a_handler_that_swallows_its_cancellation_is_given_up_on_and_its_late_result_refused():
    async def look():
        gate = Gate()

        async def work() -> str:
            while True:
                try:
                    await gate.pass_()
                    return "late"
                except asyncio.CancelledError:
                    continue

        async def next_job() -> int:
            return 1

        async with working_house(kind_of(work, timeout=SLOW, attempts=1), next_job, slots=1) as house:
            row = await house.finish("work")
            after = await house.finish("next_job")
            gate.open()
            await asyncio.gather(*(task for task in asyncio.all_tasks() if "Worker._run" in repr(task)))
            return row, after, await house.row(row.number)

    row, after, late = run(look())
    assert (row.phase, error_of(row)["code"], after.phase) == (Phase.FAILED, "timeout", Phase.COMPLETED)
    assert late == row


class Meter:
    """Counts what runs; lets the oldest job go whenever all slots are taken or all jobs have begun."""

    def __init__(self, slots, jobs):
        self._loop = asyncio.get_running_loop()
        self._slots, self._jobs = slots, jobs
        self._waiting = deque()
        self.running, self.begun, self.most = 0, 0, 0

    async def work(self):
        self.running += 1
        self.begun += 1
        self.most = max(self.most, self.running)
        told = self._loop.create_future()
        self._waiting.append(told)
        if self.running >= self._slots or self.begun == self._jobs:
            # Soon, after all that were started together have begun.
            self._loop.call_soon(self._let_go)
        await told
        self.running -= 1
        if self.begun == self._jobs:
            self._let_go()

    def work_in_thread(self):
        asyncio.run_coroutine_threadsafe(self.work(), self._loop).result(20)

    def _let_go(self):
        if self._waiting:
            self._waiting.popleft().set_result(None)


@pytest.mark.parametrize("slots", [1, 2, 5])
@pytest.mark.parametrize("form", ["work", "work_in_thread"])
def test_never_more_jobs_run_than_there_are_slots(slots, form):
    async def look():
        meter = Meter(slots, 20)
        async with open_house(kind_of(getattr(meter, form))) as house:
            numbers = [await house.submit(form) for _ in range(20)]
            async with house.running(house.make_worker(slots=slots)):
                rows = [await house.until_final(number) for number in numbers]
        return meter, {row.phase for row in rows}

    meter, phases = run(look())
    assert (meter.most, meter.begun, phases) == (slots, 20, {Phase.COMPLETED})


def test_a_burst_fills_the_slots_that_are_free_and_no_more():
    async def look():
        meter = Meter(4, 8)
        async with working_house(kind_of(meter.work), slots=4) as house:
            first = await house.submit("work")
            await house.until_phase(first, Phase.RUNNING)
            for number in await house.submit_many(7, "work"):
                await house.until_final(number)
            await house.until_final(first)
        return meter.most

    assert run(look()) == 4


def test_each_queue_has_its_own_slots():
    async def look():
        gate = Gate()

        async def slow() -> None:
            await gate.pass_()

        async def quick() -> int:
            return 1

        kinds = (kind_of(slow, queue="slow"), kind_of(quick, queue="quick"))
        async with working_house(*kinds, slots={"slow": 1, "quick": 1}) as house:
            blocked = await house.submit("slow")
            await gate.reached()
            quick_row = await house.finish("quick")
            gate.open()
            return quick_row, await house.until_final(blocked)

    quick, slow = run(look())
    assert (quick.phase, slow.phase) == (Phase.COMPLETED, Phase.COMPLETED)
    assert quick.finalized_at <= slow.finalized_at


def test_a_queue_without_slots_is_not_claimed_from():
    async def look():
        async def work() -> int:
            return 1

        async with working_house(kind_of(work, queue="a"), slots={}) as house:
            number = await house.submit("work")
            return await house.row(number), len(house.worker._pumps)

    row, pumps = run(look())
    assert (row.phase, pumps) == (Phase.WAITING, 0)


def test_two_workers_share_a_queue_and_no_job_runs_twice():
    runs = []

    async def work(ctx: Context) -> int:
        runs.append(ctx.number)
        await asyncio.sleep(0)
        return ctx.number

    async def look():
        async with open_house(work) as house:
            first, second = house.make_worker(slots=3), house.make_worker(slots=3)
            async with house.running(first), house.running(second):
                numbers = [await house.submit("work") for _ in range(60)]
                rows = [await house.until_final(number) for number in numbers]
            return rows, [event.event for event in await house.store.events(0)]

    rows, _ = run(look())
    assert sorted(runs) == [row.number for row in rows]
    assert {(row.phase, row.fence) for row in rows} == {(Phase.COMPLETED, 1)}


def test_owners_are_served_in_turn_whatever_their_backlogs():
    order = []

    async def work(ctx: Context) -> None:
        order.append(ctx.owner)

    async def look():
        async with open_house(work) as house:
            flood = [await house.submit("work", owner=ALICE) for _ in range(30)]
            few = [await house.submit("work", owner=BOB) for _ in range(5)]
            async with house.running(house.make_worker(slots=1)):
                for number in few:
                    await house.until_final(number, BOB)
                for number in flood:
                    await house.until_final(number)

    run(look())
    assert order[:10] == [ALICE, BOB] * 5
    assert order[10:] == [ALICE] * 25


def test_a_newcomer_starts_within_one_round_of_a_running_backlog():
    order = []

    async def look():
        gate = Gate()

        async def work(ctx: Context) -> None:
            order.append(ctx.owner)
            if len(order) == 10:
                await gate.pass_()

        async with open_house(work) as house:
            flood = [await house.submit("work", owner=ALICE) for _ in range(40)]
            async with house.running(house.make_worker(slots=1)):
                await gate.reached()
                late = await house.submit("work", owner=BOB)
                gate.open()
                await house.until_final(late, BOB)
                await house.until_final(flood[-1])

    run(look())
    assert order.index(BOB) in (10, 11)
