"""Submit, read, cancel and rerun jobs: every submission is checked here. submission.py has the rules of each field.

A job of another owner answers exactly like one that does not exist.
"""

import hashlib
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from typing import Any, TypedDict, Unpack

import msgspec

from jobwire.domain.errors import RequestError
from jobwire.domain.ids import make_key, read_id, show_id
from jobwire.domain.job import JobFilter, JobRow, NewJob, Receipt
from jobwire.domain.phases import FINAL_PHASES, Phase
from jobwire.kinds.registry import Registry
from jobwire.kinds.schema import check_input
from jobwire.kinds.spelling import quote
from jobwire.net.policy import FetchPolicy
from jobwire.service.admission import Admission
from jobwire.service.randomness import random_bits
from jobwire.service.submission import (
    NUMBER_MAX,
    check_filter,
    check_key_text,
    check_max_wait,
    check_moments,
    check_priority,
    check_queue,
    check_tags,
    fingerprint_of,
    refuse,
)
from jobwire.service.webhook_fields import read_wish
from jobwire.store.contract import CancelReply, Place, Store, Transaction
from jobwire.store.pending import Pending
from jobwire.store.removing import remove_final
from jobwire.store.submissions import find_submission

SHARE_MAX = 500
Built = NewJob | Receipt | RequestError
"""One of many submissions: a job to submit, one that its key named before, or a refusal."""


class TimelessOptions(TypedDict, total=False):
    """What a submission may say beside owner, kind, input and times; `Jobs.build` has what each means."""

    queue: str | None
    priority: int | None
    tags: Sequence[str] | None
    unique_key: str | None
    idempotency_key: str | None
    fingerprint: str | None
    max_wait: str | float | None
    concurrency_key: str | None
    webhook: str | Mapping[str, Any] | None


class SubmitOptions(TimelessOptions, total=False):
    """The same with times, which are Unix milliseconds."""

    run_at: int | None
    deadline_at: int | None


