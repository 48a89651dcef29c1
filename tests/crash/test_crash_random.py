"""Processes killed at random moments, hundreds of times, on one ledger; then the books are checked.

JOBWIRE_CRASH_KILLS=5000 kills longer, JOBWIRE_CRASH_SEED=… repeats the choices of a run (not its timing).
"""

import os
import random
import select
import time

import pytest
from crash_house import check

KILLS = int(os.environ.get("JOBWIRE_CRASH_KILLS", "200"))
SEED = int(os.environ.get("JOBWIRE_CRASH_SEED", "0")) or random.randrange(1 << 32)
PAUSE_MS_MAX = 250
LEASE_MS = 400
# Two cores under load: what must happen within a lease and a sweep is given this much more.
SLACK_S = 5
BACKLOG_MAX = 400


@pytest.mark.slow
def test_no_kill_loses_or_doubles_anything(house):
    choose = random.Random(SEED)
    print(f"\nseed {SEED}, {KILLS} kills")
    roster = {
        "work-1": ("work", {"lease_ms": LEASE_MS}),
        "work-2": ("work", {"lease_ms": LEASE_MS}),
        "work-children": ("work", {"lease_ms": LEASE_MS, "has_children": True}),
        "produce-1": ("produce", {}),
        "produce-2": ("produce", {"kinds": ["quick", "isolated", "keeps"], "pause_s": 0.05}),
    }
    alive = {name: house.start(role, **order) for name, (role, order) in roster.items()}
    house.wait_for_line("acks.log")
    started_at, kills = time.monotonic(), 0
    never = select.poll()
    while kills < KILLS:
        never.poll(choose.random() ** 2 * PAUSE_MS_MAX)
        for name, process in list(alive.items()):
            if not process.is_alive():
                del alive[name]
        # Producers rest while the workers are behind, so that the end is not a long drain.
        is_behind = kills % 10 == 0 and backlog(house) > BACKLOG_MAX
        for name, (role, order) in roster.items():
            if name not in alive and not (is_behind and role == "produce"):
                alive[name] = house.start(role, **order)
        kills += kill_some(choose, alive)
        if kills % 20 == 0:
            print(f"  {kills} kills, {len(house.acks())} acknowledged, {time.monotonic() - started_at:.0f} s")
    for process in alive.values():
        process.kill_group()
    heal(house)
    jobs = check(house)
    print(f"  {jobs} jobs, {len(house.acks())} acknowledged, {len(house.runs())} runs: all books agree")
    assert jobs >= len(house.acks()) > KILLS / 4
    assert len(house.runs()) > KILLS


def kill_some(choose, alive):
    """Kill one process, one of its children, or its whole group; how many were killed."""
    name = choose.choice(sorted(alive))
    process = alive[name]
    match choose.choice(["process", "process", "child", "group", "pair"]):
        case "child":
            below = process.descendants()
            if not below:
                return 0
            choose.choice(below).kill()
            return 1
        case "group":
            process.kill_group()
            return 1
        case "pair":
            other = alive[choose.choice(sorted(alive))]
            process.send(9)
            other.kill()
            process.kill()
            return 1 if other is process else 2
        case _:
            process.kill()
            return 1


def backlog(house):
    return house.query("SELECT count(*) FROM ready")[0][0]


def heal(house):
    """Faults end: what the dead held comes back within a lease and a sweep (I8), and everything gets done."""
    dead = {worker for (worker,) in house.query("SELECT DISTINCT worker FROM lease")}
    house.start("work", lease_ms=LEASE_MS, has_children=True, slots=8)
    house.wait_for(
        lambda: not dead & {worker for (worker,) in house.query("SELECT DISTINCT worker FROM lease")},
        within_s=2 * LEASE_MS / 1000 + SLACK_S,
        what=f"the jobs of {dead} come back",
    )
    house.wait_for_all_final()
