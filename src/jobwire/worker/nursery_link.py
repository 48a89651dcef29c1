"""The worker's ends of the sockets to its nursery and to each child. children.py decides what to say on them."""

import asyncio
import logging
import os
import socket
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from signal import SIGKILL, SIGTERM
from typing import Any, Self

import msgspec

from jobwire.domain.errors import JobError
from jobwire.worker.channel import (
    LENGTH,
    LOG_CHARS_MAX,
    MESSAGE_BYTES_MAX,
    Answer,
    Ask,
    Refused,
    Request,
    Verdict,
    pack,
    too_large,
)
from jobwire.worker.nursery import FRAME_BYTES, Frame, Op, Settings

Serve = Callable[[str, Any], Awaitable[Any]]

OUTPUT_BYTES_MAX = 16_384
PIPE_BYTES = 65_536
START_MS_MAX = 60_000
UNHEARD_MS_MAX = 5_000

_MESSAGES: msgspec.json.Decoder[Verdict | Ask] = msgspec.json.Decoder(Verdict | Ask)

logger = logging.getLogger("jobwire.job")


@dataclass(frozen=True, slots=True)
class Death:
    """How a child ended; an exit code below 0 is a signal's number. A lost nursery counts as SIGKILL from outside."""

    exit_code: int = -SIGKILL
    cpu_ms: int = 0
    out_of_memory: bool = False


class NurseryLink:
    """One nursery process: forks children on request and tells of their ends."""

    def __init__(self, process: asyncio.subprocess.Process, control: socket.socket) -> None:
        self.is_lost = False
        self._process = process
        self._control = control
        self._children: dict[int, ChildLink] = {}
        self._number = 0
        self._watching = asyncio.create_task(self._watch())

    @classmethod
    async def start(cls, preload: Sequence[str], main_path: str | None) -> Self:
        """Start the process; it accepts requests at once and answers them when its imports are done."""
        ours, theirs = socket.socketpair()
        told = Settings(
            parent_pid=os.getpid(),
            control_fd=theirs.fileno(),
            path=[entry or os.getcwd() for entry in sys.path],  # noqa: PTH109 - as sys.path has it: text
            preload=list(preload),
            main_path=main_path,
            python_path=os.environ.get("PYTHONPATH"),
        )
        # One thread per numeric library: a fork while others run would copy their locks and lose them.
        threads = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"), "1")
        # And none that pyarrow starts as soon as it is imported.
        threads["JE_ARROW_MALLOC_CONF"] = "background_thread:false"
        with theirs:
            ours.setblocking(False)
            try:
                process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    *("-P", "-m", "jobwire.worker.nursery", msgspec.json.encode(told).decode()),
                    stdin=asyncio.subprocess.DEVNULL,
                    pass_fds=[theirs.fileno()],
                    start_new_session=True,
                    env=os.environ | threads | {"PYTHONPATH": os.pathsep.join(told.path)},
                )
            except BaseException:
                ours.close()
                raise
        return cls(process, ours)

    def spawn(self) -> "ChildLink":
        """Ask for one child; its link tells when it has started."""
        self._number += 1
        ours, theirs = socket.socketpair()
        read_fd, write_fd = os.pipe()
        child = self._children[self._number] = ChildLink(self, self._number, ours, _OutputTail(read_fd))
        try:
            frame = Frame(Op.FORK, self._number).pack()
            with suppress(OSError):
                socket.send_fds(self._control, [frame], [theirs.fileno(), write_fd])
        finally:
            theirs.close()
            os.close(write_fd)
        return child

    def signal(self, number: int, signum: int) -> None:
        """Send a signal to the child's process group, if the child is not yet known to have ended."""
        with suppress(OSError):
            self._control.send(Frame(Op.SIGNAL, number, signum).pack())

    def kill(self) -> None:
        """End a nursery that does not answer; the kernel ends its children with it."""
        with suppress(ProcessLookupError):
            self._process.kill()

    async def close(self) -> None:
        """End the nursery and with it all children; waits until it is gone."""
        with suppress(OSError):
            self._control.shutdown(socket.SHUT_WR)
        try:
            await asyncio.wait_for(asyncio.shield(self._watching), UNHEARD_MS_MAX / 1000)
        except TimeoutError:
            self.kill()
            await self._watching

    async def _watch(self) -> None:
        loop, pending = asyncio.get_running_loop(), b""
        try:
            while data := await loop.sock_recv(self._control, 4096):
                pending += data
                while len(pending) >= FRAME_BYTES:
                    self._hear(Frame.unpack(pending[:FRAME_BYTES]))
                    pending = pending[FRAME_BYTES:]
        except OSError:
            pass
        finally:
            self.is_lost = True
            self._lose_children()
            self._control.close()
        await self._process.wait()

    def _hear(self, frame: Frame) -> None:
        if frame.op is Op.STARTED:
            self._children[frame.number].tell_started(frame.value)
        else:
            child = self._children.pop(frame.number)
            child.tell_ended(Death(frame.value, frame.cpu_ms, frame.out_of_memory))

    def _lose_children(self) -> None:
        """The nursery is gone: its children died with it, what they had started is killed here."""
        children, self._children = self._children, {}
        for child in children.values():
            if child.pid:
                with suppress(ProcessLookupError):
                    os.killpg(child.pid, SIGKILL)
            child.tell_ended(Death())


