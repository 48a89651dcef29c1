"""JSON in pieces that a compiled reader takes whole: where to cut is guessed, and the reader proves the guess.

A piece starts after a comma and ends before one. With a stack of brackets open around both ends, `[0,` + piece + `,0]`
is JSON exactly when the piece fits its place and the guess of the stack was right. json_tokens.py goes on where nothing
fits, and says what is wrong.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import BinaryIO, Final, NamedTuple

import msgspec

from jobwire.systems.apidatatools.tools.json_tokens import Rest
from jobwire.systems.apidatatools.tools.source import Source

PIECE_BYTES: Final = 2 << 20
PIECE_BYTES_MAX: Final = 16 << 20
"""One that is longer without a comma to cut at is read token by token."""

FRAME_DEPTH_MAX: Final = 64
"""Arrays and objects around a piece; what is nested deeper there is read token by token."""

_ELEMENTS_BYTES: Final = 1 << 18
"""Python's values of an element take some twenty times its bytes."""

_HEAD_BYTES: Final = 1 << 18
_WINDOW_BYTES: Final = 8 << 10
_STRING: Final = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)'
_find_marks: Final = re.compile(rb'(?:[^"\[\]{},]++|' + _STRING + rb")*+([\[\]{},]|\Z)", re.DOTALL).finditer
"""The group of each is the next bracket or comma outside strings, or the end of the text."""

_find_quote: Final = re.compile(rb'(?<!\\)"[ \t\r\n]*+([,:\]}])?').search
_SPACE: Final = b" \t\r\n"
_LIST: Final = ord("[")
_OPENING: Final = (b"[", b"{")
_CLOSED: Final = bytes.maketrans(b"[{", b"]}")

Render = Callable[[bytes], bytes]
"""What is made of a JSON text; msgspec.DecodeError or RecursionError unless it is one."""

_check: Final = msgspec.json.Decoder(msgspec.Raw).decode


def check_json(text: bytes) -> bytes:
    """The text as it is; see Render."""
    _check(text)
    return text


class Piece(NamedTuple):
    """What was made of a piece, and the brackets that are open before and after it."""

    made: bytes
    before: bytes
    after: bytes


