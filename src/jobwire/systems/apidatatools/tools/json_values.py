"""JSON read item by item: the elements of a top-level array, or top-level values on lines of their own."""

import json
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import orjson

from jobwire.systems.apidatatools.tools.faults import ToolError
from jobwire.systems.apidatatools.tools.json_tokens import read_tokens
from jobwire.systems.apidatatools.tools.source import Source

ITEM_BYTES_MAX: Final = 32 << 20
"""One element of the outer array, or the whole document when it is no array: it is held in memory as a whole."""

_OPEN: Final = frozenset((b"[", b"{"))
_CLOSE: Final = frozenset((b"]", b"}"))


class Number(str):
    """A number as its source writes it: 1.10 stays 1.10, and no digit of a long one is lost."""

    __slots__ = ()


class Item(NamedTuple):
    """A value and whether it is an element of a list; a document that is no list is its one item."""

    value: Any
    is_element: bool


def read_items(source: Source) -> Iterator[Item]:
    """The items of the source; ToolError INVALID_JSON, PAYLOAD_TOO_LARGE. Of equal names the last counts."""
    for text, is_element in _split_items(source):
        yield Item(decode_value(text), is_element)


def decode_value(text: bytes) -> Any:
    """Sound JSON as Python values, its numbers as Number."""
    return json.loads(text, parse_int=Number, parse_float=Number)


def _split_items(source: Source) -> Iterator[tuple[bytes, bool]]:
    depth, is_list, held, held_bytes = 0, False, list[bytes](), 0
    is_start, is_records = True, False
    for tokens in read_tokens(source):
        for token in tokens:
            if is_start:
                is_start = False
                if token == b"[":
                    is_list = True
                    depth = 1
                    continue
            if not token:
                if is_list:
                    raise ToolError("INVALID_JSON", "The JSON has lists on lines of their own; send one list.")
                is_records = True
                yield b"".join(held), True
                held.clear()
                held_bytes = 0
                continue
            if is_list and depth == 1 and token in (b",", b"]"):
                if held:
                    yield b"".join(held), True
                    held.clear()
                    held_bytes = 0
                depth -= token == b"]"
                continue
            if token in _OPEN:
                depth += 1
            elif token in _CLOSE:
                depth -= 1
            held.append(token)
            held_bytes += len(token)
            if held_bytes > ITEM_BYTES_MAX:
                raise ToolError(
                    "PAYLOAD_TOO_LARGE",
                    f"one record has more than {ITEM_BYTES_MAX:,} bytes; send a list of smaller ones",
                )
    if held:
        yield b"".join(held), is_records


def is_sound(text: bytes) -> bool:
    """Whether the fast reader takes the text; what it refuses may still be JSON (1e400, deep nesting)."""
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return True
