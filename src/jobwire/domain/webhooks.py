"""Webhooks as rules: which events go where, when a delivery is tried again, when an endpoint is left alone. No I/O.

upkeep/sending.py sends by these rules, store/webhook_deliveries.py keeps what came of it.
"""

from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import NamedTuple

from jobwire.domain.phases import Phase
from jobwire.domain.states import Event

RETRY_WAITS_S = (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
"""Seconds before the second, third … attempt, as Standard Webhooks recommends; then a delivery is given up."""
JITTER_SHARE_MAX = 0.1
BREAKER_FAILURES_MAX = 5
BREAKER_FIRST_MS = 30_000
BREAKER_LONGEST_MS = 3_600_000
FAILING_MS = 5 * 24 * 3_600_000
ANSWER_CHARS_MAX = 500

SENDER_KIND = SENDER_QUEUE = "jobwire:webhooks"
"""No program can declare a kind or queue of this name: the colon is refused there."""

EVENT_PREFIX = "job."
ANY_EVENT = "*"
TEST_EVENT = "webhook.test"
EVENT_TYPES: Mapping[Event, str] = {event: EVENT_PREFIX + event.name.lower() for event in Event}
FINAL_TYPES = tuple(EVENT_TYPES[e] for e in (Event.COMPLETED, Event.FAILED, Event.CANCELLED, Event.EXPIRED))

PHASES_AFTER: Mapping[Event, Phase] = {
    Event.SUBMITTED: Phase.WAITING,
    Event.PROMOTED: Phase.WAITING,
    Event.CLAIMED: Phase.RUNNING,
    Event.PROGRESSED: Phase.RUNNING,
    Event.COMPLETED: Phase.COMPLETED,
    Event.RETRIED: Phase.RETRYING,
    Event.FAILED: Phase.FAILED,
    Event.RESCUED: Phase.WAITING,
    Event.CANCELLED: Phase.CANCELLED,
    Event.CANCEL_REQUESTED: Phase.CANCELLING,
    Event.INTERRUPTED: Phase.WAITING,
    Event.SNOOZED: Phase.SCHEDULED,
    Event.EXPIRED: Phase.EXPIRED,
}


class DeliveryState(IntEnum):
    """What became of a message to one endpoint."""

    PENDING = 0
    DELIVERED = 1
    GIVEN_UP = 2


class Breaker(NamedTuple):
    """What an endpoint's failures in a row have come to; times are Unix milliseconds."""

    failures: int = 0
    openings: int = 0
    open_until: int | None = None
    failing_since: int | None = None


class EndpointRow(NamedTuple):
    """An endpoint; `events` and `kinds` are JSON arrays, None for the default and for every kind."""

    id: str
    owner: int
    url: str
    is_ad_hoc: int
    scheme: str
    events: str | None
    kinds: str | None
    created_at: int
    disabled_at: int | None = None
    disabled_reason: str | None = None
    failures: int = 0
    openings: int = 0
    open_until: int | None = None
    failing_since: int | None = None

    @property
    def breaker(self) -> Breaker:
        """What its failures have come to."""
        return Breaker(self.failures, self.openings, self.open_until, self.failing_since)

    @property
    def secret_holder(self) -> str:
        """Whose secrets sign what is sent to it: its own, or its owner's if a submission named it."""
        return name_owner_secrets(self.owner) if self.is_ad_hoc else self.id


class DeliveryRow(NamedTuple):
    """One event to one endpoint; `number` is the job's, `no` the event's, `answer` the first characters received."""

    endpoint: str
    number: int
    no: int
    id: str
    type: str
    at: int
    body: str
    state: int = DeliveryState.PENDING
    attempts: int = 0
    sent_at: int | None = None
    status: int | None = None
    duration_ms: int | None = None
    answer: str | None = None


class Verdict(NamedTuple):
    """What an attempt's answer means: the delivery's state, or how long it waits for its next attempt."""

    state: DeliveryState
    wait_ms: int = 0


CLOSED = Breaker()


def sender_of(owner: int) -> int:
    """Whose the jobs are that send to this owner's endpoints.

    Below 0 there is no account, so no customer can name, list or hear of them; each owner's own, they take turns.
    """
    return -owner


def name_owner_secrets(owner: int) -> str:
    """The holder of the secrets that sign for all URLs an owner's submissions name."""
    return f"owner:{owner}"


def matches(wanted: Sequence[str] | None, type_: str) -> bool:
    """Whether a filter takes the event: without one the four that end a job, with `*` all."""
    if wanted is None:
        return type_ in FINAL_TYPES
    return ANY_EVENT in wanted or type_ in wanted


def judge_answer(status: int | None, *, attempts: int, retry_after_ms: int | None, jitter: float) -> Verdict:
    """What the answer to attempt number `attempts` means; None is no answer at all; `jitter` is in [0, 1)."""
    if status is not None and 200 <= status < 300:
        return Verdict(DeliveryState.DELIVERED)
    if attempts > len(RETRY_WAITS_S):
        return Verdict(DeliveryState.GIVEN_UP)
    wait_ms = RETRY_WAITS_S[attempts - 1] * 1_000
    return Verdict(DeliveryState.PENDING, int(max(wait_ms, retry_after_ms or 0) * (1 + jitter * JITTER_SHARE_MAX)))


def count_failure(breaker: Breaker, *, now: int, retry_after_ms: int | None) -> Breaker:
    """The breaker after a failed attempt: it opens at the fifth in a row, and for as long as the endpoint asks.

    A failure while it is open was under way before; one after it was the probe, and opens it for twice as long.
    """
    failures, openings, open_until = breaker.failures + 1, breaker.openings, breaker.open_until
    if failures >= BREAKER_FAILURES_MAX and (open_until is None or open_until <= now):
        open_until = now + min(BREAKER_LONGEST_MS, BREAKER_FIRST_MS * 2 ** min(openings, 20))
        openings += 1
    if retry_after_ms:
        open_until = max(open_until or 0, now + retry_after_ms)
    return Breaker(failures, openings, open_until, now if breaker.failing_since is None else breaker.failing_since)


def is_hopeless(breaker: Breaker, now: int) -> bool:
    """Whether every attempt has failed for so long that the endpoint is to be disabled."""
    return breaker.failing_since is not None and now - breaker.failing_since >= FAILING_MS
