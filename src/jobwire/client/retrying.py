"""One call and its repetitions: only of what may pass, never earlier than the server allows, not for ever."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import count

from jobwire.client.answers import find_fault
from jobwire.client.errors import (
    CallRefused,
    ClientError,
    Conflict,
    ConnectionLost,
    RateLimited,
    ServerFault,
    Unavailable,
)
from jobwire.client.steps import Answer, Cut, Flow, Pause, Request, Send

JITTER = 0.1

# A last attempt whose pause took a little longer than asked is made all the same.
_LAST_S = 0.1
# These answer what the caller asked: whether it can be taken now. Whether to wait is the caller's decision.
_DECIDED = frozenset({"backlog_full", "overloaded"})


@dataclass(frozen=True, slots=True)
class Retries:
    """How often and how long a call that failed in passing is tried again.

    A call has at most `attempts_max` attempts. Pauses double from `first_s` to `longest_s` with jitter, or are what
    Retry-After says if that is longer. A wait or stream has no count: it outlives failures in a row for `outage_s`.
    """

    attempts_max: int = 5
    first_s: float = 0.5
    longest_s: float = 30.0
    outage_s: float = 300.0


@dataclass(frozen=True, slots=True)
class Session:
    """What every call of a client has in common.

    `clock` gives seconds that only grow, `draw` a number from 0 to below 1. `silence_s` is how long the server may be
    silent, `call_s` how long a call may take with all its repetitions.
    """

    clock: Callable[[], float]
    draw: Callable[[], float]
    retries: Retries = Retries()
    silence_s: float = 30.0
    call_s: float = 120.0

    def pause_s(self, asked_s: float, *, failures: int) -> float:
        """The seconds until the next attempt after so many failures: never less than the server asked for."""
        backoff_s = min(self.retries.longest_s, self.retries.first_s * 2.0 ** min(failures - 1, 30))
        return max(backoff_s * (0.5 + self.draw() / 2), asked_s * (1 + JITTER * self.draw()))


def make_call(request: Request, session: Session) -> Flow[Answer]:
    """The answer of a call that succeeded; raises what the last attempt came to."""
    end = session.clock() + session.call_s
    for failures in count(1):
        told = yield Send(request, min(session.silence_s, max(_LAST_S, end - session.clock())))
        fault = find_fault(told)
        if fault is None:
            assert isinstance(told, Answer)
            return told
        pause_s = session.pause_s(retry_after_of(fault), failures=failures)
        is_over = failures >= session.retries.attempts_max or session.clock() + pause_s > end
        if is_over or not can_repeat(told, fault):
            raise fault
        yield Pause(pause_s)
    raise AssertionError("count ends never")


def retry_after_of(fault: ClientError) -> float:
    """The seconds a refusal asks for; 0 where it asks for nothing."""
    return (fault.retry_after_s or 0.0) if isinstance(fault, CallRefused) else 0.0


def can_repeat(told: Answer | Cut, fault: ClientError) -> bool:
    """Whether the same request may succeed another time."""
    match fault:
        case ConnectionLost():
            return not (isinstance(told, Cut) and told.is_lasting)
        case RateLimited() | Unavailable():
            return fault.code not in _DECIDED
        case Conflict():
            # The first call with this idempotency key is still being carried out.
            return fault.retry_after_s is not None
        case _:
            return False


def is_passing(told: Answer | Cut, fault: ClientError) -> bool:
    """Whether somebody who waits may look again after this: a server's failure is not the job's."""
    is_lasting = isinstance(told, Cut) and told.is_lasting
    return isinstance(fault, ConnectionLost | RateLimited | Unavailable | ServerFault) and not is_lasting
