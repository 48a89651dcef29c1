"""Stopping: drain, give back without costing an attempt, at once when asked twice; slots of nobody left behind."""

import asyncio
import threading

import pytest
from worker_house import Gate, kind_of, open_house, run
from worker_targets import hang_in_child

from jobwire.domain.errors import RequestError
from jobwire.domain.phases import Phase
from jobwire.domain.states import Event, Reason
from jobwire.kinds.contract import Context
from jobwire.store.contract import ClaimRequest
from jobwire.worker import loop as worker_loop
from jobwire.worker.pump import Pump


@pytest.fixture(autouse=True)
def short_ticks(monkeypatch):
    monkeypatch.setattr(worker_loop, "TICK_S", 0.01)
    monkeypatch.setattr(worker_loop, "STOP_GRACE_S", 0.1)


def stop_while_running(make_handler, how, *, drain_s=20.0, opens=False, **options):
    """One job that runs when the worker is stopped: the row afterwards, its events, and who holds leases."""

    async def look():
        gate = Gate()
        kind = kind_of(make_handler(gate), name="work", **options)
        async with open_house(kind, with_children=options.get("isolation") == "process") as house:
            worker = house.make_worker(slots=2, drain_s=drain_s)
            task = asyncio.create_task(worker.run())
            number = await house.submit("work", options.pop("value", None))
            await gate.reached()
            waiting = [await house.submit("work") for _ in range(3)]
            for _ in waiting[:1]:
                await house.until(waiting[0], lambda row: row.phase is Phase.RUNNING)
            for step in how:
                getattr(worker, step)()
            if opens:
                gate.open()
            await task
            gate.open()
            rows = [await house.row(n) for n in (number, *waiting)]
            leases = await house.store.read(lambda r: r.query("SELECT count(*) FROM lease"))
            workers = await house.store.read(lambda r: r.query("SELECT count(*) FROM worker"))
            events = await house.store.events(0, number=number)
            return rows, [Event(e.event) for e in events], leases[0][0], workers[0][0], worker

    return run(look())


def in_loop(gate):
    async def work() -> str:
        await gate.pass_()
        return "done"

    return work


def in_thread(gate):
    def work() -> str:
        gate.pass_in_thread()
        return "done"

    return work


def deaf(gate):
    async def work() -> str:
        while not gate._open.is_set():
            try:
                await gate.pass_()
            except asyncio.CancelledError:
                continue
        return "done"

    return work


def failing(gate):
    async def work() -> str:
        try:
            await gate.pass_()
        finally:
            raise ValueError("the clean-up failed")

    return work


FORMS = pytest.mark.parametrize("form", [in_loop, in_thread])


@FORMS
def test_a_stop_waits_for_what_runs_and_takes_nothing_new(form):
    rows, _, leases, workers, worker = stop_while_running(form, ["stop"], opens=True)
    assert [row.phase for row in rows] == [Phase.COMPLETED, Phase.COMPLETED, Phase.WAITING, Phase.WAITING]
    assert (leases, workers, worker.running) == (0, 0, 0)


@pytest.mark.parametrize("form", [in_loop, in_thread, deaf, failing])
@pytest.mark.parametrize(("how", "drain_s"), [(["stop"], 0.01), (["stop", "stop"], 20.0), (["stop_now"], 20.0)])
def test_what_does_not_end_in_time_is_given_back_and_costs_no_attempt(form, how, drain_s):
    rows, events, leases, workers, _ = stop_while_running(form, how, drain_s=drain_s)
    assert [(row.phase, row.reason, row.attempt) for row in rows[:2]] == [(Phase.WAITING, Reason.INTERRUPTED, 0)] * 2
    assert rows[0].fence == 2
    assert events == [Event.SUBMITTED, Event.CLAIMED, Event.INTERRUPTED]
    assert (leases, workers) == (0, 0)


def test_a_child_is_ended_and_its_job_given_back(tmp_path):
    async def look():
        async with open_house(kind_of(hang_in_child, isolation="process"), with_children=True) as house:
            worker = house.make_worker(slots=1)
            task = asyncio.create_task(worker.run())
            number = await house.submit("hang_in_child", {"log": str(tmp_path / "pids")})
            await house.until(number, lambda row: row.progress is not None)
            worker.stop_now()
            await task
            return await house.row(number)

    row = run(look())
    assert (row.phase, row.reason, row.attempt) == (Phase.WAITING, Reason.INTERRUPTED, 0)


def test_a_job_given_back_keeps_its_place_and_is_finished_by_another_worker():
    async def look():
        gate = Gate()

        async def work(ctx: Context) -> int:
            if not gate.count:
                await gate.pass_()
            return ctx.attempt

        async with open_house(kind_of(work, attempts=1)) as house:
            first = house.make_worker(slots=1)
            task = asyncio.create_task(first.run())
            number = await house.submit("work")
            await gate.reached()
            later = await house.submit("work")
            first.stop_now()
            await task
            assert (await house.store.position(await house.row(number))).position == 0
            assert (await house.store.position(await house.row(later))).position == 1
            async with house.running(house.make_worker(slots=1)):
                return await house.until_final(number)

    row = run(look())
    assert (row.phase, row.output) == (Phase.COMPLETED, "1")


