"""What a customer is shown: the phase, computed from the stored row. states.py has what is stored."""

from collections.abc import Mapping
from enum import StrEnum
from typing import assert_never

from jobwire.domain.states import Reason, State


class Phase(StrEnum):
    """The words of the native dialect; every other dialect maps each of them to its vendor's word."""

    SCHEDULED = "scheduled"
    WAITING = "waiting"
    RETRYING = "retrying"
    RUNNING = "running"
    CANCELLING = "cancelling"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


FINAL_PHASES = frozenset({Phase.COMPLETED, Phase.FAILED, Phase.CANCELLED, Phase.EXPIRED})

# The way back: the state that is stored of a job in each phase.
STATE_OF: Mapping[Phase, State] = {
    Phase.SCHEDULED: State.QUEUED,
    Phase.WAITING: State.QUEUED,
    Phase.RETRYING: State.QUEUED,
    Phase.RUNNING: State.RUNNING,
    Phase.CANCELLING: State.RUNNING,
    Phase.COMPLETED: State.COMPLETED,
    Phase.FAILED: State.FAILED,
    Phase.EXPIRED: State.FAILED,
    Phase.CANCELLED: State.CANCELLED,
}


def phase_of(state: State, *, reason: Reason, attempt: int, is_due: bool, cancel_requested: bool) -> Phase:
    """The phase of a job; `is_due` is false while its time has not come and it is in no queue's order."""
    match state:
        case State.QUEUED:
            if is_due:
                return Phase.WAITING
            return Phase.RETRYING if attempt > 0 else Phase.SCHEDULED
        case State.RUNNING:
            return Phase.CANCELLING if cancel_requested else Phase.RUNNING
        case State.COMPLETED:
            return Phase.COMPLETED
        case State.FAILED:
            return Phase.EXPIRED if reason is Reason.EXPIRED else Phase.FAILED
        case State.CANCELLED:
            return Phase.CANCELLED
    assert_never(state)
