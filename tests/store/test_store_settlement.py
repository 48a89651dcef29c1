"""G3, G5, G6: a settlement counts only with the current fence, a final state never changes, versions only grow."""

from itertools import product

import pytest
from store_ledger import (
    BROKEN,
    DONE,
    FLAKY,
    LATER,
    OUTCOMES,
    SHUTDOWN,
    STOPPED,
    WAIT_S,
    Ledger,
    decide,
    lease_of,
)

from jobwire.domain.outcome import Completed, Outcome
from jobwire.domain.settlement import Settlement
from jobwire.domain.states import FINAL_STATES, Event, Reason, State
from jobwire.store.contract import Claim, ProgressReport
from jobwire.store.transaction import encode_error

NAMES = [type(outcome).__name__ + ("-flaky" if outcome is FLAKY else "") for outcome in OUTCOMES]


def make_stale(ledger: Ledger) -> tuple[Claim, Claim]:
    """A claim whose lease was rescued away, and the one that followed it."""
    ledger.submit()
    stale = ledger.claim_one(worker="lost")
    assert ledger.lose_worker() == 1
    return stale, ledger.claim_one(worker="w2")


def test_a_completed_job_keeps_its_output_and_gives_up_its_lease(ledger: Ledger) -> None:
    number = ledger.submit()
    claim = ledger.claim_one()
    ledger.clock.advance(70)
    assert ledger.settle(claim, Completed('{"url":"\\u0000 ș"}'))
    row = ledger.row(number)
    assert (row.state, row.reason, row.output, row.error) == (State.COMPLETED, 0, '{"url":"\\u0000 ș"}', None)
    assert (row.finalized_at, row.version) == (ledger.clock.now, 3)
    assert ledger.beat() == []


@pytest.mark.parametrize("outcome", OUTCOMES, ids=NAMES)
def test_a_settlement_keeps_the_last_report_and_without_one_what_was_reported(
    ledger: Ledger, outcome: Outcome
) -> None:
    reporting, quiet = (ledger.submit(), ledger.submit())
    claims = {claim.number: claim for claim in ledger.claim(2)}
    reports = [ProgressReport(number, claims[number].fence, '{"percent":1}') for number in claims]
    ledger.beat(progress=reports)
    decided = {number: decide(claim, outcome) for number, claim in claims.items()}
    decided[reporting].progress = '{"percent":2}'
    assert len(ledger.store.settle(list(decided.values())).result(WAIT_S).accepted) == 2
    assert [ledger.row(number).progress for number in (reporting, quiet)] == ['{"percent":2}', '{"percent":1}']
    # The version grows by the settlement alone.
    assert ledger.row(reporting).version == ledger.row(quiet).version == 4


def test_the_report_of_a_stale_settlement_is_not_kept(ledger: Ledger) -> None:
    stale, current = make_stale(ledger)
    late = decide(stale, DONE)
    late.progress = '{"percent":99}'
    ledger.store.settle([late]).result(WAIT_S)
    assert ledger.row(current.number).progress is None


def test_a_retry_that_a_cancel_ends_keeps_its_last_report(ledger: Ledger) -> None:
    number = ledger.submit()
    claim = ledger.claim_one()
    ledger.cancel(number)
    retry = decide(claim, FLAKY)
    retry.progress = '{"percent":7}'
    ledger.store.settle([retry]).result(WAIT_S)
    assert (ledger.row(number).state, ledger.row(number).progress) == (State.CANCELLED, '{"percent":7}')


def test_a_failed_job_keeps_its_public_error_and_the_log_keeps_the_internal_one(ledger: Ledger) -> None:
    number = ledger.submit()
    ledger.run(BROKEN)
    row = ledger.row(number)
    assert (row.state, row.reason, row.output) == (State.FAILED, Reason.ERROR, None)
    assert row.error == encode_error(BROKEN.error)
    assert "Traceback" not in (row.error or "")
    (entry,) = ledger.store.attempts(number).result(WAIT_S)
    assert (entry.fence, entry.attempt, entry.event, entry.code) == (1, 1, "failed", "broken")
    assert entry.internal == "Traceback: broken"