def test_a_cancelled_job_is_not_given_back_but_ended():
    async def look():
        gate = Gate()

        async with open_house(kind_of(in_loop(gate), name="work")) as house:
            worker = house.make_worker(slots=1)
            task = asyncio.create_task(worker.run())
            number = await house.submit("work")
            await gate.reached()
            worker._hear = lambda _: None
            worker.stop_now()
            await house.store.cancel(1, [number])
            await task
            return await house.row(number)

    assert run(look()).phase is Phase.CANCELLED


def test_a_job_claimed_while_the_stop_is_on_its_way_is_given_back():
    """The claim travels with a settlement; the stop comes before its answer."""

    async def look():
        gate = Gate()
        started = []

        async def work(ctx: Context) -> None:
            started.append(ctx.number)
            if len(started) == 1:
                await gate.pass_()
            else:
                await asyncio.Event().wait()

        async with open_house(work) as house:
            worker = house.make_worker(slots=1)
            task = asyncio.create_task(worker.run())
            first, second = await house.submit("work"), await house.submit("work")
            await gate.reached()
            settle = house.store.settle

            def settle_and_stop(*given):
                answer = settle(*given)
                worker.stop()
                return answer

            house.store.settle = settle_and_stop
            gate.open()
            await task
            return started, await house.row(first), await house.row(second)

    started, first, second = run(look())
    assert (started, first.phase) == ([1], Phase.COMPLETED)
    assert (second.phase, second.reason, second.attempt) == (Phase.WAITING, Reason.INTERRUPTED, 0)


def test_a_stop_of_an_idle_worker_ends_at_once_and_leaves_no_parked_claim():
    async def look():
        async def work() -> int:
            return 1

        async with open_house(work) as house:
            worker = house.make_worker(slots=2)
            task = asyncio.create_task(worker.run())
            # Nothing to do: the claims of both pumps are parked.
            await house.finish("work")
            worker.stop()
            await task
            return await house.row(await house.submit("work"))

    assert run(look()).phase is Phase.WAITING


def test_a_stop_before_the_start_ends_at_once():
    async def look():
        async def work() -> int:
            return 1

        async with open_house(work) as house:
            worker = house.make_worker()
            worker.stop()
            await worker.run()
            return await house.row(await house.submit("work"))

    assert run(look()).phase is Phase.WAITING


def test_a_worker_whose_task_is_cancelled_leaves_nothing_running():
    async def look():
        gate = Gate()
        async with open_house(kind_of(in_loop(gate), name="work")) as house:
            worker = house.make_worker(slots=2)
            task = asyncio.create_task(worker.run())
            number = await house.submit("work")
            await gate.reached()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            later = await house.submit("work")
            await house.store.rescue()
            rest = {t for t in asyncio.all_tasks() if t is not asyncio.current_task()}
            if rest:
                await asyncio.wait(rest, timeout=5)
            return await house.row(number), await house.row(later), [t for t in rest if not t.done()]

    row, later, left = run(look())
    assert (row.phase, row.reason) == (Phase.WAITING, Reason.WORKER_LOST)
    assert (later.phase, later.fence, left) == (Phase.WAITING, 0, [])


def test_half_a_worker_does_not_stay_alive(monkeypatch):
    async def broken(self):
        raise ZeroDivisionError

    monkeypatch.setattr(Pump, "_exchange", broken)

    async def look():
        async def work() -> int:
            return 1

        async with open_house(work) as house:
            await house.submit("work")
            with pytest.raises(ZeroDivisionError):
                await house.make_worker().run()

    run(look())


def test_a_closed_ledger_ends_the_worker_when_it_is_stopped_twice():
    async def look():
        async def work() -> int:
            return 1

        async with open_house(work) as house:
            worker = house.make_worker()
            task = asyncio.create_task(worker.run())
            await house.finish("work")
            house.store.close()
            with pytest.raises(RequestError):
                await house.store.claim(ClaimRequest("w", "default", 1))
            worker.stop_now()
            await task

    run(look())


def test_retiring_ends_the_leases_of_a_worker_at_once():
    async def look():
        async def work() -> int:
            return 1

        async with open_house(work) as house:
            number = await house.submit("work")
            await house.store.heartbeat("gone", lease_ms=3_600_000)
            await house.store.claim(ClaimRequest("gone", "default", 1))
            assert await house.store.rescue() == 0
            await house.store.retire("gone")
            assert await house.store.rescue() == 1
            return await house.row(number)

    row = run(look())
    assert (row.phase, row.reason, row.attempt) == (Phase.WAITING, Reason.WORKER_LOST, 1)


def test_threads_end_with_their_worker():
    async def look():
        def work() -> None:
            return None

        async with open_house(work) as house:
            async with house.running(house.make_worker()):
                for _ in range(5):
                    await house.finish("work")
            for thread in threading.enumerate():
                if thread.name.startswith("jobwire-handler"):
                    await asyncio.to_thread(thread.join, 10)
                    assert not thread.is_alive()

    run(look())
