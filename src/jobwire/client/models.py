"""What the server tells, typed. A field that is not sent has its default, an unknown one is passed over."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

FINAL_PHASES = frozenset({"completed", "failed", "cancelled", "expired"})


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far a running attempt is: `percent` 0 to 100."""

    percent: float = 0.0
    stage: str | None = None
    done: float | None = None
    total: float | None = None
    message: str | None = None


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds from the answer: half of such jobs start (end) before p50, nine in ten before p90; None if unknown."""

    starts_in_p50_s: float | None = None
    starts_in_p90_s: float | None = None
    ends_in_p50_s: float | None = None
    ends_in_p90_s: float | None = None


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """A job's public error; `retryable` tells whether the same work may succeed later."""

    code: str = ""
    message: str = ""
    retryable: bool = False
    details: dict[str, Any] | None = None


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """A job as it was when the server answered; `version` grows with every visible change."""

    id: str
    kind: str = ""
    queue: str = ""
    priority: int = 5
    phase: str = ""
    progress: Progress = Progress()
    position: int | None = None
    blocked_by: str | None = None
    estimate: Estimate | None = None
    attempt: int = 0
    attempts_max: int = 1
    result: Any = None
    error: Failure | None = None
    rerun_of: str | None = None
    root_id: str | None = None
    tags: tuple[str, ...] | None = None
    created_at: datetime | None = None
    run_at: datetime | None = None
    started_at: datetime | None = None
    finalized_at: datetime | None = None
    deadline_at: datetime | None = None
    version: int = 0
    links: dict[str, str] = {}

    @property
    def is_final(self) -> bool:
        """Whether the job has ended, well or not."""
        return self.phase in FINAL_PHASES or self.finalized_at is not None


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened to a job: `number` grows with every event, `name` is a word like `claimed`.

    A server without a stream is looked at instead: such an event has the name `observed`, no number, and the `job` as
    it was seen; steps between two looks are not told. `data` is what the server sent.
    """

    name: str
    number: int | None = None
    version: int = 0
    phase: str = ""
    at: datetime | None = None
    progress: Progress | None = None
    job: Job | None = None
    data: Mapping[str, Any] = {}

    @property
    def is_final(self) -> bool:
        """Whether nothing follows."""
        return (self.phase or self.name) in FINAL_PHASES


class Me(msgspec.Struct, frozen=True, kw_only=True):
    """Whose key it is, what it may do, and what is left of each limit."""

    owner: str
    key_id: str | None = None
    scopes: tuple[str, ...] = ()
    limits: tuple[dict[str, Any], ...] = ()


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """A page of jobs, newest first; `next_cursor` is None on the last."""

    jobs: tuple[Job, ...]
    next_cursor: str | None = None


class BatchItem(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one job of a batch: the `job` or its `id`, or the problem in `error` and when to try again."""

    status: int
    id: str | None = None
    job: Job | None = None
    error: dict[str, Any] | None = None
    retry_after_s: float | None = None


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the jobs of a batch, in their order."""

    results: tuple[BatchItem, ...]
