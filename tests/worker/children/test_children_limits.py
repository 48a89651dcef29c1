"""A child that takes too much or dies: the worker goes on, the error says which limit, nothing is left behind."""

import asyncio
import signal
import struct

import pytest
from child_desk import Desk, wait_gone

from jobwire.domain.errors import JobError
from jobwire.kinds.contract import ChildLimits
from jobwire.worker.child import MEMORY_STATUS, ORPHANED_STATUS, STOPPED_STATUS
from jobwire.worker.children import Children, explain_death
from jobwire.worker.nursery_link import OUTPUT_BYTES_MAX, Death

pytestmark = pytest.mark.slow

MIB = 1024 * 1024


@pytest.fixture
def refused(run_child):
    def run(name, argument=None, *, code, retryable=False, **limits):
        with pytest.raises(JobError) as caught:
            run_child(name, argument, **limits)
        error = caught.value
        assert (error.code, error.retryable) == (code, retryable), error.message
        return error

    return run


def test_ten_gigabytes_at_once_are_refused(refused):
    error = refused("fill_memory", 10 * 1024, code="child_memory")
    assert "2000 MB" in error.message
    assert "MemoryError" in error.__notes__[0]


def test_memory_taken_bit_by_bit_is_refused(refused):
    refused("fill_memory_slowly", code="child_memory", memory_bytes_max=100 * MIB)


def test_memory_below_the_limit_is_given(run_child):
    assert run_child("fill_memory", 80, memory_bytes_max=100 * MIB) == 80 * MIB


def test_a_cpu_burner_is_stopped(refused):
    error = refused("burn_cpu", code="child_cpu", cpu_s_max=1)
    assert "1 s of CPU time" in error.message


def test_a_cpu_burner_that_ignores_the_warning_is_stopped_too(refused):
    refused("burn_cpu_deaf", code="child_cpu", cpu_s_max=1)


def test_a_file_beyond_the_limit_cannot_be_written(run_child, tmp_path):
    with pytest.raises(Exception, match="raised an exception") as caught:
        run_child("write_file", (str(tmp_path / "large"), 1025))
    assert "File too large" in caught.value.__notes__[0]
    assert run_child("write_file", (str(tmp_path / "large"), 1024)) == 1024


def test_a_segmentation_fault_is_a_crash_with_its_traceback_for_the_operator(refused):
    error = refused("segfault", code="child_crashed")
    assert "Segmentation fault" in error.message
    assert "in segfault" in error.__notes__[0]


def test_an_abort_is_a_crash_with_its_last_words(refused):
    error = refused("abort", code="child_crashed")
    assert "invalid pointer" not in error.message and "free(): invalid pointer" in error.__notes__[0]


@pytest.mark.parametrize("status", [0, 3])
def test_leaving_without_a_result_is_a_crash(refused, status):
    assert f"exit status {status}" in refused("exit_silently", status, code="child_crashed").message


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_kill_from_outside_may_be_retried(refused, number):
    refused("kill_itself", number, code="child_died", retryable=True)


def test_output_is_drained_and_only_its_end_is_kept(run_child, refused):
    assert run_child("chatter", 8) == "quiet again"


def test_a_message_longer_than_allowed_is_refused_before_it_is_read(refused):
    refused("claim_huge_message", code="child_message_too_large")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"\xff",
        b'{"say":"no such"}',
        b'{"say":"done"}',
        b"[" * 100_000,
        b'{"say":"ask","op":"x","value":1}',
    ],
)
def test_what_is_no_message_ends_the_child(refused, body):
    refused("speak_on_channel", (struct.pack("!I", len(body)) + body).decode("latin-1"), code="child_crashed")


def test_a_result_that_is_no_text_is_refused(refused):
    body = b'{"say":"done","output":"\xff"}'
    refused("speak_on_channel", (struct.pack("!I", len(body)) + body).decode("latin-1"), code="child_crashed")


def test_a_sleeper_is_killed_at_its_time_limit_with_the_processes_it_started():
    desk = Desk()

    async def run():
        async with Children(grace_ms=5_000) as children:
            await desk.run(children, "report_pids_and_sleep", limits=ChildLimits(wall_ms_max=1_500))

    with pytest.raises(JobError) as caught:
        asyncio.run(run())
    assert (caught.value.code, caught.value.retryable) == ("child_timeout", False)
    child, grandchild, _nursery = map(int, desk.asked[0][1]["message"].split())
    wait_gone(child)
    wait_gone(grandchild)


def test_a_daemon_that_left_group_and_session_is_killed_with_its_child():
    async def run():
        async with Children() as children:
            daemon = int(await children.run("child_targets:leave_daemon_behind", "null", limits=ChildLimits()))
            await asyncio.to_thread(wait_gone, daemon)
            return await children.run("child_targets:echo", "1", limits=ChildLimits())

    assert asyncio.run(run()) == "1"


def test_a_cancelled_run_is_unwound_and_gone_before_the_call_returns(tmp_path):
    mark, desk = tmp_path / "mark", Desk()

    async def run():
        async with Children(grace_ms=20_000) as children:
            running = asyncio.create_task(desk.run(children, "clean_up_when_asked", mark=str(mark)))
            await asyncio.sleep(0)
            await desk.first_progress
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running
            return mark.read_text()

    assert asyncio.run(run()) == "cleaned up"


def test_a_cancelled_run_that_ignores_signals_is_killed_after_the_grace():
    desk = Desk()

    async def run():
        async with Children(grace_ms=100) as children:
            running = asyncio.create_task(desk.run(children, "report_pids_and_ignore_signals"))
            await asyncio.sleep(0)
            pid = int((await desk.first_progress)["message"].split()[0])
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running
            wait_gone(pid)

    asyncio.run(run())


def test_a_second_cancel_cuts_the_grace_short():
    desk = Desk()

    async def run():
        async with Children(grace_ms=3_600_000) as children:
            running = asyncio.create_task(desk.run(children, "report_pids_and_ignore_signals"))
            await asyncio.sleep(0)
            pid = int((await desk.first_progress)["message"].split()[0])
            running.cancel()
            await asyncio.sleep(0)
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running
            wait_gone(pid)

    asyncio.run(asyncio.wait_for(run(), 20))


@pytest.mark.parametrize(
    "death, code, retryable",
    [
        (Death(MEMORY_STATUS), "child_memory", False),
        (Death(-signal.SIGKILL, out_of_memory=True), "child_memory", False),
        (Death(-signal.SIGXCPU), "child_cpu", False),
        (Death(-signal.SIGKILL, cpu_ms=60_000), "child_cpu", False),
        (Death(-signal.SIGKILL, cpu_ms=59_999), "child_died", True),
        (Death(-signal.SIGTERM), "child_died", True),
        (Death(STOPPED_STATUS), "child_died", True),
        (Death(ORPHANED_STATUS), "child_died", True),
        (Death(), "child_died", True),
        (Death(-signal.SIGBUS), "child_crashed", False),
        (Death(-63), "child_crashed", False),
        (Death(0), "child_crashed", False),
        (Death(1), "child_crashed", False),
    ],
)
def test_each_way_to_die_has_its_error(death, code, retryable):
    error = explain_death(death, ChildLimits())
    assert (error.code, error.retryable) == (code, retryable)


def test_the_note_of_a_crash_is_bounded():
    async def run():
        async with Children() as children:
            await children.run("child_targets:chatter_and_abort", "1", limits=ChildLimits())

    with pytest.raises(JobError) as caught:
        asyncio.run(run())
    assert len(caught.value.__notes__[0]) == OUTPUT_BYTES_MAX
    assert caught.value.__notes__[0].endswith("the end")