class Pieces:
    """The pieces of one document, each of about `piece_bytes`, between arrays and objects down to `depth_max`.

    `rest` is what could not be read so, once the pieces have ended.
    """

    rest: Rest | None = None

    def __init__(
        self, file: BinaryIO, head: bytes, *, depth_max: int, piece_bytes: int, bytes_max: int
    ) -> None:
        self._file = file
        self._buffer = head
        self._offset = 0
        self._stack = b""
        self._depth_max = depth_max
        self._piece_bytes = self._wanted_bytes = piece_bytes
        self._bytes_max = bytes_max
        self._window_bytes = _WINDOW_BYTES

    @property
    def is_list(self) -> bool:
        """Whether elements of an outer array are what it cuts between."""
        return self._depth_max > 0

    def read(self, render: Render) -> Iterator[Piece]:
        """What `render` makes of one piece after another."""
        while True:
            wanted = max(0, self._wanted_bytes - len(self._buffer))
            chunk = self._file.read(wanted)
            self._buffer += chunk
            if len(chunk) < wanted:
                piece = self._take(render, len(self._buffer), b"")
            else:
                piece = self._take_guessed(render) or self._take_found(render)
            if piece is not None:
                yield piece
                self._wanted_bytes = self._piece_bytes
                if not self._stack:
                    return
            elif len(chunk) < wanted or self._wanted_bytes >= self._bytes_max:
                self.rest = Rest(self._buffer, self._offset, self._stack)
                return
            else:
                self._wanted_bytes *= 2

    def _take_guessed(self, render: Render) -> Piece | None:
        """The piece that leaves as many open as it found, if it ends at the outermost comma of the last few bytes."""
        if not self._stack:
            return None
        start = max(0, len(self._buffer) - self._window_bytes)
        quote = _find_quote(self._buffer, start)
        if quote is not None and quote[1]:
            start = quote.start() + 1
        cut = depth = lowest = 0
        for mark in _find_marks(self._buffer, start):
            if mark[1] == b",":
                cut = mark.start(1) if depth <= lowest else cut
            elif mark[1] in _OPENING:
                depth += 1
            else:
                depth -= 1
                lowest = min(lowest, depth)
        piece = self._take(render, cut, self._stack) if cut else None
        if piece is None:
            self._window_bytes = min(self._window_bytes * 2, self._piece_bytes // 4)
        return piece

    def _take_found(self, render: Render) -> Piece | None:
        """The piece to the outermost comma of the second half of what was read, or else the last one before."""
        stack = bytearray(self._stack)
        cut, after, lowest = 0, b"", self._depth_max
        half = len(self._buffer) // 2
        for mark in _find_marks(self._buffer):
            if mark[1] in _OPENING:
                stack += mark[1]
            elif not (stack and mark[1]):
                break
            elif mark[1] != b",":
                stack.pop()
            elif len(stack) <= lowest:
                cut, after = mark.start(1), bytes(stack)
                if cut > half:
                    lowest = len(stack)
        return self._take(render, cut, after) if cut else None

    def _take(self, render: Render, cut: int, after: bytes) -> Piece | None:
        start, end = _frame(self._stack)[0], _frame(after)[1]
        text = b"".join((start, memoryview(self._buffer)[:cut], end))
        try:
            made = render(text)
        except (msgspec.DecodeError, RecursionError):
            return None
        made = made[_measure(render, self._stack)[0] : len(made) - _measure(render, after)[1]]
        piece = Piece(made, self._stack, after)
        self._buffer = self._buffer[cut + 1 :]
        self._offset += cut + 1
        self._stack = after
        return piece


class Lines:
    """Arrays and objects on lines of their own, many lines a piece; `rest` is as of Pieces."""

    rest: Rest | None = None

    def __init__(self, file: BinaryIO, head: bytes, *, bytes_max: int) -> None:
        self._file = file
        self._head = head
        self._bytes_max = bytes_max

    def read(self, render: Render) -> Iterator[Piece]:
        """What `render` makes of each line, the lines of a piece joined by line ends."""
        held, offset = self._head, 0
        while True:
            chunk = self._file.read(_HEAD_BYTES)
            held += chunk
            cut = held.rfind(b"\n") + 1 if chunk else len(held)
            lines = [line for raw in held[:cut].split(b"\n") if (line := raw.strip(_SPACE))]
            try:
                made = b"\n".join(map(render, lines))
            except (msgspec.DecodeError, RecursionError):
                made = b""
            if (lines and (not made or not all(line.startswith(_OPENING) for line in lines))) or len(held) > self._bytes_max:
                self.rest = Rest(held, offset, b"", follows=offset > 0)
                return
            if lines:
                yield Piece(made, b"", b"")
            if not chunk:
                return
            held, offset = held[cut:], offset + cut


@contextmanager
def open_pieces(source: Source) -> Iterator[tuple[BinaryIO, Pieces | Lines]]:
    """The source and its pieces, cut wherever they can be."""
    with source.open_utf8() as file:
        head = file.read(_HEAD_BYTES)
        if _is_lines(head):
            yield file, Lines(file, head, bytes_max=PIECE_BYTES_MAX)
        else:
            yield file, Pieces(file, head, depth_max=FRAME_DEPTH_MAX, piece_bytes=PIECE_BYTES, bytes_max=PIECE_BYTES_MAX)


@contextmanager
def open_elements(source: Source, *, bytes_max: int) -> Iterator[tuple[BinaryIO, Pieces | Lines]]:
    """The source and its pieces: whole elements of the outer array, or whole lines, none of more than `bytes_max`."""
    with source.open_utf8() as file:
        head = file.read(min(_HEAD_BYTES, bytes_max))
        is_list = head.lstrip(_SPACE).startswith(b"[")
        if not is_list and _is_lines(head):
            yield file, Lines(file, head, bytes_max=bytes_max)
        else:
            piece_bytes = min(_ELEMENTS_BYTES, bytes_max) if is_list else bytes_max
            yield file, Pieces(file, head, depth_max=int(is_list), piece_bytes=piece_bytes, bytes_max=bytes_max)


def _is_lines(head: bytes) -> bool:
    """Whether the first line is an array or object, and not the last."""
    line, _, more = head.lstrip(_SPACE).partition(b"\n")
    if not (line.startswith(_OPENING) and more.strip(_SPACE)):
        return False
    try:
        check_json(line)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


def _frame(stack: bytes) -> tuple[bytes, bytes]:
    """What opens these brackets and leaves off after a comma, and what goes on with a comma and closes them."""
    if not stack:
        return b"", b""
    outer = b"".join(b"[" if bracket == _LIST else b'{"":' for bracket in stack[:-1])
    start, end = (b"[0,", b",0]") if stack[-1] == _LIST else (b'{"":0,', b',"":0}')
    return outer + start, end + stack[:-1][::-1].translate(_CLOSED)


def _measure(render: Render, stack: bytes) -> tuple[int, int]:
    """How many bytes of what is made are of the frame, before and after the piece."""
    if not stack:
        return 0, 0
    start, end = _frame(stack)
    mark = b"7" if stack[-1] == _LIST else b'"7":7'
    made = render(start + mark + end)
    return made.index(mark[:2].rstrip(b":")), len(made) - 1 - made.rindex(b"7")
