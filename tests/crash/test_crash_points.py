"""A process dies at one named point: just before or just after a commit that carries the named operation."""

from collections import Counter

import msgspec
import pytest
from crash_house import check

from jobwire.domain.states import Event, State

# Under a second each, but there are many.
pytestmark = pytest.mark.slow

LEASE_MS = 200
POINTS = [
    (op, moment)
    for op in ("submit", "claim", "save_step", "settle", "heartbeat", "promote", "rescue", "retire")
    for moment in ("before", "after")
]


def finish(house):
    """A healthy process comes and does what is left."""
    worker = house.start("work", lease_ms=LEASE_MS)
    house.wait_for_line("ready.log")
    house.wait_for(lambda: house.query("SELECT count(*) FROM job") != [(0,)], within_s=20, what="a job is there")
    house.wait_for_all_final(20)
    return worker


def leave_a_lost_job(house):
    """A job whose worker was killed while it ran, so that there is something to rescue."""
    house.start("live_until", op="claim", moment="after", kind="quick", idempotency_key="lost").wait()


@pytest.mark.parametrize(("op", "moment"), POINTS)
def test_a_death_at_this_point_loses_and_doubles_nothing(house, op, moment):
    if op == "rescue":
        leave_a_lost_job(house)
    kind = "unlucky" if op == "promote" else "stepped"
    fragile = house.start("live_until", op=op, moment=moment, kind=kind, idempotency_key="order-1")
    if op == "retire":
        house.wait_for_line("ready.log")
        fragile.send(15)
    assert fragile.wait(), f"it did not come to {moment} {op}\n{house.errors()}"
    # The client got no answer, or fears so, and sends its submission again.
    house.start("submit", kind=kind, idempotency_key="order-1").wait()
    finish(house)
    assert check(house) == (2 if op == "rescue" else 1)
    counted = Counter(Event(event) for _, _, event, _, _ in house.events())
    assert counted[Event.COMPLETED] == (2 if op == "rescue" else 1)


def test_a_step_that_was_kept_before_the_death_is_not_worked_again(house):
    house.start("live_until", op="save_step", moment="after", kind="stepped", idempotency_key="a").wait()
    finish(house)
    ((output,),) = house.query("SELECT output FROM state")
    first, second = msgspec.json.decode(output)["steps"]
    assert first == 1 < second


def test_a_submission_whose_commit_was_reached_is_there_although_nobody_was_told(house):
    house.start("live_until", op="submit", moment="after", kind="quick", idempotency_key="a").wait()
    assert house.acks() == []
    assert house.query("SELECT count(*) FROM job") == [(1,)]
    house.start("submit", kind="quick", idempotency_key="a").wait()
    assert [number for number, _, _ in house.acks()] == [1]
    finish(house)
    check(house)


def test_a_submission_that_did_not_reach_its_commit_left_nothing_behind(house):
    house.start("live_until", op="submit", moment="before", kind="quick", idempotency_key="a").wait()
    for table in ("job", "state", "ready", "cell", "idempotency"):
        assert house.query(f"SELECT count(*) FROM {table}") == [(0,)]
    assert house.events() == []


def test_a_job_whose_workers_die_each_time_is_stopped_at_the_third(house):
    for _ in range(3):
        house.start("live_until", op="claim", moment="after", kind="quick", idempotency_key="a").wait()
        house.wait_for(lambda: rescued(house), within_s=20, what="the loss is noticed")
    ((state, error),) = house.query("SELECT state, error FROM state")
    assert (State(state), msgspec.json.decode(error)["code"]) == (State.FAILED, "worker_lost")
    check(house)


def rescued(house):
    """One round of a process that only keeps the ledger, then whether the lease is gone."""
    if house.query("SELECT count(*) FROM lease") == [(0,)]:
        return True
    keeper = house.start("work", lease_ms=LEASE_MS, slots=0)
    house.wait_for(lambda: house.query("SELECT count(*) FROM lease") == [(0,)], within_s=20, what="rescue")
    keeper.kill()
    return True
