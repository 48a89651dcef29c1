"""Kind and Context: what the author of a job writes against. registry.py makes kinds from functions."""

import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, Self

from jobwire.domain.caps import Cap
from jobwire.domain.retry import RetryPolicy

Isolation = Literal["none", "process"]

SNOOZE_S_MAX = 30 * 24 * 3600

FILE_MARK = '"sha256":"'
"""What a text of JSON that has a kept file in it contains."""


@dataclass(frozen=True, slots=True)
class ChildLimits:
    """What a child process may use before it is killed.

    `memory_bytes_max` is address space on top of what the child has mapped when it starts (preloaded modules cost
    nothing), `cpu_s_max` its own CPU seconds, `wall_ms_max` its time from start to result. Memory and CPU bind each
    process a child starts, too; the time binds them all. Exceeding a limit is permanent: the same input would again.
    """

    memory_bytes_max: int = 2_000_000_000
    cpu_s_max: int = 60
    wall_ms_max: int = 120_000


@dataclass(frozen=True, slots=True)
class SavedFile:
    """A file kept in the blob store, to be put into a result: customers see it with a signed `url`.

    `sha256` is its address. `seal` proves that `save_file` made this value: text that a customer sent and a handler
    echoes gets no link. Customers never see it.
    """

    sha256: str
    name: str
    content_type: str
    size_bytes: int
    seal: str = ""


class Context(Protocol):
    """What a handler may touch: nine methods, the same on the loop, in a thread and in a child process.

    In an `async def` handler `step`, `save_file`, `isolate` and `write` are awaited; in a plain `def` handler they
    return their value.
    """

    job_id: str
    number: int
    owner: int
    attempt: int
    log: logging.LoggerAdapter[logging.Logger]

    def progress(
        self,
        percent: float | None = None,
        *,
        stage: str | None = None,
        done: int | None = None,
        total: int | None = None,
        message: str | None = None,
    ) -> None:
        """Report progress: never shown below what was shown before in this attempt; cheap, may be called often."""

    def step(self, name: str, work: Callable[[], Any]) -> Any:
        """The result of `work()`, kept in the ledger under `name`: a retry returns it without working again.

        `work` may be a plain or an async function without arguments; its result must be JSON.
        """

    def check_cancelled(self) -> None:
        """Raise `Cancelled` if the customer asked to stop this job."""

    def snooze(self, delay_s: float) -> Any:
        """End this attempt now and run the job again after `delay_s` seconds; costs no attempt. Never returns."""

    def save_file(self, source: Path, *, name: str, content_type: str, keep_s: float | None = None) -> Any:
        """Keep a file, addressed by its content: returns a `SavedFile` to put into the result.

        It is kept as long as the job, or for `keep_s` seconds from now; and as long as somebody else holds it.
        """

    def scratch(self) -> AbstractContextManager[Path]:
        """`with ctx.scratch() as folder:` is a new empty folder, removed with all that is in it at the end.

        Also where a process is killed meanwhile: then the next worker that starts on the machine removes it.
        """

    def isolate(self, function: Callable[[Any], Any], argument: Any, *, limits: ChildLimits | None = None) -> Any:
        """Run a module-level function on `argument` in a child process with limits and return its result.

        Argument and result travel as JSON by the function's annotations. A JobError comes back as itself; a child
        that dies or exceeds a limit raises JobError `child_died`, `child_memory`, `child_cpu` or `child_timeout`.
        """

    def write(self, work: Callable[[Any], Any]) -> Any:
        """Run `work(transaction)` in one ledger transaction that commits only if this attempt's lease is current."""


class Cancelled(Exception):  # noqa: N818 - reads as the state it is, like asyncio.CancelledError
    """Raised inside a handler whose job was cancelled; let it pass."""


class Snooze(Exception):  # noqa: N818 - a control signal, not an error
    """Raised by `Context.snooze`; let it pass."""

    def __init__(self, delay_ms: int) -> None:
        super().__init__(delay_ms)
        self.delay_ms = delay_ms

    @classmethod
    def after(cls, delay_s: float) -> Self:
        """The signal for a delay in seconds; ValueError unless it lies between 0 and SNOOZE_S_MAX."""
        if not 0 < delay_s <= SNOOZE_S_MAX:
            raise ValueError(f"snooze takes between 0 and {SNOOZE_S_MAX} seconds, got {delay_s}")
        return cls(int(delay_s * 1000))


@dataclass(frozen=True, slots=True)
class Queue:
    """A queue and its policy: in a fair one owners take turns, in any other all jobs stand in the order they came."""

    name: str
    fair: bool = True


Handler = Callable[..., Any] | Callable[..., Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class FinalJob:
    """A job that has just become final, as a kind's `on_final` hook sees it inside the same transaction."""

    number: int
    owner: int
    kind: str
    completed: bool
    input: str
    output: str | None
    error_message: str | None


@dataclass(frozen=True, slots=True)
class Kind:
    """What sort of job: its name, queue, input schema, limits, retry policy and handler."""

    name: str
    handler: Handler
    input_type: Any
    queue: str = "default"
    attempts_max: int = 5
    timeout_ms: int = 300_000
    isolation: Isolation = "none"
    limits: ChildLimits = field(default_factory=ChildLimits)
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    stages: Mapping[str, float] | None = None
    max_wait_ms: int | None = None
    caps: tuple[Cap, ...] = ()
    takes_context: bool = False
    spread_input: bool = True
    is_async: bool = False
    description: str = ""
    on_final: Callable[[Any, FinalJob], None] | None = None
