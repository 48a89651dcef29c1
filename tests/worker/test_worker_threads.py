"""The threads of plain handlers."""

import asyncio
import subprocess
import sys
import threading

import pytest
from worker_house import run

from jobwire.worker.threads import HandlerThreads


def with_threads(work):
    async def look():
        threads = HandlerThreads()
        try:
            return await work(threads)
        finally:
            threads.close()

    return run(look())


def test_a_thread_is_used_again_when_it_is_idle():
    async def look(threads):
        # Idle is said just after the answer: at most one more thread is ever needed.
        return {await threads.run(lambda: threading.current_thread().name) for _ in range(50)}

    assert len(with_threads(look)) <= 2


def test_as_many_run_at_once_as_are_asked_for():
    async def look(threads):
        barrier = threading.Barrier(20, timeout=20)
        return await asyncio.gather(*(threads.run(barrier.wait) for _ in range(20)))

    assert sorted(with_threads(look)) == list(range(20))


@pytest.mark.parametrize("error", [ValueError("x"), SystemExit(3), KeyboardInterrupt(), asyncio.CancelledError()])
def test_an_exception_comes_back_as_itself(error):
    def fail():
        raise error

    async def look(threads):
        try:
            await threads.run(fail)
        except BaseException as caught:
            return caught

    assert with_threads(look) is error


def test_a_call_that_was_cancelled_before_it_began_is_dropped():
    calls = []

    async def look(threads):
        task = asyncio.create_task(threads.run(lambda: calls.append(1)))
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await threads.run(lambda: None)

    with_threads(look)
    assert calls == []


def test_a_handler_that_never_returns_does_not_keep_the_process_from_ending():
    program = """
import asyncio, threading
from jobwire.worker.threads import HandlerThreads

async def main():
    started = threading.Event()
    def stuck():
        started.set()
        threading.Event().wait()
    task = asyncio.create_task(HandlerThreads().run(stuck))
    await asyncio.to_thread(started.wait)
    task.cancel()

asyncio.run(main())
print("ended")
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=20, check=False)
    assert (ended.stdout, ended.stderr, ended.returncode) == ("ended\n", "", 0)
