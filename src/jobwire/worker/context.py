"""The Context a handler sees, over one attempt. kinds/contract.py has the promise of each method."""

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import msgspec

from jobwire.blobs.contract import Blobs
from jobwire.blobs.links import FileLinks
from jobwire.blobs.scratch import Scratch
from jobwire.domain.errors import JobError
from jobwire.domain.ids import show_id
from jobwire.domain.progress import advance
from jobwire.kinds.contract import Cancelled, ChildLimits, SavedFile, Snooze
from jobwire.kinds.schema import encode_output
from jobwire.store.contract import LeaseLost, Store, Transaction
from jobwire.store.files import hold_files, name_job
from jobwire.worker.attempt import Attempt, Stop, encode_progress
from jobwire.worker.children import Children
from jobwire.worker.invocation import decode_result, target_of

logger = logging.getLogger("jobwire.job")

STEP_NAME_CHARS_MAX = 200


@dataclass(frozen=True, slots=True)
class Tools:
    """What contexts share: the ledger, the blob store, the child processes, and who seals kept files."""

    store: Store
    blobs: Blobs | None
    children: Children
    links: FileLinks | None = None


class LoopContext:
    """The Context of an `async def` handler: `step`, `save_file`, `isolate` and `write` are awaited."""

    def __init__(self, attempt: Attempt, tools: Tools, *, scratch: Scratch, has_steps: bool) -> None:
        self.job_id = show_id(attempt.claim.key)
        self.number = attempt.claim.number
        self.owner = attempt.claim.owner
        self.attempt = attempt.claim.attempt
        self.log = logging.LoggerAdapter(logger, {"job_id": self.job_id, "attempt": self.attempt})
        self._attempt = attempt
        self._tools = tools
        self._scratch = scratch
        self._steps: dict[str, str] | None = None if has_steps else {}

    def progress(
        self,
        percent: float | None = None,
        *,
        stage: str | None = None,
        done: int | None = None,
        total: int | None = None,
        message: str | None = None,
    ) -> None:
        """See Context.progress: kept here, written with the next heartbeat."""
        attempt = self._attempt
        progress = advance(
            attempt.progress,
            percent=percent,
            stage=stage,
            done=done,
            total=total,
            message=message if message is None else message.encode(errors="backslashreplace").decode(),
            weights=attempt.kind.stages,
        )
        # As text at once: what is not JSON must fail its own handler, not the heartbeat of all.
        attempt.progress_text = encode_progress(progress)
        attempt.progress = progress
        attempt.has_news = True

    def check_cancelled(self) -> None:
        """See Context.check_cancelled."""
        if self._attempt.stop is Stop.CANCEL:
            raise Cancelled
        if self._attempt.stop is not None:
            raise LeaseLost(self._attempt.stop.value)

    def snooze(self, delay_s: float) -> Any:
        """See Context.snooze."""
        raise Snooze.after(delay_s)

    async def step(self, name: str, work: Callable[[], Any]) -> Any:
        """See Context.step."""
        kept = await self.find_step(name)
        if kept is not None:
            return msgspec.json.decode(kept)
        value = work()
        if inspect.isawaitable(value):
            value = await value
        output = encode_output(value)
        await self.keep_step(name, output)
        # What a retry will see, so that the first run sees nothing else.
        return msgspec.json.decode(output)

    async def find_step(self, name: str) -> str | None:
        """The kept output of a step as JSON text, or None."""
        if not 0 < len(name) <= STEP_NAME_CHARS_MAX:
            raise ValueError(f"a step's name has 1 to {STEP_NAME_CHARS_MAX} characters, got {len(name)}")
        if self._steps is None:
            self._steps = await self._tools.store.steps(self.number)
        return self._steps.get(name)

    async def keep_step(self, name: str, output: str) -> None:
        """Keep the output of a step under the fence; LeaseLost if the lease is no longer current."""
        if not await self._tools.store.save_step(self._attempt.lease, name=name, output=output):
            raise LeaseLost(f"step {name!r} of job {self.number} came too late")
        if self._steps is not None:
            self._steps[name] = output

    async def save_file(
        self, source: Path, *, name: str, content_type: str, keep_s: float | None = None
    ) -> SavedFile:
        """See Context.save_file: the bytes are on disk, and the job holds them, before the result can name them."""
        if keep_s is not None and not keep_s > 0:
            raise ValueError(f"a file is kept for more than 0 seconds, got {keep_s}")
        if self._tools.blobs is None:
            raise JobError("no_file_store", "This worker keeps no files: give it a folder for them (JOBWIRE_FILES).")
        blob = await asyncio.to_thread(self._tools.blobs.put, Path(source))

        def hold(tx: Transaction) -> None:
            expires_at = None if keep_s is None else tx.now + round(keep_s * 1000)
            hold_files(tx, name_job(self.number), files=[blob.sha256], expires_at=expires_at)

        await self._tools.store.write(hold, lease=self._attempt.lease)
        links = self._tools.links
        seal = "" if links is None else links.seal(blob.sha256, name=name, content_type=content_type)
        return SavedFile(blob.sha256, name, content_type, blob.size_bytes, seal)

    def scratch(self) -> AbstractContextManager[Path]:
        """See Context.scratch."""
        return self._scratch.make_folder()

    async def isolate(
        self, function: Callable[[Any], Any], argument: Any, *, limits: ChildLimits | None = None
    ) -> Any:
        """See Context.isolate."""
        text = await self._tools.children.run(
            target_of(function), encode_output(argument), limits=limits or self._attempt.kind.limits
        )
        return decode_result(function, text)

    async def write(self, work: Callable[[Any], Any]) -> Any:
        """See Context.write."""
        return await self._tools.store.write(work, lease=self._attempt.lease)

    async def serve(self, op: str, value: Any) -> Any:
        """Answer what the Context of a child process asks for (worker/child.py has the asking side)."""
        match op:
            case "progress":
                return self.progress(**value)
            case "check_cancelled":
                return self._attempt.stop is Stop.CANCEL
            case "find_step":
                return await self.find_step(value["name"])
            case "keep_step":
                return await self.keep_step(value["name"], value["output"])
            case "save_file":
                return msgspec.to_builtins(await self.save_file(Path(value.pop("source")), **value))
        raise ValueError(f"a child asked for {op!r}, which no Context has")


