"""Jobs whose handlers run in child processes, and dangerous parts of jobs that do."""

import asyncio
import os

import msgspec
import pytest
from worker_house import error_of, kind_of, progress_of, refuse, run, working_house
from worker_targets import (
    add_in_child,
    die,
    double,
    fail_in_child,
    hang_in_child,
    refuse_in_child,
    report_in_child,
    snooze_in_child,
)

from jobwire.domain.phases import Phase
from jobwire.domain.states import Event
from jobwire.kinds.contract import ChildLimits, Context
from jobwire.worker import loop as worker_loop
from jobwire.worker.executor import INTERNAL_MESSAGE


@pytest.fixture(autouse=True)
def short_ticks(monkeypatch):
    monkeypatch.setattr(worker_loop, "TICK_S", 0.01)


def finish(handler, value=None, **options):
    async def look():
        kind = kind_of(handler, isolation="process", **options)
        async with working_house(kind, with_children=True) as house:
            row = await house.finish(kind.name, value)
            events = await house.store.events(0, number=row.number)
            return row, await house.store.attempts(row.number), [Event(event.event) for event in events]

    return run(look())


def test_a_job_runs_in_a_process_of_its_own():
    row, _, _ = finish(add_in_child, {"a": 2})
    output = msgspec.json.decode(row.output)
    assert (output["sum"], output["attempt"]) == (3, 1)
    assert output["pid"] != os.getpid()


@pytest.mark.parametrize(("retryable", "attempts"), [(False, 1), (True, 3)])
def test_a_refusal_comes_back_as_itself(retryable, attempts):
    row, log, _ = finish(refuse_in_child, {"retryable": retryable}, attempts=3)
    assert (row.phase, row.attempt, error_of(row)["code"]) == (Phase.FAILED, attempts, "no_luck")
    assert len(log) == attempts


def test_a_traceback_of_the_child_is_for_the_operator_alone():
    row, log, _ = finish(fail_in_child, attempts=1)
    assert error_of(row)["message"] == INTERNAL_MESSAGE
    assert "hunter2" not in row.error
    assert "hunter2" in log[0].internal


@pytest.mark.slow
def test_a_child_over_the_jobs_time_is_killed(tmp_path):
    log = tmp_path / "pids"
    # Long enough for a busy machine to have started the child.
    row, _, _ = finish(hang_in_child, {"log": str(log)}, attempts=1, timeout="4s")
    assert (row.phase, error_of(row)["code"]) == (Phase.FAILED, "timeout")
    (pid,) = log.read_text().split()
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid), 0)


def test_a_child_over_its_own_limit_fails_the_job_for_good(tmp_path):
    limits = ChildLimits(wall_ms_max=200)
    row, _, _ = finish(hang_in_child, {"log": str(tmp_path / "pids")}, limits=limits)
    assert (row.phase, row.attempt, error_of(row)["code"]) == (Phase.FAILED, 1, "child_timeout")


def test_a_snooze_of_a_child_costs_no_attempt(tmp_path):
    row, _, events = finish(snooze_in_child, {"mark": str(tmp_path / "mark")}, attempts=1)
    assert (row.output, row.attempt) == ("1", 1)
    assert events.count(Event.SNOOZED) == 1


def test_progress_of_a_child_is_weighted_coalesced_and_seen_while_it_runs(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)

    async def look():
        kind = kind_of(report_in_child, isolation="process", stages={"read": 1, "write": 1})
        async with working_house(kind, with_children=True) as house:
            number = await house.submit("report_in_child", {"rows": 5_000, "pipe": str(pipe)})
            row = await house.until(number, lambda row: progress_of(row).get("message"))
            await asyncio.to_thread(pipe.write_text, "go on")
            await house.until_final(number)
            events = [event.event for event in await house.store.events(0, number=number)]
            return row, events.count(Event.PROGRESSED)

    row, commits = run(look())
    shown = progress_of(row)
    assert (row.phase, shown["percent"], shown["stage"]) == (Phase.RUNNING, 50.0, "write")
    assert commits < 50


def isolate(function, value, handler_form, **options):
    async def in_loop(ctx: Context) -> object:
        return await ctx.isolate(function, value, **options)

    def in_thread(ctx: Context) -> object:
        return ctx.isolate(function, value, **options)

    async def look():
        kind = kind_of(in_loop if handler_form == "async" else in_thread, name="work", attempts=2)
        async with working_house(kind, with_children=True) as house:
            return await house.finish("work")

    return run(look())


FORMS = pytest.mark.parametrize("form", ["async", "thread"])


@FORMS
def test_a_part_of_a_job_is_isolated(form):
    assert isolate(double, 21, form).output == "42"


@FORMS
def test_a_refusal_of_an_isolated_part_is_the_jobs_own(form):
    row = isolate(double, -1, form)
    assert (row.phase, error_of(row)["code"], error_of(row)["details"]) == (Phase.FAILED, "negative", '{"value":-1}')


@FORMS
def test_the_death_of_an_isolated_part_is_a_retryable_failure(form):
    row = isolate(die, 1, form)
    assert (row.phase, row.attempt, error_of(row)["code"]) == (Phase.FAILED, 2, "child_died")


def test_an_isolated_part_that_is_no_module_level_function_fails_clearly():
    async def work(ctx: Context) -> object:
        try:
            return await ctx.isolate(lambda value: value, 1)
        except ValueError as error:
            raise refuse("not_importable", details={"why": str(error)}) from error

    async def look():
        async with working_house(work, with_children=True) as house:
            return await house.finish("work")

    assert "top of a module" in error_of(run(look()))["details"]


def test_many_children_at_once_all_answer():
    async def look():
        kind = kind_of(add_in_child, isolation="process")
        async with working_house(kind, with_children=True, slots=8) as house:
            numbers = [await house.submit("add_in_child", {"a": n}) for n in range(20)]
            rows = await asyncio.gather(*(house.until_final(number) for number in numbers))
            return [msgspec.json.decode(row.output)["sum"] for row in rows]

    assert run(look()) == [n + 1 for n in range(20)]
