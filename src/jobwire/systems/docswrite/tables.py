"""Tables out of a tree, and the table in which a document carries its own settings."""

from collections.abc import Callable
from typing import Final

from lxml.html import HtmlElement

from jobwire.systems.docswrite.document import Block, Cell, Line, Paragraph, Table, plain

SETTINGS_NAME: Final = "docswrite_settings"
_SPAN_MAX: Final = 1_000

# Which document is exported is said by the request alone.
_NOT_FROM_TABLE: Final = frozenset({"google_docs_url", SETTINGS_NAME})
_SETTING_COLUMNS: Final = 2


def number_of(text: str | None, *, most: int) -> int:
    """A whole number of an attribute, 0 for anything else."""
    digits = (text or "").strip().removesuffix("px")
    return min(int(digits), most) if digits.isascii() and digits.isdecimal() and len(digits) < 10 else 0


def read_table(element: HtmlElement, read_line: Callable[[HtmlElement], Line]) -> list[Block]:
    """A table as one block, none if nothing is in it; `read_line` reads what is inside a cell or a caption."""
    rows: list[list[Cell]] = []
    head = 0
    for row in element.xpath("./thead/tr|./tr|./tbody/tr|./tfoot/tr"):
        cells = [_read_cell(cell, read_line) for cell in row if cell.tag in ("td", "th")]
        if not cells:
            continue
        is_head = row.getparent().tag == "thead" or all(cell.header for cell in cells)
        if is_head and head == len(rows):
            head += 1
        rows.append(cells)
    captions = [read_line(child) for child in element if child.tag == "caption"]
    caption = captions[0] if captions else []
    if not any(cell.line for row in rows for cell in row):
        return [Paragraph(caption)] if caption else []
    # A caption stands above its table in a page and below it in a post.
    return [*([Paragraph(caption)] if caption else []), Table(rows, head)]


def _read_cell(cell: HtmlElement, read_line: Callable[[HtmlElement], Line]) -> Cell:
    return Cell(
        read_line(cell),
        header=cell.tag == "th",
        columns=number_of(cell.get("colspan"), most=_SPAN_MAX) or 1,
        rows=number_of(cell.get("rowspan"), most=_SPAN_MAX) or 1,
    )


def take_settings(blocks: list[Block]) -> tuple[dict[str, str], list[Block]]:
    """The document's own settings and its blocks without their table: the first one, if its first cell names it.

    Names are in small letters, values as they are written; the first of a repeated name holds, an empty cell says
    nothing.
    """
    place = next((place for place, block in enumerate(blocks) if isinstance(block, Table)), None)
    if place is None:
        return {}, blocks
    table = blocks[place]
    assert isinstance(table, Table)
    if plain(table.rows[0][0].line).lower() != SETTINGS_NAME:
        return {}, blocks
    settings: dict[str, str] = {}
    for row in table.rows[1:]:
        name, value, *_ = (*(plain(cell.line) for cell in row[:_SETTING_COLUMNS]), "", "")
        if name and value and name.lower() not in _NOT_FROM_TABLE:
            settings.setdefault(name.lower(), value)
    return settings, blocks[:place] + blocks[place + 1 :]
