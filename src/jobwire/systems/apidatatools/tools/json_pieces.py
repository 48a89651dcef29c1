"""JSON in pieces that a compiled reader takes whole: where to cut is guessed, and the reader proves the guess.

A piece starts after a comma and ends before one. With a stack of brackets open around both ends, `[0,` + piece +
`,0]` is JSON exactly when the piece fits its place and the guess of the stack was right. json_tokens.py goes on where
nothing fits, and says what is wrong.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import BinaryIO, Final, cast

import msgspec

from jobwire.systems.apidatatools.tools.json_tokens import DEPTH_MAX, Rest
from jobwire.systems.apidatatools.tools.pieces import Piece, Pieces, Render
from jobwire.systems.apidatatools.tools.source import Source

PIECE_BYTES: Final = 1 << 19
PIECE_BYTES_MAX: Final = 16 << 20
"""One that is longer without a comma to cut at is read token by token."""

FRAME_DEPTH_MAX: Final = 64
"""Arrays and objects around a piece; what is nested deeper there is read token by token."""

_ELEMENTS_BYTES: Final = 1 << 18
"""Python's values of an element take some twenty times its bytes."""

_HEAD_BYTES: Final = 1 << 18
_WINDOW_BYTES: Final = 2 << 10
_WIDEST_WINDOW_BYTES: Final = 64 << 10
_STRING: Final = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)'
_find_marks: Final = re.compile(rb'(?:[^"\[\]{},]++|' + _STRING + rb")*+([\[\]{},]|\Z)", re.DOTALL).finditer
"""The group of each is the next bracket or comma outside strings, or the end of the text."""

_find_quote: Final = re.compile(rb'(?<!\\)"[ \t\r\n]*+([,:\]}])?').search
_SPACE: Final = b" \t\r\n"
_LIST: Final = ord("[")
_OPENING: Final = (b"[", b"{")
_CLOSED: Final = bytes.maketrans(b"[{", b"]}")

RenderJson = Callable[[bytes], bytes]
"""What a compiled reader makes of JSON; raises one of REFUSED for anything else."""

_check: Final = msgspec.json.Decoder(msgspec.Raw).decode


REFUSED: Final = (msgspec.DecodeError, RecursionError)
"""What readers of JSON raise."""


def check_json(text: bytes) -> bytes:
    """The text as it is; raises one of REFUSED unless it is JSON that is nested no deeper than DEPTH_MAX."""
    _check(text)
    if not (_READER_STOPS or _is_shallow(text)):
        raise RecursionError
    return text


def format_by(indent: int) -> RenderJson:
    """Indents what check_json takes; below 0 there is no white space."""
    # Of texts, too, which the types mix up.
    render = cast(RenderJson, partial(msgspec.json.format, indent=indent))

    def render_shallow(text: bytes) -> bytes:
        if not _is_shallow(text):
            raise RecursionError
        return render(text)

    return render if _READER_STOPS else render_shallow


def _stops_in_time() -> bool:
    try:
        _check(b"[" * (DEPTH_MAX + 1) + b"]" * (DEPTH_MAX + 1))
    except RecursionError:
        return True
    return False


# Up to Python 3.11 the compiled reader goes 1,000 deep, from 3.12 on further than DEPTH_MAX.
_READER_STOPS: Final = _stops_in_time()
_NO_BRACKET_NOR_QUOTE: Final = bytes(set(range(256)) - set(b'"[]{}'))
_drop_strings: Final = re.compile(rb'"[^"]*"').sub
_PEELED_MAX: Final = 64


def _is_shallow(text: bytes) -> bool:
    """Whether JSON is nested no deeper than DEPTH_MAX for certain; what nests strangely is not."""
    if text.count(b"[") + text.count(b"{") <= DEPTH_MAX:
        return True
    bare = text.replace(b"\\\\", b"").replace(b'\\"', b"").translate(None, _NO_BRACKET_NOR_QUOTE)
    left = _drop_strings(b"", bare.replace(b'""', b""))
    # What is innermost goes, level by level, until what is left is too little to be deep.
    for level in range(_PEELED_MAX):
        if level + len(left) // 2 <= DEPTH_MAX:
            return True
        left = left.replace(b"[]", b"").replace(b"{}", b"")
    return False


