"""Decides what an outcome, or a lost worker, does to a job. store/ applies the decision under the fence."""

from dataclasses import dataclass, replace
from typing import NamedTuple, assert_never

from jobwire.domain.outcome import (
    CancelConfirmed,
    Completed,
    Failed,
    Interrupted,
    Outcome,
    PublicError,
    Snoozed,
)
from jobwire.domain.retry import RetryPolicy, backoff_ms
from jobwire.domain.states import FINAL_STATES, Event, Reason, State, is_legal

LOSSES_MAX = 3
SNOOZE_MS_MAX = 30 * 24 * 3_600_000


class Lease(NamedTuple):
    """The exclusive right to settle one attempt: valid while `fence` is the job's current one."""

    number: int
    fence: int


# Not frozen, which would cost each job 1.5 µs; only the worker that decided adds what was reported last.
@dataclass(slots=True)
class Settlement:
    """One decision: the job `lease.number` goes to `state`, if `lease.fence` is still its fence.

    `delay_ms` is None for a final state and 0 for "back into the order at once"; `attempt_refund` and `loss` say
    what the attempt counters do; `moves_fence` revokes the lease of a worker that may still be alive. `progress` is
    the attempt's last report, as JSON; None leaves what is there.
    """

    lease: Lease
    event: Event
    state: State
    reason: Reason
    delay_ms: int | None = None
    attempt_refund: int = 0
    loss: int = 0
    moves_fence: bool = False
    output: str | None = None
    error: PublicError | None = None
    internal: str = ""
    progress: str | None = None

    def __post_init__(self) -> None:
        assert is_legal(self.event, source=State.RUNNING, target=self.state), (self.event, self.state)
        assert (self.state in FINAL_STATES) == (self.delay_ms is None), self


class AttemptFacts(NamedTuple):
    """What the decision needs to know of the attempt: its number (1 is the first) and the job's limits."""

    attempt: int
    attempts_max: int
    losses: int
    cancel_requested: bool


def settle_outcome(
    lease: Lease,
    outcome: Outcome,
    *,
    facts: AttemptFacts,
    policy: RetryPolicy,
    jitter: float,
) -> Settlement:
    """The settlement of a finished attempt; `jitter` is a random number in [0, 1)."""
    match outcome:
        case Completed(output):
            return Settlement(lease, Event.COMPLETED, State.COMPLETED, Reason.NONE, output=output)
        case CancelConfirmed():
            return cancel(lease)
        case Interrupted():
            back = Settlement(
                lease, Event.INTERRUPTED, State.QUEUED, Reason.INTERRUPTED, delay_ms=0, attempt_refund=1
            )
            return cancel(lease) if facts.cancel_requested else replace(back, moves_fence=True)
        case Snoozed(delay_ms):
            if facts.cancel_requested:
                return cancel(lease)
            delay = max(1, min(delay_ms, SNOOZE_MS_MAX))
            return Settlement(lease, Event.SNOOZED, State.QUEUED, Reason.SNOOZED, delay_ms=delay, attempt_refund=1)
        case Failed():
            return _settle_failure(lease, outcome, facts=facts, policy=policy, jitter=jitter)
    assert_never(outcome)


def _settle_failure(
    lease: Lease, outcome: Failed, *, facts: AttemptFacts, policy: RetryPolicy, jitter: float
) -> Settlement:
    if facts.cancel_requested:
        return cancel(lease)
    error, internal = outcome.error, outcome.internal
    if error.retryable and facts.attempt < facts.attempts_max:
        wait = backoff_ms(policy, attempt=facts.attempt, jitter=jitter, retry_after_ms=outcome.retry_after_ms)
        return Settlement(
            lease, Event.RETRIED, State.QUEUED, Reason.ERROR, delay_ms=wait, error=error, internal=internal
        )
    reason = Reason.ATTEMPTS_EXHAUSTED if error.retryable else Reason.ERROR
    return Settlement(lease, Event.FAILED, State.FAILED, reason, error=error, internal=internal)


def settle_loss(lease: Lease, *, facts: AttemptFacts) -> Settlement:
    """The settlement of an attempt whose lease ran out: cancelled if that was asked, failed at the third loss in a
    row or when no attempt is left, else back into the order at its old place."""
    if facts.cancel_requested:
        return cancel(lease)
    if facts.losses + 1 >= LOSSES_MAX:
        message = f"The job's worker was lost {LOSSES_MAX} times in a row; the job was stopped."
        error = PublicError("worker_lost", message, retryable=False)
        return _fail_lost(lease, Reason.POISON, error)
    if facts.attempt >= facts.attempts_max:
        error = PublicError("worker_lost", "The job's worker was lost and no attempt is left.", retryable=True)
        return _fail_lost(lease, Reason.ATTEMPTS_EXHAUSTED, error)
    return Settlement(lease, Event.RESCUED, State.QUEUED, Reason.WORKER_LOST, delay_ms=0, loss=1, moves_fence=True)


def _fail_lost(lease: Lease, reason: Reason, error: PublicError) -> Settlement:
    return Settlement(lease, Event.FAILED, State.FAILED, reason, loss=1, moves_fence=True, error=error)


def cancel(lease: Lease) -> Settlement:
    """The settlement of a running job whose cancel was asked and is now carried out."""
    return Settlement(lease, Event.CANCELLED, State.CANCELLED, Reason.REQUESTED, moves_fence=True)
