"""What is wrong with an input, and where: from the offset of a byte to line and column."""

from typing import BinaryIO, Final, NamedTuple

from jobwire.domain.errors import JobError

_CHUNK_BYTES: Final = 1 << 20
_CONTINUATIONS: Final = bytes(range(0x80, 0xC0))


class ToolError(JobError):
    """The input or an option does not fit: `line` and `column` count from 1, in characters, where they are known.

    `suggestion` is a repaired text (or a hint) that was not applied. All are in `details` when they are given.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        line: int | None = None,
        column: int | None = None,
        suggestion: str | None = None,
    ) -> None:
        given = {"line": line, "column": column, "suggestion": suggestion}
        super().__init__(code, message, details={name: value for name, value in given.items() if value is not None})
        self.line = line
        self.column = column
        self.suggestion = suggestion


class Place(NamedTuple):
    """Where something stands: both count from 1, the column in characters."""

    line: int
    column: int


def find_place(file: BinaryIO, offset: int) -> Place:
    """The place of the byte at `offset` in UTF-8 that is read from its start."""
    line, column, left = 1, 0, offset
    while left > 0 and (chunk := file.read(min(_CHUNK_BYTES, left))):
        left -= len(chunk)
        ended = chunk.rfind(b"\n")
        if ended >= 0:
            line, column, chunk = line + chunk.count(b"\n"), 0, chunk[ended + 1 :]
        # Every character has one byte that is no continuation of another.
        column += len(chunk.translate(None, _CONTINUATIONS))
    return Place(line, column + 1)
