"""json-formatter, json-validator and json-minify: every token stays, only the white space between changes."""

from collections.abc import Callable, Iterable, Iterator
from typing import BinaryIO, Final

import msgspec

from jobwire.systems.apidatatools.tools.contract import (
    Option,
    Options,
    Sink,
    Source,
    Tool,
    ToolError,
    ToolResult,
    read_int,
)
from jobwire.systems.apidatatools.tools.json_repair_hint import raise_with_suggestion
from jobwire.systems.apidatatools.tools.json_tokens import read_tokens
from jobwire.systems.apidatatools.tools.json_values import is_sound

FAST_BYTES_MAX: Final = 8 << 20
"""Up to here the whole text is read at once, ten times as fast and in ten times its memory."""

TAB_SPACE_MAX: Final = 16


def tab_space(default: int) -> Option:
    """The indentation, in spaces."""
    return Option("x-tab-space", "integer", default, minimum=1, maximum=TAB_SPACE_MAX)


def format_json(source: Source, options: Options, sink: Sink) -> ToolResult:
    """Write the source indented."""
    indent = read_int(options, "x-tab-space")
    return _write(source, sink, fast_indent=indent, write=lambda tokens: indent_tokens(tokens, indent))


def validate_json(source: Source, options: Options, sink: Sink) -> ToolResult:
    """Write the source as it is when it is JSON."""
    try:
        if _read_fast(source) is None:
            for _ in read_tokens(source):
                pass
    except ToolError as error:
        raise_with_suggestion(source, error)
    with source.open_utf8() as file, sink.open_bytes() as out:
        while chunk := file.read(1 << 20):
            out.write(chunk)
    return ToolResult()


def minify_json(source: Source, options: Options, sink: Sink) -> ToolResult:
    """Write the source without white space; values on lines of their own stay so."""
    return _write(source, sink, fast_indent=-1, write=_join_tokens)


def _write(
    source: Source, sink: Sink, *, fast_indent: int, write: Callable[[Iterable[list[bytes]]], Iterator[bytes]]
) -> ToolResult:
    text = _read_fast(source)
    try:
        with sink.open_bytes() as out:
            if text is None or not _write_fast(text, out, fast_indent):
                out.writelines(write(read_tokens(source)))
    except ToolError as error:
        raise_with_suggestion(source, error)
    return ToolResult()


def _read_fast(source: Source) -> bytes | None:
    """The text when it is small and a fast reader finds it sound."""
    if source.size_bytes > FAST_BYTES_MAX:
        return None
    with source.open_utf8() as file:
        text = file.read()
    return text if is_sound(text) else None


def _write_fast(text: bytes, out: BinaryIO, indent: int) -> bool:
    try:
        out.write(msgspec.json.format(text, indent=indent))
    except RecursionError:
        return False
    return True


def _join_tokens(chunks: Iterable[list[bytes]]) -> Iterator[bytes]:
    for tokens in chunks:
        yield b"".join(token or b"\n" for token in tokens)


def indent_tokens(chunks: Iterable[list[bytes]], indent: int) -> Iterator[bytes]:
    """The tokens with line ends and indentation, a chunk at a time."""
    depth, is_open = 0, False
    breaks = [b"\n"]
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
