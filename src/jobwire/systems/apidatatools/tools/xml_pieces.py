"""XML in pieces that a compiled reader takes whole: where to cut is guessed, and the reader proves the guess.

A piece stands between two starts of elements. With the tags of the elements that are open around it, it is a document
exactly when the guess was right. xml_format.py reads event by event what is not as plain as that.
"""

import re
from collections.abc import Callable, Iterator
from typing import BinaryIO, Final, NamedTuple

PIECE_BYTES: Final = 1 << 19
PIECE_BYTES_MAX: Final = 8 << 20
FRAME_DEPTH_MAX: Final = 64
"""Elements around a piece."""

_find_tags: Final = re.compile(
    rb"<(?:!--.*?-->|\?.*?\?>|!\[CDATA\[.*?\]\]>|"
    rb'/?([^\s/>!?<]++)(?:[^<>"\']++|"[^"]*+"|\'[^\']*+\')*+>)',
    re.DOTALL,
).finditer

Stack = tuple[bytes, ...]
"""Start tags of open elements, the outermost first."""

Render = Callable[[bytes], bytes | None]
"""What is made of a document, or None."""


class Piece(NamedTuple):
    """What was made of a piece, and how many elements are open after it."""

    made: bytes
    depth: int


class Pieces:
    """The pieces of one document. `is_whole` tells, once they have ended, whether that was all of it."""

    is_whole = False

    def __init__(self, file: BinaryIO, head: bytes) -> None:
        self._file = file
        self._buffer = head
        self._stack: Stack = ()
        self._next = b""

    def read(self, render: Render) -> Iterator[Piece]:
        """What `render` makes of one piece after another."""
        wanted_bytes = PIECE_BYTES
        while True:
            wanted = max(0, wanted_bytes - len(self._buffer))
            chunk = self._file.read(wanted)
            self._buffer += chunk
            if len(chunk) < wanted:
                piece = self._take(render, len(self._buffer), ())
            else:
                piece = self._take_guessed(render) or self._take_found(render)
            if piece is not None:
                yield piece
                wanted_bytes = PIECE_BYTES
                if not self._stack:
                    self.is_whole = True
                    return
            elif len(chunk) < wanted or wanted_bytes >= PIECE_BYTES_MAX:
                return
            else:
                wanted_bytes *= 2

    def _take_guessed(self, render: Render) -> Piece | None:
        """The piece to the last start of an element of the same name as the last time."""
        cut = self._buffer.rfind(self._next) if self._next else 0
        return self._take(render, cut, self._stack) if cut > 0 else None

    def _take_found(self, render: Render) -> Piece | None:
        """The piece to the outermost start in the second half of what was read, or else the last one before."""
        stack = list(self._stack)
        cut, after, lowest = 0, self._stack, FRAME_DEPTH_MAX
        half = len(self._buffer) // 2
        for tag in _find_tags(self._buffer):
            text, name = tag[0], tag[1]
            if name is None:
                continue
            if text.startswith(b"</"):
                if not stack:
                    break
                stack.pop()
                continue
            if stack and len(stack) <= lowest:
                cut, after, self._next = tag.start(), tuple(stack), b"<" + name
                if cut > half:
                    lowest = len(stack)
            if not text.endswith(b"/>"):
                stack.append(text)
        return self._take(render, cut, after) if cut else None

    def _take(self, render: Render, cut: int, after: Stack) -> Piece | None:
        made = render(b"".join((*self._stack, memoryview(self._buffer)[:cut], _close(after))))
        if made is None:
            return None
        start, end = _measure(render, self._stack)[0], _measure(render, after)[1]
        piece = Piece(made[start : len(made) - end], len(after))
        self._buffer = self._buffer[cut:]
        self._stack = after
        return piece


def _close(stack: Stack) -> bytes:
    return b"".join(b"</" + tag[1:-1].split(None, 1)[0] + b">" for tag in reversed(stack))


def _measure(render: Render, stack: Stack) -> tuple[int, int]:
    """How many bytes of what is made are of the tags around, before and after the piece."""
    if not stack:
        return 0, 0
    made = render(b"".join(stack) + _MARK + _close(stack)) or b""
    start = made.rindex(_MARK)
    return start, len(made) - start - len(_MARK)


_MARK: Final = b"<mark/>"
