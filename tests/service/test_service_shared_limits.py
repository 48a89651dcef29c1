"""Limits that several processes count together: the error is bounded, on both engines."""

import asyncio
import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from house_engines import address_in, open_store
from jobwire.service.limits import TOLD_INTERVAL_MS, Limit, Limits, LimitState
from jobwire.store.contract import Store

WINDOW = Limit("minute", 100, 60)
FLOW = Limit("read", 100, 60, flows=True)


async def call(limits: Limits, limit: Limit, subject: str = "a") -> LimitState:
    """What the HTTP side does for a call."""
    if limits.must_ask([(subject, limit)]):
        await limits.ask([(subject, limit)])
    return limits.take(subject, limit)


@pytest.mark.parametrize("limit", [WINDOW, FLOW], ids=lambda limit: limit.name)
@pytest.mark.parametrize("processes", [1, 2, 4])
def test_processes_together_serve_a_limit_and_at_most_a_tenth_more_for_each_other_one(
    store: Store, clock: Any, rng: random.Random, limit: Limit, processes: int
) -> None:
    async def storm() -> int:
        nodes = [Limits(clock, store) for _ in range(processes)]
        states = [await call(rng.choice(nodes), limit) for _ in range(6 * limit.count)]
        return sum(state.retry_after_s is None for state in states)

    served = asyncio.run(storm())
    assert limit.count <= served <= limit.count + (processes - 1) * limit.slice


def test_what_one_process_served_another_sees_with_its_next_question(store: Store, clock: Any) -> None:
    async def take_turns() -> tuple[int, int]:
        first, second = Limits(clock, store), Limits(clock, store)
        for _ in range(50):
            await call(first, FLOW)
        await first.ask([])
        await call(second, FLOW)
        await second.ask([("a", FLOW)])
        return first.look("a", FLOW).remaining, second.look("a", FLOW).remaining

    assert asyncio.run(take_turns()) == (50, 49)


def test_a_window_begun_by_another_process_is_the_window_of_all(store: Store, clock: Any) -> None:
    async def take_turns() -> None:
        first, second = Limits(clock, store), Limits(clock, store)
        ends_s = (await call(first, WINDOW)).reset_at_s
        await first.ask([])
        clock.now += 40_000
        await call(second, WINDOW)
        await second.ask([("a", WINDOW)])
        seen = second.look("a", WINDOW)
        assert (seen.remaining, seen.reset_at_s) == (98, ends_s)
        clock.now += 20_000
        assert second.look("a", WINDOW).remaining == 100

    asyncio.run(take_turns())


def test_what_was_counted_is_told_within_a_second_of_further_calls_and_nothing_waits_for_it(
    store: Store, clock: Any
) -> None:
    async def tell() -> int:
        limits = Limits(clock, store)
        for _ in range(5):
            limits.take("a", FLOW)
        clock.now += TOLD_INTERVAL_MS
        limits.take("a", FLOW)
        # Writes are done in their order: when this one is, so is that of the limits.
        await store.write(lambda tx: None)
        return (await store.read(lambda reader: reader.query("SELECT count(*) FROM rate")))[0][0]

    assert asyncio.run(tell()) == 1


def test_a_call_needs_the_ledger_only_after_a_tenth_of_its_limit(store: Store, clock: Any) -> None:
    async def count() -> list[bool]:
        limits = Limits(clock, store)
        asked = []
        for _ in range(21):
            asked.append(limits.must_ask([("a", FLOW)]))
            if asked[-1]:
                await limits.ask([("a", FLOW)])
            limits.take("a", FLOW)
        return asked

    # The first call was told at once, and is only heard of later.
    assert asyncio.run(count()).count(True) <= 2


def test_without_the_ledger_every_process_counts_for_itself(tmp_path: Path, clock: Any) -> None:
    closed = open_store(address_in(tmp_path), clock)
    closed.close()

    async def storm() -> int:
        limits = Limits(clock, closed)
        states = [await call(limits, FLOW) for _ in range(300)]
        return sum(state.retry_after_s is None for state in states)

    assert asyncio.run(storm()) == FLOW.count


def test_debts_are_forgotten_when_they_are_paid(store: Store, clock: Any) -> None:
    async def live() -> list[int]:
        limits = Limits(clock, store)
        rows = []
        for subject in "abc":
            await call(limits, FLOW, subject)
            await limits.ask([])
            rows.append((await store.read(lambda reader: reader.query("SELECT count(*) FROM rate")))[0][0])
            clock.now += 61_000
        return rows

    assert asyncio.run(live()) == [1, 1, 1]


@settings(max_examples=40)
@given(steps=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 700)), min_size=1, max_size=120))
def test_over_any_time_the_excess_stays_below_its_bound(steps: list[tuple[int, int]]) -> None:
    now = [1_000_000]
    limit = Limit("read", 20, 10, flows=True)
    store = open_store(":memory:", lambda: now[0])

    async def run() -> list[int]:
        nodes = [Limits(lambda: now[0], store) for _ in range(3)]
        served = []
        for node, pause_ms in steps:
            now[0] += pause_ms
            if (await call(nodes[node], limit)).retry_after_s is None:
                served.append(now[0])
        return served

    try:
        served = asyncio.run(run())
    finally:
        store.close()
    bound = limit.count + 2 * limit.slice
    for first, start in enumerate(served):
        for last in range(first, len(served)):
            assert last - first + 1 <= bound + (served[last] - start) // 500 + 1


PROGRAM = """
import asyncio, json, sys
from jobwire.service.limits import Limit, Limits
from jobwire.wiring import open_ledger, read_clock
from jobwire.config import read_settings

async def storm(limits, limit):
    served = 0
    for _ in range(800):
        if limits.must_ask([("a", limit)]):
            await limits.ask([("a", limit)])
        served += limits.take("a", limit).retry_after_s is None
    return served

store = open_ledger(read_settings({}, db=sys.argv[1]), read_clock)
print("ready", flush=True)
sys.stdin.readline()
print(json.dumps(asyncio.run(storm(Limits(read_clock, store), Limit("minute", 300, 3_600)))), flush=True)
store.close()
"""


@pytest.mark.slow
def test_two_real_processes_at_once_keep_to_the_bound(tmp_path: Path) -> None:
    address = address_in(tmp_path)
    open_store(address).close()
    both = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM, address], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    for process in both:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
    for process in both:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    served = [json.loads(process.communicate(timeout=60)[0]) for process in both]
    assert 300 <= sum(served) <= 330
    assert min(served) > 0


def test_the_debt_of_many_processes_keeps_everybody_out_until_it_is_paid(store: Store, clock: Any) -> None:
    limit = Limit("read", 10, 60, flows=True)

    async def live() -> tuple[int, list[bool]]:
        nodes = [Limits(clock, store) for _ in range(40)]
        # Each has served its tenth before anybody tells: the excess is the greatest that there can be.
        served = sum(node.take("a", limit).retry_after_s is None for node in nodes)
        for node in nodes:
            await node.ask([("a", limit)])
        refused = []
        for minute in range(5):
            clock.now += 60_000 if minute else 0
            late = Limits(clock, store)
            late.take("a", limit)
            await late.ask([("a", limit)])
            refused.append(late.take("a", limit).retry_after_s is not None)
        return served, refused

    assert asyncio.run(live()) == (40, [True, True, True, True, False])
