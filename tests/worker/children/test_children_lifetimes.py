"""Who dies with whom, what is left over, and how many run at once."""

import asyncio
import gc
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import uvloop
from child_desk import Desk, wait_gone

from jobwire.domain.errors import JobError
from jobwire.kinds.contract import ChildLimits
from jobwire.worker import nursery_link
from jobwire.worker.children import Children

pytestmark = pytest.mark.slow

LIMITS = ChildLimits()


def list_children(pid):
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def count_descriptors():
    # What earlier tests of this process left to the collector is not ours to count.
    gc.collect()
    return len(os.listdir("/proc/self/fd"))


async def start(children, desk, name="report_pids_and_sleep"):
    """A running handler as a task, and the pids it told."""
    running = asyncio.create_task(desk.run(children, name))
    await asyncio.sleep(0)
    told = await desk.first_progress
    return running, [int(pid) for pid in told["message"].split()]


def test_a_killed_nursery_fails_its_runs_for_a_retry_and_the_next_run_works():
    async def run():
        async with Children(concurrency=2) as children:
            (first, first_pids), (second, second_pids) = [await start(children, Desk()) for _ in range(2)]
            os.kill(first_pids[-1], signal.SIGKILL)
            for running in (first, second):
                with pytest.raises(JobError) as caught:
                    await running
                assert (caught.value.code, caught.value.retryable) == ("child_died", True)
            for pid in first_pids + second_pids:
                wait_gone(pid)
            assert await children.run("child_targets:echo", "5", limits=LIMITS) == "5"

    asyncio.run(run())


def test_a_child_that_kills_its_nursery_fails_alone(run_child):
    with pytest.raises(JobError) as caught:
        run_child("kill_nursery")
    assert caught.value.code == "child_died"


def test_a_nursery_that_does_not_answer_is_killed_and_replaced(monkeypatch):
    monkeypatch.setattr(nursery_link, "UNHEARD_MS_MAX", 200)

    async def run():
        async with Children(grace_ms=100) as children:
            assert await children.run("child_targets:stop_nursery", "null", limits=LIMITS) == "null"
            return await children.run("child_targets:echo", "5", limits=LIMITS)

    assert asyncio.run(run()) == "5"


def test_a_nursery_that_does_not_start_in_time_is_killed(monkeypatch):
    monkeypatch.setattr(nursery_link, "START_MS_MAX", 1)

    async def run():
        async with Children() as children:
            await children.run("child_targets:echo", "5", limits=LIMITS)

    with pytest.raises(JobError) as caught:
        asyncio.run(run())
    assert (caught.value.code, caught.value.retryable) == ("child_died", True)


def test_closing_ends_nursery_and_children():
    async def run():
        async with Children() as children:
            running, pids = await start(children, Desk())
            await children.close()
            with pytest.raises(JobError) as caught:
                await running
            assert caught.value.code == "child_died"
            with pytest.raises(RuntimeError, match="closed"):
                await children.run("child_targets:echo", "5", limits=LIMITS)
        for pid in pids:
            wait_gone(pid)

    asyncio.run(run())


PARENT = """
import asyncio, sys
from child_desk import Desk
from jobwire.worker.children import Children

async def main():
    children, desk = Children(), Desk()
    running = asyncio.create_task(desk.run(children, "report_pids_and_sleep"))
    await asyncio.sleep(0)
    print((await desk.first_progress)["message"], flush=True)
    await running

asyncio.run(main())
"""


@pytest.fixture
def worker():
    """A worker in its own process and the pids of a child, that child's grandchild and the nursery."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        [sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True, env=environment
    ) as parent:
        yield parent, [int(pid) for pid in parent.stdout.readline().split()]
        parent.kill()


def test_nothing_survives_a_killed_worker(worker):
    parent, pids = worker
    assert len(pids) == 3
    parent.kill()
    parent.wait()
    for pid in pids:
        wait_gone(pid)


def test_a_child_dies_with_its_nursery_even_when_the_worker_cannot_act(worker):
    parent, (child, grandchild, nursery) = worker
    parent.send_signal(signal.SIGSTOP)
    os.kill(nursery, signal.SIGKILL)
    wait_gone(child)
    # Only the worker could have ended this one.
    os.kill(grandchild, signal.SIGKILL)


def test_a_nursery_asked_to_end_takes_its_children_along(worker):
    _, (child, grandchild, nursery) = worker
    os.kill(nursery, signal.SIGTERM)
    for pid in (child, grandchild, nursery):
        wait_gone(pid)


@pytest.mark.parametrize("run_loop", [asyncio.run, uvloop.run])
def test_two_hundred_runs_leave_no_process_and_no_descriptor(run_loop):
    async def run():
        # A database server of other tests may be this process's child, too.
        others = set(list_children(os.getpid()))
        async with Children(preload=("child_targets",)) as children:
            await children.run("child_targets:echo", "0", limits=LIMITS)
            (nursery,) = set(list_children(os.getpid())) - others
            ours, theirs = count_descriptors(), len(os.listdir(f"/proc/{nursery}/fd"))
            for number in range(200):
                assert await children.run("child_targets:echo", str(number), limits=LIMITS) == str(number)
            # The transport of the last run closes its socket in the loop's next turn.
            await asyncio.sleep(0)
            assert count_descriptors() == ours
            assert len(os.listdir(f"/proc/{nursery}/fd")) == theirs
            assert list_children(nursery) == []

    run_loop(run())


def test_failing_runs_leave_no_descriptor_either():
    async def run():
        async with Children(preload=("child_targets",), grace_ms=100) as children:
            await children.run("child_targets:echo", "0", limits=LIMITS)
            before = count_descriptors()
            for name, argument, code, limits in (
                ("segfault", "null", "child_crashed", LIMITS),
                ("exit_silently", "1", "child_crashed", LIMITS),
                ("claim_huge_message", "null", "child_message_too_large", LIMITS),
                ("burn_cpu", "null", "child_timeout", ChildLimits(wall_ms_max=50)),
            ):
                with pytest.raises(JobError) as caught:
                    await children.run(f"child_targets:{name}", argument, limits=limits)
                assert caught.value.code == code
            await asyncio.sleep(0)
            assert count_descriptors() == before

    asyncio.run(run())


def test_no_more_children_run_than_there_are_slots():
    async def run():
        async with Children(concurrency=2, preload=("child_targets",), grace_ms=100) as children:
            desks = [Desk() for _ in range(3)]
            held = [await start(children, desk) for desk in desks[:2]]
            third = asyncio.create_task(desks[2].run(children, "report_pids_and_sleep"))
            await asyncio.sleep(0)
            nursery = held[0][1][-1]
            assert len(list_children(nursery)) == 2
            held[0][0].cancel()
            assert await desks[2].first_progress
            for running in (held[0][0], held[1][0], third):
                running.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await running

    asyncio.run(run())


def test_many_runs_at_once_get_each_their_own_result():
    async def run():
        async with Children(concurrency=8, preload=("child_targets",)) as children:
            calls = (children.run("child_targets:echo", str(n), limits=LIMITS) for n in range(40))
            return await asyncio.gather(*calls)

    assert asyncio.run(run()) == [str(n) for n in range(40)]