class Jobs:
    """The use cases of jobs over one store; thread-safe. `clock` gives Unix milliseconds."""

    def __init__(
        self,
        store: Store,
        registry: Registry,
        clock: Callable[[], int],
        admission: Admission,
        *,
        webhook_policy: FetchPolicy | None = None,
    ) -> None:
        self._webhook_policy = webhook_policy or FetchPolicy()
        self._store = store
        self._registry = registry
        self._clock = clock
        self._admission = admission

    def build(
        self,
        owner: int,
        kind: str,
        input: Any,  # noqa: A002 - the word of the API
        *,
        queue: str | None = None,
        priority: int | None = None,
        run_at: int | None = None,
        deadline_at: int | None = None,
        tags: Sequence[str] | None = None,
        unique_key: str | None = None,
        idempotency_key: str | None = None,
        fingerprint: str | None = None,
        max_wait: str | float | None = None,
        concurrency_key: str | None = None,
        webhook: str | Mapping[str, Any] | None = None,
    ) -> NewJob:
        """A checked submission with a new id, ready for `Store.submit` or `Transaction.submit`; nothing is written.

        What is None is the kind's own. Times are Unix milliseconds; a `run_at` in the past means now. With an
        idempotency key, `fingerprint` tells a repetition from another job; without one it is computed from
        everything given here, so give your own where a repetition differs in it (a relative delay). With `max_wait`
        ("30s" or seconds) the job is only admitted if it is likely to start within that time. `webhook` is a URL, or
        `{url, events}`, that its events are sent to.
        Raises RequestError invalid_request with details `errors` [{pointer, detail}], or payload_too_large.
        """
        known = self._registry.get(kind)
        text = check_input(known, input)
        now = self._clock()
        check_moments(now, run_at=run_at, deadline_at=deadline_at)
        job = NewJob(
            key=make_key(now, random_bits()),
            owner=owner,
            kind=known.name,
            queue=known.queue if queue is None else check_queue(queue, self._registry.queues),
            input=text,
            priority=check_priority(priority),
            attempts_max=known.attempts_max,
            run_at=run_at,
            deadline_at=deadline_at,
            tags=check_tags(tags),
            unique_key=check_key_text(unique_key, pointer="/unique_key"),
            max_wait_ms=known.max_wait_ms if max_wait is None else check_max_wait(max_wait),
            idempotency_key=check_key_text(idempotency_key, pointer="/idempotency_key"),
            concurrency_key=check_key_text(concurrency_key, pointer="/concurrency_key"),
            webhook=None if webhook is None else read_wish(webhook, self._webhook_policy),
        )
        if idempotency_key is None:
            return job
        return job._replace(fingerprint=fingerprint or fingerprint_of(job))

    def build_many(
        self, owner: int, kind: str, inputs: Sequence[Any], **options: Unpack[SubmitOptions]
    ) -> list[NewJob]:
        """A submission for each input, as `build` makes them; what they share is checked once: 3 µs a job, not 5."""
        first = [self.build(owner, kind, one, **options) for one in inputs[:1]]
        if options.get("idempotency_key") is not None:
            return first + [self.build(owner, kind, one, **options) for one in inputs[1:]]
        known, now = self._registry.get(kind), self._clock()
        return first + [
            first[0]._replace(key=make_key(now, random_bits()), input=check_input(known, one)) for one in inputs[1:]
        ]

    async def submit(
        self,
        owner: int,
        kind: str,
        input: Any,  # noqa: A002 - the word of the API
        **options: Unpack[SubmitOptions],
    ) -> Receipt:
        """G1, G2: the job is on disk when this returns, or is the one that its keys named before.

        Raises as `build`, and RequestError unprocessable when the idempotency key was used for another job,
        backlog_full or overloaded when it is not admitted.
        """
        receipts = await self.admit([self.build(owner, kind, input, **options)])
        return accept_receipt(receipts[0])

    def admit(self, jobs: Sequence[NewJob]) -> Pending[list[Receipt]]:
        """Submits what `build` has made, or none of it: RequestError backlog_full or overloaded."""
        return self._admission.submit(jobs)

    async def admit_each(self, jobs: Sequence[Built]) -> list[Receipt | RequestError]:
        """As `admit`, but what is refused stands in its job's place and takes no other with it.

        Commits SHARE_MAX jobs at a time, so that others have their turns between. RequestError unavailable if none
        was accepted and the ledger could not be written.
        """
        results = list[Receipt | RequestError]()
        for start in range(0, len(jobs), SHARE_MAX):
            results += await self._admit_share(jobs[start : start + SHARE_MAX])
        if not any(isinstance(result, Receipt) for result in results):
            for result in results:
                if isinstance(result, RequestError) and result.code == "unavailable":
                    raise result
        return [refuse_conflict(one) if isinstance(one, Receipt) and one.conflict else one for one in results]

    async def _admit_share(self, jobs: Sequence[Built]) -> list[Receipt | RequestError]:
        fit = [job for job in jobs if isinstance(job, NewJob)]
        try:
            found: Sequence[Receipt | RequestError] = await self._admission.submit_each(fit)
        except RequestError as error:
            found = [error] * len(fit)
        given = iter(found)
        return [next(given) if isinstance(job, NewJob) else job for job in jobs]

    async def admit_all(self, jobs: Sequence[NewJob | Receipt]) -> list[Receipt]:
        """As `admit`; a key that was used for another job refuses all, too: details `index` says which."""

        def work(tx: Transaction) -> list[Receipt]:
            given = iter(self.admit_in(tx, [job for job in jobs if isinstance(job, NewJob)]))
            receipts = [next(given) if isinstance(job, NewJob) else job for job in jobs]
            for index, receipt in enumerate(receipts):
                if receipt.conflict:
                    raise refuse_conflict(receipt, index=index)
            return receipts

        return await self._store.write(work)

    def admit_in(self, tx: Transaction, jobs: Sequence[NewJob]) -> list[Receipt]:
        """As `admit`, inside a transaction, of which a refusal undoes nothing else."""
        return self._admission.submit_in(tx, jobs)

    def recall(self, owner: int, key: str, *, fingerprint: str) -> Pending[Receipt | None]:
        """What a submission under this idempotency key came to, while the key lives; None if it is free."""
        now = self._clock()
        return self._store.read(lambda r: find_submission(r, owner, key, fingerprint=fingerprint, now=now))

    async def read(self, owner: int, *, key: str | None = None, number: int | None = None) -> JobRow:
        """The owner's job by the 26 characters of its id or by its number; RequestError not_found."""
        row = None
        if _may_name_job(key, number):
            row = await self._store.get(owner, key=key, number=number)
        if row is None:
            raise _not_found()
        return row

    async def is_others(self, owner: int, *, key: str | None, kinds: Container[str] | None) -> bool:
        """Whether the 26 characters name a job of somebody else, of one of these kinds (None: any)."""
        found = await self._store.read(
            lambda reader: reader.query("SELECT owner, kind FROM job WHERE key = :key", key=key)
        )
        return any(other != owner and (kinds is None or kind in kinds) for other, kind in found)

    async def position(self, row: JobRow) -> Place:
        """G9: how many jobs stand before this one, and what holds it back."""
        return await self._store.position(row)

    async def find(self, owner: int, jobs: JobFilter) -> list[JobRow]:
        """The owner's jobs that match, newest first; RequestError invalid_request for a filter out of bounds."""
        check_filter(jobs)
        return await self._store.find(owner, jobs)

    async def cancel(self, owner: int, row: JobRow) -> JobRow:
        """G7: the job as it is after the cancel: cancelled if it waited, cancelling if it runs (asked again or not).

        Raises RequestError conflict with details `phase` when the job is final already, not_found for a stranger's.
        """
        reply = (await self._store.cancel(owner, [row.number]))[0]
        if reply is None:
            raise _not_found()
        after = await self.read(owner, number=row.number)
        if after.phase in FINAL_PHASES and not reply.changed:
            raise RequestError(
                "conflict",
                f"the job is {after.phase} and can no longer be cancelled",
                details={"phase": str(after.phase)},
            )
        return after

    async def cancel_many(self, owner: int, rows: Sequence[JobRow]) -> list[CancelReply | None]:
        """G7: cancels the jobs in one transaction; each reply tells the state found, None a stranger's."""
        return await self._store.cancel(owner, [row.number for row in rows])

    async def remove(self, owner: int, row: JobRow) -> None:
        """The final job, its result and its idempotency key are gone when this returns.

        Raises RequestError conflict with details `phase` while the job is live, not_found for a stranger's.
        """
        if await self._store.write(lambda tx: remove_final(tx, owner, row.number)):
            return
        now = await self.read(owner, number=row.number)
        raise RequestError(
            "conflict",
            f"the job is {now.phase}; cancel it or wait until it is final, then delete it",
            details={"phase": str(now.phase)},
        )

    async def rerun(
        self,
        owner: int,
        row: JobRow,
        *,
        input: Any = None,  # noqa: A002 - the word of the API
        from_step: str | None = None,
        idempotency_key: str | None = None,
    ) -> Receipt:
        """T15: submits what `build_rerun` makes. Raises as it, and as `submit`."""
        job = await self.build_rerun(owner, row, input=input, from_step=from_step, idempotency_key=idempotency_key)
        return accept_receipt((await self.admit([job]))[0])

    async def build_rerun(
        self,
        owner: int,
        row: JobRow,
        *,
        input: Any = None,  # noqa: A002 - the word of the API
        from_step: str | None = None,
        idempotency_key: str | None = None,
    ) -> NewJob:
        """A new job of the same kind, queue, priority and tags that names the final job `row` as its origin.

        It runs with the old input, or with `input` when that is not None; from `from_step` on, with the outputs of
        the steps that the origin completed before it. Raises RequestError conflict with details `phase` while the job
        is not final, not_found for a stranger's, invalid_request for a step it cannot have, and as `build`.
        """
        if row.owner != owner:
            raise _not_found()
        if row.phase not in FINAL_PHASES:
            raise RequestError(
                "conflict",
                f"the job is {row.phase}; wait until it is final or cancel it, then run it again",
                details={"phase": str(row.phase)},
            )
        fingerprint = None
        if idempotency_key is not None:
            asked = msgspec.json.encode([row.number, input, from_step], order="deterministic")
            fingerprint = hashlib.sha256(asked).hexdigest()
        if input is None:
            input = msgspec.json.decode(await self._store.input_of(row.number))  # noqa: A001
        tags = None if row.tags is None else msgspec.json.decode(row.tags, type=list[str])
        queue = row.queue if row.queue in self._registry.queues else None
        job = self.build(
            owner,
            row.kind,
            input,
            queue=queue,
            priority=row.priority,
            tags=tags,
            idempotency_key=idempotency_key,
            fingerprint=fingerprint,
        )
        kept = () if from_step is None else _steps_before(from_step, await self._store.steps(row.number), row.phase)
        return job._replace(rerun_of=row.number, root=row.root or row.number, kept_steps=kept)


