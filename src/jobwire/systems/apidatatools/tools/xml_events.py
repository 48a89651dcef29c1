"""XML as events in constant memory, read by expat with no entity expanded in content and no file looked for."""

from collections.abc import Iterator
from typing import Any, Final, Literal, NamedTuple
from xml.parsers import expat

from jobwire.systems.apidatatools.tools.faults import ToolError
from jobwire.systems.apidatatools.tools.source import Source

DEPTH_MAX: Final = 512
TOKEN_CHARS_MAX: Final = 16 << 20
"""One text, comment or declaration."""

_CHUNK_BYTES: Final = 1 << 16

EventKind = Literal["start", "end", "text", "cdata", "comment", "instruction", "declaration", "other"]


class Event(NamedTuple):
    """A piece of the document; `attributes` of a start are names and values in turn."""

    kind: EventKind
    text: str
    attributes: list[str]


_NONE: Final[list[str]] = []


def read_events(source: Source) -> Iterator[Event]:
    """The events of the document; ToolError INVALID_XML with line and column.

    `other` is markup that is kept as it is written: the document type, and references to its entities.
    """
    with source.open_utf8() as file:
        reader = _Reader()
        while chunk := file.read(_CHUNK_BYTES):
            yield from reader.feed(chunk)
        yield from reader.feed(b"", is_final=True)


class _Reader:
    def __init__(self) -> None:
        parser = expat.ParserCreate("utf-8")
        parser.buffer_text = True
        parser.ordered_attributes = True
        parser.specified_attributes = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._add_text
        parser.CommentHandler = lambda text: self._add("comment", text)
        parser.ProcessingInstructionHandler = lambda target, data: self._add(
            "instruction", f"{target} {data}" if data else target
        )
        parser.XmlDeclHandler = self._declare
        parser.StartCdataSectionHandler = self._open_cdata
        parser.EndCdataSectionHandler = self._close_cdata
        parser.DefaultHandler = self._add_other
        self._parser: Any = parser
        self._events: list[Event] = []
        self._depth = 0
        self._cdata: list[str] | None = None
        self._held_chars = 0
        self._fed = 0
        self._open_types = 0

    def feed(self, chunk: bytes, *, is_final: bool = False) -> list[Event]:
        """The events of the next bytes."""
        self._events = []
        try:
            self._parser.Parse(chunk, is_final)
        except expat.ExpatError as error:
            reason = expat.ErrorString(error.code) or "is not well formed"
            raise ToolError(
                "INVALID_XML", f"The XML is broken: {reason}.", line=error.lineno, column=error.offset + 1
            ) from error
        # expat holds a token until its end.
        self._fed += len(chunk)
        if self._fed - max(self._parser.CurrentByteIndex, 0) > TOKEN_CHARS_MAX:
            self._refuse(f"has a tag, text or comment of more than {TOKEN_CHARS_MAX:,} characters here")
        return self._events

    def _add(self, kind: EventKind, text: str) -> None:
        self._events.append(Event(kind, text, _NONE))

    def _start(self, name: str, attributes: list[str]) -> None:
        self._depth += 1
        if self._depth > DEPTH_MAX:
            self._refuse(f"is nested deeper than {DEPTH_MAX} elements here")
        self._events.append(Event("start", name, attributes))

    def _end(self, name: str) -> None:
        self._depth -= 1
        self._add("end", name)

    def _add_text(self, text: str) -> None:
        if self._cdata is None:
            self._add("text", text)
            return
        self._cdata.append(text)
        self._held_chars += len(text)
        if self._held_chars > TOKEN_CHARS_MAX:
            self._refuse(f"has a CDATA section of more than {TOKEN_CHARS_MAX:,} characters here")

    def _declare(self, version: str, encoding: str | None, standalone: int) -> None:
        # What is written is UTF-8, whatever was read.
        shown = {0: ' standalone="no"', 1: ' standalone="yes"'}.get(standalone, "")
        self._add("declaration", f'<?xml version="{version}" encoding="UTF-8"{shown}?>')

    def _open_cdata(self) -> None:
        self._cdata, self._held_chars = [], 0

    def _close_cdata(self) -> None:
        self._add("cdata", "".join(self._cdata or ()))
        self._cdata = None

    def _add_other(self, text: str) -> None:
        # The document type comes in many pieces: its own bracket and those of its declarations.
        self._open_types += text.startswith("<!")
        if self._depth or self._open_types or text.strip():
            self._add("other", text)
        self._open_types -= text == ">" and not self._depth

    def _refuse(self, reason: str) -> None:
        raise ToolError(
            "INVALID_XML",
            f"The XML {reason}.",
            line=self._parser.CurrentLineNumber,
            column=self._parser.CurrentColumnNumber + 1,
        )
