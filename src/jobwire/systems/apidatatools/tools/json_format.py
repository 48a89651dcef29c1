"""json-formatter, json-validator and json-minify: every token stays, only the white space between changes."""

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from jobwire.systems.apidatatools.tools.contract import (
    Option,
    Options,
    Sink,
    Source,
    Tool,
    ToolResult,
    read_int,
)
from jobwire.systems.apidatatools.tools.json_pieces import REFUSED, RenderJson, check_json, format_by, open_pieces
from jobwire.systems.apidatatools.tools.json_repair_hint import suggesting
from jobwire.systems.apidatatools.tools.json_tokens import read_rest

TAB_SPACE_MAX: Final = 16

WHOLE_BYTES_MAX: Final = 16 << 20
"""A file of so many bytes is tried as a whole before it is cut: 0.97 of the speed of the reader alone, not 0.68."""


def tab_space(default: int) -> Option:
    """The indentation, in spaces."""
    return Option("x-tab-space", "integer", default, minimum=1, maximum=TAB_SPACE_MAX)


def format_json(source: Source, options: Options, sink: Sink) -> ToolResult:
    """Write the source indented."""
    indent = read_int(options, "x-tab-space")
    return _write(source, sink, _Layout(format_by(indent), indent))


def minify_json(source: Source, options: Options, sink: Sink) -> ToolResult:
    """Write the source without white space; values on lines of their own stay so."""
    return _write(source, sink, _Layout(format_by(-1), None))


def validate_json(source: Source, options: Options, sink: Sink) -> ToolResult:
    """Write the source as it is when it is JSON."""
    if _write_whole(source, sink, check_json):
        return ToolResult()
    with suggesting(source), open_pieces(source) as (file, pieces):
        for _ in pieces.read(check_json):
            pass
        if pieces.rest is not None:
            for _ in read_rest(source, file, pieces.rest):
                pass
    with source.open_utf8() as file, sink.open_bytes() as out:
        while chunk := file.read(1 << 20):
            out.write(chunk)
    return ToolResult()


class _Layout(NamedTuple):
    """How JSON is written: what a compiled writer makes of a text, and the same indentation, None for none."""

    render: RenderJson
    indent: int | None

    def end_element(self, depth: int) -> bytes:
        """What stands between two elements with so many arrays and objects around them."""
        return b"," if self.indent is None else b",\n" + b" " * (self.indent * depth)

    def write_tokens(self, chunks: Iterable[list[bytes]], depth: int) -> Iterator[bytes]:
        """The same of tokens that start at that depth."""
        return _join_tokens(chunks) if self.indent is None else indent_tokens(chunks, self.indent, depth=depth)


def _write_whole(source: Source, sink: Sink, render: RenderJson) -> bool:
    """Whether the source was small and plain JSON, and what `render` makes of it is written."""
    text = source.read_plain(WHOLE_BYTES_MAX)
    if text is None:
        return False
    try:
        made = render(text)
    except (*REFUSED, MemoryError):
        # Indentation may take a thousand times the source's bytes: pieces of it may fit one after another.
        return False
    with sink.open_bytes() as out:
        out.write(made)
    return True


def _write(source: Source, sink: Sink, layout: _Layout) -> ToolResult:
    if _write_whole(source, sink, layout.render):
        return ToolResult()
    with suggesting(source), open_pieces(source) as (file, pieces), sink.open_bytes() as out:
        between = b""
        for piece in pieces.read(layout.render):
            out.write(between)
            out.write(piece.made)
            between = layout.end_element(len(piece.after)) if piece.after else b"\n"
        if (rest := pieces.rest) is not None:
            out.write(between if rest.stack else b"")
            out.writelines(layout.write_tokens(read_rest(source, file, rest), len(rest.stack)))
    return ToolResult()


def _join_tokens(chunks: Iterable[list[bytes]]) -> Iterator[bytes]:
    for tokens in chunks:
        yield b"".join(token or b"\n" for token in tokens)


def indent_tokens(chunks: Iterable[list[bytes]], indent: int, *, depth: int = 0) -> Iterator[bytes]:
    """The tokens with line ends and indentation, a chunk at a time, the first at that depth."""
    is_open = False
    breaks = [b"\n" + b" " * (indent * level) for level in range(depth + 1)]
    for tokens in chunks:
        out: list[bytes] = []
        add = out.append
        for token in tokens:
            if token in _CLOSE:
                depth -= 1
                if not is_open:
                    add(breaks[depth])
                add(token)
                is_open = False
                continue
            if is_open:
                add(breaks[depth])
                is_open = False
            if token in _OPEN:
                add(token)
                depth += 1
                if depth == len(breaks):
                    breaks.append(b"\n" + b" " * (indent * depth))
                is_open = True
            elif token == b",":
                add(token)
                add(breaks[depth])
            else:
                add(_SHOWN.get(token, token))
        yield b"".join(out)


_OPEN: Final = frozenset((b"[", b"{"))
_CLOSE: Final = frozenset((b"]", b"}"))
_SHOWN: Final = {b":": b": ", b"": b"\n"}

_EXTENSIONS: Final = ("txt", "json", "log")
_TYPE: Final = "application/json"
_ERRORS: Final = ("INVALID_JSON",)

TOOLS: Final = (
    Tool("json-formatter", _EXTENSIONS, "json", _TYPE, format_json, (tab_space(1),), _ERRORS),
    Tool("json-validator", _EXTENSIONS, "json", _TYPE, validate_json, (), _ERRORS),
    Tool("json-minify", _EXTENSIONS, "json", _TYPE, minify_json, (), _ERRORS),
)
