"""Durable steps: a retry goes on after the last one that was completed."""

import asyncio
import contextlib

import pytest
from worker_house import ALICE, Gate, error_of, finish, kind_of, open_house, refuse, run, working_house
from worker_targets import append, step_in_child

from jobwire.domain.phases import Phase
from jobwire.kinds.contract import Context
from jobwire.store.contract import LeaseLost
from jobwire.worker import loop as worker_loop
from jobwire.worker.context import STEP_NAME_CHARS_MAX


async def step_in_loop(ctx: Context, log: str) -> int:
    async def work(name: str) -> str:
        append(log, name)
        return name

    await ctx.step("first", lambda: work("first"))
    await ctx.step("second", lambda: append(log, "second"))
    if ctx.attempt == 1:
        raise refuse(retryable=True)
    await ctx.step("third", lambda: work("third"))
    return ctx.attempt


def step_in_thread(ctx: Context, log: str) -> int:
    async def work(name: str) -> str:
        append(log, name)
        return name

    ctx.step("first", lambda: append(log, "first"))
    ctx.step("second", lambda: work("second"))
    if ctx.attempt == 1:
        raise refuse(retryable=True)
    ctx.step("third", lambda: append(log, "third"))
    return ctx.attempt


@pytest.mark.parametrize(
    ("handler", "isolation"), [(step_in_loop, "none"), (step_in_thread, "none"), (step_in_child, "process")]
)
def test_a_retry_resumes_after_the_last_completed_step(handler, isolation, tmp_path):
    log = tmp_path / "log"

    async def look():
        kind = kind_of(handler, name="work", isolation=isolation)
        async with working_house(kind, with_children=isolation == "process") as house:
            row = await house.finish("work", {"log": str(log)})
            return row, await house.store.steps(row.number)

    row, steps = run(look())
    assert (row.phase, row.output) == (Phase.COMPLETED, "2")
    assert log.read_text().split() == ["first", "second", "third"]
    assert set(steps) == {"first", "second", "third"}


def test_the_first_run_sees_a_step_as_a_retry_will():
    async def work(ctx: Context) -> list:
        return [await ctx.step("pair", lambda: (1, 2)), await ctx.step("keys", lambda: {1: "a"})]

    row, _, _ = finish(work)
    assert row.output == '[[1,2],{"1":"a"}]'


def test_a_step_that_fails_is_worked_again():
    tries = []

    async def work(ctx: Context) -> int:
        def flaky() -> int:
            tries.append(ctx.attempt)
            if len(tries) < 3:
                raise refuse(retryable=True)
            return len(tries)

        return await ctx.step("flaky", flaky)

    row, _, _ = finish(work)
    assert (row.output, tries) == ("3", [1, 2, 3])


def test_a_step_whose_result_is_null_is_not_worked_again():
    tries = []

    async def work(ctx: Context) -> None:
        await ctx.step("nothing", lambda: tries.append(1))
        if ctx.attempt == 1:
            raise refuse(retryable=True)

    row, _, _ = finish(work)
    assert (row.phase, tries) == (Phase.COMPLETED, [1])


@pytest.mark.parametrize(
    ("length", "phase"),
    [
        (0, Phase.FAILED),
        (1, Phase.COMPLETED),
        (STEP_NAME_CHARS_MAX, Phase.COMPLETED),
        (STEP_NAME_CHARS_MAX + 1, Phase.FAILED),
    ],
)
def test_the_name_of_a_step_has_bounds(length, phase):
    async def work(ctx: Context) -> None:
        await ctx.step("x" * length, lambda: 1)

    row, _, _ = finish(work, attempts=1)
    assert row.phase is phase


def test_a_step_whose_result_is_not_json_fails_the_job():
    async def work(ctx: Context) -> None:
        await ctx.step("odd", object)

    row, _, _ = finish(work)
    assert error_of(row)["code"] == "output_invalid"


def test_a_step_that_comes_after_the_lease_was_lost_is_not_kept(monkeypatch):
    monkeypatch.setattr(worker_loop, "TICK_S", 0.01)
    refused = []

    async def look():
        gate, is_refused = Gate(), asyncio.Event()

        async def work(ctx: Context) -> int:
            if ctx.attempt == 1:
                # Ends by the cancellation that a lost lease brings.
                with contextlib.suppress(asyncio.CancelledError):
                    await gate.pass_()
                try:
                    await ctx.step("late", lambda: "stale")
                except LeaseLost as error:
                    refused.append(str(error))
                    is_refused.set()
                    raise
            return ctx.attempt

        async with open_house(work) as house:
            worker = house.make_worker(slots=1)
            async with house.running(worker):
                number = await house.submit("work")
                await gate.reached()
                # Together, so that no heartbeat comes between.
                house.store.retire(worker.id)
                assert await house.store.rescue() == 1
                row = await house.until_final(number)
                await is_refused.wait()
                return row, await house.store.steps(number)

    row, steps = run(look())
    assert (row.phase, row.owner, steps) == (Phase.COMPLETED, ALICE, {})
    assert refused == ["step 'late' of job 1 came too late"]
