"""AsyncJobwireClient: synchronous.py, awaited on asyncio. The rules of both are in flows.py."""

import asyncio
import os
import random
import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import aclosing
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
from jobwire.client.synchronous import AGENT, KEY_BYTES, Looker
from jobwire.client.wire import AsyncExchange, options_of

_T = TypeVar("_T")


class AsyncJobwireClient:
    """A client of one server with one key, for one event loop; closed by `async with` or `close()`.

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
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        address = read_address(url, api_key, os.environ)
        session = Session(time.monotonic, random.random, retries or Retries(), silence_s, call_s)
        self._flows = Flows(session, lambda: secrets.token_hex(KEY_BYTES))
        self._http = httpx.AsyncClient(**options_of(address, agent=AGENT), transport=transport)

    async def submit(self, kind: str, input: Any = None, **options: Unpack[SubmitOptions]) -> Job:  # noqa: A002 - its name
        """A new job; an answer that is lost makes no second one."""
        return await self._run(self._flows.submit(kind, input, options))

    async def submit_many(self, jobs: Iterable[JobDraft], *, atomic: bool = False) -> Submitted:
        """What became of each job, in order: the job, or why it was refused; `atomic` takes all or none."""
        return await self._run(self._flows.submit_many(list(jobs), is_atomic=atomic))

    async def get(self, job: Job | str) -> Job:
        """The job as it is now; a failed job is no error."""
        return await self._run(self._flows.get(job))

    async def wait(
        self, job: Job | str, *, timeout: float | None = None, progress: bool = True, on_change: Looker | None = None
    ) -> Job:
        """The job when it has ended, well or not; WaitTimeout after `timeout` seconds, None waits for ever.

        On a terminal a bar shows its progress unless `progress` is false; `on_change` is called with every change.
        """
        with open_bar(is_wanted=progress and on_change is None) as bar:
            shown = on_change or bar
            return await self._run(self._flows.wait(job, timeout_s=timeout, is_shown=shown is not None), shown)

    async def result(self, job: Job | str, *, timeout: float | None = None, progress: bool = True) -> Any:
        """The job's result when it has completed; JobFailed, JobCancelled or JobExpired when it ended otherwise."""
        return take_result(await self.wait(job, timeout=timeout, progress=progress))

    async def stream(self, job: Job | str, *, after: int | None = None) -> AsyncIterator[Event]:
        """The job's events after that number until the final one, each once; goes on by itself after a cut."""
        async with aclosing(AsyncExchange(self._http)) as exchange:
            flow = self._flows.stream(job, after=after)
            while isinstance(reached := await _advance(flow, exchange), Show):
                yield reached.what  # type: ignore[misc]

    async def cancel(self, job: Job | str) -> Job:
        """The job after the cancel: `cancelled`, or `cancelling` while it still runs; Conflict if it had ended."""
        return await self._run(self._flows.cancel(job))

    async def rerun(
        self,
        job: Job | str,
        *,
        from_step: str | None = None,
        input: Any = None,  # noqa: A002 - its name
        idempotency_key: str | None = None,
    ) -> Job:
        """A new job like the ended one: from its start or a step on, with the same input unless another is given."""
        changes = {"from_step": from_step, "input": input}
        return await self._run(self._flows.rerun(job, changes, key=idempotency_key))

    async def list(
        self,
        *,
        kind: str | None = None,
        phase: str | None = None,
        tag: str | None = None,
        queue: str | None = None,
        created_after: datetime | str | None = None,
        created_before: datetime | str | None = None,
        page_jobs: int = PAGE_JOBS_MAX,
    ) -> AsyncIterator[Job]:
        """Your jobs, newest first, fetched a page at a time as the loop goes on."""
        times = {"created_after": created_after, "created_before": created_before}
        query: Mapping[str, Any] = {"kind": kind, "phase": phase, "tag": tag, "queue": queue, **times}
        cursor: str | None = None
        while True:
            page = await self._run(self._flows.find_page({**query, "limit": page_jobs, "cursor": cursor}))
            for job in page.jobs:
                yield job
            cursor = page.next_cursor
            if cursor is None:
                return

    async def me(self) -> Me:
        """Whose key this is, what it may do, and what is left of its limits."""
        return await self._run(self._flows.me())

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.close()

    async def _run(self, flow: Flow[_T], shown: Callable[[Any], object] | None = None) -> _T:
        async with aclosing(AsyncExchange(self._http)) as exchange:
            while isinstance(reached := await _advance(flow, exchange), Show):
                if shown is not None:
                    shown(reached.what)
            return reached.value  # type: ignore[no-any-return]


async def _advance(flow: Flow[Any], exchange: AsyncExchange) -> Show | Ended:
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
                await asyncio.sleep(seconds)
                told = None
            case _:
                told = await exchange.perform(step)
