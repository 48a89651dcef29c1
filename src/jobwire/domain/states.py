"""The stored states of a job and every transition between them. phases.py says what a customer is shown.

Each guard below is a WHERE clause of one statement in store/: a transition whose guard does not hold changes
nothing, and the loser of a race is told the state it lost to. docs/state_machine.md is generated from here.
"""

from dataclasses import dataclass
from enum import IntEnum


class State(IntEnum):
    """What is stored. Everything finer (scheduled, retrying, cancelling) is a phase, computed when asked for."""

    QUEUED = 0
    RUNNING = 1
    COMPLETED = 2
    FAILED = 3
    CANCELLED = 4


FINAL_STATES = frozenset({State.COMPLETED, State.FAILED, State.CANCELLED})


class Event(IntEnum):
    """What happened to a job, as the event log records it."""

    SUBMITTED = 1
    PROMOTED = 2
    CLAIMED = 3
    PROGRESSED = 4
    COMPLETED = 5
    RETRIED = 6
    FAILED = 7
    RESCUED = 8
    CANCELLED = 9
    CANCEL_REQUESTED = 10
    INTERRUPTED = 11
    SNOOZED = 12
    EXPIRED = 13


FINAL_EVENTS = frozenset({Event.COMPLETED, Event.FAILED, Event.CANCELLED, Event.EXPIRED})


class Reason(IntEnum):
    """Why a job is where it is, beside its state."""

    NONE = 0
    ERROR = 1
    ATTEMPTS_EXHAUSTED = 2
    POISON = 3
    EXPIRED = 4
    REQUESTED = 5
    WORKER_LOST = 6
    INTERRUPTED = 7
    SNOOZED = 8


@dataclass(frozen=True, slots=True)
class Transition:
    """One arrow of the state machine; `source` None means that the job did not exist before."""

    name: str
    event: Event
    source: State | None
    target: State
    actor: str
    guard: str
    effect: str


TRANSITIONS = (
    Transition(
        "T1", Event.SUBMITTED, None, State.QUEUED, "service",
        "the idempotency key and the unique key, if any, are free",
        "job, state, order, event and keys are written in one transaction",
    ),
    Transition(
        "T2", Event.PROMOTED, State.QUEUED, State.QUEUED, "upkeep",
        "run_at has come", "the job enters the order it was given at submission",
    ),
    Transition(
        "T3", Event.CLAIMED, State.QUEUED, State.RUNNING, "worker",
        "the job is first in its queue's order", "fence + 1, attempt + 1, a lease",
    ),
    Transition(
        "T4", Event.PROGRESSED, State.RUNNING, State.RUNNING, "worker",
        "the fence is current", "progress is written, the version grows",
    ),
    Transition(
        "T5", Event.COMPLETED, State.RUNNING, State.COMPLETED, "worker",
        "the fence is current", "output kept, lease gone",
    ),
    Transition(
        "T6", Event.RETRIED, State.RUNNING, State.QUEUED, "worker",
        "the fence is current, the error is retryable, attempts are left, no cancel was asked",
        "due again after a backoff",
    ),
    Transition(
        "T7", Event.FAILED, State.RUNNING, State.FAILED, "worker",
        "the fence is current; the error is permanent or no attempt is left", "error kept, lease gone",
    ),
    Transition(
        "T8", Event.RESCUED, State.RUNNING, State.QUEUED, "upkeep",
        "the lease has expired and the fence is unchanged", "fence + 1, losses + 1, same place in the order",
    ),
    Transition(
        "T8p", Event.FAILED, State.RUNNING, State.FAILED, "upkeep",
        "as T8, and it is the third loss in a row or no attempt is left", "fence + 1, reason poison or exhausted",
    ),
    Transition(
        "T9", Event.CANCELLED, State.QUEUED, State.CANCELLED, "service",
        "the job waits", "out of the order at once",
    ),
    Transition(
        "T10", Event.CANCEL_REQUESTED, State.RUNNING, State.RUNNING, "service",
        "the job runs and no cancel was asked", "the worker learns of it with its next heartbeat",
    ),
    Transition(
        "T11", Event.CANCELLED, State.RUNNING, State.CANCELLED, "worker or upkeep",
        "a cancel was asked; the fence is current, or the lease has expired", "fence + 1, lease gone",
    ),
    Transition(
        "T12", Event.COMPLETED, State.RUNNING, State.COMPLETED, "worker",
        "a cancel was asked, but the work was finished first; the fence is current", "as T5",
    ),
    Transition(
        "T13", Event.INTERRUPTED, State.RUNNING, State.QUEUED, "worker",
        "the fence is current and the worker shuts down", "attempt - 1, same place in the order",
    ),
    Transition(
        "T14", Event.EXPIRED, State.QUEUED, State.FAILED, "upkeep",
        "the deadline has passed before the job was claimed", "reason expired",
    ),
    Transition(
        "T15", Event.SUBMITTED, None, State.QUEUED, "service",
        "a final job is run again", "a new job with rerun_of and root; the old one never changes",
    ),
    Transition(
        "T16", Event.SNOOZED, State.RUNNING, State.QUEUED, "worker",
        "the fence is current and the handler asked for later", "attempt - 1, due again at the asked time",
    ),
)  # fmt: skip


_ARROWS = frozenset((t.event, t.source, t.target) for t in TRANSITIONS)


def is_legal(event: Event, *, source: State | None, target: State) -> bool:
    """Whether the table has an arrow for this event from `source` to `target`."""
    return (event, source, target) in _ARROWS
