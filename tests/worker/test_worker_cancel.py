"""Cancelling a job that runs: on the loop, in a thread, in a child process."""

import asyncio
import threading

import pytest
from worker_house import ALICE, Gate, kind_of, run, working_house
from worker_targets import hang_in_child

from jobwire.domain.phases import Phase
from jobwire.domain.states import Event
from jobwire.kinds.contract import Cancelled, Context
from jobwire.worker import loop as worker_loop


@pytest.fixture(autouse=True)
def short_ticks(monkeypatch):
    monkeypatch.setattr(worker_loop, "TICK_S", 0.01)
    monkeypatch.setattr(worker_loop, "STOP_GRACE_S", 0.1)


async def fine() -> int:
    return 1


async def cancel_and_look(house, number):
    """Cancel the running job; its end, and whether the only slot is free again."""
    reply = (await house.store.cancel(ALICE, [number]))[0]
    assert reply.changed
    row = await house.until_final(number)
    return row, (await house.finish("fine")).phase, await house.store.events(0, number=number)


def check(row, after, events):
    assert (row.phase, row.output, after) == (Phase.CANCELLED, None, Phase.COMPLETED)
    assert [Event(entry.event) for entry in events][-2:] == [Event.CANCEL_REQUESTED, Event.CANCELLED]


def test_an_async_handler_is_cancelled_and_cleans_up():
    cleaned = []

    async def look():
        gate = Gate()

        async def work() -> None:
            try:
                await gate.pass_()
            finally:
                cleaned.append(True)

        async with working_house(work, fine, slots=1) as house:
            number = await house.submit("work")
            await gate.reached()
            return await cancel_and_look(house, number)

    check(*run(look()))
    assert cleaned == [True]


def test_an_async_handler_that_never_listens_is_given_up_on():
    async def look():
        gate = Gate()

        async def work() -> None:
            while not gate._open.is_set():
                try:
                    await gate.pass_()
                except asyncio.CancelledError:
                    continue

        async with working_house(work, fine, slots=1) as house:
            number = await house.submit("work")
            await gate.reached()
            try:
                return await cancel_and_look(house, number)
            finally:
                gate.open()

    check(*run(look()))


def test_a_handler_that_fails_while_it_is_cancelled_ends_cancelled():
    async def look():
        gate = Gate()

        async def work() -> None:
            try:
                await gate.pass_()
            finally:
                raise ValueError("the clean-up failed")

        async with working_house(work, fine, slots=1) as house:
            number = await house.submit("work")
            await gate.reached()
            return await cancel_and_look(house, number)

    check(*run(look()))


def test_a_handler_that_finishes_first_completes_although_a_cancel_was_asked():
    async def look():
        gate = Gate()

        async def work() -> str:
            try:
                await gate.pass_()
            except asyncio.CancelledError:
                return "done anyway"

        async with working_house(work, slots=1) as house:
            number = await house.submit("work")
            await gate.reached()
            await house.store.cancel(ALICE, [number])
            return await house.until_final(number)

    row = run(look())
    assert (row.phase, row.output) == (Phase.COMPLETED, '"done anyway"')


def test_a_thread_ends_cancelled_and_hears_of_it_when_it_asks():
    heard = threading.Event()
    go_on = threading.Event()

    async def look():
        gate = Gate()

        def work(ctx: Context) -> str:
            gate.open()
            gate.pass_in_thread()
            go_on.wait(20)
            try:
                ctx.check_cancelled()
            except Cancelled:
                heard.set()
                raise
            return "not heard"

        async with working_house(work, fine, slots=1) as house:
            number = await house.submit("work")
            await gate.reached()
            try:
                return await cancel_and_look(house, number)
            finally:
                go_on.set()
                assert await asyncio.to_thread(heard.wait, 20)

    check(*run(look()))


def test_a_child_is_ended_with_its_job(tmp_path):
    log = tmp_path / "pids"

    async def look():
        kind = kind_of(hang_in_child, isolation="process")
        async with working_house(kind, fine, slots=1, with_children=True) as house:
            number = await house.submit("hang_in_child", {"log": str(log)})
            await house.until(number, lambda row: row.progress is not None)
            return await cancel_and_look(house, number)

    check(*run(look()))
    (pid,) = log.read_text().split()
    with pytest.raises(ProcessLookupError):
        __import__("os").kill(int(pid), 0)


def test_a_waiting_job_is_cancelled_at_once_and_never_runs():
    runs = []

    async def look():
        gate = Gate()

        async def work(ctx: Context) -> None:
            runs.append(ctx.number)
            await gate.pass_()

        async with working_house(work, slots=1) as house:
            first = await house.submit("work")
            await gate.reached()
            second = await house.submit("work")
            await house.store.cancel(ALICE, [second])
            cancelled = await house.row(second)
            gate.open()
            return (await house.until_final(first)).phase, cancelled.phase

    assert run(look()) == (Phase.COMPLETED, Phase.CANCELLED)
    assert runs == [1]


@pytest.mark.parametrize("end", ["retry", "snooze"])
def test_a_cancelled_job_never_goes_back_to_its_queue(end):
    async def look():
        gate = Gate()

        async def work(ctx: Context) -> None:
            await gate.pass_()
            if end == "snooze":
                ctx.snooze(1)
            raise ValueError

        async with working_house(work, slots=1, lease_ms=60_000) as house:
            house.worker._hear = lambda _: None
            number = await house.submit("work")
            await gate.reached()
            gate.open()
            await house.store.cancel(ALICE, [number])
            return await house.until_final(number)

    assert run(look()).phase is Phase.CANCELLED
