"""What holds when a worker and the ledger lose sight of each other."""

import asyncio
import contextlib

import pytest
from ledger_lock import locked
from worker_house import Gate, kind_of, open_house, run, working_house

from jobwire.domain.errors import RequestError
from jobwire.domain.phases import Phase
from jobwire.domain.states import Event, Reason
from jobwire.kinds.contract import Context
from jobwire.store.contract import ClaimRequest, LeaseLost
from jobwire.store.sqlite import engine, open_sqlite
from jobwire.worker import loop as worker_loop
from jobwire.worker import pump as worker_pump


@pytest.fixture(autouse=True)
def short_ticks(monkeypatch):
    monkeypatch.setattr(worker_loop, "TICK_S", 0.01)
    monkeypatch.setattr(worker_pump, "RETRY_S", 0.01)
    monkeypatch.setattr(engine, "BUSY_MS", 20)


async def lose_leases(house, worker):
    """What upkeep does when the worker's heart was not heard for a lease."""
    # Together, so that no heartbeat comes between.
    house.store.retire(worker.id)
    assert await house.store.rescue() > 0


def test_a_lost_attempt_is_stopped_and_its_result_discarded():
    async def look():
        gate = Gate()
        cleaned = asyncio.Event()

        async def work(ctx: Context) -> str:
            if gate.count:
                return "second"
            try:
                await gate.pass_()
            finally:
                cleaned.set()
            return "first"

        async with open_house(work) as house:
            worker = house.make_worker(slots=1)
            async with house.running(worker):
                number = await house.submit("work")
                await gate.reached()
                await lose_leases(house, worker)
                row = await house.until_final(number)
                await cleaned.wait()
                return row, await house.store.attempts(number), await house.store.events(0, number=number)

    row, attempts, events = run(look())
    # Fence 1 was lost, the rescue moved it to 2, the second claim made it 3.
    assert (row.phase, row.output, row.fence) == (Phase.COMPLETED, '"second"', 3)
    assert [entry.event for entry in attempts] == ["rescued"]
    assert [Event(entry.event) for entry in events].count(Event.COMPLETED) == 1


@pytest.mark.parametrize("second_state", [Phase.RUNNING, Phase.COMPLETED])
def test_a_result_of_a_lost_lease_is_refused_and_kept_as_a_diagnostic(second_state):
    async def look():
        first, second = Gate(), Gate()

        async def work(ctx: Context) -> str:
            if first.count:
                await second.pass_()
                return "second"
            await first.pass_()
            return "first"

        async with open_house(work) as house:
            zombie, other = house.make_worker(slots=1), house.make_worker(slots=1)
            async with house.running(zombie):
                number = await house.submit("work")
                await first.reached()
                # The zombie's heart stands still, as that of a stopped process.
                zombie._beat = asyncio.Event().wait
                await lose_leases(house, zombie)
                async with house.running(other):
                    await second.reached()
                    if second_state is Phase.COMPLETED:
                        second.open()
                        await house.until_final(number)
                    first.open()
                    # A submission each time: a refused settlement alone wakes nobody.
                    while not (late := await late_of(house, number)):
                        await house.submit("work", run_at=1 << 42)
                    assert (await house.row(number)).phase is second_state
                    second.open()
                    return await house.until_final(number), late, await house.store.events(0, number=number)

    async def late_of(house, number):
        return [entry for entry in await house.store.attempts(number) if entry.event == "late"]

    row, late, events = run(look())
    assert (row.phase, row.output, row.fence) == (Phase.COMPLETED, '"second"', 3)
    assert [(entry.fence, entry.internal) for entry in late] == [(1, "refused: completed")]
    assert [Event(entry.event) for entry in events].count(Event.COMPLETED) == 1


