"""Pending: one answer for coroutines and threads, given once, heard by all, hurt by none."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest

from jobwire.store.pending import Pending


def test_the_first_answer_counts() -> None:
    pending: Pending[int] = Pending()
    assert not pending.is_done
    pending.fulfil(1)
    pending.fulfil(2)
    pending.fail(ValueError())
    assert pending.is_done
    assert pending.result() == 1
    assert Pending.of("x").result() == "x"


def test_an_error_is_raised_to_every_waiter() -> None:
    pending: Pending[int] = Pending()
    pending.fail(ValueError("no"))
    pending.fulfil(1)
    for _ in range(2):
        with pytest.raises(ValueError, match="no"):
            pending.result()


def test_threads_and_coroutines_may_wait_for_the_same_answer() -> None:
    pending: Pending[int] = Pending()

    async def wait() -> list[int]:
        waiters = [asyncio.ensure_future(_await(pending)) for _ in range(3)]
        await asyncio.sleep(0)
        loop = asyncio.get_running_loop()
        loop.run_in_executor(None, pending.fulfil, 5)
        return await asyncio.gather(*waiters)

    with ThreadPoolExecutor(3) as pool:
        threads = [pool.submit(pending.result, 20) for _ in range(3)]
        assert asyncio.run(wait()) == [5, 5, 5]
        assert [thread.result() for thread in threads] == [5, 5, 5]


async def _await(pending: Pending[int]) -> int:
    return await pending


def test_waiting_too_long_is_an_error_that_names_the_time() -> None:
    with pytest.raises(TimeoutError, match="within 0 s"):
        Pending().result(0)


def test_a_callback_runs_once_now_or_then() -> None:
    pending: Pending[int] = Pending()
    calls: list[str] = []
    pending.on_done(lambda: calls.append("before"))
    pending.fulfil(1)
    pending.fulfil(1)
    pending.on_done(lambda: calls.append("after"))
    assert calls == ["before", "after"]


def test_a_callback_that_raises_hurts_neither_the_answering_thread_nor_other_waiters() -> None:
    pending: Pending[int] = Pending()
    calls: list[str] = []
    pending.on_done(lambda: 1 // 0)
    pending.on_done(lambda: calls.append("heard"))
    pending.fulfil(1)
    pending.on_done(lambda: 1 // 0)
    assert (pending.result(), calls) == (1, ["heard"])


def test_an_answer_for_a_loop_that_was_closed_is_dropped() -> None:
    pending: Pending[int] = Pending()

    async def give_up() -> None:
        task = asyncio.ensure_future(_await(pending))
        await asyncio.sleep(0)
        task.cancel()

    asyncio.run(give_up())
    pending.fulfil(1)
    assert pending.result() == 1