class _Waits(Protocol):
    def __call__(self, coroutine: Coroutine[Any, Any, Any], /) -> Any: ...


class ThreadContext:
    """The Context of a plain `def` handler in a thread: the same methods, waiting for their values."""

    def __init__(self, inner: LoopContext, loop: asyncio.AbstractEventLoop) -> None:
        self.job_id, self.number, self.owner = inner.job_id, inner.number, inner.owner
        self.attempt, self.log = inner.attempt, inner.log
        self.progress, self.check_cancelled, self.snooze = inner.progress, inner.check_cancelled, inner.snooze
        self.scratch = inner.scratch
        self._inner = inner
        self._wait: _Waits = lambda coroutine: asyncio.run_coroutine_threadsafe(coroutine, loop).result()

    def step(self, name: str, work: Callable[[], Any]) -> Any:
        """See Context.step: the work runs in this thread."""
        kept = self._wait(self._inner.find_step(name))
        if kept is None:
            value = work()
            kept = encode_output(asyncio.run(_await(value)) if inspect.isawaitable(value) else value)
            self._wait(self._inner.keep_step(name, kept))
        return msgspec.json.decode(kept)

    def save_file(self, source: Path, *, name: str, content_type: str, keep_s: float | None = None) -> Any:
        """See Context.save_file."""
        return self._wait(self._inner.save_file(source, name=name, content_type=content_type, keep_s=keep_s))

    def isolate(self, function: Callable[[Any], Any], argument: Any, *, limits: ChildLimits | None = None) -> Any:
        """See Context.isolate."""
        return self._wait(self._inner.isolate(function, argument, limits=limits))

    def write(self, work: Callable[[Any], Any]) -> Any:
        """See Context.write."""
        return self._wait(self._inner.write(work))


async def _await(value: Awaitable[Any]) -> Any:
    return await value
