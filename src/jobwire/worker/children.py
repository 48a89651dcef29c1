"""Runs functions in child processes with hard limits, as seen from the worker's loop. Next: nursery_link.py."""

import asyncio
import os
from collections.abc import Sequence
from signal import SIGHUP, SIGINT, SIGKILL, SIGTERM, SIGXCPU, strsignal
from types import TracebackType
from typing import Self, assert_never

from jobwire.domain.errors import JobError
from jobwire.kinds.contract import Cancelled, ChildLimits, Snooze
from jobwire.worker.channel import Confirmed, Done, Postponed, Raised, Refused, Request, Verdict
from jobwire.worker.child import MEMORY_STATUS, ORPHANED_STATUS, STOPPED_STATUS
from jobwire.worker.invocation import check_target
from jobwire.worker.nursery_link import ChildLink, Death, NurseryLink, Serve

# Ends that were caused outside of the child: the same work may well succeed another time.
_OUTER_SIGNALS = (SIGKILL, SIGTERM, SIGINT, SIGHUP)


class ChildRaised(Exception):  # noqa: N818 - tells what happened, like the errors of concurrent.futures
    """The function raised an exception nobody expected; its traceback is this error's note, for the operator only."""

    def __init__(self) -> None:
        super().__init__("the function raised an exception in its child process")


class Children:
    """Runs module-level functions in child processes, forked from one nursery that has imported `preload` already.

    A child has its own process group and the limits of ChildLimits. However a run ends, what it started is killed
    with it, daemons too; children die with the nursery and the nursery with the worker (where a nursery is killed by
    force, a process that has left its child's group can survive). It is a fence around parsers, not a sandbox for
    foreign code: a child has the worker's user and files. At most `concurrency` run at a time, with their
    priority lowered by `nice`; a child that is asked to end has `grace_ms` before it is killed. A program run as a
    plain file names it as `main_path` to have functions of `__main__` found. All methods belong to one event loop.
    """

    def __init__(
        self,
        *,
        preload: Sequence[str] = (),
        concurrency: int = os.cpu_count() or 1,
        nice: int = 10,
        grace_ms: int = 2_000,
        main_path: str | None = None,
    ) -> None:
        self._preload = tuple(preload)
        self._main_path = main_path
        self._slots = asyncio.Semaphore(concurrency)
        self._nice = nice
        self._grace_ms = grace_ms
        self._starting = asyncio.Lock()
        self._nursery: NurseryLink | None = None
        self._is_closed = False

    async def __aenter__(self) -> Self:
        if self._preload:
            # Its imports take a while: better before the first job than in it.
            await self._open_nursery()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """End every child and the nursery; runs under way fail with the retryable JobError `child_died`."""
        self._is_closed = True
        async with self._starting:
            if self._nursery is not None:
                await self._nursery.close()

    async def run(self, target: str, argument: str, *, limits: ChildLimits) -> str:
        """The JSON text of what the function "package.module:name" returns for the JSON text `argument`.

        The argument is read by the function's one annotation (JobError `invalid_input`). A JobError of the function
        comes back as itself; other exceptions as ChildRaised. Limits and ends raise JobError `child_memory`,
        `child_cpu`, `child_timeout`, `child_crashed` (all permanent: the same input would do it again),
        `child_message_too_large`, or the retryable `child_died`; what the child wrote to its stderr is the error's
        note. Cancelling this call ends the child before it returns. ValueError for a name no child can import.
        """
        return await self._run(target, argument, limits, None)

    async def run_handler(self, target: str, payload: str, *, limits: ChildLimits, serve: Serve) -> str:
        """Like `run` for a whole job: `payload` is the JSON text of a HandlerCall, `serve(op, value)` answers the
        child's Context (channel.py lists the ops). Raises Snooze and Cancelled as well.

        A JobError of `serve` is raised inside the handler; any other exception ends the child and is raised here.
        """
        return await self._run(target, payload, limits, serve)

    async def _run(self, target: str, argument: str, limits: ChildLimits, serve: Serve | None) -> str:
        check_target(target)
        if target.startswith("__main__:") and self._main_path is None:
            raise ValueError(f"{target!r} is in no importable module; give main_path, the file of this program")
        request = Request(
            target,
            argument,
            is_handler=serve is not None,
            memory_bytes_max=limits.memory_bytes_max,
            cpu_s_max=limits.cpu_s_max,
            nice=self._nice,
        )
        async with self._slots:
            child = (await self._open_nursery()).spawn()
            try:
                verdict = await self._listen(child, request, limits, serve)
            except BaseException as error:
                await child.bury(is_asked=True, grace_ms=self._grace_ms)
                _add_note(error, child.output_tail())
                raise
            death = await child.bury(is_asked=False, grace_ms=self._grace_ms)
        if verdict is None:
            end = explain_death(death, limits)
            _add_note(end, child.output_tail())
            raise end
        return _unwrap(verdict)

    async def _open_nursery(self) -> NurseryLink:
        async with self._starting:
            if self._is_closed:
                raise RuntimeError("these Children are closed; make new ones")
            if self._nursery is None or self._nursery.is_lost:
                self._nursery = await NurseryLink.start(self._preload, self._main_path)
            return self._nursery

    async def _listen(
        self, child: ChildLink, request: Request, limits: ChildLimits, serve: Serve | None
    ) -> Verdict | None:
        await child.wait_started()
        clock = asyncio.timeout(limits.wall_ms_max / 1000)
        try:
            async with clock:
                return await child.converse(request, serve)
        except TimeoutError:
            if not clock.expired():
                raise
            message = f"The work took longer than its limit of {limits.wall_ms_max / 1000:g} s and was stopped."
            raise JobError("child_timeout", message) from None


def explain_death(death: Death, limits: ChildLimits) -> JobError:
    """The error of a child that ended without a word."""
    memory_mb, code = limits.memory_bytes_max / 1_000_000, death.exit_code
    if code == MEMORY_STATUS or death.out_of_memory:
        return JobError("child_memory", f"The work needed more memory than its limit of {memory_mb:g} MB.")
    if code == -SIGXCPU or (code == -SIGKILL and death.cpu_ms >= limits.cpu_s_max * 1000):
        return JobError("child_cpu", f"The work needed more than its limit of {limits.cpu_s_max} s of CPU time.")
    if -code in _OUTER_SIGNALS or code in (STOPPED_STATUS, ORPHANED_STATUS):
        return JobError("child_died", "The work's process was ended from outside.", retryable=True)
    reason = strsignal(-code) if code < 0 else f"exit status {code}"
    return JobError("child_crashed", f"The work's process ended without a result ({reason}).")


def _unwrap(verdict: Verdict) -> str:
    match verdict:
        case Done(output):
            return bytes(output).decode()
        case Refused():
            raise verdict.to_error()
        case Postponed(delay_ms):
            raise Snooze(delay_ms)
        case Confirmed():
            raise Cancelled
        case Raised(traceback):
            error = ChildRaised()
            _add_note(error, traceback)
            raise error
    assert_never(verdict)


def _add_note(error: BaseException, note: str) -> None:
    if note:
        error.add_note(note)
