"""csv-to-json and csv-to-yaml: every value stays a text, whatever it looks like."""

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain, repeat
from typing import Any, Final

import msgspec

from jobwire.systems.apidatatools.tools.contract import Option, Options, Sink, Source, Tool, ToolResult, read_int
from jobwire.systems.apidatatools.tools.csv_read import HAS_HEADER, delimiter_option, open_rows
from jobwire.systems.apidatatools.tools.json_format import tab_space
from jobwire.systems.apidatatools.tools.json_values import Item
from jobwire.systems.apidatatools.tools.yaml_write import write_yaml

YAML_TAB_SPACE: Final = Option("x-tab-space", "integer", 2, minimum=1, maximum=16)


def csv_to_json(source: Source, options: Options, sink: Sink) -> ToolResult:
    """Write a list of objects, or of lists when the source has no header."""
    indent = read_int(options, "x-tab-space")
    with _pause_collector(), source.open_text() as file, sink.open_bytes() as out:
        rows = open_rows(file, options)
        is_first = True
        for page in filter(None, rows.read_pages()):
            shown = msgspec.json.format(msgspec.json.encode(_name_cells(page, rows.header)), indent=indent)
            out.write(b"[" if is_first else b",")
            out.write(memoryview(shown)[1:-2])
            is_first = False
        out.write(b"[]" if is_first else b"\n]")
    return ToolResult()


def csv_to_yaml(source: Source, options: Options, sink: Sink) -> ToolResult:
    """Write a list of mappings, or of lists when the source has no header."""
    with _pause_collector(), source.open_text() as file, sink.open_text() as out:
        rows = open_rows(file, options)
        records = chain.from_iterable(_name_cells(page, rows.header) for page in rows.read_pages())
        write_yaml((Item(record, True) for record in records), out, read_int(options, "x-tab-space"))
    return ToolResult()


@contextmanager
def _pause_collector() -> Iterator[None]:
    """Rows and records are in no cycles; to look for some took half of the time, 464 ms of 4 MB against 199."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _name_cells(page: list[list[str]], header: list[str] | None) -> Sequence[Any]:
    return page if header is None else list(map(dict, map(zip, repeat(header), page)))


_EXTENSIONS: Final = ("csv", "txt", "log")
_ERRORS: Final = ("INVALID_CSV",)

TOOLS: Final = (
    Tool(
        "csv-to-json",
        _EXTENSIONS,
        "json",
        "application/json",
        csv_to_json,
        (HAS_HEADER, delimiter_option(None), tab_space(2)),
        _ERRORS,
    ),
    Tool(
        "csv-to-yaml",
        _EXTENSIONS,
        "yaml",
        "application/yaml",
        csv_to_yaml,
        (HAS_HEADER, delimiter_option(","), YAML_TAB_SPACE),
        _ERRORS,
    ),
)
