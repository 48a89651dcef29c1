"""What becomes of claims that no attempt runs: put off or given back, at no cost to their jobs."""

import logging

from jobwire.domain.outcome import Interrupted, Snoozed
from jobwire.domain.retry import RetryPolicy
from jobwire.domain.settlement import AttemptFacts, Lease, Settlement, settle_outcome
from jobwire.store.contract import Claim

logger = logging.getLogger("jobwire.worker")

UNKNOWN_KIND_MS = 30_000

# Snoozes and interrupts do not ask the retry policy anything.
_ANY_POLICY = RetryPolicy()


def put_off(claim: Claim) -> Settlement:
    """The settlement of a job whose kind this worker does not know; another worker may."""
    logger.error("no handler here for kind %r of job %d: put off", claim.kind, claim.number)
    facts = AttemptFacts(claim.attempt, claim.attempts_max, claim.losses, cancel_requested=False)
    lease = Lease(claim.number, claim.fence)
    return settle_outcome(lease, Snoozed(UNKNOWN_KIND_MS), facts=facts, policy=_ANY_POLICY, jitter=0.0)


def give_back(number: int, fence: int) -> Settlement:
    """The settlement of a lease that no attempt has."""
    facts = AttemptFacts(1, 1, 0, cancel_requested=False)
    return settle_outcome(Lease(number, fence), Interrupted(), facts=facts, policy=_ANY_POLICY, jitter=0.0)
