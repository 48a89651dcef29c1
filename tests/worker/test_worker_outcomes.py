"""How an attempt ends, and what customer and operator are told: values, refusals, accidents."""

import asyncio
import logging
import sys
import threading
from dataclasses import dataclass

import msgspec
import pytest
from worker_house import error_of, finish, kind_of, refuse, run, working_house

from jobwire.domain.errors import JobError
from jobwire.domain.phases import Phase
from jobwire.domain.retry import RetryPolicy
from jobwire.domain.states import Event, Reason
from jobwire.kinds.contract import Cancelled, Context
from jobwire.kinds.schema import OUTPUT_BYTES_MAX
from jobwire.worker.executor import DETAILS_BYTES_MAX, INTERNAL_MESSAGE

COUNTED = (Event.CLAIMED, Event.RETRIED, Event.FAILED, Event.COMPLETED, Event.SNOOZED, Event.INTERRUPTED)


@dataclass
class Photo:
    width: int
    height: int = 2


def story_of(events):
    return [Event(entry.event).name.lower() for entry in events if entry.event in COUNTED]


def in_thread(function):
    """The same handler as a plain function."""

    def handler() -> object:
        return function()

    return handler


def in_loop(function):
    async def handler() -> object:
        return function()

    return handler


FORMS = pytest.mark.parametrize("form", [in_loop, in_thread])


def test_an_async_handler_gets_its_typed_input_and_its_value_is_the_result():
    async def area(width: int, height: int = 3) -> dict:
        return {"area": width * height}

    row, _, events = finish(area, {"width": 7})
    assert (row.phase, row.output, row.error, row.attempt) == (Phase.COMPLETED, '{"area":21}', None, 1)
    assert story_of(events) == ["claimed", "completed"]


def test_a_plain_handler_runs_in_a_thread_and_its_value_is_the_result():
    def area(photo: Photo) -> Photo:
        assert threading.current_thread() is not threading.main_thread()
        return Photo(photo.width * photo.height, 1)

    row, _, _ = finish(area, {"width": 7})
    assert row.output == '{"width":14,"height":1}'


def test_the_context_comes_first_and_names_the_job():
    async def who(ctx: Context, a: int) -> list:
        return [ctx.job_id, ctx.number, ctx.owner, ctx.attempt, a]

    row, _, _ = finish(who, {"a": 4})
    assert msgspec.json.decode(row.output) == [f"job_{row.key}", 1, 1, 1, 4]


@FORMS
def test_a_permanent_error_ends_the_job_at_its_first_attempt(form):
    def work():
        raise refuse("too_dark", details={"lux": 3})

    row, attempts, events = finish(form(work), attempts=5, name="work")
    assert (row.phase, row.reason, row.attempt) == (Phase.FAILED, Reason.ERROR, 1)
    assert error_of(row) == {"code": "too_dark", "message": "No luck.", "retryable": False, "details": '{"lux":3}'}
    assert story_of(events) == ["claimed", "failed"]
    assert [(entry.event, entry.code) for entry in attempts] == [("failed", "too_dark")]


@FORMS
def test_a_retryable_error_is_tried_again_until_it_works(form):
    calls = []

    def work():
        calls.append(1)
        if len(calls) < 3:
            raise refuse(retryable=True)
        return len(calls)

    row, attempts, _ = finish(form(work), attempts=5, name="work")
    assert (row.phase, row.output, row.error, row.attempt) == (Phase.COMPLETED, "3", None, 3)
    assert [(entry.attempt, entry.event) for entry in attempts] == [(1, "retried"), (2, "retried")]


def test_the_last_attempt_of_a_retryable_error_ends_the_job():
    async def work():
        raise refuse(retryable=True)

    row, attempts, _ = finish(work, attempts=3)
    assert (row.phase, row.reason, row.attempt) == (Phase.FAILED, Reason.ATTEMPTS_EXHAUSTED, 3)
    assert error_of(row)["retryable"] is True
    assert [entry.event for entry in attempts] == ["retried", "retried", "failed"]


