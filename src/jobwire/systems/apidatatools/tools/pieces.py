"""A large text read in pieces: how much is tried at once. json_pieces.py and xml_pieces.py say where to cut."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import BinaryIO, Final, Generic, NamedTuple, TypeVar

SEARCH_BYTES: Final = 16 << 10
"""How far a cut is searched for in Python, which takes many times as long as reading."""

_GROWTH: Final = 4

Render = Callable[[bytes], bytes | None]
"""What a compiled reader makes of a whole text, or None when it does not take it."""

Stack = TypeVar("Stack", bytes, tuple[bytes, ...])
"""What is open around a place of the text, the outermost first; empty outside."""


class Piece(NamedTuple, Generic[Stack]):
    """What was made of a piece, and what is open before and after it."""

    made: memoryview
    before: Stack
    after: Stack


class Pieces(ABC, Generic[Stack]):
    """The pieces of one text; `buffer` is what was read and is in none yet, and begins with `stack` open."""

    is_whole = False
    """Whether all of the text was in pieces, once they have ended."""

    def __init__(self, file: BinaryIO, head: bytes, *, start: Stack, piece_bytes: int, bytes_max: int) -> None:
        self.buffer = head
        self.stack: Stack = start
        self._file = file
        self._piece_bytes = piece_bytes
        self._bytes_max = bytes_max

    def read(self, render: Render) -> Iterator[Piece[Stack]]:
        """What `render` makes of one piece after another; larger ones as long as guesses are right."""
        nothing = self.stack[:0]
        extent = search = min(SEARCH_BYTES, self._piece_bytes)
        is_ended = False
        while True:
            wanted = max(0, min(extent, self._bytes_max) - len(self.buffer))
            chunk = self._file.read(wanted)
            self.buffer += chunk
            is_ended = is_ended or len(chunk) < wanted
            if is_ended and len(self.buffer) <= extent:
                piece = self.take(render, len(self.buffer), nothing)
                if piece is not None:
                    self.is_whole = True
                    yield piece
                return
            cut = self.guess(extent) if self.stack else 0
            piece = self.take(render, cut, self.stack) if cut > 0 else None
            if piece is None:
                extent = search
                cut, after = self.find(search)
                if cut == 0 and search < self._bytes_max:
                    extent = search = 2 * search
                    continue
                piece = self.take(render, cut, after) if cut else None
            if piece is None:
                return
            yield piece
            extent, search = min(_GROWTH * extent, self._piece_bytes), min(SEARCH_BYTES, self._piece_bytes)

    @abstractmethod
    def guess(self, extent: int) -> int:
        """Where in so many bytes of the buffer as much is open again as at its start, not proven; or 0."""

    @abstractmethod
    def find(self, extent: int) -> tuple[int, Stack]:
        """A cut in so many bytes of the buffer, searched for from its start, and what is open there; or 0."""

    @abstractmethod
    def take(self, render: Render, cut: int, after: Stack) -> Piece[Stack] | None:
        """The piece up to there, if `render` takes it with `after` open behind it."""
