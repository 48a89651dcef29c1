"""Rows on their way to the child process that writes them: a named pipe, so that neither side holds many.

The feeder reads the ledger while the child writes; the pipe makes whoever is faster wait.
"""

import asyncio
import fcntl
import os
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from contextlib import aclosing, contextmanager, suppress
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

PIPE_BYTES: Final = 1 << 20

LENGTH_BYTES: Final = 4

_END: Final = bytes(LENGTH_BYTES)
_SET_PIPE_BYTES: Final = getattr(fcntl, "F_SETPIPE_SZ", None)

T = TypeVar("T")

_encode = msgspec.msgpack.Encoder().encode


def encode_page(rows: Sequence[Sequence[Any]]) -> bytes:
    """Rows as they travel: their length, then MessagePack, whose texts need no escapes."""
    data = _encode(rows)
    return len(data).to_bytes(LENGTH_BYTES) + data


async def feed(pipe: Path, pages: AsyncGenerator[bytes, None], *, work: Callable[[], Awaitable[T]]) -> T:
    """The result of `work()`, which reads `pages` (encode_page) from the pipe by `read_fed`, in another process.

    Whichever side fails first ends the other, and its error is raised.
    """
    with _open_pipe(pipe) as end:
        working = asyncio.ensure_future(work())
        feeding = asyncio.ensure_future(_send_all(end, pages))
        try:
            await asyncio.wait({working, feeding}, return_when=asyncio.FIRST_COMPLETED)
            if not working.done():
                await feeding
            return await working
        finally:
            for task in (feeding, working):
                task.cancel()
            await asyncio.gather(feeding, working, return_exceptions=True)


@contextmanager
def _open_pipe(pipe: Path) -> Iterator[int]:
    os.mkfifo(pipe, 0o600)
    # Open at both ends: the pipe then lives from here to the end of the work, whenever the child comes to it.
    end = os.open(pipe, os.O_RDWR | os.O_NONBLOCK)
    try:
        if _SET_PIPE_BYTES is not None:
            with suppress(OSError):
                fcntl.fcntl(end, _SET_PIPE_BYTES, PIPE_BYTES)
        yield end
    finally:
        os.close(end)
        pipe.unlink()


def read_fed(pipe: Path) -> Iterator[list[list[Any]]]:
    """The pages that `feed` sends, in the process that works on them; EOFError if they break off."""
    decode = msgspec.msgpack.Decoder(list[list[Any]]).decode
    with pipe.open("rb", buffering=PIPE_BYTES) as file:
        while length := file.read(LENGTH_BYTES):
            if length == _END:
                return
            yield decode(file.read(int.from_bytes(length)))
    raise EOFError("the rows ended before their end was told")


async def _send_all(end: int, pages: AsyncGenerator[bytes, None]) -> None:
    async with aclosing(pages):
        async for page in pages:
            await _send(end, page)
    await _send(end, _END)


async def _send(end: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        try:
            left = left[os.write(end, left) :]
        except BlockingIOError:
            await _wait_for_room(end)


async def _wait_for_room(end: int) -> None:
    loop = asyncio.get_running_loop()
    room: asyncio.Future[None] = loop.create_future()

    def wake() -> None:
        if not room.done():
            room.set_result(None)

    loop.add_writer(end, wake)
    try:
        await room
    finally:
        loop.remove_writer(end)
