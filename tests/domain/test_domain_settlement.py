"""What an outcome or a lost worker does to a job: every combination, against rules written a second time."""

from itertools import product

import pytest

from jobwire.domain.outcome import CancelConfirmed, Completed, Failed, Interrupted, Outcome, PublicError, Snoozed
from jobwire.domain.retry import RetryPolicy
from jobwire.domain.settlement import (
    LOSSES_MAX,
    SNOOZE_MS_MAX,
    AttemptFacts,
    Lease,
    Settlement,
    settle_loss,
    settle_outcome,
)
from jobwire.domain.states import FINAL_STATES, Event, Reason, State, is_legal

LEASE = Lease(7, 3)
POLICY = RetryPolicy(first_ms=1_000, longest_ms=8_000)
PERMANENT = Failed(PublicError("bad_input", "no"), internal="trace")
RETRYABLE = Failed(PublicError("away", "later", retryable=True), retry_after_ms=500, internal="trace")
OUTCOMES: tuple[Outcome, ...] = (
    Completed("{}"), PERMANENT, RETRYABLE, Snoozed(5_000), Interrupted(), CancelConfirmed(),
)  # fmt: skip
FACTS = [
    AttemptFacts(attempt, attempts_max, losses, cancel_requested)
    for attempt, attempts_max, losses, cancel_requested in product(
        range(1, 6), range(1, 6), range(LOSSES_MAX + 1), (False, True)
    )
    if attempt <= attempts_max
]


def expected_of(outcome: Outcome, facts: AttemptFacts) -> tuple[Event, State, Reason]:
    if isinstance(outcome, Completed):
        return Event.COMPLETED, State.COMPLETED, Reason.NONE
    if isinstance(outcome, CancelConfirmed) or facts.cancel_requested:
        return Event.CANCELLED, State.CANCELLED, Reason.REQUESTED
    if isinstance(outcome, Snoozed):
        return Event.SNOOZED, State.QUEUED, Reason.SNOOZED
    if isinstance(outcome, Interrupted):
        return Event.INTERRUPTED, State.QUEUED, Reason.INTERRUPTED
    if not outcome.error.retryable:
        return Event.FAILED, State.FAILED, Reason.ERROR
    if facts.attempt == facts.attempts_max:
        return Event.FAILED, State.FAILED, Reason.ATTEMPTS_EXHAUSTED
    return Event.RETRIED, State.QUEUED, Reason.ERROR


def is_sound(settlement: Settlement) -> bool:
    ends = settlement.state in FINAL_STATES
    return (
        settlement.lease == LEASE
        and is_legal(settlement.event, source=State.RUNNING, target=settlement.state)
        and (settlement.delay_ms is None) == ends
        and (settlement.output is not None) == (settlement.state is State.COMPLETED)
    )


@pytest.mark.parametrize("outcome", OUTCOMES, ids=lambda outcome: type(outcome).__name__)
def test_every_outcome_at_every_attempt_goes_where_the_rules_say(outcome: Outcome) -> None:
    for facts, jitter in product(FACTS, (0.0, 0.5, 0.999)):
        settled = settle_outcome(LEASE, outcome, facts=facts, policy=POLICY, jitter=jitter)
        assert (settled.event, settled.state, settled.reason) == expected_of(outcome, facts), facts
        assert is_sound(settled), (facts, settled)


def test_only_a_snooze_and_an_interrupt_give_the_attempt_back() -> None:
    for outcome, facts in product(OUTCOMES, FACTS):
        settled = settle_outcome(LEASE, outcome, facts=facts, policy=POLICY, jitter=0.5)
        assert settled.attempt_refund == (settled.event in {Event.SNOOZED, Event.INTERRUPTED})
        assert settled.loss == 0


def test_what_takes_the_job_from_a_worker_that_may_still_live_moves_the_fence() -> None:
    for outcome, facts in product(OUTCOMES, FACTS):
        settled = settle_outcome(LEASE, outcome, facts=facts, policy=POLICY, jitter=0.5)
        assert settled.moves_fence == (settled.event in {Event.INTERRUPTED, Event.CANCELLED})
    assert all(settle_loss(LEASE, facts=facts).moves_fence for facts in FACTS)


def test_an_interrupted_job_is_due_at_once_and_a_snoozed_one_when_it_asked() -> None:
    facts = AttemptFacts(1, 5, 0, cancel_requested=False)
    delays = {}
    for outcome in (Interrupted(), Snoozed(5_000), Snoozed(0), Snoozed(-9), Snoozed(SNOOZE_MS_MAX + 1)):
        delays[outcome] = settle_outcome(LEASE, outcome, facts=facts, policy=POLICY, jitter=0.5).delay_ms
    assert list(delays.values()) == [0, 5_000, 1, 1, SNOOZE_MS_MAX]


def test_a_failure_keeps_the_public_error_and_the_internal_text_apart() -> None:
    facts = AttemptFacts(1, 5, 0, cancel_requested=False)
    for outcome in (PERMANENT, RETRYABLE):
        settled = settle_outcome(LEASE, outcome, facts=facts, policy=POLICY, jitter=0.5)
        assert (settled.error, settled.internal) == (outcome.error, "trace")
        assert "trace" not in repr(outcome)


def test_a_retry_waits_at_least_as_long_as_the_handler_asked() -> None:
    facts = AttemptFacts(1, 5, 0, cancel_requested=False)
    settled = settle_outcome(LEASE, RETRYABLE, facts=facts, policy=POLICY, jitter=0.0)
    assert settled.delay_ms is not None and settled.delay_ms > 500


def test_every_loss_goes_where_the_rules_say() -> None:
    for facts in FACTS:
        settled = settle_loss(LEASE, facts=facts)
        assert is_sound(settled)
        if facts.cancel_requested:
            expected = (Event.CANCELLED, State.CANCELLED, Reason.REQUESTED, None)
        elif facts.losses >= LOSSES_MAX - 1:
            expected = (Event.FAILED, State.FAILED, Reason.POISON, None)
        elif facts.attempt == facts.attempts_max:
            expected = (Event.FAILED, State.FAILED, Reason.ATTEMPTS_EXHAUSTED, None)
        else:
            expected = (Event.RESCUED, State.QUEUED, Reason.WORKER_LOST, 0)
        assert (settled.event, settled.state, settled.reason, settled.delay_ms) == expected, facts
        assert settled.loss == (not facts.cancel_requested)
        assert (settled.error is not None) == (settled.event is Event.FAILED)


def test_an_illegal_settlement_cannot_be_made() -> None:
    with pytest.raises(AssertionError):
        Settlement(LEASE, Event.EXPIRED, State.FAILED, Reason.EXPIRED)
    with pytest.raises(AssertionError):
        Settlement(LEASE, Event.COMPLETED, State.COMPLETED, Reason.NONE, delay_ms=0)
    with pytest.raises(AssertionError):
        Settlement(LEASE, Event.RETRIED, State.QUEUED, Reason.ERROR)
