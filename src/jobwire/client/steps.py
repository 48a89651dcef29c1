"""All that the rules ask of the outside, and what they are told: a flow is a generator of these steps.

A shell (synchronous.py, asynchronous.py) carries out each step and sends back what came of it, so that the same rules
serve both and are tested without a network, a clock or chance. At most one stream is open in a flow.
"""

from collections.abc import Generator, Mapping
from typing import Any, NamedTuple, TypeVar

from jobwire.client.models import Event, Job


class Request(NamedTuple):
    """One request below the API's root; carrying it out twice is like once, if need be by an idempotency key."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None


class Answer(NamedTuple):
    """An answer; the names in `headers` are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""


class Cut(NamedTuple):
    """No whole answer came; `is_lasting` if it would not come another time either, as with a bad certificate."""

    reason: str
    may_have_arrived: bool = True
    is_lasting: bool = False


class Send(NamedTuple):
    """Send a request, let it be silent for `limit_s` at most; told an Answer or a Cut."""

    request: Request
    limit_s: float


class Open(NamedTuple):
    """Open a stream; told an Answer, which has no body yet if it is one of events, or a Cut."""

    request: Request
    silence_s: float


class Read(NamedTuple):
    """Read on in the open stream; told bytes, none at its end, or a Cut."""


class Close(NamedTuple):
    """Close the open stream."""


class Pause(NamedTuple):
    """Let the time pass."""

    seconds: float


class Show(NamedTuple):
    """Hand this to the caller."""

    what: Job | Event


class Ended(NamedTuple):
    """What a shell tells itself when a flow has ended with this value."""

    value: Any


Step = Send | Open | Read | Close | Pause | Show
T = TypeVar("T")
Flow = Generator[Step, Any, T]
