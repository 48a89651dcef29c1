"""G7: a cancel wins or loses against whatever else happens, is told which, and a cancelled job gets no result."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from store_ledger import BROKEN, DONE, FLAKY, LATER, LEASE_MS, OUTCOMES, SHUTDOWN, STOPPED, WAIT_S, Ledger, decide

from jobwire.domain.outcome import Completed, Outcome
from jobwire.domain.states import Event, Reason, State
from jobwire.store.contract import CancelReply, HeldLease


def test_a_waiting_job_is_cancelled_at_once_and_never_claimed(ledger: Ledger) -> None:
    number, other = ledger.submit_many(2)
    assert ledger.cancel(number) == CancelReply(State.QUEUED, changed=True)
    row = ledger.row(number)
    assert (row.state, row.reason, row.cancel_requested_at) == (State.CANCELLED, Reason.REQUESTED, ledger.clock.now)
    assert row.finalized_at == ledger.clock.now
    assert [claim.number for claim in ledger.claim(5)] == [other]


@pytest.mark.parametrize("wait", ["scheduled", "retrying"])
def test_a_job_that_waits_for_its_time_is_cancelled_at_once(ledger: Ledger, wait: str) -> None:
    number = ledger.submit(run_at=ledger.clock.now + 50 if wait == "scheduled" else None)
    if wait == "retrying":
        ledger.run(FLAKY)
    assert ledger.cancel(number) == CancelReply(State.QUEUED, changed=True)
    ledger.clock.advance(10**6)
    ledger.store.promote().result(WAIT_S)
    assert ledger.claim(5) == []
    assert ledger.state(number) is State.CANCELLED


def test_a_running_job_is_asked_once_and_its_worker_hears_of_it(ledger: Ledger) -> None:
    number = ledger.submit()
    claim = ledger.claim_one()
    assert ledger.cancel(number) == CancelReply(State.RUNNING, changed=True)
    version = ledger.row(number).version
    assert ledger.cancel(number) == CancelReply(State.RUNNING, changed=False)
    assert ledger.row(number).version == version
    assert ledger.row(number).phase == "cancelling"
    assert ledger.beat() == [HeldLease(number, claim.fence, 1)]
    assert ledger.events(number) == [Event.SUBMITTED, Event.CLAIMED, Event.CANCEL_REQUESTED]


@pytest.mark.parametrize("outcome", [DONE, BROKEN, STOPPED], ids=["completed", "failed", "cancelled"])
def test_a_cancel_that_lost_is_told_the_final_state(ledger: Ledger, outcome: Outcome) -> None:
    number = ledger.submit()
    claim = ledger.claim_one()
    assert ledger.settle(claim, outcome)
    before = ledger.row(number)
    assert ledger.cancel(number) == CancelReply(State(before.state), changed=False)
    assert ledger.row(number) == before


@pytest.mark.parametrize(
    "outcome", [FLAKY, LATER, SHUTDOWN, STOPPED, BROKEN], ids=["retry", "snooze", "interrupt", "confirm", "failure"]
)
@pytest.mark.parametrize("worker_knows", [True, False], ids=["worker knows", "worker has not heard"])
def test_g7_a_job_whose_cancel_was_asked_never_fails_nor_goes_back_to_its_queue(
    ledger: Ledger, outcome: Outcome, worker_knows: bool
) -> None:
    number = ledger.submit()
    claim = ledger.claim_one()
    ledger.cancel(number)
    assert ledger.settle(claim, outcome, cancel_requested=worker_knows)
    row = ledger.row(number)
    assert (row.state, row.reason, row.output) == (State.CANCELLED, Reason.REQUESTED, None)
    assert row.fence == claim.fence + 1
    ledger.clock.advance(10**6)
    ledger.store.promote().result(WAIT_S)
    assert ledger.claim(5) == []


def test_a_cancel_asked_of_one_job_does_not_touch_its_neighbour_in_the_batch(ledger: Ledger) -> None:
    asked, free = ledger.submit_many(2)
    claims = ledger.claim(2)
    ledger.cancel(asked)
    settled = ledger.settle_all(*[decide(claim, FLAKY) for claim in claims])
    assert sorted(settled.accepted) == [asked, free]
    assert (ledger.state(asked), ledger.state(free)) == (State.CANCELLED, State.QUEUED)


def test_work_that_finished_before_the_worker_heard_of_the_cancel_counts(ledger: Ledger) -> None:
    number = ledger.submit()
    claim = ledger.claim_one()
    ledger.cancel(number)
    assert ledger.settle(claim, DONE)
    assert ledger.row(number).output == DONE.output
    assert ledger.state(number) is State.COMPLETED


def test_g7_after_cancelled_was_seen_no_result_is_attached(ledger: Ledger) -> None:
    number = ledger.submit()
    claim = ledger.claim_one()
    ledger.cancel(number)
    ledger.clock.advance(LEASE_MS)
    assert ledger.store.rescue().result(WAIT_S) == 1
    before = ledger.row(number)
    assert (before.state, before.reason) == (State.CANCELLED, Reason.REQUESTED)
    for outcome in OUTCOMES:
        assert not ledger.settle(claim, outcome)
    assert ledger.row(number) == before


def test_a_cancel_answers_each_number_in_the_order_asked(ledger: Ledger) -> None:
    mine, running = ledger.submit_many(2, priority=5)
    theirs = ledger.submit(owner=2, queue="another")
    ledger.cancel(mine)
    assert ledger.claim_one().number == running
    waiting = ledger.submit()
    numbers = [waiting, 10**9, mine, theirs, running, waiting, -1]
    replies = ledger.store.cancel(1, numbers).result(WAIT_S)
    assert replies == [
        CancelReply(State.QUEUED, changed=True),
        None,
        CancelReply(State.CANCELLED, changed=False),
        None,
        CancelReply(State.RUNNING, changed=True),
        CancelReply(State.QUEUED, changed=True),
        None,
    ]
    assert ledger.row(theirs, owner=2).state == State.QUEUED
    assert ledger.store.cancel(1, []).result(WAIT_S) == []


def test_g7_a_cancel_inside_a_transaction_comes_and_goes_with_it(ledger: Ledger) -> None:
    number = ledger.submit()

    def undo(tx: object) -> None:
        assert tx.cancel(1, [number])[0].changed
        raise KeyError("undone")

    with pytest.raises(KeyError):
        ledger.store.write(undo).result(WAIT_S)
    assert ledger.state(number) is State.QUEUED
    assert ledger.store.write(lambda tx: tx.cancel(1, [number])).result(WAIT_S)[0] == CancelReply(State.QUEUED, True)
    assert ledger.state(number) is State.CANCELLED


def test_g7_in_a_storm_of_cancels_and_completions_each_job_has_one_end_and_every_answer_agrees(
    ledger: Ledger,
) -> None:
    numbers = ledger.submit_many(120)
    claims = ledger.claim(60)

    def complete(claim: object) -> bool:
        return ledger.settle(claim, Completed(f'"{claim.number}"'))

    def cancel(number: int) -> CancelReply | None:
        return ledger.cancel(number)

    with ThreadPoolExecutor(16) as pool:
        cancels = pool.map(cancel, numbers)
        completions = list(pool.map(complete, claims))
        replies = dict(zip(numbers, cancels, strict=True))
    assert all(completions)
    for claim in claims:
        row = ledger.row(claim.number)
        assert (row.state, row.output) == (State.COMPLETED, f'"{claim.number}"')
        reply = replies[claim.number]
        assert reply is not None and reply.state in {State.RUNNING, State.COMPLETED}
        assert reply.changed == (row.cancel_requested_at is not None)
    for number in numbers[60:]:
        assert replies[number] == CancelReply(State.QUEUED, changed=True)
        assert ledger.state(number) is State.CANCELLED
