"""A primary that stands still and a network that lets nothing through, under load: nothing is lost, all go on alone.

JOBWIRE_CRASH_STALLS=20 does it more often, JOBWIRE_CRASH_SEED=… repeats the choices of a run (not its timing).
"""

import os
import random
import select
import signal
import time

import pytest
from crash_house import check
from stalling_wire import Wire

pytestmark = pytest.mark.slow

STALLS = int(os.environ.get("JOBWIRE_CRASH_STALLS", "2"))
SEED = int(os.environ.get("JOBWIRE_CRASH_SEED", "0")) or random.randrange(1 << 32)
LEASE_MS = 2_000
PAUSE_MS_MAX = 300
PROGRESS = 30
NEVER = select.poll()


def finish(house, producers, workers):
    """Everything that was submitted ends, with the workers of the beginning; how many jobs there were."""
    for process in producers:
        process.send(signal.SIGTERM)
        assert process.wait(), house.errors()
    house.wait_for_all_final(120)
    assert all(process.is_alive() for process in workers), house.errors()
    return check(house)


def test_a_primary_that_stands_still_for_longer_than_leases_last_costs_time_and_nothing_else(server, house):
    choose = random.Random(SEED)
    print(f"\nseed {SEED}, {STALLS} pauses of the server")
    workers = [house.start("work", lease_ms=LEASE_MS, slots=8) for _ in range(2)]
    producers = [house.start("produce", pause_s=0.02) for _ in range(2)]
    house.wait_for_progress(PROGRESS)
    resumed_ms = []
    for _ in range(STALLS):
        NEVER.poll(choose.random() * PAUSE_MS_MAX)
        with server.paused():
            acks, completions = len(house.acks()), len(house.completions())
            NEVER.poll(LEASE_MS * 3 // 2)
            # What the server had answered was on its way.
            assert len(house.acks()) - acks < PROGRESS and len(house.completions()) - completions < PROGRESS
        begun_at = time.monotonic()
        house.wait_for_progress(1)
        resumed_ms.append(round((time.monotonic() - begun_at) * 1000))
        house.wait_for_progress(PROGRESS)
    jobs = finish(house, producers, workers)
    print(f"  {STALLS} pauses, {jobs} jobs, {len(house.acks())} acknowledged, at work again after {resumed_ms} ms")


@pytest.fixture
def wire(server):
    opened = Wire(server.socket)
    yield opened
    opened.close()


@pytest.mark.parametrize("mend", ["goes on", "is cut"])
def test_a_worker_behind_a_dead_network_is_replaced_and_comes_back_by_itself(house, wire, ledger, mend):
    choose = random.Random(SEED)
    print(f"\nseed {SEED}, {STALLS} stalls of one worker's network, which then {mend}")
    near = house.start("work", lease_ms=LEASE_MS, slots=8)
    far = house.start("work", lease_ms=LEASE_MS, slots=8, address=wire.lead_to(ledger.address))
    producers = [house.start("produce", pause_s=0.005) for _ in range(2)]
    house.wait_for_line("ready.log", 2)
    wait_for_workers(house, 2)
    for _ in range(STALLS):
        house.wait_for_progress(PROGRESS)
        NEVER.poll(choose.random() * PAUSE_MS_MAX)
        with wire.stalled():
            wait_for_workers(house, 1)
            # The others go on meanwhile, whatever the lost one had open.
            house.wait_for_progress(PROGRESS)
        if mend == "is cut":
            wire.cut()
        wait_for_workers(house, 2)
    jobs = finish(house, producers, [near, far])
    ((lost,),) = house.query("SELECT count(*) FROM attempt_log WHERE event = 'rescued'")
    print(f"  {STALLS} stalls, {jobs} jobs, {lost} attempts taken over, {len(house.completions())} results")


def wait_for_workers(house, count):
    """Until so many are alive, as the ledger sees it."""
    alive = "SELECT count(*) FROM worker WHERE expires_at > extract(epoch FROM clock_timestamp()) * 1000"
    house.wait_for(lambda: house.query(alive) == [(count,)], within_s=30, what=f"{count} workers live")
