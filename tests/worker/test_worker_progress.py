"""Progress as a poller sees it while the job runs."""

import asyncio

import pytest
from worker_house import Gate, error_of, finish, kind_of, progress_of, run, working_house

from jobwire.domain.phases import Phase
from jobwire.domain.states import Event
from jobwire.kinds.contract import Context
from jobwire.worker import loop as worker_loop

STAGES = {"read": 1, "write": 3}


@pytest.fixture(autouse=True)
def short_ticks(monkeypatch):
    monkeypatch.setattr(worker_loop, "TICK_S", 0.01)


def look_while_running(*reports, **options):
    """The progress that a poller reads after the reports, while the handler waits."""

    async def look():
        gate = Gate()

        async def work(ctx: Context) -> None:
            for report in reports:
                ctx.progress(**report)
            await gate.pass_()

        async with working_house(kind_of(work, **options)) as house:
            number = await house.submit("work")
            await gate.reached()
            row = await house.until(number, lambda row: row.progress is not None)
            gate.open()
            return row, await house.until_final(number), await house.store.events(0, number=number)

    return run(look())


def test_progress_is_seen_while_the_job_runs():
    row, final, _ = look_while_running({"percent": 30, "message": "a third"})
    assert row.phase is Phase.RUNNING
    assert progress_of(row) == {"percent": 30.0, "stage": None, "done": None, "total": None, "message": "a third"}
    assert final.version > row.version


def test_done_of_total_gives_the_percent():
    row, _, _ = look_while_running({"done": 3, "total": 12})
    assert (progress_of(row)["percent"], progress_of(row)["done"], progress_of(row)["total"]) == (25.0, 3, 12)


@pytest.mark.parametrize(
    ("reports", "percent"),
    [
        ([{"stage": "read"}], 0.0),
        ([{"stage": "read", "percent": 50}], 12.5),
        ([{"stage": "write"}], 25.0),
        ([{"stage": "write", "done": 1, "total": 3}], 50.0),
        ([{"stage": "write", "percent": 100}], 100.0),
    ],
)
def test_stages_share_the_progress_by_their_weights(reports, percent):
    row, _, _ = look_while_running(*reports, stages=STAGES)
    assert (progress_of(row)["percent"], progress_of(row)["stage"]) == (percent, reports[-1]["stage"])


def test_progress_never_goes_back_within_an_attempt():
    row, _, _ = look_while_running({"percent": 80}, {"percent": 20}, {"done": 1, "total": 10})
    assert progress_of(row)["percent"] == 80.0


@pytest.mark.parametrize(
    ("again", "shown"),
    [
        (None, (90.0, "first", 9, 10)),
        ({"percent": 20, "message": "second"}, (90.0, "second", None, None)),
        ({"done": 2, "total": 3}, (90.0, None, 2, 3)),
        ({"percent": 95}, (95.0, None, None, None)),
    ],
)
def test_a_new_attempt_starts_where_the_last_one_came_to(again, shown):
    async def look():
        gate = Gate()

        async def work(ctx: Context) -> None:
            if ctx.attempt == 1:
                ctx.progress(done=9, total=10, message="first")
                raise ValueError
            if again is not None:
                ctx.progress(**again)
            await gate.pass_()

        async with working_house(work) as house:
            number = await house.submit("work")
            await gate.reached()
            row = await house.until(number, lambda row: show(row)[1:] == shown[1:])
            gate.open()
            return row, await house.until_final(number)

    def show(row):
        return tuple(progress_of(row)[name] for name in ("percent", "message", "done", "total"))

    running, completed = run(look())
    assert show(running) == shown
    assert progress_of(completed)["percent"] == 100.0