def test_a_handler_says_when_its_next_attempt_may_come():
    async def work():
        raise refuse(retryable=True, retry_after_ms=3_600_000)

    async def look():
        async with working_house(work) as house:
            row = await house.until_phase(await house.submit("work"), Phase.RETRYING)
            return row.run_at - row.started_at

    assert 3_600_000 < run(look()) < 3_660_000


def test_the_kinds_retry_policy_says_how_long_to_wait():
    async def work():
        raise refuse(retryable=True)

    async def look():
        kind = kind_of(work, retry=RetryPolicy(first_ms=400_000, longest_ms=400_000))
        async with working_house(kind, jitter=lambda: 0.5) as house:
            row = await house.until_phase(await house.submit("work"), Phase.RETRYING)
            return row.run_at - row.started_at

    assert 200_000 < run(look()) < 260_000


@FORMS
def test_an_unexpected_exception_is_retried_and_shown_to_the_operator_alone(form):
    def work():
        raise ValueError("password=hunter2")

    row, attempts, _ = finish(form(work), attempts=2, name="work")
    assert (row.phase, row.reason) == (Phase.FAILED, Reason.ATTEMPTS_EXHAUSTED)
    assert (error_of(row)["code"], error_of(row)["message"]) == ("internal_error", INTERNAL_MESSAGE)
    assert "hunter2" not in row.error
    assert all("Traceback" in entry.internal and "hunter2" in entry.internal for entry in attempts)
    assert not any("executor.py" in entry.internal for entry in attempts), "it begins at the handler"


@FORMS
@pytest.mark.parametrize("value", [object(), float("nan"), {1: {2}, "x": object()}])
def test_an_output_that_is_not_json_fails_the_job_for_good(form, value):
    row, _, _ = finish(form(lambda: value), name="work")
    assert (row.phase, error_of(row)["code"], row.attempt) == (Phase.FAILED, "output_invalid", 1)


@pytest.mark.parametrize(("length", "phase"), [(-2, Phase.COMPLETED), (-1, Phase.FAILED)])
def test_an_output_has_a_greatest_size(length, phase):
    row, _, _ = finish(in_loop(lambda: "x" * (OUTPUT_BYTES_MAX + length)), name="work")
    assert row.phase is phase


@FORMS
def test_a_handler_that_exits_fails_its_job_and_not_the_worker(form):
    async def look():
        async def fine() -> int:
            return 1

        kind = kind_of(form(lambda: sys.exit(3)), name="work", attempts=1)
        async with working_house(kind, fine) as house:
            row = await house.finish("work")
            return row, (await house.finish("fine")).phase

    row, after = run(look())
    assert (row.phase, error_of(row)["code"], after) == (Phase.FAILED, "internal_error", Phase.COMPLETED)


def test_a_plain_handler_that_runs_an_iterator_dry_fails_at_once():
    def work() -> None:
        next(iter(()))

    row, attempts, _ = finish(work, attempts=1)
    assert error_of(row)["code"] == "internal_error"
    assert "StopIteration" in attempts[0].internal


@pytest.mark.parametrize("wait", [float("nan"), float("inf"), 1500.5, -5, "soon"])
def test_an_odd_wait_for_the_next_attempt_does_not_block_the_ledger(wait):
    async def work():
        raise refuse(retryable=True, retry_after_ms=wait)

    async def look():
        async with working_house(work) as house:
            row = await house.until(await house.submit("work"), lambda row: row.error is not None)
            return error_of(row)["code"], isinstance(row.run_at, int | None)

    assert run(look()) == ("no_luck", True)


async def cancel_own_task():
    task = asyncio.create_task(asyncio.Event().wait())
    asyncio.get_running_loop().call_soon(task.cancel)
    await task


async def claim_a_cancel_nobody_asked():
    raise Cancelled


@pytest.mark.parametrize("work", [cancel_own_task, claim_a_cancel_nobody_asked])
def test_a_cancellation_that_nobody_asked_for_costs_an_attempt(work):
    row, attempts, _ = finish(work, attempts=2)
    assert (row.phase, row.attempt, error_of(row)["code"]) == (Phase.FAILED, 2, "internal_error")
    assert "Cancelled" in attempts[0].internal


class OwnExit(BaseException):
    """As a library's cancellation: no Exception."""