def _steps_before(name: str, done: Iterable[str], phase: Phase) -> tuple[str, ...]:
    """The completed steps that stand before one; before a step that the job never completed stand all of them."""
    steps = tuple(done)
    if name in steps:
        return steps[: steps.index(name)]
    if phase is Phase.COMPLETED or not name:
        there = ", ".join(map(quote, steps)) or "none"
        raise refuse("/from_step", f"the job has no step {quote(name)}; its steps are: {there}")
    return steps


def accept_receipt(receipt: Receipt) -> Receipt:
    """The receipt, unless it says that the idempotency key was used for another job: RequestError unprocessable."""
    if receipt.conflict:
        raise refuse_conflict(receipt)
    return receipt


def refuse_conflict(receipt: Receipt, **details: Any) -> RequestError:
    """The refusal of a submission whose idempotency key was used for another job."""
    return RequestError(
        "unprocessable",
        "this idempotency key was used for a different submission; use a new key for a new job",
        details={"job_id": show_id(receipt.key), **details},
    )


def _may_name_job(key: str | None, number: int | None) -> bool:
    assert (key is None) != (number is None), "read a job by its key or by its number"
    if key is not None:
        return read_id(show_id(key)) is not None
    return number is not None and 0 < number <= NUMBER_MAX


def _not_found() -> RequestError:
    return RequestError("not_found", "there is no such job; check the id and that it is your account's")
