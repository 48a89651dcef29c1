"""The primary of two nodes killed and its synchronous standby promoted: what was acknowledged is there.

JOBWIRE_CRASH_FAILOVERS=20 does it more often, the nodes changing roles each time.
"""

import os
import random
import select
import signal
import time

import pytest
from crash_house import check

pytestmark = pytest.mark.slow

FAILOVERS = int(os.environ.get("JOBWIRE_CRASH_FAILOVERS", "2"))
SEED = int(os.environ.get("JOBWIRE_CRASH_SEED", "0")) or random.randrange(1 << 32)
PAUSE_MS_MAX = 300
PROGRESS = 30
NEVER = select.poll()

ROSTER = (
    ("work", {"lease_ms": 2_000, "slots": 8}),
    ("work", {"lease_ms": 2_000, "slots": 8}),
    ("produce", {"pause_s": 0.02}),
    ("produce", {"pause_s": 0.02}),
)


def test_a_promoted_standby_has_everything_that_was_acknowledged(pair, house):
    choose = random.Random(SEED)
    print(f"\nseed {SEED}, {FAILOVERS} failovers")
    alive = [house.start(role, **order) for role, order in ROSTER]
    outages_ms = []
    house.wait_for_progress(PROGRESS)
    for number in range(FAILOVERS):
        NEVER.poll(choose.random() * PAUSE_MS_MAX)
        begun_at = time.monotonic()
        pair.fail_over()
        house.wait_for_progress(1)
        outages_ms.append(round((time.monotonic() - begun_at) * 1000))
        house.wait_for_progress(PROGRESS)
        if number + 1 < FAILOVERS:
            pair.repair()
            house.wait_for_progress(PROGRESS)
    for process in alive[2:]:
        process.send(signal.SIGTERM)
        assert process.wait(), house.errors()
    assert all(process.is_alive() for process in alive[:2]), house.errors()
    house.wait_for_all_final(120)
    jobs = check(house)
    print(
        f"  {FAILOVERS} failovers, {jobs} jobs, {len(house.acks())} acknowledged submissions and "
        f"{len(house.completions())} results: none lost; first acknowledged again after {outages_ms} ms"
    )