class Document(Pieces[bytes]):
    """The pieces of one document, cut between arrays and objects down to `depth_max`. Stacks are opening brackets."""

    def __init__(self, file: BinaryIO, head: bytes, *, depth_max: int, piece_bytes: int, bytes_max: int) -> None:
        super().__init__(file, head, start=b"", piece_bytes=piece_bytes, bytes_max=bytes_max)
        self._depth_max = depth_max
        self._window_bytes = _WINDOW_BYTES
        self._offset = 0

    @property
    def rest(self) -> Rest | None:
        """What could not be read so, once the pieces have ended."""
        return None if self.is_whole else Rest(self.buffer, self._offset, self.stack)

    @property
    def is_list(self) -> bool:
        """Whether elements of an outer array are what it cuts between."""
        return self._depth_max > 0

    def guess(self, extent: int) -> int:
        """At the outermost comma of the last few bytes; of more of them after each wrong guess."""
        start = max(0, extent - self._window_bytes)
        quote = _find_quote(self.buffer, start, extent)
        if quote is not None and quote[1]:
            start = quote.start() + 1
        cut = depth = lowest = 0
        for mark in _find_marks(self.buffer, start, extent):
            if mark[1] == b",":
                cut = mark.start(1) if depth <= lowest else cut
            elif mark[1] in _OPENING:
                depth += 1
            else:
                depth -= 1
                lowest = min(lowest, depth)
        return cut

    def find(self, extent: int) -> tuple[int, bytes]:
        """At the outermost comma of the second half, or else the last one before."""
        stack = bytearray(self.stack)
        cut, after, lowest = 0, b"", self._depth_max
        for mark in _find_marks(self.buffer, 0, extent) if lowest else ():
            if mark[1] in _OPENING:
                stack += mark[1]
            elif not (stack and mark[1]) or len(stack) > DEPTH_MAX:
                break
            elif mark[1] != b",":
                stack.pop()
            elif len(stack) <= lowest:
                cut, after = mark.start(1), bytes(stack)
                if cut > extent // 2:
                    lowest = len(stack)
        self._window_bytes = min(2 * self._window_bytes, _WIDEST_WINDOW_BYTES)
        return cut, after

    def take(self, render: Render, cut: int, after: bytes) -> Piece[bytes] | None:
        """See Pieces."""
        start, end = _frame(self.stack)[0], _frame(after)[1]
        try:
            made = render(b"".join((start, memoryview(self.buffer)[:cut], end)))
        except REFUSED:
            made = None
        if made is None:
            return None
        inside = slice(_measure(render, self.stack)[0], len(made) - _measure(render, after)[1])
        piece = Piece(memoryview(made)[inside], self.stack, after)
        self.buffer = self.buffer[cut + 1 :]
        self._offset += cut + 1
        self.stack = after
        return piece


class Lines:
    """Arrays and objects on lines of their own, many lines a piece; `rest` is as of a document."""

    rest: Rest | None = None

    def __init__(self, file: BinaryIO, head: bytes, *, bytes_max: int) -> None:
        self._file = file
        self._head = head
        self._bytes_max = bytes_max

    def read(self, render: RenderJson) -> Iterator[Piece[bytes]]:
        """What `render` makes of each line, the lines of a piece joined by line ends."""
        held, offset = self._head, 0
        while True:
            chunk = self._file.read(_HEAD_BYTES)
            held += chunk
            cut = held.rfind(b"\n") + 1 if chunk else len(held)
            made = _render_lines(render, held[:cut])
            if made is None or len(held) > self._bytes_max:
                self.rest = Rest(held, offset, b"", follows=offset > 0)
                return
            if made:
                yield Piece(memoryview(b"\n".join(made)), b"", b"")
            if not chunk:
                return
            held, offset = held[cut:], offset + cut


@contextmanager
def open_pieces(source: Source) -> Iterator[tuple[BinaryIO, Document | Lines]]:
    """The source and its pieces, cut wherever they can be."""
    with source.open_utf8() as file:
        head = file.read(_HEAD_BYTES)
        if _is_lines(head):
            yield file, Lines(file, head, bytes_max=PIECE_BYTES_MAX)
        else:
            yield (
                file,
                Document(file, head, depth_max=FRAME_DEPTH_MAX, piece_bytes=PIECE_BYTES, bytes_max=PIECE_BYTES_MAX),
            )


@contextmanager
def open_elements(source: Source, *, bytes_max: int) -> Iterator[tuple[BinaryIO, Document | Lines]]:
    """The source and its pieces: whole elements of the outer array, or whole lines, none of more than `bytes_max`."""
    with source.open_utf8() as file:
        head = file.read(min(_HEAD_BYTES, bytes_max))
        is_list = head.lstrip(_SPACE).startswith(b"[")
        if not is_list and _is_lines(head):
            yield file, Lines(file, head, bytes_max=bytes_max)
        else:
            piece_bytes = min(_ELEMENTS_BYTES, bytes_max) if is_list else bytes_max
            yield file, Document(file, head, depth_max=int(is_list), piece_bytes=piece_bytes, bytes_max=bytes_max)


def _is_lines(head: bytes) -> bool:
    """Whether the first line is an array or object, and not the last."""
    line, _, more = head.lstrip(_SPACE).partition(b"\n")
    if not (line.startswith(_OPENING) and more.strip(_SPACE)):
        return False
    try:
        check_json(line)
    except REFUSED:
        return False
    return True


def _render_lines(render: RenderJson, text: bytes) -> list[bytes] | None:
    """What is made of each line that is not empty; None where one is no array or object."""
    lines = text.split(b"\n")
    if not lines[-1]:
        lines.pop()
    # Counted in the text as a whole: a look at each line took a sixth of the time.
    if not text.startswith(_OPENING) or text.count(b"\n{") + text.count(b"\n[") != len(lines) - 1:
        lines = [line for raw in lines if (line := raw.strip(_SPACE))]
        if not all(line.startswith(_OPENING) for line in lines):
            return None
    try:
        return list(map(render, lines))
    except REFUSED:
        return None


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
    made = render(start + mark + end) or b""
    return made.index(mark[:2].rstrip(b":")), len(made) - 1 - made.rindex(b"7")