class ChildLink:
    """One child: the socket to it, its output and its end."""

    def __init__(self, nursery: NurseryLink, number: int, connection: socket.socket, output: "_OutputTail") -> None:
        self.pid = 0
        self._nursery = nursery
        self._number = number
        self._connection: socket.socket | None = connection
        self._output = output
        loop = asyncio.get_running_loop()
        self._started: asyncio.Future[None] = loop.create_future()
        self._ended: asyncio.Future[Death] = loop.create_future()

    def tell_started(self, pid: int) -> None:
        """The nursery has forked it."""
        self.pid = pid
        self._started.set_result(None)

    def tell_ended(self, death: Death) -> None:
        """The nursery has reaped it, or is lost."""
        if not self._started.done():
            self._started.set_result(None)
        self._ended.set_result(death)

    async def wait_started(self) -> None:
        """Wait for the fork; JobError `child_died` when a new nursery needs too long for its imports."""
        try:
            # Not wait_for: before Python 3.12 it can swallow a cancellation that comes with the answer.
            async with asyncio.timeout(START_MS_MAX / 1000):
                await asyncio.shield(self._started)
        except TimeoutError:
            self._nursery.kill()
            raise JobError("child_died", "The work's process could not be started in time.", retryable=True) from None

    async def converse(self, request: Request, serve: Serve | None) -> Verdict | None:
        """Say the request, answer what the child asks, and return its verdict; None when it ended without one.

        JobError `child_crashed` for what is no message, `child_message_too_large` for one that is too long.
        """
        # From here on the transport owns the socket and closes it.
        connection, self._connection = self._connection, None
        reader, writer = await asyncio.open_unix_connection(sock=connection)
        try:
            data = pack(request)
            while True:
                writer.write(data)
                await writer.drain()
                message = await _read_message(reader)
                if not isinstance(message, Ask):
                    return message
                data = pack(await _answer(message, serve))
        except (asyncio.IncompleteReadError, ConnectionError):
            return None
        finally:
            writer.transport.abort()

    async def bury(self, *, is_asked: bool, grace_ms: int) -> Death:
        """Wait for the child's end and help it: SIGTERM at once if `is_asked`, SIGKILL after `grace_ms`.

        A nursery that then does not report the end within UNHEARD_MS_MAX is killed. Returns only when the child is
        gone: a cancellation meanwhile cuts the grace short and is raised after that.
        """
        if is_asked:
            self._nursery.signal(self._number, SIGTERM)
        cancellation = None
        wait_ms, remedies = grace_ms, [self._nursery.kill, self._kill]
        while not self._ended.done():
            try:
                done, _ = await asyncio.wait([self._ended], timeout=wait_ms / 1000)
            except asyncio.CancelledError as error:
                done, cancellation = set(), error
                if len(remedies) == 1:
                    continue
            if not done and remedies:
                remedies.pop()()
                wait_ms = UNHEARD_MS_MAX
        self._output.close()
        if self._connection is not None:
            self._connection.close()
        if cancellation is not None:
            raise cancellation
        return self._ended.result()

    def _kill(self) -> None:
        self._nursery.signal(self._number, SIGKILL)

    def output_tail(self) -> str:
        """The last OUTPUT_BYTES_MAX bytes the child wrote to stdout and stderr."""
        return self._output.text()


async def _read_message(reader: asyncio.StreamReader) -> Verdict | Ask:
    (size,) = LENGTH.unpack(await reader.readexactly(LENGTH.size))
    if size > MESSAGE_BYTES_MAX:
        raise too_large(size)
    try:
        # As text: a Raw part of the bytes would pass unread and could hold anything.
        return _MESSAGES.decode((await reader.readexactly(size)).decode())
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise _unreadable() from error


def _unreadable() -> JobError:
    return JobError("child_crashed", "The work's process sent an answer that cannot be read.")


async def _answer(ask: Ask, serve: Serve | None) -> Answer:
    if serve is None:
        # An isolated function has no Context: somebody else speaks here.
        raise _unreadable()
    try:
        if ask.op == "log":
            logger.log(ask.value["level"], "%s", ask.value["message"][:LOG_CHARS_MAX], extra=ask.value["extra"])
            return Answer()
        return Answer(await serve(ask.op, ask.value))
    except JobError as error:
        return Answer(error=Refused.of(error))


class _OutputTail:
    """Reads a pipe as long as it lasts and keeps the end of it."""

    def __init__(self, fd: int) -> None:
        os.set_blocking(fd, False)
        self._fd = fd
        self._tail = b""
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(fd, self._read)

    def _read(self) -> None:
        try:
            data = os.read(self._fd, PIPE_BYTES)
        except BlockingIOError:
            return
        if not data:
            self._loop.remove_reader(self._fd)
        self._tail = (self._tail + data)[-OUTPUT_BYTES_MAX:]

    def close(self) -> None:
        """Take what is left in the pipe and let go of it; once, as a writer that got away could fill it for ever."""
        self._read()
        self._loop.remove_reader(self._fd)
        os.close(self._fd)

    def text(self) -> str:
        return self._tail.decode(errors="replace")
