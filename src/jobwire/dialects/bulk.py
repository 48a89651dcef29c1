"""What a caller sends about many jobs, or about running one again, and its answers. parse.py reads the rest."""

from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple, TypeVar

import msgspec
from msgspec import Meta

from jobwire.dialects.parse import (
    Submission,
    Time,
    read_cursor,
    read_idempotency_key,
    read_phases,
    refuse_faults,
    unix_ms,
)
from jobwire.dialects.spec import Dialect
from jobwire.domain.errors import RequestError
from jobwire.domain.job import Page
from jobwire.domain.phases import Phase
from jobwire.kinds.faults import Fault, find_faults

T = TypeVar("T")

BATCH_MAX = 10_000
BULK_MAX = 1_000
_FILTERS = ("kind", "phase", "tag", "queue", "created_after", "created_before")


class BatchItem(Submission, frozen=True, forbid_unknown_fields=True):
    """One job of a batch: a submission with an idempotency key of its own."""

    idempotency_key: str | None = None


Batch = Annotated[list[BatchItem], Meta(max_length=BATCH_MAX)]


class BatchResult(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of one item: its job, new or found by its key, or the refusal that it alone would have got.

    `index` is its place in the batch from 0, `line` that of an NDJSON body from 1; `retry_after_s` is what the header
    Retry-After would have said.
    """

    index: int
    status: int
    id: str | msgspec.UnsetType = msgspec.UNSET
    replayed: bool | msgspec.UnsetType = msgspec.UNSET
    links: dict[str, str] | msgspec.UnsetType = msgspec.UNSET
    error: dict[str, Any] | msgspec.UnsetType = msgspec.UNSET
    line: int | msgspec.UnsetType = msgspec.UNSET
    retry_after_s: int | msgspec.UnsetType = msgspec.UNSET


class BatchAnswer(msgspec.Struct, frozen=True):
    """The results of a batch in its order, and how many of them are new, were known by their keys, were refused."""

    accepted: int
    replayed: int
    refused: int
    results: list[BatchResult]


class CancelAnswer(msgspec.Struct, frozen=True):
    """What a filter selected and, unless it was a dry run, what became of that; `sample` has the newest jobs."""

    dry_run: bool
    matched: int
    sample: list[dict[str, Any]]
    next_cursor: str | None
    cancelled: int | msgspec.UnsetType = msgspec.UNSET
    cancelling: int | msgspec.UnsetType = msgspec.UNSET
    too_late: int | msgspec.UnsetType = msgspec.UNSET


class RefusedRerun(msgspec.Struct, frozen=True):
    """A job that cannot be run again."""

    id: str
    code: str
    detail: str


class RerunAnswer(msgspec.Struct, frozen=True):
    """What a filter selected and, unless it was a dry run, what became of that; `sample` has new jobs then."""

    dry_run: bool
    matched: int
    refused: list[RefusedRerun]
    sample: list[dict[str, Any]]
    next_cursor: str | None
    rerun: int | msgspec.UnsetType = msgspec.UNSET
    replayed: int | msgspec.UnsetType = msgspec.UNSET


class Rerun(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body that runs a job again; without `input` it has the old one, without `from_step` it begins anew."""

    input: Any = None
    from_step: str | None = None


class BulkRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body that selects jobs to cancel or to run again; at least one of the filters must be there."""

    kind: str | None = None
    phase: str | None = None
    tag: str | None = None
    queue: str | None = None
    created_after: Time | None = None
    created_before: Time | None = None
    dry_run: bool = False
    limit: Annotated[int, Meta(ge=1, le=BULK_MAX)] = BULK_MAX
    cursor: str | None = None


class Bulk(NamedTuple):
    """The jobs meant, and whether to tell only what would be done."""

    page: Page
    dry_run: bool


def read_bulk(body: Any, dialect: Dialect, *, phases: frozenset[Phase], default: frozenset[Phase]) -> Bulk:
    """The selection of a body, among jobs in `phases`: without a phase those of `default`. RequestError else."""
    asked = read_struct(body, BulkRequest)
    if all(getattr(asked, name) is None for name in _FILTERS):
        raise refuse_faults([Fault("", f"select jobs by at least one of {', '.join(_FILTERS)}")])
    wanted = read_phases(asked.phase, dialect, name="phase")
    if wanted is not None and not wanted & phases:
        words = ", ".join(dict.fromkeys(said for phase, said in dialect.phases.items() if phase in phases))
        raise refuse_faults([Fault("/phase", f"this can be done to jobs that are {words}; not {asked.phase}")])
    page = Page(
        kind=asked.kind,
        queue=asked.queue,
        phases=default if wanted is None else wanted & phases,
        tag=asked.tag,
        created_after=None if asked.created_after is None else unix_ms(asked.created_after),
        created_before=None if asked.created_before is None else unix_ms(asked.created_before),
        before=read_cursor(asked.cursor),
        limit=asked.limit,
    )
    return Bulk(page, asked.dry_run)


def read_struct(body: Any, shape: type[T]) -> T:
    """The decoded body as a Struct; RequestError invalid_request names every fault by its JSON pointer."""
    try:
        return msgspec.convert(body, shape)
    except msgspec.ValidationError as error:
        raise refuse_faults(find_faults(shape, body) or [Fault("", str(error))]) from None


def split_item(item: Any) -> tuple[Any, str | None]:
    """The submission in an item of a batch, and its idempotency key; RequestError for a key that cannot be one."""
    if not isinstance(item, Mapping) or item.get("idempotency_key") is None:
        return item, None
    body = {name: value for name, value in item.items() if name != "idempotency_key"}
    sent = item["idempotency_key"]
    if not isinstance(sent, str):
        raise refuse_faults([Fault("/idempotency_key", f"expected a text, got {type(sent).__name__}")])
    try:
        return body, read_idempotency_key(sent)
    except RequestError as error:
        raise refuse_faults([Fault("/idempotency_key", error.message)]) from None
