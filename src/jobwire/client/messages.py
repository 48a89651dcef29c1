"""Reads a stream of server-sent events, whatever pieces it arrives in. Pure; streaming.py reads on."""

import re
from typing import NamedTuple

from jobwire.client.errors import BadAnswer

EVENT_BYTES_MAX = 8_388_608
_LINE_END = re.compile(rb"\r\n|\n|\r")
_RETRY_DIGITS = 9


class Message(NamedTuple):
    """One message; `id` is that of the last line that named one, "" without any."""

    id: str
    name: str
    data: str


class MessageReader:
    """Takes bytes, gives whole messages; `last_id` is what a reconnection resumes after."""

    def __init__(self, last_id: str = "") -> None:
        self.last_id = last_id
        self.retry_s: float | None = None
        self._rest = b""
        self._data: list[str] = []
        self._data_bytes = 0
        self._name = ""
        self._id = last_id
        self._skips_newline = False
        self._is_begun = False

    def feed(self, chunk: bytes) -> list[Message]:
        """The messages that these bytes complete; BadAnswer for one of more than EVENT_BYTES_MAX."""
        if self._skips_newline and chunk:
            chunk = chunk.removeprefix(b"\n")
            self._skips_newline = False
        lines = _LINE_END.split(self._rest + chunk)
        self._skips_newline = chunk.endswith(b"\r")
        self._rest = lines.pop()
        if len(self._rest) + self._data_bytes > EVENT_BYTES_MAX:
            raise BadAnswer(f"an event of the stream has more than {EVENT_BYTES_MAX} bytes; check what answers there")
        return [message for line in lines if (message := self._take_line(line)) is not None]

    def _take_line(self, line: bytes) -> Message | None:
        if not self._is_begun:
            line = line.removeprefix(b"\xef\xbb\xbf")
            self._is_begun = True
        if not line:
            return self._finish()
        field, _, value = line.decode("utf-8", "replace").partition(":")
        value = value.removeprefix(" ")
        match field:
            case "data":
                self._data.append(value)
                self._data_bytes += len(line)
            case "event":
                self._name = value
            case "id" if "\0" not in value:
                self._id = value
            case "retry" if value.isascii() and value.isdecimal() and len(value) <= _RETRY_DIGITS:
                self.retry_s = int(value) / 1_000
        return None

    def _finish(self) -> Message | None:
        # An id counts only with its message whole: one cut off after its id must be sent again.
        self.last_id = self._id
        data, name = self._data, self._name
        self._data, self._data_bytes, self._name = [], 0, ""
        return Message(self.last_id, name or "message", "\n".join(data)) if data else None
