"""XML in pieces that a compiled reader takes whole: where to cut is guessed, and the reader proves the guess.

A piece stands between two starts of elements. With the tags of the elements that are open around it, it is a document
exactly when the guess was right. xml_format.py reads event by event what is not as plain as that.
"""

import re
from typing import BinaryIO, Final

from jobwire.systems.apidatatools.tools.pieces import Piece, Pieces, Render

PIECE_BYTES: Final = 1 << 19
PIECE_BYTES_MAX: Final = 8 << 20
FRAME_DEPTH_MAX: Final = 64
"""Elements around a piece."""

_find_tags: Final = re.compile(
    rb"<(?:!--.*?(?:-->|\Z)|\?.*?(?:\?>|\Z)|!\[CDATA\[.*?(?:\]\]>|\Z)|"
    rb'/?([^\s/>!?<]++)(?:[^<>"\']++|"[^"]*+(?:"|\Z)|\'[^\']*+(?:\'|\Z))*+(?:>|\Z))',
    re.DOTALL,
).finditer

Stack = tuple[bytes, ...]
"""Start tags."""


class Document(Pieces[Stack]):
    """The pieces of one document, cut before starts of elements."""

    def __init__(self, file: BinaryIO, head: bytes) -> None:
        super().__init__(file, head, start=(), piece_bytes=PIECE_BYTES, bytes_max=PIECE_BYTES_MAX)
        self._next = b""

    def guess(self, extent: int) -> int:
        """Before the last element of the same name as the one that was found last."""
        return self.buffer.rfind(self._next, 0, extent)

    def find(self, extent: int) -> tuple[int, Stack]:
        """Before the outermost element that starts in the second half, or else the last one before."""
        stack = list(self.stack)
        cut, after, lowest = 0, self.stack, FRAME_DEPTH_MAX
        for tag in _find_tags(self.buffer, 0, extent):
            text, name = tag[0], tag[1]
            if name is None:
                continue
            if text.startswith(b"</"):
                if not stack:
                    break
                stack.pop()
                continue
            if 0 < len(stack) <= lowest and tag.start():
                cut, after, self._next = tag.start(), tuple(stack), b"<" + name
                if cut > extent // 2:
                    lowest = len(stack)
            if not text.endswith(b"/>"):
                stack.append(text)
        return cut, after

    def take(self, render: Render, cut: int, after: Stack) -> Piece[Stack] | None:
        """See Pieces."""
        made = render(b"".join((*self.stack, memoryview(self.buffer)[:cut], _close(after))))
        if made is None:
            return None
        start, end = _measure(render, self.stack)[0], _measure(render, after)[1]
        piece = Piece(memoryview(made)[start : len(made) - end], self.stack, after)
        self.buffer = self.buffer[cut:]
        self.stack = after
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
