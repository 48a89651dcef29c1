"""What a child and its parent say to each other. child.py is the one end, children.py the other.

A message is a 4-byte length and that many bytes of JSON. The parent says Request, then one Answer to each Ask; the
child ends with one Verdict. What may be asked, by `op`, with its value and the answer:

progress         {percent?, stage?, done?, total?, message?}   null
check_cancelled  null                                          whether a cancel was asked
find_step        {name}                                        the step's output as JSON text, or null
keep_step        {name, output}, output as JSON text           null
save_file        {source, name, content_type, keep_s}          the SavedFile
log              {level, message, extra}                       null; nursery_link.py itself writes it to the log
"""

import socket
import struct
import threading
from typing import Any, TypeVar

import msgspec

from jobwire.domain.errors import JobError

MESSAGE_BYTES_MAX = 4 * 1024 * 1024
LOG_CHARS_MAX = 10_000
LENGTH = struct.Struct("!I")

T = TypeVar("T")


class Request(msgspec.Struct, frozen=True):
    """What a child is to do: call `target` with the JSON text `argument`, under limits set before it is read."""

    target: str
    argument: str
    is_handler: bool
    memory_bytes_max: int
    cpu_s_max: int
    nice: int


class HandlerCall(msgspec.Struct, frozen=True):
    """The payload of a whole job: its input, what its Context shows, and a folder that is removed after it."""

    key: str
    number: int
    owner: int
    attempt: int
    folder: str
    input: msgspec.Raw


class Refused(msgspec.Struct, frozen=True, tag_field="say", tag="refused"):
    """A JobError on its way."""

    code: str
    message: str
    retryable: bool
    details: dict[str, Any]
    retry_after_ms: int | None

    @classmethod
    def of(cls, error: JobError) -> "Refused":
        return cls(error.code, error.message, error.retryable, error.details, error.retry_after_ms)

    def to_error(self) -> JobError:
        return JobError(
            self.code,
            self.message,
            retryable=self.retryable,
            details=self.details,
            retry_after_ms=self.retry_after_ms,
        )


class Done(msgspec.Struct, frozen=True, tag_field="say", tag="done"):
    """The function returned; `output` is JSON."""

    output: msgspec.Raw


class Postponed(msgspec.Struct, frozen=True, tag_field="say", tag="postponed"):
    """The handler asked to be run later."""

    delay_ms: int


class Confirmed(msgspec.Struct, frozen=True, tag_field="say", tag="confirmed"):
    """The handler stopped because a cancel was asked."""


class Raised(msgspec.Struct, frozen=True, tag_field="say", tag="raised"):
    """An exception nobody expected, for the operator only."""

    traceback: str


class Ask(msgspec.Struct, frozen=True, tag_field="say", tag="ask"):
    """The child wants something done or known, and waits for the Answer."""

    op: str
    value: Any


class Answer(msgspec.Struct, frozen=True):
    """What the parent's `serve` returned, or the JobError it raised."""

    value: Any = None
    error: Refused | None = None


Verdict = Done | Refused | Postponed | Confirmed | Raised


def pack(message: msgspec.Struct) -> bytes:
    """The message as it travels; JobError `child_message_too_large` over MESSAGE_BYTES_MAX."""
    body = msgspec.json.encode(message)
    if len(body) > MESSAGE_BYTES_MAX:
        raise too_large(len(body))
    return LENGTH.pack(len(body)) + body


def too_large(size_bytes: int) -> JobError:
    """The refusal of a message of that size, in either direction."""
    return JobError(
        "child_message_too_large",
        f"A part of this job's data is {size_bytes} bytes; between its processes at most {MESSAGE_BYTES_MAX} may "
        "travel. Pass large data as files.",
        details={"size_bytes": size_bytes, "limit_bytes": MESSAGE_BYTES_MAX},
    )


class Channel:
    """The child's end; one ask at a time, from any thread."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._incoming = connection.makefile("rb")
        self._lock = threading.Lock()

    def read(self, kind: type[T]) -> T:
        """The parent's next message; EOFError when the parent is gone."""
        head = self._incoming.read(LENGTH.size)
        if len(head) < LENGTH.size:
            raise EOFError
        return msgspec.json.decode(self._incoming.read(LENGTH.unpack(head)[0]), type=kind)

    def send(self, data: bytes) -> None:
        """Hand over what `pack` made; OSError when the parent is gone."""
        self._connection.sendall(data)

    def ask(self, op: str, value: Any = None) -> Any:
        """The parent's answer to one question; a JobError it answers with is raised here."""
        data = pack(Ask(op, value))
        with self._lock:
            self.send(data)
            answer = self.read(Answer)
        if answer.error is not None:
            raise answer.error.to_error()
        return answer.value
