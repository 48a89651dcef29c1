"""JobwireClient: carries out the flows of flows.py and blocks. asynchronous.py is the same, awaited."""

import os
import random
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from datetime import datetime
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack

import httpx

from jobwire.client.address import read_address
from jobwire.client.bar import open_bar
from jobwire.client.flows import PAGE_JOBS_MAX, Flows, take_result
from jobwire.client.models import Event, Job, Me
from jobwire.client.retrying import Retries, Session
from jobwire.client.steps import Ended, Flow, Pause, Show
from jobwire.client.submitting import JobDraft, SubmitOptions, Submitted
from jobwire.client.wire import Exchange, options_of

KEY_BYTES = 16
AGENT = "jobwire-python"
Looker = Callable[[Job], object]
_T = TypeVar("_T")


class JobwireClient:
    """A client of one server with one key; safe to share between threads, closed by `with` or `close()`.

    Without `url` and `api_key` the environment's JOBWIRE_URL and JOBWIRE_API_KEY are used. `silence_s` is how long
    the server may say nothing, `call_s` how long a call may take with all its repetitions; waits have their own
    `timeout`. `transport` is httpx's, for a proxy or a test. docs/client.md shows every method.
    """

    def __init__(
        self,
        url: str | None = None,
        api_key: str | None = None,
        *,
        retries: Retries | None = None,
        silence_s: float = 30.0,
        call_s: float = 120.0,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        address = read_address(url, api_key, os.environ)
        session = Session(time.monotonic, random.random, retries or Retries(), silence_s, call_s)
        self._flows = Flows(session, lambda: secrets.token_hex(KEY_BYTES))
        self._http = httpx.Client(**options_of(address, agent=AGENT), transport=transport)

    def submit(self, kind: str, input: Any = None, **options: Unpack[SubmitOptions]) -> Job:  # noqa: A002 - its name
        """A new job; an answer that is lost makes no second one."""
        return self._run(self._flows.submit(kind, input, options))

    def submit_many(self, jobs: Iterable[JobDraft], *, atomic: bool = False) -> Submitted:
        """What became of each job, in order: the job, or why it was refused; `atomic` takes all or none."""
        return self._run(self._flows.submit_many(list(jobs), is_atomic=atomic))

    def get(self, job: Job | str) -> Job:
        """The job as it is now; a failed job is no error."""
        return self._run(self._flows.get(job))

    def wait(
        self, job: Job | str, *, timeout: float | None = None, progress: bool = True, on_change: Looker | None = None
    ) -> Job:
        """The job when it has ended, well or not; WaitTimeout after `timeout` seconds, None waits for ever.

        On a terminal a bar shows its progress unless `progress` is false; `on_change` is called with every change.
        """
        with open_bar(is_wanted=progress and on_change is None) as bar:
            shown = on_change or bar
            return self._run(self._flows.wait(job, timeout_s=timeout, is_shown=shown is not None), shown)

    def result(self, job: Job | str, *, timeout: float | None = None, progress: bool = True) -> Any:
        """The job's result when it has completed; JobFailed, JobCancelled or JobExpired when it ended otherwise."""
        return take_result(self.wait(job, timeout=timeout, progress=progress))

    def stream(self, job: Job | str, *, after: int | None = None) -> Iterator[Event]:
        """The job's events after that number until the final one, each once; goes on by itself after a cut."""
        with closing(Exchange(self._http)) as exchange:
            flow = self._flows.stream(job, after=after)
            while isinstance(reached := _advance(flow, exchange), Show):
                yield reached.what  # type: ignore[misc]

    def cancel(self, job: Job | str) -> Job:
        """The job after the cancel: `cancelled`, or `cancelling` while it still runs; Conflict if it had ended."""
        return self._run(self._flows.cancel(job))

    def rerun(
        self,
        job: Job | str,
        *,
        from_step: str | None = None,
        input: Any = None,  # noqa: A002 - its name
        idempotency_key: str | None = None,
    ) -> Job:
        """A new job like the ended one: from its start or a step on, with the same input unless another is given."""
        changes = {"from_step": from_step, "input": input}
        return self._run(self._flows.rerun(job, changes, key=idempotency_key))

    def list(
        self,
        *,
        kind: str | None = None,
        phase: str | None = None,
        tag: str | None = None,
        queue: str | None = None,
        created_after: datetime | str | None = None,
        created_before: datetime | str | None = None,
        page_jobs: int = PAGE_JOBS_MAX,
    ) -> Iterator[Job]:
        """Your jobs, newest first, fetched a page at a time as the loop goes on."""
        times = {"created_after": created_after, "created_before": created_before}
        query: Mapping[str, Any] = {"kind": kind, "phase": phase, "tag": tag, "queue": queue, **times}
        cursor: str | None = None
        while True:
            page = self._run(self._flows.find_page({**query, "limit": page_jobs, "cursor": cursor}))
            yield from page.jobs
            cursor = page.next_cursor
            if cursor is None:
                return

    def me(self) -> Me:
        """Whose key this is, what it may do, and what is left of its limits."""
        return self._run(self._flows.me())

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self.close()

    def _run(self, flow: Flow[_T], shown: Callable[[Any], object] | None = None) -> _T:
        with closing(Exchange(self._http)) as exchange:
            while isinstance(reached := _advance(flow, exchange), Show):
                if shown is not None:
                    shown(reached.what)
            return reached.value  # type: ignore[no-any-return]


def _advance(flow: Flow[Any], exchange: Exchange) -> Show | Ended:
    """Carries out steps until something is to be shown or the flow ends."""
    told: Any = None
    while True:
        try:
            step = flow.send(told)
        except StopIteration as end:
            return Ended(end.value)
        match step:
            case Show():
                return step
            case Pause(seconds):
                time.sleep(seconds)
                told = None
            case _:
                told = exchange.perform(step)
