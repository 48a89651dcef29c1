"""What is sent to submit jobs: the fields, their spelling, and batches, which a server may not know."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, Required, TypedDict

import msgspec

from jobwire.client.answers import read_value, refuse
from jobwire.client.errors import BadAnswer, CallRefused, Forbidden, Unauthorized
from jobwire.client.models import Batch, BatchItem, Job
from jobwire.client.retrying import Session, make_call
from jobwire.client.steps import Flow, Request

BATCH_JOBS_MAX = 10_000

_JSON = ("content-type", "application/json")
_NO_SUCH_ROUTE = frozenset({404, 405, 501})


Submitted = list[Job | CallRefused]


class SubmitOptions(TypedDict, total=False):
    """What a submission may say beside kind and input; docs/api.md has the bounds.

    Times are a datetime with a zone or ISO-8601 text; `delay` and `max_wait` are seconds or a timedelta, `max_wait`
    also a text like "30s". None is the same as leaving it out. Without an `idempotency_key` the client makes one.
    """

    queue: str | None
    priority: int | None
    run_at: datetime | str | None
    delay: float | timedelta | None
    deadline: datetime | str | None
    tags: Sequence[str] | None
    max_wait: float | str | timedelta | None
    concurrency_key: str | None
    webhook: str | Mapping[str, Any] | None
    idempotency_key: str | None


class JobDraft(SubmitOptions, total=False):
    """One job of `submit_many`."""

    kind: Required[str]
    input: Any


def write_draft(kind: str, given: Any, options: SubmitOptions) -> dict[str, Any]:
    """The fields of a submission, those that are None left out; ValueError for a time without a zone."""
    unknown = options.keys() - SubmitOptions.__annotations__.keys()
    if unknown:
        known = ", ".join(SubmitOptions.__annotations__)
        raise TypeError(f"a submission has no {', '.join(sorted(unknown))}; it has {known}")
    draft = {"kind": kind, "input": {} if given is None else given}
    return draft | {name: _spell(name, value) for name, value in options.items() if value is not None}


def _spell(name: str, value: Any) -> Any:
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError(f"{name} is {value.isoformat()} without a zone; give one, as in datetime.now(UTC)")
        return value.isoformat()
    return value


def submit_one(draft: Mapping[str, Any], session: Session) -> Flow[Job]:
    """The submitted job; the draft has its idempotency key, which makes any repetition safe."""
    body = msgspec.json.encode({name: value for name, value in draft.items() if name != "idempotency_key"})
    key = ("idempotency-key", draft["idempotency_key"])
    answer = yield from make_call(Request("POST", "/jobs", headers=(_JSON, key), body=body), session)
    return read_value(answer, Job)


def submit_batch(drafts: Sequence[Mapping[str, Any]], session: Session, *, is_atomic: bool) -> Flow[Submitted]:
    """What became of each draft, in order; a batch that is too large is halved, one that is unknown unfolded."""
    query = (("atomic", "true"),) if is_atomic else ()
    body = msgspec.json.encode(drafts)
    try:
        answer = yield from make_call(Request("POST", "/jobs/batch", query, (_JSON,), body), session)
    except CallRefused as refusal:
        if is_atomic or not (refusal.status in _NO_SUCH_ROUTE or (refusal.status == 413 and len(drafts) > 1)):
            raise
        if refusal.status in _NO_SUCH_ROUTE:
            return (yield from _submit_each(drafts, session))
        half = len(drafts) // 2
        first = yield from submit_batch(drafts[:half], session, is_atomic=False)
        return first + (yield from submit_batch(drafts[half:], session, is_atomic=False))
    results = read_value(answer, Batch).results
    if len(results) != len(drafts):
        raise BadAnswer(f"{len(drafts)} jobs were sent and {len(results)} results came back")
    return [_read_item(draft, item) for draft, item in zip(drafts, results, strict=True)]


def _read_item(draft: Mapping[str, Any], item: BatchItem) -> Job | CallRefused:
    if item.job is not None:
        return item.job
    if item.id is not None:
        return Job(id=item.id, kind=draft["kind"])
    return refuse(item.status, item.error or {}, retry_after_s=item.retry_after_s)


def _submit_each(drafts: Iterable[Mapping[str, Any]], session: Session) -> Flow[Submitted]:
    submitted: Submitted = []
    for draft in drafts:
        try:
            submitted.append((yield from submit_one(draft, session)))
        except (Unauthorized, Forbidden):
            raise
        except CallRefused as refusal:
            submitted.append(refusal)
    return submitted


def cut_batches(drafts: Iterable[Mapping[str, Any]]) -> Iterator[list[Mapping[str, Any]]]:
    """The drafts in batches that one call takes."""
    rest = iter(drafts)
    while batch := list(islice(rest, BATCH_JOBS_MAX)):
        yield batch
