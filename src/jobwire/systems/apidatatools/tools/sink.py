"""The file a tool writes, in constant memory and within a limit."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final, TextIO, cast

from jobwire.systems.apidatatools.tools.faults import ToolError

OUTPUT_BYTES_MAX: Final = 4 << 30
"""Indentation of deeply nested JSON can make a file many times larger than its source."""

PREVIEW_CHARS: Final = 500


class Sink:
    """A new file at `path`; ToolError PAYLOAD_TOO_LARGE when it outgrows `bytes_max`."""

    def __init__(self, path: Path, *, bytes_max: int = OUTPUT_BYTES_MAX) -> None:
        self.path = path
        self.bytes_max = bytes_max

    @contextmanager
    def open_bytes(self) -> Iterator[BinaryIO]:
        """The file to write bytes into."""
        with (
            self.path.open("wb", buffering=0) as file,
            io.BufferedWriter(cast(io.RawIOBase, _Bounded(file, self.bytes_max)), 1 << 18) as out,
        ):
            yield out

    @contextmanager
    def open_text(self) -> Iterator[TextIO]:
        """The file to write UTF-8 into, line ends as they are given."""
        with self.open_bytes() as file, io.TextIOWrapper(file, encoding="utf-8", newline="") as text:
            yield text

    def write_text(self, text: str) -> None:
        """Write the whole file."""
        with self.open_bytes() as file:
            file.write(text.encode())

    def read_preview(self, chars: int = PREVIEW_CHARS) -> str:
        """The first characters of what was written as text."""
        with self.path.open(encoding="utf-8", newline="") as file:
            return file.read(chars)


class _Bounded(io.RawIOBase):
    def __init__(self, file: io.FileIO, bytes_max: int) -> None:
        self._file = file
        self._left = self._bytes_max = bytes_max

    def writable(self) -> bool:
        return True

    def write(self, data: "memoryview | bytes") -> int:  # type: ignore[override]
        self._left -= len(data)
        if self._left < 0:
            raise ToolError(
                "PAYLOAD_TOO_LARGE",
                f"the result would have more than {self._bytes_max:,} bytes; send the input in parts",
            )
        return self._file.write(data)
