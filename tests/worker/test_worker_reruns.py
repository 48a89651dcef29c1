"""A rerun from a step runs what comes after it, and nothing that came before."""

import pytest
from worker_house import ALICE, kind_of, refuse, run, working_house
from worker_targets import append, step_in_child

from jobwire.domain.phases import Phase
from jobwire.kinds.contract import Context
from jobwire.service.admission import Admission
from jobwire.service.estimates import Estimates
from jobwire.service.jobs import Jobs
from jobwire.store.sqlite.engine import read_clock


async def cut_in_loop(ctx: Context, log: str, fails: bool = False) -> str:
    await ctx.step("fetch", lambda: append(log, "fetch"))
    await ctx.step("cut", lambda: append(log, "cut"))
    if fails:
        raise refuse()
    await ctx.step("upload", lambda: append(log, "upload"))
    return "done"


def cut_in_thread(ctx: Context, log: str, fails: bool = False) -> str:
    ctx.step("fetch", lambda: append(log, "fetch"))
    ctx.step("cut", lambda: append(log, "cut"))
    if fails:
        raise refuse()
    ctx.step("upload", lambda: append(log, "upload"))
    return "done"


def jobs_of(house):
    return Jobs(house.store, house.registry, read_clock, Admission(house.store, Estimates(house.store, read_clock)))


async def run_again(house, row, **options):
    receipt = await jobs_of(house).rerun(ALICE, row, **options)
    return await house.until_final(receipt.number)


@pytest.mark.parametrize("handler", [cut_in_loop, cut_in_thread])
@pytest.mark.parametrize(
    ("from_step", "ran"),
    [(None, "fetch cut upload"), ("fetch", "fetch cut upload"), ("cut", "cut upload"), ("upload", "upload")],
)
def test_a_failed_job_goes_on_at_a_step_with_another_input(handler, from_step, ran, tmp_path):
    log, second = tmp_path / "log", tmp_path / "second"

    async def look():
        async with working_house(kind_of(handler, name="work")) as house:
            failed = await house.finish("work", {"log": str(log), "fails": True})
            assert failed.phase is Phase.FAILED
            again = await run_again(house, failed, from_step=from_step, input={"log": str(second)})
            return again, await house.store.steps(again.number)

    again, steps = run(look())
    assert (again.phase, again.output, again.attempt) == (Phase.COMPLETED, '"done"', 1)
    assert (log.read_text().split(), second.read_text().split()) == (["fetch", "cut"], ran.split())
    assert list(steps) == ["fetch", "cut", "upload"]


def test_a_child_process_sees_the_steps_of_the_origin(tmp_path):
    log = tmp_path / "log"

    async def look():
        kind = kind_of(step_in_child, name="work", isolation="process")
        async with working_house(kind, with_children=True) as house:
            first = await house.finish("work", {"log": str(log)})
            return await run_again(house, first, from_step="third")

    again = run(look())
    assert again.phase in (Phase.COMPLETED, Phase.FAILED, Phase.RETRYING)
    assert log.read_text().split().count("first") == log.read_text().split().count("second") == 1
