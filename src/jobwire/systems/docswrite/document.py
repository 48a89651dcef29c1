"""The document between its readers and its writers: blocks of inline parts, nothing of any source's markup.

source.py reads it, content.py writes it. It travels as JSON, so that reading and writing may be different attempts.
"""

from collections.abc import Iterable, Iterator
from typing import Literal, TypeAlias

import msgspec


class _Part(msgspec.Struct, frozen=True, tag=str.lower, tag_field="is", omit_defaults=True):
    pass


class Style(msgspec.Struct, frozen=True, omit_defaults=True):
    """How a piece of text looks; `link` is an http(s), mailto or tel address, or `#` and a heading's anchor."""

    bold: bool = False
    italic: bool = False
    underline: bool = False
    strike: bool = False
    code: bool = False
    script: Literal["", "sub", "super"] = ""
    link: str = ""


PLAIN = Style()


class Text(_Part, frozen=True):
    """A piece of text in one style."""

    text: str
    style: Style = PLAIN


class Break(_Part, frozen=True):
    """A line ends, the paragraph goes on."""


class NoteMark(_Part, frozen=True):
    """Points at the note of this number, counted from 1."""

    number: int


class Picture(_Part, frozen=True):
    """A picture by its `key` in Source.pictures."""

    key: str
    alt: str = ""


Inline: TypeAlias = Text | Break | NoteMark | Picture
Line: TypeAlias = list[Inline]


class Heading(_Part, frozen=True):
    """A heading of level 1 to 6; `anchor` is empty unless something links to it."""

    level: int
    line: Line
    anchor: str = ""


class Paragraph(_Part, frozen=True):
    line: Line


class Item(msgspec.Struct, frozen=True, omit_defaults=True):
    """One item: its line, then the lists below it."""

    line: Line
    lists: list["Listing"] = []


class Listing(_Part, frozen=True):
    """A list; `start` is the number of the first item of an ordered one."""

    ordered: bool
    items: list[Item]
    start: int = 1


class Cell(msgspec.Struct, frozen=True, omit_defaults=True):
    line: Line
    header: bool = False
    columns: int = 1
    rows: int = 1


class Table(_Part, frozen=True):
    """Rows of cells; `head` rows stand at its top."""

    rows: list[list[Cell]]
    head: int = 0
    caption: Line = []


class Quote(_Part, frozen=True):
    blocks: list["Block"]


class Code(_Part, frozen=True):
    """Preformatted text with its line ends."""

    text: str


class Figure(_Part, frozen=True):
    picture: Picture
    caption: Line = []


class Rule(_Part, frozen=True):
    """A line across the page."""


Block: TypeAlias = Heading | Paragraph | Listing | Table | Quote | Code | Figure | Rule


class Document(msgspec.Struct, frozen=True, omit_defaults=True):
    """A title (may be empty), the blocks in the order of the source, and the notes that its marks count."""

    title: str
    blocks: list[Block]
    notes: list[Line] = []


def plain(line: Line) -> str:
    """The text of a line, a space for each break."""
    return "".join(part.text if isinstance(part, Text) else " " for part in line).strip()


def walk_lines(blocks: Iterable[Block]) -> Iterator[Line]:
    """Every line of the blocks in reading order; of a figure its picture, then its caption."""
    for block in blocks:
        match block:
            case Heading(line=line) | Paragraph(line=line):
                yield line
            case Listing(items=items):
                for item in items:
                    yield item.line
                    yield from walk_lines(item.lists)
            case Table(rows=rows, caption=caption):
                yield from (cell.line for row in rows for cell in row)
                yield caption
            case Quote(blocks=inner):
                yield from walk_lines(inner)
            case Figure(picture=picture, caption=caption):
                yield [picture]
                yield caption
            case Code(text=text):
                yield [Text(text)]
            case Rule():
                pass
