"""Every method of the clients as a flow of steps; the shells only name them and carry the steps out."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import inf
from typing import Any
from urllib.parse import quote

import msgspec

from jobwire.client.answers import read_value
from jobwire.client.errors import Conflict, JobCancelled, JobExpired, JobFailed
from jobwire.client.models import Job, Me, Page
from jobwire.client.retrying import Session, make_call
from jobwire.client.steps import Flow, Request
from jobwire.client.streaming import stream_job
from jobwire.client.submitting import SubmitOptions, Submitted, cut_batches, submit_batch, submit_one, write_draft
from jobwire.client.waiting import wait_for_end
from jobwire.client.watching import Watch

PAGE_JOBS_MAX = 100

_JSON = ("content-type", "application/json")
_CANCELLED = frozenset({"cancelled", "cancelling"})
_ENDS = {"cancelled": JobCancelled, "expired": JobExpired}


@dataclass(frozen=True, slots=True)
class Flows:
    """The calls of one client; `make_key` gives a new idempotency key."""

    session: Session
    make_key: Callable[[], str]

    def submit(self, kind: str, given: Any, options: SubmitOptions) -> Flow[Job]:
        """A new job; the same for every repetition with its idempotency key."""
        return submit_one(self._draft(kind, given, options), self.session)

    def submit_many(self, jobs: Sequence[Mapping[str, Any]], *, is_atomic: bool) -> Flow[Submitted]:
        """What became of each job, in order; a batch a call."""
        drafts = [self._take_draft(dict(job)) for job in jobs]
        batches = list(cut_batches(drafts))
        if is_atomic and len(batches) > 1:
            raise ValueError(f"{len(drafts)} jobs are more than one call takes, so that they cannot be all or none")
        submitted: Submitted = []
        for batch in batches:
            submitted += yield from submit_batch(batch, self.session, is_atomic=is_atomic)
        return submitted

    def _take_draft(self, job: dict[str, Any]) -> dict[str, Any]:
        if "kind" not in job:
            raise TypeError(f"a job of a batch has no kind; it has {', '.join(job) or 'nothing'}")
        return self._draft(job.pop("kind"), job.pop("input", None), job)  # type: ignore[arg-type]

    def _draft(self, kind: str, given: Any, options: SubmitOptions) -> dict[str, Any]:
        draft = write_draft(kind, given, options)
        return {**draft, "idempotency_key": self._take_key(draft.get("idempotency_key"))}

    def _take_key(self, given: str | None) -> str:
        key = given or self.make_key()
        if not (key.isascii() and key.isprintable()):
            raise ValueError(
                f"the idempotency key {key!r} has more than printable ASCII, which is what a header carries"
            )
        return key

    def get(self, job: Job | str) -> Flow[Job]:
        """The job as it is now."""
        answer = yield from make_call(Request("GET", _path_of(job)), self.session)
        return read_value(answer, Job)

    def cancel(self, job: Job | str) -> Flow[Job]:
        """The job after the cancel; Conflict if it had ended otherwise before."""
        try:
            answer = yield from make_call(Request("POST", f"{_path_of(job)}/cancel"), self.session)
        except Conflict:
            # An earlier cancel has come through, perhaps one of this very call whose answer was lost.
            now = yield from self.get(job)
            if now.phase in _CANCELLED:
                return now
            raise
        return read_value(answer, Job)

    def rerun(self, job: Job | str, changes: Mapping[str, Any], *, key: str | None) -> Flow[Job]:
        """A new job; the same for every repetition with its idempotency key."""
        headers = (("idempotency-key", self._take_key(key)),)
        request = Request("POST", f"{_path_of(job)}/rerun", headers=headers)
        told = {name: value for name, value in changes.items() if value is not None}
        if told:
            request = request._replace(headers=(*headers, _JSON), body=msgspec.json.encode(told))
        answer = yield from make_call(request, self.session)
        return read_value(answer, Job)

    def find_page(self, query: Mapping[str, Any]) -> Flow[Page]:
        """A page of jobs, newest first."""
        fields = tuple((name, _spell(value)) for name, value in query.items() if value is not None)
        answer = yield from make_call(Request("GET", "/jobs", fields), self.session)
        return read_value(answer, Page)

    def me(self) -> Flow[Me]:
        """Whose key it is."""
        answer = yield from make_call(Request("GET", "/me"), self.session)
        return read_value(answer, Me)

    def wait(self, job: Job | str, *, timeout_s: float | None, is_shown: bool = False) -> Flow[Job]:
        """The final job; WaitTimeout."""
        if isinstance(job, Job) and job.is_final:
            return job
        return (yield from wait_for_end(self._watch(job, timeout_s, is_shown=is_shown)))

    def stream(self, job: Job | str, *, after: int | None) -> Flow[None]:
        """Shows the job's events until its end."""
        return stream_job(self._watch(job, None, is_shown=False), after=after)

    def _watch(self, job: Job | str, timeout_s: float | None, *, is_shown: bool) -> Watch:
        deadline = inf if timeout_s is None else self.session.clock() + timeout_s
        seen = job if isinstance(job, Job) else None
        return Watch(_id_of(job), self.session, deadline, is_shown=is_shown, seen=seen)


def take_result(job: Job) -> Any:
    """The result of a job that completed; JobFailed, JobCancelled or JobExpired of one that ended otherwise."""
    if job.phase == "completed":
        return job.result
    raise _ENDS.get(job.phase, JobFailed)(job)


def _id_of(job: Job | str) -> str:
    name = job.id if isinstance(job, Job) else job
    if not name.strip("."):
        raise ValueError(f"{name!r} is no job's id; give a Job or its id, job_ and 26 characters")
    # Quoted, because an id that somebody typed must not become another path.
    return quote(name, safe="")


def _path_of(job: Job | str) -> str:
    return f"/jobs/{_id_of(job)}"


def _spell(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
