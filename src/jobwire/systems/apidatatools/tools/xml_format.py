"""xml-validator, which the vendor also calls xml-formatter: elements indented, text never touched."""

import re
from collections.abc import Iterable
from functools import partial
from typing import Final, TextIO

from jobwire.systems.apidatatools.tools.contract import Options, Sink, Source, Tool, ToolResult, read_int
from jobwire.systems.apidatatools.tools.json_format import tab_space
from jobwire.systems.apidatatools.tools.xml_events import Event, read_events
from jobwire.systems.apidatatools.tools.xml_pieces import Document
from jobwire.systems.apidatatools.tools.xml_plain import indent_plain
from jobwire.systems.apidatatools.tools.xml_text import SPACE, show_attributes, show_text


def format_xml(source: Source, options: Options, sink: Sink) -> ToolResult:
    """Write the document indented, but for elements with text among their children, or with xml:space="preserve"."""
    indent = read_int(options, "x-tab-space")
    if not _write_pieces(source, sink, indent):
        mixed = _find_mixed(read_events(source))
        with sink.open_text() as out:
            _write(read_events(source), out, mixed=mixed, indent=indent)
    return ToolResult()


def _write_pieces(source: Source, sink: Sink, indent: int) -> bool:
    """Whether the whole document is so plain that it could be written by a compiled reader."""
    with source.open_utf8() as file, sink.open_bytes() as out:
        head = file.read(_HEAD_BYTES)
        opening = _match_opening(head)
        assert opening is not None  # it matches nothing, too
        if head.startswith(b"<?xml", opening.end()):
            return False
        if opening[1] is not None:
            standalone = b' standalone="' + opening[2] + b'"' if opening[2] else b""
            out.write(b'<?xml version="' + opening[1] + b'" encoding="UTF-8"' + standalone + b"?>\n")
        pieces = Document(file, head[opening.end() :])
        for piece in pieces.read(partial(indent_plain, indent=indent)):
            out.write(piece.made)
            if piece.after:
                out.write(b"\n" + b" " * (indent * len(piece.after)))
    return pieces.is_whole


_HEAD_BYTES: Final = 1 << 10
_match_opening: Final = re.compile(
    rb'(?:<\?xml version="(1\.0)"(?: encoding="[A-Za-z][\w.-]*")?(?: standalone="(yes|no)")? ?\?>)?[ \t\r\n]*'
).match
"""A declaration in its usual words; any other is left to expat."""


def _find_mixed(events: Iterable[Event]) -> bytearray:
    """One bit an element in the order of their starts: whether white space inside counts. 1 GB has 6 MB of bits."""
    bits = bytearray(1)
    stack: list[int] = []
    count = 0
    # White space on one line that is all an element has.
    is_alone = False
    for kind, text, attributes in events:
        was_alone, is_alone = is_alone, kind == "start"
        if kind == "start":
            if count >> 3 == len(bits):
                bits.append(0)
            if "xml:space" in attributes[::2] and "preserve" in attributes:
                bits[count >> 3] |= 1 << (count & 7)
            stack.append(count)
            count += 1
        elif kind == "end":
            ended = stack.pop()
            if was_alone:
                bits[ended >> 3] |= 1 << (ended & 7)
        elif kind == "text" and was_alone and "\n" not in text and not text.strip(SPACE):
            is_alone = True
        elif stack and (kind == "cdata" or (kind in ("text", "other") and text.strip(SPACE))):
            bits[stack[-1] >> 3] |= 1 << (stack[-1] & 7)
    return bits


def _write(  # noqa: PLR0912 - a branch a kind of event: calls would halve the speed
    events: Iterable[Event], out: TextIO, *, mixed: bytearray, indent: int
) -> None:
    write = out.write
    breaks = ["\n"]
    stack: list[bool] = []
    count = 0
    is_open = False
    is_first = True
    in_type = False
    for kind, text, attributes in events:
        inline = bool(stack) and stack[-1]
        if kind == "end":
            was_inline = stack.pop()
            if is_open:
                write("/>")
            else:
                if not was_inline:
                    write(breaks[len(stack)])
                write(f"</{text}>")
            is_open = False
            continue
        if kind == "text" and not inline:
            continue
        if kind == "other" and in_type and not stack:
            write(text)
            continue
        if is_open:
            write(">")
            is_open = False
        if not inline and not is_first and kind not in ("text", "other", "cdata"):
            write(breaks[len(stack)])
        if kind == "other" and not stack:
            write("" if is_first else "\n")
        in_type = kind == "other" and not stack
        is_first = False
        if kind == "start":
            write(f"<{text}{show_attributes(attributes)}" if attributes else f"<{text}")
            is_open = True
            stack.append(inline or bool(mixed[count >> 3] & 1 << (count & 7)))
            count += 1
            if len(stack) == len(breaks):
                breaks.append("\n" + " " * (indent * len(stack)))
        elif kind == "text":
            write(show_text(text))
        else:
            before, after = _MARKS.get(kind, ("", ""))
            write(f"{before}{text}{after}")


_MARKS: Final = {"cdata": ("<![CDATA[", "]]>"), "comment": ("<!--", "-->"), "instruction": ("<?", "?>")}

TOOLS: Final = (
    Tool(
        "xml-validator",
        ("xml", "txt", "log"),
        "xml",
        "application/xml",
        format_xml,
        (tab_space(2),),
        ("INVALID_XML",),
        aliases=("xml-formatter",),
    ),
)
