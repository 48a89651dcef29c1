"""xml-to-json and xml-to-tsv: "@name" is an attribute, "#text" text beside children, repeated elements a list."""

from collections.abc import Iterable, Iterator
from typing import Any, Final

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
    read_text,
)
from jobwire.systems.apidatatools.tools.json_format import tab_space
from jobwire.systems.apidatatools.tools.table_write import write_delimited
from jobwire.systems.apidatatools.tools.xml_events import Event, read_events

TREE_BYTES_MAX: Final = 32 << 20
"""A document whose root has children of several names is held as a whole; one list of records streams."""

RECORD_EVENTS_MAX: Final = 2_000_000

_encode = msgspec.json.encode
_format = msgspec.json.format


def xml_to_json(source: Source, options: Options, sink: Sink) -> ToolResult:
    """Write {root: {...}}; names of `x-list-elements` are lists even when there is one."""
    indent = read_int(options, "x-tab-space")
    lists = frozenset(
        name.strip() for name in (read_text(options, "x-list-elements") or "").split(",") if name.strip()
    )
    root, names, count = _survey(source)
    with sink.open_bytes() as out:
        if len(names) == 1 and (count > 1 or names & lists):
            _write_records(source, out, root, name=next(iter(names)), lists=lists, indent=indent)
        else:
            _require_small(source)
            (tree,) = _build(read_events(source), lists, depth=0)
            out.write(_format(_encode({root: tree[1]}), indent=indent))
    return ToolResult()


def xml_to_tsv(source: Source, options: Options, sink: Sink) -> ToolResult:
    """Write a row for each child of the root."""
    write_delimited(lambda: (value for _, value in _build(read_events(source), frozenset(), depth=1)), sink, "\t")
    return ToolResult()


def _write_records(source: Source, out: Any, root: str, *, name: str, lists: frozenset[str], indent: int) -> None:
    margin = b"\n" + b" " * (indent * 3)
    first = next(event for event in read_events(source) if event.kind == "start")
    head = "".join(
        f"{' ' * (indent * 2)}{_encode('@' + key).decode()}: {_encode(value).decode()},\n"
        for key, value in zip(first.attributes[::2], first.attributes[1::2], strict=True)
    )
    spaces = " " * indent
    out.write(f"{{\n{spaces}{_encode(root).decode()}: {{\n{head}{spaces * 2}{_encode(name).decode()}: [".encode())
    comma = b""
    for _, value in _build(read_events(source), lists, depth=1):
        shown = _format(_encode(value), indent=indent)
        out.write(comma + margin + shown.replace(b"\n", margin))
        comma = b","
    out.write(f"\n{spaces * 2}]\n{spaces}}}\n}}".encode())


def _survey(source: Source) -> tuple[str, frozenset[str], int]:
    """The root's name, the names of its children, and how many there are; no names when it has text of its own."""
    depth, root, names, count, has_text = 0, "", set[str](), 0, False
    for kind, text, _ in read_events(source):
        if kind == "start":
            if depth == 0:
                root = text
            elif depth == 1:
                count += 1
                names.add(text)
            depth += 1
        elif kind == "end":
            depth -= 1
        elif depth == 1 and kind in ("text", "cdata") and not text.isspace():
            has_text = True
    return root, frozenset() if has_text else frozenset(names), count


def _require_small(source: Source) -> None:
    if source.size_bytes > TREE_BYTES_MAX:
        raise ToolError(
            "PAYLOAD_TOO_LARGE",
            f"the document is no list of like elements and has {source.size_bytes:,} bytes; such may have "
            f"{TREE_BYTES_MAX:,}",
        )


class _Element:
    __slots__ = ("children", "name", "texts")

    def __init__(self, name: str, attributes: list[str]) -> None:
        self.name = name
        self.children: dict[str, Any] = {
            f"@{key}": value for key, value in zip(attributes[::2], attributes[1::2], strict=True)
        }
        self.texts: list[str] = []

    def add(self, name: str, value: Any, lists: frozenset[str]) -> None:
        if name in self.children:
            held = self.children[name]
            if type(held) is _Many:
                held.append(value)
            else:
                self.children[name] = _Many((held, value))
        else:
            self.children[name] = _Many((value,)) if name in lists else value

    def show(self) -> Any:
        text = "".join(self.texts)
        if not self.children:
            return text if text.strip() or not text or "\n" not in text else ""
        if text.strip():
            self.children["#text"] = text
        return self.children


class _Many(list[Any]):
    """Elements of one name."""


def _build(events: Iterable[Event], lists: frozenset[str], *, depth: int) -> Iterator[tuple[str, Any]]:
    """Name and value of each element at that depth; ToolError NOT_REPRESENTABLE for an entity of its own."""
    stack: list[_Element] = []
    outside, held = 0, 0
    for kind, text, attributes in events:
        if kind == "start":
            if outside < depth:
                outside += 1
                continue
            stack.append(_Element(text, attributes))
            held += 1
            if held > RECORD_EVENTS_MAX:
                raise ToolError("PAYLOAD_TOO_LARGE", f"one record has more than {RECORD_EVENTS_MAX:,} elements")
        elif kind == "end":
            if not stack:
                outside -= 1
                continue
            done = stack.pop()
            if stack:
                stack[-1].add(done.name, done.show(), lists)
            else:
                held = 0
                yield done.name, done.show()
        elif stack and kind in ("text", "cdata"):
            stack[-1].texts.append(text)
        elif stack and kind == "other":
            raise ToolError("NOT_REPRESENTABLE", f"{text[:40]} is an entity of the document's own; write its text")


_EXTENSIONS: Final = ("txt", "xml", "log")
_ERRORS: Final = ("INVALID_XML", "NOT_REPRESENTABLE")

TOOLS: Final = (
    Tool(
        "xml-to-json",
        _EXTENSIONS,
        "json",
        "application/json",
        xml_to_json,
        (tab_space(2), Option("x-list-elements", "text", minimum=1)),
        _ERRORS,
    ),
    Tool(
        "xml-to-tsv",
        _EXTENSIONS,
        "tsv",
        "text/tab-separated-values",
        xml_to_tsv,
        (),
        (*_ERRORS, "TOO_MANY_COLUMNS"),
    ),
)