def test_a_write_of_a_handler_counts_only_under_its_lease():
    seen = []

    async def look():
        gate = Gate()

        async def work(ctx: Context) -> int:
            await ctx.write(lambda tx: tx.execute("INSERT INTO ledger VALUES ('mark' || :n, 'x')", n=ctx.attempt))
            if not gate.count:
                with contextlib.suppress(asyncio.CancelledError):
                    await gate.pass_()
                try:
                    await ctx.write(lambda tx: tx.execute("INSERT INTO ledger VALUES ('stale', 'x')"))
                except LeaseLost:
                    seen.append("refused")
                    raise
            return ctx.attempt

        async with open_house(work) as house:
            worker = house.make_worker(slots=1)
            async with house.running(worker):
                number = await house.submit("work")
                await gate.reached()
                await lose_leases(house, worker)
                row = await house.until_final(number)
            rows = await house.store.read(lambda r: r.query("SELECT name FROM ledger ORDER BY name"))
            return row, [name for (name,) in rows]

    row, names = run(look())
    assert row.phase is Phase.COMPLETED
    assert (names, seen) == (["mark1", "mark2"], ["refused"])


def test_a_write_of_a_thread_that_fails_undoes_itself_alone():
    def work(ctx: Context) -> str:
        def broken(tx):
            tx.execute("INSERT INTO ledger VALUES ('half', 'x')")
            raise KeyError("broken")

        try:
            ctx.write(broken)
        except KeyError:
            return ctx.write(lambda tx: tx.query("SELECT count(*) FROM ledger WHERE name = 'half'"))[0][0]
        return "no error"

    async def look():
        async with working_house(work) as house:
            return await house.finish("work")

    assert run(look()).output == "0"


def test_leases_that_no_attempt_has_are_given_back():
    async def work(ctx: Context) -> int:
        return ctx.attempt

    async def look():
        async with open_house(work) as house:
            worker = house.make_worker(slots=1, lease_ms=400)
            number = await house.submit("work")
            # As if the answer to a claim of this worker had been lost.
            assert len(await house.store.claim(ClaimRequest(worker.id, "default", 1))) == 1
            async with house.running(worker):
                row = await house.until_final(number)
            return row, [Event(entry.event) for entry in await house.store.events(0, number=number)]

    row, events = run(look())
    assert (row.phase, row.output) == (Phase.COMPLETED, "1")
    assert events == [Event.SUBMITTED, Event.CLAIMED, Event.INTERRUPTED, Event.CLAIMED, Event.COMPLETED]


def test_an_outage_of_the_ledger_loses_no_settlement(sqlite_file):
    runs = []

    async def look():
        gate = Gate()

        async def work(ctx: Context) -> int:
            runs.append(ctx.number)
            await gate.pass_()
            return ctx.number

        async with working_house(work, path=sqlite_file, slots=4) as house:
            numbers = [await house.submit("work") for _ in range(4)]
            await gate.reached(4)
            async with locked(sqlite_file):
                gate.open()
                with pytest.raises(RequestError):
                    await house.submit("work")
                assert (await house.row(numbers[0])).phase is Phase.RUNNING
            return [await house.until_final(number) for number in numbers]

    rows = run(look())
    assert {(row.phase, row.fence) for row in rows} == {(Phase.COMPLETED, 1)}
    assert sorted(runs) == [1, 2, 3, 4]


def test_an_idle_worker_works_again_after_an_outage_of_the_ledger(sqlite_file):
    async def work() -> int:
        return 1

    async def look():
        async with working_house(work, path=sqlite_file, slots=1) as house:
            assert (await house.finish("work")).phase is Phase.COMPLETED
            async with locked(sqlite_file):
                for _ in range(3):
                    with pytest.raises(RequestError):
                        await house.submit("work")
            return await house.finish("work")

    assert run(look()).phase is Phase.COMPLETED


OUTAGE_S = 3


def test_a_claim_that_meets_an_outage_is_answered(sqlite_file):
    async def work() -> int:
        return 1

    async def look():
        async with open_house(work, path=sqlite_file) as house:
            async with locked(sqlite_file):
                claim = house.store.claim(ClaimRequest("w", "default", 1))
                with pytest.raises(RequestError):
                    await house.submit("work")
            await house.submit("work")
            async with asyncio.timeout(OUTAGE_S):
                try:
                    return len(await claim)
                except RequestError as error:
                    return error.code

    assert run(look()) in (1, "unavailable")