def test_a_retryable_failure_is_due_after_its_backoff_and_a_success_forgets_it(ledger: Ledger) -> None:
    number = ledger.submit()
    ledger.run(FLAKY)
    row = ledger.row(number)
    assert (row.state, row.reason, row.attempt, row.phase) == (State.QUEUED, Reason.ERROR, 1, "retrying")
    assert row.run_at == ledger.clock.now + 501
    assert row.error == encode_error(FLAKY.error)
    assert ledger.claim(5) == []
    ledger.clock.advance(501)
    ledger.store.promote().result(WAIT_S)
    ledger.run(DONE)
    assert ledger.row(number).error is None
    assert ledger.attempts(number) == [(1, "retried")]


def test_g4_attempts_end_when_they_are_exhausted(ledger: Ledger) -> None:
    number = ledger.submit(attempts_max=3)
    for _ in range(3):
        ledger.run(FLAKY)
        ledger.clock.advance(60_000)
        ledger.store.promote().result(WAIT_S)
    row = ledger.row(number)
    assert (row.state, row.reason, row.attempt) == (State.FAILED, Reason.ATTEMPTS_EXHAUSTED, 3)
    assert ledger.attempts(number) == [(1, "retried"), (2, "retried"), (3, "failed")]


def test_a_snoozed_job_comes_back_at_its_time_without_an_attempt_spent(ledger: Ledger) -> None:
    number = ledger.submit(attempts_max=1)
    for _ in range(4):
        ledger.run(LATER)
        row = ledger.row(number)
        assert (row.attempt, row.reason, row.run_at) == (0, Reason.SNOOZED, ledger.clock.now + 5_000)
        ledger.clock.advance(4_999)
        ledger.store.promote().result(WAIT_S)
        assert ledger.claim() == []
        ledger.clock.advance(1)
        ledger.store.promote().result(WAIT_S)
    ledger.run(DONE)
    assert ledger.row(number).fence == 5


def test_an_interrupted_job_keeps_its_place_and_its_attempts(ledger: Ledger) -> None:
    first, *others = ledger.submit_many(3)
    claim = ledger.claim_one()
    assert claim.number == first
    assert ledger.settle(claim, SHUTDOWN)
    row = ledger.row(first)
    assert (row.attempt, row.reason, row.fence, row.phase) == (0, Reason.INTERRUPTED, 2, "waiting")
    again = ledger.claim(3)
    assert [each.number for each in again] == [first, *others]
    assert (again[0].fence, again[0].attempt) == (3, 1)


@pytest.mark.parametrize("outcome", OUTCOMES, ids=NAMES)
def test_g5_a_stale_fence_is_refused_and_kept_in_the_attempt_log(ledger: Ledger, outcome: Outcome) -> None:
    stale, current = make_stale(ledger)
    before = ledger.row(stale.number)
    assert not ledger.settle(stale, outcome)
    assert ledger.row(stale.number) == before
    assert (stale.fence, "late") in ledger.attempts(stale.number)
    assert ledger.settle(current, DONE)


@pytest.mark.parametrize("outcome", OUTCOMES, ids=NAMES)
def test_g5_a_stale_fence_is_refused_beside_settlements_that_are_accepted(ledger: Ledger, outcome: Outcome) -> None:
    """The guard of the writing statement itself: the batch goes through because of the other job."""
    stale, current = make_stale(ledger)
    other = ledger.submit()
    claim = ledger.claim_one()
    before = ledger.row(stale.number)
    settled = ledger.settle_all(decide(stale, outcome), decide(claim, outcome))
    assert settled.accepted == [other]
    assert ledger.row(stale.number) == before
    assert (stale.fence, "late") in ledger.attempts(stale.number)
    assert ledger.settle(current, DONE)


def test_g5_a_stale_and_the_current_lease_of_one_job_in_one_batch_are_told_apart(ledger: Ledger) -> None:
    for old, new, stale_first in product((DONE, FLAKY), (DONE, FLAKY, BROKEN), (True, False)):
        stale, current = make_stale(ledger)
        decisions = [decide(stale, old), decide(current, new)]
        settled = ledger.settle_all(*(decisions if stale_first else decisions[::-1]))
        assert settled.accepted == [current.number]
        assert {(1, "late"), (1, "rescued")} <= set(ledger.attempts(current.number))
        assert (2, "late") not in ledger.attempts(current.number)
        row = ledger.row(current.number)
        assert row.fence == current.fence
        assert row.state == decide(current, new).state
        ledger.clock.advance(1)
        if row.state == State.QUEUED:
            ledger.cancel(row.number)


