"""What a handler said: a closed vocabulary. settlement.py decides what it does to the job."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class PublicError:
    """What the customer of a failed job reads; `details` is JSON text or None."""

    code: str
    message: str
    retryable: bool = False
    details: str | None = None


@dataclass(frozen=True, slots=True)
class Completed:
    """The work is done; `output` is JSON text."""

    output: str


@dataclass(frozen=True, slots=True)
class Failed:
    """The attempt failed; `internal` (traceback, stderr) is for the operator only."""

    error: PublicError
    retry_after_ms: int | None = None
    internal: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Snoozed:
    """The handler asked to be run later; costs no attempt."""

    delay_ms: int


@dataclass(frozen=True, slots=True)
class Interrupted:
    """The worker shuts down and gives the job back; costs no attempt."""


@dataclass(frozen=True, slots=True)
class CancelConfirmed:
    """The handler stopped because a cancel was asked."""


Outcome = Completed | Failed | Snoozed | Interrupted | CancelConfirmed
