"""JSON as tokens in constant memory: the grammar of RFC 8259 on bytes, and where it is broken.

This is the judge of what is JSON: faster readers are asked first, and when one refuses, this one says what and where.
"""

import re
from collections.abc import Iterator
from typing import BinaryIO, Final, NamedTuple, NoReturn

from jobwire.systems.apidatatools.tools.faults import ToolError, find_place
from jobwire.systems.apidatatools.tools.source import Source

DEPTH_MAX: Final = 1_024
"""Arrays and objects in one another; the reader that is asked first stops there too."""

TOKEN_BYTES_MAX: Final = 16 << 20
"""One string or number."""

_CHUNK_BYTES: Final = 1 << 18
_STRING: Final = rb'"(?:[^"\\\x00-\x1f]++|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4})*+'
_SPLIT: Final = re.compile(
    rb"(" + _STRING + rb'"|[ \t\n\r]+|[\[\]{}:,]|'
    rb"(?:-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null)(?![\w.+-]))|.",
    re.DOTALL,
).findall
"""Pieces one after another; an empty one stands for a byte that starts nothing."""

_OPEN_STRING: Final = re.compile(_STRING)
_LONGEST_ESCAPE: Final = 6
_SHOWN_BYTES: Final = 24
_COMMENTS: Final = frozenset((b"//", b"/*", b"#"))

_SPACE: Final = frozenset(b" \t\n\r")
_SINGLE: Final = frozenset((b"[", b"]", b"{", b"}", b":", b","))
_OPENING: Final = frozenset(b"[{")
_NO_VALUE: Final = frozenset(b"]}:,")
_ENDS: Final = {b"[": ord("]"), b"{": ord("}")}
_STRING_START: Final = ord('"')
_COMMA: Final = ord(",")
_COLON_BYTE: Final = ord(":")

_HINTS: Final = (
    (b"'", "has a single quote here; strings stand in double quotes"),
    (b"//", "has a comment here; JSON has none"),
    (b"/*", "has a comment here; JSON has none"),
    (b"#", "has a comment here; JSON has none"),
    (b"NaN", "has NaN here; JSON has no such number, write null"),
    (b"Infinity", "has Infinity here; JSON has no such number, write null"),
    (b"-Infinity", "has -Infinity here; JSON has no such number, write null"),
    (b"+", "has a number with a plus sign here; leave the sign out"),
    (b".", "has a number without digits before its point here"),
    (b"True", "has True here; write true"),
    (b"False", "has False here; write false"),
    (b"None", "has None here; write null"),
    (b"undefined", "has undefined here; write null"),
)

_VALUE, _FIRST_VALUE, _FIRST_NAME, _NAME, _COLON, _NEXT, _END = range(7)
_AFTER_VALUE: Final = frozenset((_NEXT, _END, _COLON))
_STRING_STATES: Final = frozenset((_VALUE, _FIRST_VALUE, _FIRST_NAME, _NAME))
_WANTED: Final = {
    _VALUE: "a value",
    _FIRST_VALUE: 'a value or "]"',
    _FIRST_NAME: 'a name in double quotes or "}"',
    _NAME: "a name in double quotes",
    _COLON: '":"',
    _NEXT: '"," or the end of the array or object',
    _END: "the end",
}


class Rest(NamedTuple):
    """Where a faster reader stopped: the bytes it has read in vain, and the place of the first in the text.

    `stack` has the brackets that are open there, after a comma; where none is, `follows` tells whether lines came
    before.
    """

    buffer: bytes = b""
    offset: int = 0
    stack: bytes = b""
    follows: bool = False


def read_tokens(source: Source) -> Iterator[list[bytes]]:
    """The tokens of the source a chunk at a time, white space left out; ToolError INVALID_JSON.

    An empty token stands between two top-level values, of which each but the first starts on a line of its own.
    """
    with source.open_utf8() as file:
        yield from read_rest(source, file, Rest())


def read_rest(source: Source, file: BinaryIO, rest: Rest) -> Iterator[list[bytes]]:
    """The tokens from there on, `file` being the open source; see read_tokens."""
    return _Reader(source, file, rest).read()


