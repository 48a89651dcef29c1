"""A worker that was stopped past its lease and comes back: nobody believes it any more (G5, G8)."""

import os
import signal
from pathlib import Path

import pytest
from crash_house import check

from jobwire.domain.states import Event, State

LEASE_MS = 400
# Two cores under load: what must happen within a lease and a sweep is given this much more.
SLACK_S = 5


def is_stopped(process):
    return Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


@pytest.mark.slow
def test_a_zombies_result_is_refused_and_kept_as_a_diagnostic(house):
    house.start("submit", kind="quick", idempotency_key="a").wait()
    zombie = house.start("stall", lease_ms=LEASE_MS)
    house.wait_for(lambda: is_stopped(zombie), within_s=20, what="the zombie has stopped")
    assert [(fence, what) for _, fence, what, _ in house.runs()] == [(1, "start"), (1, "end")]
    other = house.start("work", lease_ms=LEASE_MS, slots=1)
    # The second start is at most a lease, a sweep and a claim away.
    house.wait_for_line("runs.log", 3, within_s=2 * LEASE_MS / 1000 + SLACK_S)
    house.wait_for_all_final(20)
    before = house.query("SELECT * FROM state")
    zombie.send(signal.SIGCONT)
    house.wait_for(lambda: late(house), within_s=20, what="the zombie's settlement is refused")
    assert late(house) == [(1, 1, "refused: completed")]
    assert house.query("SELECT * FROM state") == before
    for process in (zombie, other):
        process.send(signal.SIGTERM)
        assert process.wait()
    assert check(house) == 1
    ((state, fence),) = house.query("SELECT state, fence FROM state")
    assert (State(state), fence) == (State.COMPLETED, 3)
    assert [Event(event) for _, _, event, _, _ in house.events()].count(Event.COMPLETED) == 1


def late(house):
    return house.query("SELECT number, fence, internal FROM attempt_log WHERE event = 'late'")


@pytest.mark.slow
def test_a_child_process_dies_with_its_worker(house):
    house.start("submit", kind="isolated", idempotency_key="a").wait()
    worker = house.start("work", has_children=True)
    house.wait_for(worker.descendants, within_s=20, what="the nursery is there")
    house.wait_for_all_final(20)
    below = worker.descendants()
    assert below
    worker.kill()
    for process in below:
        assert process.wait(10), f"process {process.pid} outlived its worker"
    assert os.getpgid(0) != worker.pid
