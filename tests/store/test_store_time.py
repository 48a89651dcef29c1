"""What time does: scheduled jobs, deadlines, retention, and a clock that goes backwards."""

import pytest
from store_ledger import BROKEN, DONE, FLAKY, LEASE_MS, SHUTDOWN, STOPPED, WAIT_S, Ledger, lease_of

from jobwire.domain.states import Event, Reason, State
from jobwire.store.contract import ProgressReport


def test_a_scheduled_job_becomes_ready_when_its_time_has_come_and_not_before(ledger: Ledger) -> None:
    run_at = ledger.clock.now + 1_000
    number = ledger.submit(run_at=run_at)
    row = ledger.row(number)
    assert (row.phase, row.run_at, row.version) == ("scheduled", run_at, 1)
    ledger.clock.advance(999)
    assert ledger.store.promote().result(WAIT_S) == run_at
    assert ledger.claim() == []
    ledger.clock.advance(1)
    assert ledger.store.promote().result(WAIT_S) is None
    row = ledger.row(number)
    assert (row.phase, row.run_at, row.version) == ("waiting", None, 2)
    assert ledger.events(number) == [Event.SUBMITTED, Event.PROMOTED]
    assert ledger.claim_one().number == number


@pytest.mark.parametrize("offset", [0, -1, -(10**9)])
def test_a_job_scheduled_for_now_or_the_past_is_ready_at_once(ledger: Ledger, offset: int) -> None:
    number = ledger.submit(run_at=ledger.clock.now + offset)
    assert ledger.row(number).phase == "waiting"
    assert ledger.claim_one().number == number


def test_a_promoted_job_enters_the_order_it_was_given_at_submission(ledger: Ledger) -> None:
    later = ledger.submit(run_at=ledger.clock.now + 10)
    sooner = ledger.submit_many(3)
    ledger.clock.advance(10)
    ledger.store.promote().result(WAIT_S)
    assert [claim.number for claim in ledger.claim(5)] == [later, *sooner]


def test_promote_moves_no_more_than_its_limit_and_says_when_the_next_is_due(ledger: Ledger) -> None:
    times = [ledger.clock.now + n for n in (30, 10, 20, 40)]
    numbers = [ledger.submit(run_at=run_at) for run_at in times]
    ledger.clock.advance(30)
    assert ledger.store.promote(2).result(WAIT_S) == times[0]
    assert [claim.number for claim in ledger.claim(5)] == sorted([numbers[1], numbers[2]])
    assert ledger.store.promote(2).result(WAIT_S) == times[3]
    assert ledger.store.promote(2).result(WAIT_S) == times[3]


def test_a_job_not_claimed_before_its_deadline_expires(ledger: Ledger) -> None:
    deadline_at = ledger.clock.now + 100
    number = ledger.submit(deadline_at=deadline_at)
    assert ledger.store.promote().result(WAIT_S) == deadline_at
    ledger.clock.advance(99)
    ledger.store.promote().result(WAIT_S)
    assert ledger.state(number) is State.QUEUED
    ledger.clock.advance(1)
    assert ledger.store.promote().result(WAIT_S) is None
    row = ledger.row(number)
    assert (row.state, row.reason, row.phase) == (State.FAILED, Reason.EXPIRED, "expired")
    assert '"code":"expired"' in (row.error or "")
    assert ledger.events(number) == [Event.SUBMITTED, Event.EXPIRED]
    assert ledger.claim(5) == []


def test_a_scheduled_job_whose_deadline_comes_first_expires(ledger: Ledger) -> None:
    number = ledger.submit(run_at=ledger.clock.now + 500, deadline_at=ledger.clock.now + 100)
    assert ledger.store.promote().result(WAIT_S) == ledger.clock.now + 100
    ledger.clock.advance(1_000)
    ledger.store.promote().result(WAIT_S)
    assert ledger.row(number).phase == "expired"


@pytest.mark.parametrize("outcome", [None, DONE, BROKEN, STOPPED], ids=["running", "completed", "failed", "stopped"])
def test_a_deadline_does_not_touch_a_job_that_was_started_before_it(ledger: Ledger, outcome: object) -> None:
    number = ledger.submit(deadline_at=ledger.clock.now + 100)
    claim = ledger.claim_one()
    if outcome is not None:
        assert ledger.settle(claim, outcome)
    before = ledger.row(number)
    ledger.clock.advance(100)
    assert ledger.store.promote().result(WAIT_S) is None
    assert ledger.row(number) == before


def test_a_job_started_before_its_deadline_may_be_tried_again_after_it(ledger: Ledger) -> None:
    number = ledger.submit(deadline_at=ledger.clock.now + 100)
    claim = ledger.claim_one()
    ledger.clock.advance(100)
    ledger.store.promote().result(WAIT_S)
    assert ledger.settle(claim, FLAKY)
    ledger.clock.advance(60_000)
    ledger.store.promote().result(WAIT_S)
    assert ledger.claim_one().number == number


def test_a_deadline_holds_again_for_a_job_that_went_back_before_it(ledger: Ledger) -> None:
    number = ledger.submit(deadline_at=ledger.clock.now + 100)
    claim = ledger.claim_one()
    ledger.store.promote().result(WAIT_S)
    assert ledger.settle(claim, SHUTDOWN)
    ledger.clock.advance(100)
    ledger.store.promote().result(WAIT_S)
    assert ledger.row(number).phase == "expired"