@pytest.mark.parametrize("outcome", OUTCOMES, ids=NAMES)
def test_g5_the_first_of_several_settlements_of_one_lease_in_one_batch_counts(
    ledger: Ledger, outcome: Outcome
) -> None:
    for other in (outcome, DONE, BROKEN):
        number = ledger.submit(priority=0)
        claim = ledger.claim_one()
        first, second = decide(claim, outcome), decide(claim, other)
        assert ledger.settle_all(first, second).accepted == [number]
        row = ledger.row(number)
        assert (row.version, row.state, row.reason) == (3, first.state, first.reason)
        assert ledger.attempts(number).count((1, "late")) == 1
        ledger.cancel(number)


@pytest.mark.parametrize(("first", "second"), list(product(OUTCOMES, OUTCOMES)))
def test_g3_a_lease_settles_once_and_a_final_state_never_changes(
    ledger: Ledger, first: Outcome, second: Outcome
) -> None:
    number = ledger.submit()
    claim = ledger.claim_one()
    assert ledger.settle(claim, first)
    before = ledger.row(number)
    assert not ledger.settle(claim, second)
    assert ledger.row(number) == before


@pytest.mark.parametrize("outcome", [DONE, BROKEN, STOPPED], ids=lambda outcome: type(outcome).__name__)
def test_g3_nothing_moves_a_final_job(ledger: Ledger, outcome: Outcome) -> None:
    number = ledger.submit(deadline_at=ledger.clock.now + 5)
    claim = ledger.claim_one()
    assert ledger.settle(claim, outcome)
    before = ledger.row(number)
    assert before.state in FINAL_STATES
    other = ledger.submit()
    beside = ledger.claim_one()
    for again in (DONE, BROKEN, LATER):
        ledger.settle_all(decide(claim, again), decide(beside, SHUTDOWN))
        beside = ledger.claim_one()
        assert beside.number == other
    ledger.clock.advance(10**8)
    ledger.cancel(number)
    ledger.store.promote().result(WAIT_S)
    ledger.store.rescue().result(WAIT_S)
    ledger.beat(progress=[ProgressReport(number, claim.fence, '{"percent":1}')])
    assert not ledger.store.save_step(lease_of(claim), name="s", output="1").result(WAIT_S)
    assert ledger.row(number) == before


def test_g6_versions_only_grow_and_by_one_for_each_event(ledger: Ledger) -> None:
    number = ledger.submit()
    seen = [ledger.row(number).version]

    def look() -> None:
        seen.append(ledger.row(number).version)

    for outcome in (FLAKY, LATER, SHUTDOWN, DONE):
        claim = ledger.claim_one()
        look()
        ledger.beat(progress=[ProgressReport(number, claim.fence, '{"percent":10}')])
        look()
        assert ledger.settle(claim, outcome)
        look()
        ledger.clock.advance(60_000)
        ledger.store.promote().result(WAIT_S)
        look()
    assert seen == sorted(seen)
    assert seen[-1] == len(ledger.events(number))


def test_settlements_of_many_events_go_through_in_one_commit(ledger: Ledger) -> None:
    numbers = ledger.submit_many(len(OUTCOMES))
    claims = ledger.claim(len(OUTCOMES))
    settled = ledger.settle_all(*[decide(c, outcome) for c, outcome in zip(claims, OUTCOMES, strict=True)])
    assert sorted(settled.accepted) == numbers
    expected = [decide(claim, outcome).state for claim, outcome in zip(claims, OUTCOMES, strict=True)]
    assert [ledger.state(number) for number in numbers] == expected


def test_settling_a_job_that_never_was_is_refused_and_kept_nowhere(ledger: Ledger) -> None:
    number = ledger.submit()
    claim = ledger.claim_one()
    ghost = claim._replace(number=claim.number + 1_000)
    assert not ledger.settle(ghost, DONE)
    assert ledger.store.attempts(ghost.number).result(WAIT_S) == []
    assert ledger.settle(claim, DONE)
    assert ledger.state(number) is State.COMPLETED


def test_an_empty_settle_changes_nothing(ledger: Ledger) -> None:
    nothing: list[Settlement] = []
    assert ledger.settle_all(*nothing).accepted == []
    assert ledger.query("SELECT count(*) FROM event") == [(0,)]
    assert Event.SUBMITTED in ledger.events(ledger.submit())
