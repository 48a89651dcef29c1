"""One attempt in a worker's hands: its claim, its task, its progress and why it was stopped, if it was."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

import msgspec

from jobwire.domain.outcome import CancelConfirmed, Completed, Failed, Interrupted, Outcome, PublicError
from jobwire.domain.progress import NO_PROGRESS, Progress, complete, resume
from jobwire.domain.settlement import AttemptFacts, Lease, Settlement, settle_outcome
from jobwire.kinds.contract import Kind
from jobwire.store.contract import Claim


def encode_progress(progress: Progress) -> str:
    """Progress as the ledger keeps it."""
    return msgspec.json.encode(progress).decode()


def start_progress(claim: Claim) -> Progress:
    """Where an attempt starts: no lower than those before it came."""
    return NO_PROGRESS if claim.progress is None else resume(msgspec.json.decode(claim.progress, type=Progress))


class Stop(Enum):
    """Why a running attempt was stopped from outside."""

    CANCEL = "the customer asked to cancel"
    LOST = "the lease is no longer current"
    SHUTDOWN = "the worker shuts down"
    TIMEOUT = "the time limit has passed"


@dataclass(slots=True, eq=False)
class Attempt:
    """A claimed job while it runs; `claimed_at`, `deadline_at` and `stopped_at` are in loop seconds.

    `finish` takes the outcome (None: nothing may be said) once, from the task or from whoever gave up on it.
    """

    claim: Claim
    kind: Kind
    claimed_at: float
    deadline_at: float
    finish: "Callable[[Attempt, Outcome | None], None]"
    task: "asyncio.Task[None] | None" = None
    progress: Progress = NO_PROGRESS
    progress_text: str = ""
    has_news: bool = False
    stop: Stop | None = None
    stopped_at: float = 0.0

    @property
    def lease(self) -> Lease:
        """The right to settle this attempt."""
        return Lease(self.claim.number, self.claim.fence)

    @property
    def facts(self) -> AttemptFacts:
        """What the domain needs to know to settle it."""
        claim = self.claim
        return AttemptFacts(claim.attempt, claim.attempts_max, claim.losses, self.stop is Stop.CANCEL)

    def decide(self, outcome: Outcome, *, jitter: float) -> Settlement:
        """The domain's decision on an outcome, with the last report, which no heartbeat may have written."""
        decided = settle_outcome(self.lease, outcome, facts=self.facts, policy=self.kind.retry, jitter=jitter)
        if isinstance(outcome, Completed) and self.progress is not NO_PROGRESS:
            decided.progress = encode_progress(complete(self.progress))
        elif self.progress_text:
            decided.progress = self.progress_text
        return decided

    def stopped_outcome(self) -> Outcome | None:
        """What an attempt stopped from outside comes to; None when its lease is lost and nothing may be said."""
        match self.stop:
            case Stop.CANCEL:
                return CancelConfirmed()
            case Stop.TIMEOUT:
                seconds = self.kind.timeout_ms / 1000
                message = f"The work took longer than its limit of {seconds:g} s and was stopped."
                return Failed(PublicError("timeout", message, retryable=True))
            case Stop.LOST:
                return None
            case Stop.SHUTDOWN | None:
                return Interrupted()
