"""Polls answered on the loop that asks: the same rows as by the thread, and none is left without an answer."""

import asyncio
from collections.abc import Awaitable, Callable

import psycopg
import pytest
from store_ledger import WAIT_S, Ledger

from jobwire.domain.job import JobRow
from jobwire.store.pending import Pending
from jobwire.store.postgres import PostgresStore, open_postgres
from jobwire.store.postgres.polls import LoopPolls
from jobwire.store.postgres.reader import GETS_MAX, Get
from manual_clock import ManualClock


class Loop:
    """LoopPolls on the running loop; `elsewhere` has what it did not answer."""

    def __init__(self, store: PostgresStore) -> None:
        self.elsewhere: list[Get] = []
        self.polls = LoopPolls(asyncio.get_running_loop(), store._connect, self._take)

    def _take(self, get: Get) -> None:
        self.elsewhere.append(get)
        get.pending.fulfil(None)

    async def open(self) -> None:
        async with asyncio.timeout(WAIT_S):
            while self.polls._wire is None:
                await self.polls._opening
                await asyncio.sleep(0)

    async def get(self, owner: int, *, key: str | None = None, number: int | None = None) -> JobRow | None:
        pending: Pending[JobRow | None] = Pending()
        self.polls.ask(Get(pending, owner, key, number))
        async with asyncio.timeout(WAIT_S):
            return await pending

    @property
    def pid(self) -> int:
        return self.polls._wire._connection.backend_pid


def on_loop(store: PostgresStore, work: Callable[[Loop], Awaitable[None]]) -> Loop:
    async def run() -> Loop:
        loop = Loop(store)
        await loop.open()
        try:
            await work(loop)
        finally:
            loop.polls.close()
        return loop

    return asyncio.run(run())


@pytest.fixture(params=["prepared", "unprepared"])
def polled(request: pytest.FixtureRequest, address: str, ledger: Ledger, clock: ManualClock) -> PostgresStore:
    opened = open_postgres(address, clock=clock, can_prepare=request.param == "prepared")
    request.addfinalizer(opened.close)
    return opened


def test_g11_polls_by_key_and_number_give_their_owner_s_jobs_and_nobody_else_s(
    ledger: Ledger, polled: PostgresStore
) -> None:
    jobs = [ledger.new(owner=owner) for owner in (1, 2, 1)]
    numbers = [ledger.receive(job)[0].number for job in jobs]
    wanted = [ledger.store.get(job.owner, key=job.key).result(WAIT_S) for job in jobs]
    assert polled.has_wall

    async def work(loop: Loop) -> None:
        asked = [
            *(loop.get(job.owner, key=job.key) for job in jobs),
            *(loop.get(job.owner, number=number) for job, number in zip(jobs, numbers, strict=True)),
            *(loop.get(3 - job.owner, key=job.key) for job in jobs),
            *(loop.get(3 - job.owner, number=number) for job, number in zip(jobs, numbers, strict=True)),
            loop.get(1, key="0" * 26),
            loop.get(1, number=10**9),
        ]
        assert await asyncio.gather(*asked) == [*wanted, *wanted, *[None] * 8]

    assert on_loop(polled, work).elsewhere == []


def test_more_polls_than_one_batch_takes_are_all_answered(ledger: Ledger, polled: PostgresStore) -> None:
    numbers = ledger.submit_many(GETS_MAX + 70)

    async def work(loop: Loop) -> None:
        rows = await asyncio.gather(*(loop.get(1, number=number) for number in numbers))
        assert [row.number for row in rows] == numbers

    assert on_loop(polled, work).elsewhere == []


def test_polls_whose_connection_is_cut_are_answered_elsewhere_and_the_next_ones_here(
    ledger: Ledger, store: PostgresStore, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = ledger.submit()
    monkeypatch.setattr("jobwire.store.postgres.polls.RECONNECT_S", 0.0)

    async def work(loop: Loop) -> None:
        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute("SELECT pg_terminate_backend(%s, 5000)", (loop.pid,))
        assert await loop.get(1, number=number) is None
        assert len(loop.elsewhere) == 1
        await loop.open()
        row = await loop.get(1, number=number)
        assert row is not None
        assert row.number == number

    assert len(on_loop(store, work).elsewhere) == 1


def test_a_server_that_speaks_unasked_holds_nobody_up(ledger: Ledger, store: PostgresStore) -> None:
    number = ledger.submit()

    async def work(loop: Loop) -> None:
        assert loop.polls._wire.receive() is None
        assert (await loop.get(1, number=number)).number == number
        assert loop.polls._wire.receive() is None

    assert on_loop(store, work).elsewhere == []


def test_polls_of_a_loop_that_ends_are_answered_elsewhere(ledger: Ledger, store: PostgresStore) -> None:
    number = ledger.submit()

    async def work(loop: Loop) -> None:
        asked = [asyncio.ensure_future(loop.get(1, number=number)) for _ in range(3)]
        await asyncio.sleep(0)
        loop.polls.close()
        assert await asyncio.gather(*asked) == [None] * 3

    assert len(on_loop(store, work).elsewhere) == 3


def test_the_store_answers_its_loop_there_and_others_as_before(ledger: Ledger, store: PostgresStore) -> None:
    number = ledger.submit()
    elsewhere: list[Get] = []
    ask = store._gets.ask

    def count(get: Get) -> None:
        elsewhere.append(get)
        ask(get)

    store._gets.ask = count

    async def run() -> None:
        end = store.serve_polls(asyncio.get_running_loop())
        async with asyncio.timeout(WAIT_S):
            while store._polls._wire is None:
                await store._polls._opening
                await asyncio.sleep(0)
            assert (await store.get(1, number=number)).number == number
            assert elsewhere == []
            row = await asyncio.to_thread(lambda: store.get(1, number=number).result(WAIT_S))
            assert row.number == number
            assert len(elsewhere) == 1
            end()
            assert (await store.get(1, number=number)).number == number
        assert len(elsewhere) == 2

    asyncio.run(run())
