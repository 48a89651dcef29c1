"""JSON read item by item: the elements of a top-level array, or top-level values on lines of their own."""

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, NamedTuple

from jobwire.systems.apidatatools.tools.faults import ToolError
from jobwire.systems.apidatatools.tools.json_pieces import Document, Lines, check_json, open_elements
from jobwire.systems.apidatatools.tools.json_tokens import Rest, read_rest
from jobwire.systems.apidatatools.tools.pieces import Piece
from jobwire.systems.apidatatools.tools.source import Source

ITEM_BYTES_MAX: Final = 32 << 20
"""One element of the outer array, or the whole document when it is no array: it is held in memory as a whole."""

_OPEN: Final = frozenset((b"[", b"{"))
_CLOSE: Final = frozenset((b"]", b"}"))

Decode = Callable[[bytes], Any]


class Number(str):
    """A number as its source writes it: 1.10 stays 1.10, and no digit of a long one is lost."""

    __slots__ = ()


class Item(NamedTuple):
    """A value and whether it is an element of a list; a document that is no list is its one item."""

    value: Any
    is_element: bool


def decode_value(text: bytes) -> Any:
    """Sound JSON as Python values, its numbers as Number."""
    return json.loads(text, parse_int=Number, parse_float=Number)


def decode_texts(text: bytes) -> Any:
    """Sound JSON as Python values, its numbers as texts like any other: in half the time."""
    return json.loads(text, parse_int=str, parse_float=str)


def read_items(source: Source) -> Iterator[Item]:
    """The items of the source; ToolError INVALID_JSON, PAYLOAD_TOO_LARGE. Of equal names the last counts."""
    for values, is_element in _read_groups(source, decode_value):
        for value in values:
            yield Item(value, is_element)


def read_records(source: Source) -> Iterator[Any]:
    """The values of the same items, numbers as texts."""
    for values, _ in _read_groups(source, decode_texts):
        yield from values


def _read_groups(source: Source, decode: Decode) -> Iterator[tuple[list[Any], bool]]:
    """Some items at a time, and whether they are elements."""
    with open_elements(source, bytes_max=ITEM_BYTES_MAX) as (file, pieces):
        for piece in pieces.read(check_json):
            yield _decode_group(pieces, piece, decode)
        if (rest := pieces.rest) is not None:
            for text, is_element in _split_items(read_rest(source, file, rest), rest):
                yield [decode(text)], is_element


def _decode_group(pieces: Document | Lines, piece: Piece[bytes], decode: Decode) -> tuple[list[Any], bool]:
    made, before, after = bytes(piece.made), piece.before, piece.after
    if isinstance(pieces, Lines):
        # A line end stands nowhere else: no string of JSON has one.
        return decode(b"[" + made.replace(b"\n", b",") + b"]"), True
    if pieces.is_list:
        return decode((b"[" if before else b"") + made + (b"]" if after else b"")), True
    return [decode(made)], False


def _split_items(chunks: Iterable[list[bytes]], rest: Rest) -> Iterator[tuple[bytes, bool]]:
    depth, is_list, held, held_bytes = len(rest.stack), bool(rest.stack), list[bytes](), 0
    is_start, is_records = not (rest.stack or rest.follows), rest.follows
    for tokens in chunks:
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