def test_a_worker_that_is_stopped_during_an_outage_ends(sqlite_file):
    async def work() -> int:
        return 1

    async def look():
        async with open_house(work, path=sqlite_file) as house:
            worker = house.make_worker(slots=2)
            task = asyncio.create_task(worker.run())
            await house.finish("work")
            async with locked(sqlite_file):
                worker.stop()
                # The second is refused after the withdrawals were.
                for _ in range(2):
                    with pytest.raises(RequestError):
                        await house.submit("work")
            async with asyncio.timeout(OUTAGE_S):
                await task
            return await house.row(await house.submit("work"))

    assert run(look()).phase is Phase.WAITING


@pytest.mark.parametrize("how", ["stop", "stop_now"])
def test_a_worker_that_cannot_settle_what_it_did_ends_all_the_same(sqlite_file, monkeypatch, caplog, how):
    monkeypatch.setattr(worker_loop, "SETTLE_S", 0.1 if how == "stop" else 60.0)
    monkeypatch.setattr(worker_loop, "STOP_GRACE_S", 0.1)

    async def look():
        gate = Gate()
        async with open_house(kind_of(gate.pass_, name="work"), path=sqlite_file) as house:
            worker = house.make_worker()
            task = asyncio.create_task(worker.run())
            number = await house.submit("work")
            await gate.reached()
            async with locked(sqlite_file):
                gate.open()
                with pytest.raises(RequestError):
                    await house.submit("work")
                getattr(worker, how)()
                async with asyncio.timeout(OUTAGE_S):
                    await task
            return await house.row(number)

    row = run(look())
    assert row.phase is Phase.RUNNING
    assert "1 attempts are left unsettled" in caplog.text


def test_a_worker_that_cannot_renew_its_leases_stops_its_attempts(sqlite_file):
    async def look():
        stopped = asyncio.Event()
        gate = Gate()

        async def work() -> str:
            try:
                await gate.pass_()
            except asyncio.CancelledError:
                stopped.set()
                raise
            return "done"

        async with working_house(work, path=sqlite_file, slots=1, lease_ms=400) as house:
            number = await house.submit("work")
            await gate.reached()
            async with locked(sqlite_file):
                await stopped.wait()
            gate.open()
            return await house.until_final(number), await house.store.attempts(number)

    row, attempts = run(look())
    assert (row.phase, row.output, row.attempt) in [(Phase.COMPLETED, '"done"', n) for n in (1, 2)]
    assert row.fence == 3
    assert len(attempts) <= 1


def test_a_job_whose_workers_die_three_times_in_a_row_is_stopped():
    async def look():
        async def work() -> int:
            return 1

        async with open_house(kind_of(work, attempts=10)) as house:
            number = await house.submit("work")
            for _ in range(3):
                assert await house.store.claim(ClaimRequest("dead", "default", 1))
                assert await house.store.rescue() == 1
            return await house.row(number)

    row = run(look())
    assert (row.phase, row.reason, row.attempt) == (Phase.FAILED, Reason.POISON, 3)


def test_work_of_another_process_is_found_while_this_one_is_busy_writing(sqlite_file):
    """A parked claim sees a foreign job although the writer never rests."""

    async def look():
        async def work() -> int:
            return 1

        async with working_house(work, path=sqlite_file, slots=1) as house:
            await house.finish("work")
            busy = asyncio.create_task(keep_writing(house))
            other = open_sqlite(sqlite_file)
            try:
                mine, house.store = house.store, other
                number = await house.submit("work")
                house.store = mine
                return await house.until_final(number)
            finally:
                busy.cancel()
                await asyncio.gather(busy, return_exceptions=True)
                other.close()

    async def keep_writing(house):
        while True:
            await house.store.heartbeat("someone", lease_ms=1_000)

    async def bounded():
        async with asyncio.timeout(OUTAGE_S):
            return await look()

    assert run(bounded()).phase is Phase.COMPLETED