class _Reader:
    """Where in the grammar the file is."""

    def __init__(self, source: Source, file: BinaryIO, rest: Rest) -> None:
        self._source = source
        self._file = file
        self._buffer = rest.buffer
        self._offset = rest.offset
        self._stack = [bytes((bracket,)) for bracket in rest.stack]
        self._is_newline = rest.follows
        self._is_record = rest.follows or bool(rest.stack)
        self._state = _END if rest.follows else _VALUE
        if rest.stack:
            self._state = _NAME if rest.stack.endswith(b"{") else _VALUE

    def read(self) -> Iterator[list[bytes]]:
        """See read_tokens."""
        buffer = self._buffer
        while True:
            # Twice as much for a string that went on, so that the time of a long one stays linear.
            chunk = self._file.read(max(_CHUNK_BYTES, len(buffer)))
            buffer += chunk
            if chunk and self._goes_on(buffer):
                continue
            pieces = _SPLIT(buffer)
            if chunk:
                # What touches the end may go on in the next chunk.
                while pieces and pieces[-1] not in _SINGLE:
                    pieces.pop()
            tokens, used = self._follow(pieces, buffer, is_last=not chunk)
            if tokens:
                yield tokens
            buffer = buffer[used:]
            self._offset += used
            if not chunk:
                break
        if self._state != _END:
            self._fail(0, f"ends here, where {_WANTED[self._state]} must follow")

    def _follow(  # noqa: PLR0912 - a branch a state: calls would halve the speed
        self, pieces: list[bytes], buffer: bytes, *, is_last: bool
    ) -> tuple[list[bytes], int]:
        """The tokens up to the first that is broken by the end of the buffer, and how many bytes they took."""
        tokens: list[bytes] = []
        add = tokens.append
        stack, state, used = self._stack, self._state, 0
        for piece in pieces:
            if not piece:
                if (
                    buffer[used] == _STRING_START
                    and state in _STRING_STATES
                    and self._is_cut(buffer, used, is_last=is_last)
                ):
                    break
                self._refuse(used, state, buffer)
            first = piece[0]
            if first in _SPACE:
                self._is_newline = self._is_newline or (state == _END and b"\n" in piece)
                used += len(piece)
                continue
            if state == _NEXT:
                if first == _COMMA:
                    state = _NAME if stack[-1] == b"{" else _VALUE
                elif first == _ENDS[stack[-1]]:
                    stack.pop()
                    state = _NEXT if stack else _END
                else:
                    self._refuse(used, state, buffer)
            elif state == _COLON:
                if first != _COLON_BYTE:
                    self._refuse(used, state, buffer)
                state = _VALUE
            elif state in (_NAME, _FIRST_NAME) and first == _STRING_START:
                state = _COLON
            elif (state == _FIRST_NAME and first == _ENDS[b"{"]) or (state == _FIRST_VALUE and first == _ENDS[b"["]):
                stack.pop()
                state = _NEXT if stack else _END
            elif state in (_NAME, _FIRST_NAME) or first in _NO_VALUE:
                self._refuse(used, state, buffer)
            else:
                if state == _END:
                    self._start_record(piece, used, buffer)
                    add(b"")
                if first in _OPENING:
                    if len(stack) == DEPTH_MAX:
                        self._fail(used, f"is nested deeper than {DEPTH_MAX:,} arrays and objects here")
                    self._is_record = self._is_record or not stack
                    stack.append(piece)
                    state = _FIRST_NAME if piece == b"{" else _FIRST_VALUE
                else:
                    state = _NEXT if stack else _END
            add(piece)
            used += len(piece)
        self._state = state
        return tokens, used

    def _start_record(self, piece: bytes, used: int, buffer: bytes) -> None:
        """ToolError unless another value may follow: an array or object after another, on a line of its own."""
        if not (self._is_newline and self._is_record and piece[0] in _OPENING):
            self._refuse(used, _END, buffer)
        self._is_newline = False

    def _goes_on(self, buffer: bytes) -> bool:
        """Whether the buffer is the start of a string without its end."""
        if buffer[0] != _STRING_START or len(buffer) <= _CHUNK_BYTES:
            return False
        found = _OPEN_STRING.match(buffer)
        if found is None or found.end() < len(buffer) - _LONGEST_ESCAPE or b'"' in buffer[found.end() :]:
            return False
        if len(buffer) > TOKEN_BYTES_MAX:
            self._fail(0, f"has a string of more than {TOKEN_BYTES_MAX:,} bytes here")
        return True

    def _is_cut(self, buffer: bytes, start: int, *, is_last: bool) -> bool:
        """Whether the string that is open here goes on in the next chunk; ToolError when it is broken."""
        found = _OPEN_STRING.match(buffer, start)
        end = start if found is None else found.end()
        if not is_last and end > len(buffer) - _LONGEST_ESCAPE:
            return True
        if end >= len(buffer):
            self._fail(end, "ends within a string; a double quote is missing")
        if buffer[end : end + 1] == b"\\":
            self._fail(
                end, 'has an unknown escape here; known are \\" \\\\ \\/ \\b \\f \\n \\r \\t and \\u with 4 digits'
            )
        return self._fail(end, f"has the control character U+{buffer[end]:04X} in a string; write it as an escape")

    def _refuse(self, used: int, state: int, buffer: bytes) -> NoReturn:
        rest = buffer[used : used + _SHOWN_BYTES]
        for start, reason in _HINTS:
            if rest.startswith(start) and (state not in _AFTER_VALUE or start in _COMMENTS):
                self._fail(used, reason)
        # In an object, a value follows a colon.
        follows_comma = state == _NAME or (state == _VALUE and self._stack[-1:] == [b"["])
        if rest[0] in b"]}" and follows_comma:
            self._fail(used, "has a trailing comma before this; take it out")
        shown = rest.split()[0].decode(errors="ignore") if rest.split() else rest[:1].decode("latin-1")
        self._fail(used, f"has {shown!r} here, where {_WANTED[state]} must follow")

    def _fail(self, used: int, reason: str) -> NoReturn:
        with self._source.open_utf8() as file:
            place = find_place(file, self._offset + used)
        raise ToolError("INVALID_JSON", f"The JSON {reason}.", line=place.line, column=place.column)