@pytest.mark.parametrize(
    ("report", "shown"),
    [
        ({"done": 3, "total": 12, "message": "almost"}, (100.0, 12, 12, "almost")),
        ({"done": 12, "total": 12}, (100.0, 12, 12, None)),
        ({"percent": 40, "total": 7}, (100.0, 7, 7, None)),
        ({"percent": 40, "done": 2}, (100.0, 2, None, None)),
    ],
)
def test_a_completed_job_has_its_last_report_and_all_of_it_done(report, shown, monkeypatch):
    monkeypatch.setattr(worker_loop, "TICK_S", 3_600.0)

    async def look():
        async def work(ctx: Context) -> None:
            ctx.progress(1, done=0, total=1)
            ctx.progress(**report)

        async with working_house(work) as house:
            row = await house.finish("work")
            return row, [event.event for event in await house.store.events(0, number=row.number)]

    row, events = run(look())
    progress = progress_of(row)
    assert tuple(progress[name] for name in ("percent", "done", "total", "message")) == shown
    assert Event.PROGRESSED not in events and row.version == 3


def test_a_failed_job_has_the_last_report_of_its_last_attempt(monkeypatch):
    monkeypatch.setattr(worker_loop, "TICK_S", 3_600.0)

    async def work(ctx: Context) -> None:
        ctx.progress(done=ctx.attempt, total=9)
        raise ValueError

    row, _, _ = finish(work, attempts=2)
    assert (row.phase, progress_of(row)["done"], progress_of(row)["total"]) == (Phase.FAILED, 2, 9)


def test_a_job_that_reports_nothing_shows_nothing():
    async def work() -> int:
        return 1

    assert finish(work)[0].progress is None


def test_many_reports_cost_few_commits():
    async def look():
        async def work(ctx: Context) -> None:
            for done in range(20_000):
                ctx.progress(done=done, total=20_000)
                if done % 1_000 == 0:
                    await asyncio.sleep(0)

        async with working_house(work) as house:
            row = await house.finish("work")
            return [event.event for event in await house.store.events(0, number=row.number)]

    assert run(look()).count(Event.PROGRESSED) <= 21


def test_a_thread_reports_as_well():
    async def look():
        gate = Gate()

        def work(ctx: Context) -> None:
            ctx.progress(stage="write", percent=50)
            gate.pass_in_thread()

        async with working_house(kind_of(work, stages=STAGES)) as house:
            number = await house.submit("work")
            row = await house.until(number, lambda row: row.progress is not None)
            gate.open()
            await house.until_final(number)
            return row

    assert progress_of(run(look()))["percent"] == 62.5


def test_an_unknown_stage_fails_its_own_job():
    async def work(ctx: Context) -> None:
        ctx.progress(stage="wriet")

    row, attempts, _ = finish(work, stages=STAGES, attempts=1)
    assert error_of(row)["code"] == "internal_error"
    assert "unknown stage 'wriet'; the kind's stages are read, write" in attempts[0].internal


@pytest.mark.parametrize("report", [{"done": object(), "total": None}, {"message": "\udcff"}, {"stage": "\udcff"}])
def test_an_odd_report_never_stops_the_heart_of_the_others(report):
    async def look():
        odd_gate, gate = Gate(), Gate()

        async def odd(ctx: Context) -> None:
            ctx.progress(50, **report)
            await odd_gate.pass_()

        async def patient(ctx: Context) -> int:
            await gate.pass_()
            ctx.progress(10)
            await gate.pass_()
            return ctx.attempt

        async with working_house(kind_of(odd, attempts=1), patient) as house:
            number = await house.submit("patient")
            await gate.reached()
            odd_number = await house.submit("odd")
            await house.until(odd_number, lambda row: row.progress is not None or row.phase is Phase.FAILED)
            gate.open()
            row = await house.until_final(number)
            odd_gate.open()
            return row, await house.until_final(odd_number)

    row, odd = run(look())
    assert (row.phase, row.output, row.fence) == (Phase.COMPLETED, "1", 1)
    assert odd.phase is (Phase.COMPLETED if "message" in report else Phase.FAILED)
