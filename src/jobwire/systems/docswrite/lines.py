"""Lines of inline parts: put together while a tree is read, tidied when they end."""

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Final

import msgspec

from jobwire.systems.docswrite.document import (
    PLAIN,
    Block,
    Break,
    Code,
    Figure,
    Heading,
    Inline,
    Line,
    Listing,
    NoteMark,
    Paragraph,
    Picture,
    Quote,
    Rule,
    Style,
    Table,
    Text,
)

BULLET: Final = "• "
CELL_GAP: Final = " | "

_SPACES: Final = re.compile(r"[ \t\r\n\f]+")
_SPACES_OF_CODE: Final = " \t\r\n\f"
_SPACE_CHARS: Final = _SPACES_OF_CODE + "\u00a0"


def collapse(text: str) -> str:
    """Runs of white space as one space, as a browser shows them; a no-break space stays."""
    return _SPACES.sub(" ", text)


def tidy(parts: Iterable[Inline]) -> Line:
    """The parts without what cannot be seen: double spaces, space and breaks at the ends, joined where equal."""
    return _trim(list(_merge(_collapse_gaps(parts))))


def _collapse_gaps(parts: Iterable[Inline]) -> Iterator[Inline]:
    after_space = True
    for part in parts:
        if not isinstance(part, Text):
            after_space = isinstance(part, Break)
            yield part
        elif text := part.text.lstrip(" ") if after_space else part.text:
            after_space = text.endswith(" ")
            yield Text(text, part.style)


def _merge(parts: Iterable[Inline]) -> Iterator[Inline]:
    for style, run in groupby(parts, key=lambda part: part.style if isinstance(part, Text) else None):
        if style is None:
            yield from run
        else:
            yield Text("".join(part.text for part in run if isinstance(part, Text)), style)


def _trim(line: Line) -> Line:
    shown = [place for place, part in enumerate(line) if not _is_blank(part)]
    if not shown:
        return []
    line = line[shown[0] : shown[-1] + 1]
    if isinstance(first := line[0], Text):
        line[0] = Text(first.text.lstrip(_margin(first.style)), first.style)
    if isinstance(last := line[-1], Text):
        line[-1] = Text(last.text.rstrip(_margin(last.style)), last.style)
    return line


def _margin(style: Style) -> str:
    return _SPACES_OF_CODE if style.code else _SPACE_CHARS  # no-break spaces are how Google indents code


def _is_blank(part: Inline) -> bool:
    return isinstance(part, Break) or (isinstance(part, Text) and not part.text.strip(_SPACE_CHARS))


def split_pictures(line: Line) -> list[Block]:
    """A paragraph as blocks: its pictures stand between its pieces of text."""
    blocks: list[Block] = []
    rest: Line = []
    for part in [*line, None]:
        if part is not None and not isinstance(part, Picture):
            rest.append(part)
            continue
        if text := tidy(rest):
            blocks.append(Paragraph(text))
        rest = []
        if part is not None:
            blocks.append(Figure(part))
    return blocks


def join(lines: Iterable[Line]) -> Line:
    """The lines as one, with breaks between."""
    joined: Line = []
    for line in lines:
        if line:
            joined += [Break(), *line] if joined else line
    return joined


def flatten(blocks: Iterable[Block]) -> list[Line]:
    """Blocks as lines, for places that hold no blocks: cells and items."""
    lines: list[Line] = []
    for block in blocks:
        match block:
            case Heading(line=line) | Paragraph(line=line):
                lines.append(line)
            case Listing(items=items):
                for place, item in enumerate(items, block.start):
                    lines.append([Text(f"{place}. " if block.ordered else BULLET), *item.line])
                    lines += flatten(item.lists)
            case Table(rows=rows, caption=caption):
                lines += [_gap([cell.line for cell in row]) for row in rows]
                lines.append(caption)
            case Code(text=text):
                lines += [[Text(part, Style(code=True))] for part in text.split("\n") if part.strip()]
            case Quote(blocks=inner):
                lines += flatten(inner)
            case Figure(picture=picture, caption=caption):
                lines += [[picture], caption]
            case Rule():
                pass
    return lines


def _gap(lines: Sequence[Line]) -> Line:
    row: Line = []
    for line in lines:
        row += [Text(CELL_GAP), *line] if row else line
    return row


def is_all(line: Line, style: Style) -> bool:
    """Whether all text of the line has at least what `style` has, and there is some."""
    wanted = {name: value for name, value in msgspec.structs.asdict(style).items() if value != getattr(PLAIN, name)}
    texts = [part for part in line if isinstance(part, Text) and part.text.strip(_SPACE_CHARS)]
    return bool(texts) and all(getattr(text.style, name) == value for text in texts for name, value in wanted.items())


def without_bold(line: Line) -> Line:
    """The line of a heading, which is bold already."""
    return tidy(
        Text(part.text, msgspec.structs.replace(part.style, bold=False)) if isinstance(part, Text) else part
        for part in line
    )


def to_code(line: Line) -> str:
    """The characters of a line of fixed width."""
    parts: list[str] = []
    for part in line:
        match part:
            case Text(text=text):
                parts.append(text.replace("\u00a0", " "))
            case Break():
                parts.append("\n")
            case NoteMark() | Picture():
                pass
    return "".join(parts)