@pytest.mark.parametrize("is_async", [True, False])
def test_what_is_no_exception_costs_an_attempt_like_one(is_async):
    async def work():
        raise OwnExit("gone")

    def work_in_thread():
        raise OwnExit("gone")

    row, attempts, _ = finish(work if is_async else work_in_thread, attempts=2)
    assert (row.phase, row.attempt, error_of(row)["code"]) == (Phase.FAILED, 2, "internal_error")
    assert "OwnExit" in attempts[0].internal


def test_a_code_with_a_nul_in_it_can_be_kept():
    async def work():
        raise JobError("a\x00b", "Odd.")

    row, _, _ = finish(work, attempts=1)
    assert (row.phase, error_of(row)["code"]) == (Phase.FAILED, "a\ufffdb")


@pytest.mark.parametrize("text", ["\udcff", "a\x00b", "\U0001f600", "x" * 100_000])
def test_any_text_of_an_error_can_be_kept(text, caplog):
    # A report with this log in it could not travel between the processes of a parallel run.
    caplog.set_level(logging.CRITICAL + 1, "jobwire.worker")

    async def work():
        raise RuntimeError(text)

    async def refuse_so():
        raise JobError("odd", text, details={"text": "fine"})

    row, attempts, _ = finish(work, attempts=1)
    assert (row.phase, error_of(row)["code"]) == (Phase.FAILED, "internal_error")
    assert "RuntimeError" in attempts[0].internal or len(text) > 1000
    row, _, _ = finish(refuse_so, attempts=1)
    assert (row.phase, error_of(row)["code"]) == (Phase.FAILED, "odd")


def nested(depth):
    value = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    "details",
    [{"a": object()}, {"a": "\ud800"}, {"a": nested(100_000)}, {"a": "x" * DETAILS_BYTES_MAX}],
    ids=["object", "surrogate", "deep", "too long"],
)
def test_details_that_cannot_be_kept_are_left_out(details):
    async def work():
        raise refuse(details=details)

    row, _, _ = finish(work)
    assert (row.phase, error_of(row)["code"], error_of(row)["details"]) == (Phase.FAILED, "no_luck", None)


def test_an_input_that_does_not_fit_its_kind_any_more_fails_for_good():
    async def work(width: int) -> int:
        return width

    row, _, _ = finish(work, {"breadth": 3})
    assert (row.phase, row.attempt, error_of(row)["code"]) == (Phase.FAILED, 1, "invalid_input")


@FORMS
def test_a_snooze_costs_no_attempt(form):
    naps = []

    def work(ctx: Context) -> int:
        naps.append(ctx.attempt)
        if len(naps) < 4:
            ctx.snooze(0.001)
        return len(naps)

    async def work_in_loop(ctx: Context) -> int:
        return work(ctx)

    row, attempts, events = finish(work if form is in_thread else work_in_loop, attempts=1, name="work")
    assert (row.phase, row.output, row.attempt, naps, attempts) == (Phase.COMPLETED, "4", 1, [1, 1, 1, 1], [])
    assert story_of(events) == ["claimed", "snoozed"] * 3 + ["claimed", "completed"]


@pytest.mark.parametrize("delay_s", [0, -1, 30 * 24 * 3600 + 1, float("nan")])
def test_a_snooze_has_bounds(delay_s):
    async def work(ctx: Context):
        ctx.snooze(delay_s)

    row, attempts, _ = finish(work, attempts=1)
    assert row.phase is Phase.FAILED
    assert "snooze takes between 0" in attempts[0].internal


def test_a_kind_nobody_knows_here_is_put_off_and_not_lost():
    async def known() -> int:
        return 1

    async def look():
        async with working_house(known) as house:
            number = await house.submit("unknown")
            await house.until(number, lambda row: row.phase is not Phase.WAITING and row.run_at is not None)
            row = await house.row(number)
            return row, (await house.finish("known")).phase

    row, other = run(look())
    assert (row.phase, row.reason, row.attempt) == (Phase.SCHEDULED, Reason.SNOOZED, 0)
    assert row.run_at > row.started_at
    assert other is Phase.COMPLETED
