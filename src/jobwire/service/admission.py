"""Admission: a submission is refused when its owner has too much unfinished, or when it would wait too long.

Decided inside the transaction that submits, from which a refusal takes the jobs back: the answer is exact, and
nothing is stored.
"""

import math
from collections.abc import Sequence

from jobwire.domain.errors import RequestError
from jobwire.domain.estimate import Span
from jobwire.domain.job import NewJob, Receipt
from jobwire.service.estimates import Estimates
from jobwire.store.contract import Store, Transaction
from jobwire.store.estimates import add_backlog, count_backlog, read_running
from jobwire.store.pending import Pending

RETRY_UNKNOWN_S = 10
RETRY_S_MAX = 3_600


class Admission:
    """The door every submission goes through; thread-safe. An `owner_backlog_max` of 0 sets no limit."""

    def __init__(self, store: Store, estimates: Estimates, *, owner_backlog_max: int = 0) -> None:
        self._store = store
        self._estimates = estimates
        self._owner_backlog_max = owner_backlog_max

    def submit(self, jobs: Sequence[NewJob]) -> Pending[list[Receipt]]:
        """See Store.submit. Raises RequestError backlog_full or overloaded: then none of the jobs is stored."""
        if self._has_limits(jobs):
            return self._store.write(lambda tx: self.submit_in(tx, jobs))
        return self._store.submit(jobs)

    def submit_each(self, jobs: Sequence[NewJob]) -> Pending[list[Receipt]] | Pending[list[Receipt | RequestError]]:
        """As `submit`, but a refusal concerns its own job only and stands in its place."""
        if self._has_limits(jobs):
            return self._store.write(lambda tx: self._submit_each_in(tx, jobs))
        return self._store.submit(jobs)

    def _submit_each_in(self, tx: Transaction, jobs: Sequence[NewJob]) -> list[Receipt | RequestError]:
        try:
            return [*self.submit_in(tx, jobs)]
        except RequestError as refusal:
            if len(jobs) == 1:
                return [refusal]
            half = len(jobs) // 2
            return [*self._submit_each_in(tx, jobs[:half]), *self._submit_each_in(tx, jobs[half:])]

    def submit_in(self, tx: Transaction, jobs: Sequence[NewJob]) -> list[Receipt]:
        """As `submit`, inside a transaction, of which a refusal undoes nothing else."""
        if not self._has_limits(jobs):
            return tx.submit(jobs)
        receipts, refusal = tx.attempt(lambda: self._submit_checked(tx, jobs))
        if refusal is not None:
            raise refusal
        assert receipts is not None
        return receipts

    def _has_limits(self, jobs: Sequence[NewJob]) -> bool:
        return self._owner_backlog_max > 0 or any(job.max_wait_ms is not None for job in jobs)

    def _submit_checked(self, tx: Transaction, jobs: Sequence[NewJob]) -> list[Receipt]:
        receipts = tx.submit(jobs)
        new = [(job, receipt.number) for job, receipt in zip(jobs, receipts, strict=True) if receipt.is_new]
        if self._owner_backlog_max:
            self._check_backlogs(tx, new)
        # Of jobs that go to the same place, the last has the longest wait.
        last = {(job.owner, job.queue, job.priority, job.max_wait_ms): (job, number) for job, number in new}
        for job, number in last.values():
            if job.max_wait_ms is not None:
                self._check_wait(tx, job, number, max_wait_ms=job.max_wait_ms)
        return receipts

    def _check_backlogs(self, tx: Transaction, new: Sequence[tuple[NewJob, int]]) -> None:
        most = self._owner_backlog_max
        for owner in sorted({job.owner for job, _ in new}):
            own = [(job, number) for job, number in new if job.owner == owner]
            add_backlog(tx, owner, [number for _, number in own])
            unfinished = count_backlog(tx, owner, above=most)
            if unfinished > most:
                raise _refuse_backlog(unfinished - len(own), most, wait=self._find_wait(tx, *own[-1]))

    def _check_wait(self, tx: Transaction, job: NewJob, number: int, *, max_wait_ms: int) -> None:
        wait = self._find_wait(tx, job, number)
        due_in_ms = max(0, (job.run_at or 0) - tx.now)
        # The median: a job is refused when it is more likely than not to start too late. By the 90th percentile, most
        # of the jobs refused would have started in time.
        if wait is not None and wait.p50_ms - due_in_ms > max_wait_ms:
            raise _refuse_wait(wait.p50_ms - due_in_ms, max_wait_ms)

    def _find_wait(self, tx: Transaction, job: NewJob, number: int) -> Span | None:
        self._estimates.refresh(tx)
        running = read_running(tx).get(job.queue, 0)
        return self._estimates.find_start(job.queue, tx.place(number).position, running=running)


def _refuse_backlog(unfinished: int, most: int, *, wait: Span | None) -> RequestError:
    # They go one by one: the first of them leaves room after its share of the wait of all.
    retry_after_s = RETRY_UNKNOWN_S if wait is None else _whole_seconds(wait.p50_ms / max(1, unfinished))
    expected = "" if wait is None else f" The last would wait about {wait.p50_ms / 1000:.3g} s."
    return RequestError(
        "backlog_full",
        f"This account has {unfinished} unfinished jobs and may have {most}; wait until some are done.{expected}",
        details={
            "unfinished": unfinished,
            "limit": most,
            "expected_wait_s": None if wait is None else round(wait.p50_ms / 1000, 1),
        },
        retry_after_s=retry_after_s,
    )


def _refuse_wait(wait_ms: float, max_wait_ms: int) -> RequestError:
    return RequestError(
        "overloaded",
        f"The job would wait about {wait_ms / 1000:.3g} s, longer than its max_wait of {max_wait_ms / 1000:g} s; "
        "submit it later, or with a longer max_wait.",
        details={"expected_wait_s": round(wait_ms / 1000, 1), "max_wait_s": max_wait_ms / 1000},
        retry_after_s=_whole_seconds(wait_ms - max_wait_ms),
    )


def _whole_seconds(wait_ms: float) -> int:
    return max(1, min(RETRY_S_MAX, math.ceil(wait_ms / 1000)))
