"""json-to-csv, json-to-tsv, json-to-xml, json-to-yaml and json-to-excel, record by record."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Final

from jobwire.systems.apidatatools.tools.contract import (
    Option,
    Options,
    Sink,
    Source,
    Tool,
    ToolError,
    ToolResult,
    read_text,
)
from jobwire.systems.apidatatools.tools.json_repair_hint import suggesting
from jobwire.systems.apidatatools.tools.json_values import read_items, read_records
from jobwire.systems.apidatatools.tools.table_write import EXCEL_TYPE, write_delimited, write_excel
from jobwire.systems.apidatatools.tools.xml_text import find_forbidden, is_name, show_text
from jobwire.systems.apidatatools.tools.yaml_write import write_yaml

ITEM_NAME: Final = "item"
"""What elements of a list within a list, and those of the outer one, are called in XML."""


def _to_table(delimiter: str, source: Source, options: Options, sink: Sink) -> ToolResult:
    with _converting(source):
        write_delimited(lambda: read_records(source), sink, delimiter)
    return ToolResult()


def json_to_excel(source: Source, options: Options, sink: Sink) -> ToolResult:
    """Write the records as rows of a workbook."""
    with _converting(source):
        write_excel(lambda: (item.value for item in read_items(source)), sink)
    return ToolResult()


def json_to_yaml(source: Source, options: Options, sink: Sink) -> ToolResult:
    """Write the value as YAML, numbers with all their digits."""
    with _converting(source), sink.open_text() as out:
        write_yaml(read_items(source), out, 2)
    return ToolResult()


def json_to_xml(source: Source, options: Options, sink: Sink) -> ToolResult:
    """Write elements by the convention of docs/apidatatools_tools.md; ToolError NOT_REPRESENTABLE."""
    root = read_text(options, "x-root-name") or "root"
    with _converting(source), sink.open_text() as out:
        out.write('<?xml version="1.0" encoding="UTF-8"?>\n')
        is_list = None
        for value, is_element in read_items(source):
            if is_element and not is_list:
                out.write(f"<{root}>")
                is_list = True
            out.write("\n" + show_element(ITEM_NAME, [value]) if is_element else show_element(root, value))
            is_list = bool(is_list)
        out.write({True: f"\n</{root}>\n", False: "\n", None: f"<{root}/>\n"}[is_list])
    return ToolResult()


def show_element(name: str, value: Any) -> str:
    """An element of that name; a list is as many elements."""
    if isinstance(value, list):
        return "".join(
            show_element(name, {ITEM_NAME: inner} if isinstance(inner, list) else inner) for inner in value
        )
    if not is_name(name):
        raise ToolError("NOT_REPRESENTABLE", f"{name[:80]!r} cannot name an XML element; rename the field")
    if not isinstance(value, dict):
        text = _show(value)
        return f"<{name}>{text}</{name}>" if text else f"<{name}/>"
    attributes, inside = [], []
    for key, inner in value.items():
        if key == "#text":
            inside.append(_show(inner))
        elif key.startswith("@") and not isinstance(inner, (dict, list)) and is_name(key[1:]):
            attributes.append(f' {key[1:]}="{_show(inner, in_quotes=True)}"')
        else:
            inside.append(show_element(key, inner))
    start = name + "".join(attributes)
    return f"<{start}>{''.join(inside)}</{name}>" if any(inside) else f"<{start}/>"


def _show(value: Any, *, in_quotes: bool = False) -> str:
    text = {True: "true", False: "false", None: ""}[value] if value is None or isinstance(value, bool) else value
    if not isinstance(text, str):
        raise ToolError("NOT_REPRESENTABLE", '"#text" of an XML element must be a text, number, boolean or null')
    if (found := find_forbidden(text)) is not None:
        raise ToolError("NOT_REPRESENTABLE", f"no XML can hold the character U+{ord(found):04X}; take it out")
    shown = show_text(text)
    return shown.replace('"', "&quot;").replace("\n", "&#10;").replace("\t", "&#9;") if in_quotes else shown


@contextmanager
def _converting(source: Source) -> Iterator[None]:
    """Adds a repaired text to an error in the JSON, and says what Python can nest no deeper."""
    try:
        with suggesting(source):
            yield
    except RecursionError as error:
        raise ToolError("NOT_REPRESENTABLE", "the JSON is nested too deep to convert; flatten it") from error


def _check_name(text: str) -> str | None:
    return None if is_name(text) else f"is {text[:40]!r}, which cannot name an XML element"


_EXTENSIONS: Final = ("json", "txt", "log")
_ERRORS: Final = ("INVALID_JSON", "NOT_REPRESENTABLE")
_TABLE_ERRORS: Final = (*_ERRORS, "TOO_MANY_COLUMNS")

TOOLS: Final = (
    Tool("json-to-csv", _EXTENSIONS, "csv", "text/csv", partial(_to_table, ","), (), _TABLE_ERRORS),
    Tool("json-to-tsv", _EXTENSIONS, "tsv", "text/tab-separated-values", partial(_to_table, "\t"), (), _TABLE_ERRORS),
    Tool(
        "json-to-xml",
        _EXTENSIONS,
        "xml",
        "application/xml",
        json_to_xml,
        (Option("x-root-name", "text", "root", minimum=1, check=_check_name),),
        _ERRORS,
    ),
    Tool("json-to-yaml", _EXTENSIONS, "yaml", "application/yaml", json_to_yaml, (), _ERRORS),
    Tool(
        "json-to-excel",
        _EXTENSIONS,
        "xlsx",
        EXCEL_TYPE,
        json_to_excel,
        (),
        (*_TABLE_ERRORS, "TOO_LARGE_FOR_EXCEL"),
    ),
)
