"""The Context inside a child process: each method asks the parent over the channel. child.py makes it."""

import inspect
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NoReturn

import msgspec

from jobwire.domain.ids import show_id
from jobwire.kinds.contract import Cancelled, ChildLimits, SavedFile, Snooze
from jobwire.kinds.schema import encode_output
from jobwire.worker.channel import LOG_CHARS_MAX, Channel, HandlerCall
from jobwire.worker.invocation import decode_argument, decode_result

# A handler may report every row; the parent hears of it 20 times a second (an ask costs both sides about 0.1 ms).
REPORT_INTERVAL_MS = 50


class ChildContext:
    """The Context of a plain `def` handler; its promises are those of kinds/contract.py."""

    def __init__(self, channel: Channel, call: HandlerCall) -> None:
        self.job_id = show_id(call.key)
        self.number = call.number
        self.owner = call.owner
        self.attempt = call.attempt
        logger = logging.Logger("jobwire.job")
        logger.addHandler(_ChannelHandler(channel, {"job_id": self.job_id, "attempt": self.attempt}))
        self.log = logging.LoggerAdapter(logger)
        self._channel = channel
        self._folder = call.folder
        self._unsent: dict[str, Any] = {}
        self._progress_due_at = 0.0
        self._cancel_due_at = 0.0

    def progress(
        self,
        percent: float | None = None,
        *,
        stage: str | None = None,
        done: int | None = None,
        total: int | None = None,
        message: str | None = None,
    ) -> None:
        if message is not None:
            message = message.encode(errors="backslashreplace").decode()
        if stage is not None and stage != self._unsent.get("stage"):
            self.send_progress()
        said = {"percent": percent, "stage": stage, "done": done, "total": total, "message": message}
        if percent is not None or done is not None:
            self._unsent = {"stage": self._unsent["stage"]} if "stage" in self._unsent else {}
        self._unsent |= {name: value for name, value in said.items() if value is not None}
        if time.monotonic() >= self._progress_due_at:
            self.send_progress()

    def send_progress(self) -> None:
        """Tell the parent what progress it has not heard of yet."""
        if self._unsent:
            value, self._unsent = self._unsent, {}
            self._channel.ask("progress", value)
            self._progress_due_at = time.monotonic() + REPORT_INTERVAL_MS / 1000

    def check_cancelled(self) -> None:
        if time.monotonic() >= self._cancel_due_at:
            if self._ask("check_cancelled"):
                raise Cancelled
            self._cancel_due_at = time.monotonic() + REPORT_INTERVAL_MS / 1000

    def step(self, name: str, work: Callable[[], Any]) -> Any:
        kept = self._ask("find_step", {"name": name})
        return msgspec.json.decode(self._keep_step(name, work()) if kept is None else kept)

    def snooze(self, delay_s: float) -> NoReturn:
        raise Snooze.after(delay_s)

    def save_file(self, source: Path, *, name: str, content_type: str, keep_s: float | None = None) -> Any:
        value = {"source": str(Path(source).absolute()), "name": name, "content_type": content_type, "keep_s": keep_s}
        return msgspec.convert(self._ask("save_file", value), SavedFile)

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        with TemporaryDirectory(dir=self._folder, ignore_cleanup_errors=True) as name:
            yield Path(name)

    def isolate(self, function: Callable[[Any], Any], argument: Any, *, limits: ChildLimits | None = None) -> Any:
        # Here already is the child: the call gets this process' limits instead of its own.
        return decode_result(function, encode_output(function(decode_argument(function, encode_output(argument)))))

    def write(self, work: Callable[[Any], Any]) -> Any:
        raise RuntimeError(
            "ctx.write is not available in a child process, which has no ledger; return the value and write it in "
            "the kind's on_final, or give the kind isolation='none' and call ctx.isolate for the dangerous part"
        )

    def _ask(self, op: str, value: Any = None) -> Any:
        self.send_progress()
        return self._channel.ask(op, value)

    def _keep_step(self, name: str, result: Any) -> str:
        output = encode_output(result)
        self._ask("keep_step", {"name": name, "output": output})
        return output


class AsyncChildContext(ChildContext):
    """The Context of an `async def` handler: what the contract says is awaited is awaited here too."""

    async def step(self, name: str, work: Callable[[], Any]) -> Any:
        kept = self._ask("find_step", {"name": name})
        return msgspec.json.decode(self._keep_step(name, await _settle(work())) if kept is None else kept)

    async def save_file(self, source: Path, *, name: str, content_type: str, keep_s: float | None = None) -> Any:
        return super().save_file(source, name=name, content_type=content_type, keep_s=keep_s)

    async def isolate(
        self, function: Callable[[Any], Any], argument: Any, *, limits: ChildLimits | None = None
    ) -> Any:
        result = await _settle(function(decode_argument(function, encode_output(argument))))
        return decode_result(function, encode_output(result))

    async def write(self, work: Callable[[Any], Any]) -> Any:
        super().write(work)


async def _settle(value: Any) -> Any:
    return await value if inspect.isawaitable(value) else value


class _ChannelHandler(logging.Handler):
    """Hands a handler's log lines to the worker, which knows where logs go."""

    def __init__(self, channel: Channel, extra: dict[str, Any]) -> None:
        super().__init__()
        self._channel = channel
        self._extra = extra

    def emit(self, record: logging.LogRecord) -> None:
        # A line must not fail the job, neither by what no encoder takes nor by more than travels.
        message = self.format(record)[:LOG_CHARS_MAX].encode(errors="backslashreplace").decode()
        value = {"level": record.levelno, "message": message, "extra": self._extra}
        self._channel.ask("log", value)