def test_every_late_job_expires_even_in_rounds_smaller_than_their_number(ledger: Ledger) -> None:
    numbers = ledger.submit_many(5, deadline_at=ledger.clock.now + 10)
    ledger.clock.advance(10)
    for _ in range(3):
        ledger.store.promote(2).result(WAIT_S)
    assert {ledger.row(number).phase for number in numbers} == {"expired"}


def test_time_never_goes_back_for_the_ledger_when_the_clock_does(ledger: Ledger) -> None:
    first = ledger.submit()
    started = ledger.clock.now
    ledger.claim_one()
    ledger.clock.advance(-3_600_000)
    second = ledger.submit(run_at=started + 10)
    assert ledger.row(second).created_at == started
    assert ledger.row(second).phase == "scheduled"
    assert ledger.store.rescue().result(WAIT_S) == 0
    ledger.beat()
    ledger.clock.advance(3_600_000 + LEASE_MS - 1)
    assert ledger.store.rescue().result(WAIT_S) == 0
    ledger.clock.advance(1)
    assert ledger.store.rescue().result(WAIT_S) == 1
    times = [row.at for row in ledger.store.events(0).result(WAIT_S)]
    assert times == sorted(times)
    assert ledger.state(first) is State.QUEUED


def test_prune_deletes_what_ended_before_the_given_time_with_all_that_belongs_to_it(ledger: Ledger) -> None:
    old = ledger.submit(unique_key="u", idempotency_key="k", fingerprint="f", deadline_at=ledger.clock.now + 10**9)
    claim = ledger.claim_one()
    assert ledger.store.save_step(lease_of(claim), name="s", output="1").result(WAIT_S)
    assert ledger.settle(claim, BROKEN)
    ended = ledger.clock.now
    assert ledger.store.prune(ended).result(WAIT_S) == 0
    ledger.clock.advance(10)
    waiting, running, recent = ledger.submit_many(3)
    ledger.cancel(waiting)
    ledger.clock.advance(10)
    ledger.claim_one()
    ledger.run(DONE)
    assert ledger.store.prune(ended + 1).result(WAIT_S) == 1
    assert ledger.store.get(1, number=old).result(WAIT_S) is None
    assert ledger.store.steps(old).result(WAIT_S) == {}
    assert ledger.store.attempts(old).result(WAIT_S) == []
    assert [ledger.state(number) for number in (waiting, running, recent)] == [
        State.CANCELLED, State.RUNNING, State.COMPLETED,
    ]  # fmt: skip


def test_prune_never_deletes_a_job_that_is_not_final(ledger: Ledger) -> None:
    waiting, running = ledger.submit_many(2)
    scheduled = ledger.submit(run_at=ledger.clock.now + 10**10)
    ledger.cancel(waiting)
    ledger.claim_one()
    ledger.clock.advance(10**6)
    assert ledger.store.prune(ledger.clock.now).result(WAIT_S) == 1
    ledger.store.fold().result(WAIT_S)
    assert [ledger.state(number) for number in (running, scheduled)] == [State.RUNNING, State.QUEUED]
    assert ledger.events(running) == [Event.SUBMITTED, Event.CLAIMED]
    assert ledger.events(scheduled) == [Event.SUBMITTED]


def test_prune_takes_no_more_than_its_limit(ledger: Ledger) -> None:
    for number in ledger.submit_many(5):
        ledger.cancel(number)
    ledger.clock.advance(1)
    assert [ledger.store.prune(ledger.clock.now, 2).result(WAIT_S) for _ in range(4)] == [2, 2, 1, 0]


def test_a_job_leaves_no_event_behind_once_it_is_pruned_with_its_neighbours(ledger: Ledger) -> None:
    for number in ledger.submit_many(4):
        claim = ledger.claim_one()
        ledger.beat(progress=[ProgressReport(number, claim.fence, "1")])
        assert ledger.settle(claim, DONE)
    ledger.clock.advance(1)
    while ledger.store.prune(ledger.clock.now, 2).result(WAIT_S):
        continue
    ledger.store.fold().result(WAIT_S)
    assert ledger.query("SELECT count(*) FROM event") == [(0,)]


def test_a_pruned_job_frees_its_idempotency_key(ledger: Ledger) -> None:
    number = ledger.submit(idempotency_key="k", fingerprint="f")
    ledger.run(DONE)
    ledger.clock.advance(1)
    assert ledger.store.prune(ledger.clock.now).result(WAIT_S) == 1
    (fresh,) = ledger.receive(ledger.new(idempotency_key="k", fingerprint="g"))
    assert fresh.is_new and fresh.number > number


def test_prune_forgets_idempotency_keys_that_expired_and_no_others(ledger: Ledger) -> None:
    ledger.submit(idempotency_key="old", fingerprint="f")
    ledger.clock.advance(23 * 3_600_000)
    ledger.submit(idempotency_key="new", fingerprint="f")
    ledger.clock.advance(2 * 3_600_000)
    ledger.store.prune(0).result(WAIT_S)
    assert ledger.query("SELECT key FROM idempotency") == [("new",)]


def test_a_job_ended_after_its_deadline_was_pruned_does_not_come_back(ledger: Ledger) -> None:
    number = ledger.submit(deadline_at=ledger.clock.now + 1_000)
    ledger.run(DONE)
    ledger.clock.advance(10)
    assert ledger.store.prune(ledger.clock.now).result(WAIT_S) == 1
    ledger.clock.advance(10_000)
    assert ledger.store.promote().result(WAIT_S) is None
    assert ledger.store.get(1, number=number).result(WAIT_S) is None
