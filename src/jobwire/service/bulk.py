"""Cancels or runs again many jobs of one owner. paging.py finds them."""

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

from jobwire.domain.errors import RequestError
from jobwire.domain.ids import show_id
from jobwire.domain.job import JobRow, NewJob, Receipt
from jobwire.domain.phases import FINAL_PHASES, Phase
from jobwire.domain.states import State
from jobwire.service.jobs import Jobs, accept_receipt

SAMPLE_MAX = 10
CANCELLABLE = frozenset(Phase) - FINAL_PHASES - {Phase.CANCELLING}
RERUN_UNASKED = frozenset({Phase.FAILED, Phase.EXPIRED})
"""What is run again when no phase is named: what completed or was cancelled ended as somebody wanted."""


class Cancelled(NamedTuple):
    """How many jobs were cancelled at once, are asked to stop, and had ended meanwhile."""

    cancelled: int
    cancelling: int
    too_late: int


class RunAgain(NamedTuple):
    """The new jobs, newest origin first, and what could not be run again: {id, code, detail}."""

    receipts: Sequence[Receipt]
    refused: Sequence[dict[str, str]]


async def cancel_rows(jobs: Jobs, owner: int, rows: Sequence[JobRow]) -> Cancelled:
    """G7 for many jobs, in one transaction."""
    replies = await jobs.cancel_many(owner, rows)
    changed = [reply.state for reply in replies if reply is not None and reply.changed]
    waited = changed.count(State.QUEUED)
    return Cancelled(waited, len(changed) - waited, len(rows) - len(changed))


async def rerun_rows(
    jobs: Jobs, owner: int, rows: Sequence[JobRow], *, idempotency_key: str | None = None, dry_run: bool = False
) -> RunAgain:
    """Runs final jobs again, in one transaction; what has no kind or no valid input any more is refused and told.

    With an idempotency key a repetition finds the jobs that the first call made. RequestError backlog_full or
    overloaded refuses all. A dry run only checks.
    """
    stem = None if idempotency_key is None else hashlib.sha256(idempotency_key.encode()).hexdigest()
    built: list[NewJob] = []
    refused: list[dict[str, str]] = []
    for row in rows:
        key = None if stem is None else f"rerun:{stem}:{row.number}"
        try:
            built.append(await jobs.build_rerun(owner, row, idempotency_key=key))
        except RequestError as error:
            refused.append({"id": show_id(row.key), "code": error.code, "detail": error.message})
    receipts = [] if dry_run else [accept_receipt(receipt) for receipt in await jobs.admit(built)]
    return RunAgain(receipts, refused)
