"""The file a tool reads: its bytes, or its text in whatever encoding it came, in constant memory."""

import codecs
import io
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import BinaryIO, Final, TextIO, cast

from jobwire.systems.apidatatools.tools.encoding import find_encoding
from jobwire.systems.apidatatools.tools.faults import ToolError

TEXT_BYTES_MAX: Final = 16 << 20
"""What a tool reads as a whole (HTML, Markdown, CSS, JavaScript, SQL, YAML): its tree takes many times its bytes."""


class Source:
    """A file to read at `path`; `extension` is the ending it came with, when it came with one."""

    def __init__(self, path: Path, *, extension: str | None = None) -> None:
        self.path = path
        self.extension = extension

    @cached_property
    def size_bytes(self) -> int:
        """Bytes of the file."""
        return self.path.stat().st_size

    @cached_property
    def encoding(self) -> str:
        """Python's name for the encoding of the whole file; ToolError INVALID_ENCODING, EMPTY_BODY."""
        return find_encoding(self.path)

    @contextmanager
    def open_text(self) -> Iterator[TextIO]:
        """The text without its mark, line ends as they are."""
        with self.path.open(encoding=self.encoding, newline="") as file:
            yield file

    @contextmanager
    def open_utf8(self) -> Iterator[BinaryIO]:
        """The text as UTF-8 without a mark."""
        if self.encoding in ("utf-8", "utf-8-sig"):
            with self.path.open("rb") as file:
                if self.encoding == "utf-8-sig":
                    file.seek(len(codecs.BOM_UTF8))
                yield file
            return
        with self.open_text() as text:
            yield cast(BinaryIO, io.BufferedReader(_Transcoded(text), buffer_size=1 << 16))

    def read_plain(self, bytes_max: int) -> bytes | None:
        """All the bytes of a file that has at most so many and is UTF-8, or else None; a mark is not looked for."""
        if self.size_bytes > bytes_max:
            return None
        text = self.path.read_bytes()
        if not text.isascii():
            try:
                text.decode()
            except UnicodeDecodeError:
                return None
        return text

    def read_text(self) -> str:
        """The whole text, lines ended by a line feed; ToolError PAYLOAD_TOO_LARGE above TEXT_BYTES_MAX."""
        if self.size_bytes > TEXT_BYTES_MAX:
            raise ToolError(
                "PAYLOAD_TOO_LARGE",
                f"the file has {self.size_bytes:,} bytes; this tool takes {TEXT_BYTES_MAX:,}: send it in parts",
            )
        with self.path.open(encoding=self.encoding) as file:
            return file.read()


class _Transcoded(io.RawIOBase):
    """Text as a raw stream of UTF-8."""

    def __init__(self, text: TextIO) -> None:
        self._text = text
        self._left = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "memoryview") -> int:  # type: ignore[override]
        if not self._left:
            self._left = self._text.read(1 << 15).encode()
        count = min(len(buffer), len(self._left))
        buffer[:count] = self._left[:count]
        self._left = self._left[count:]
        return count
