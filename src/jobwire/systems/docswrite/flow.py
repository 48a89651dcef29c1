"""Read a tree into blocks: Google's pages, mammoth's, markdown-it's and everybody else's alike. Next: tables.py.

One walk. Text and inline elements extend the open line, a block element ends it.
"""

import re
from collections.abc import Callable, Mapping
from typing import Final

import msgspec
from lxml.html import HtmlElement

from jobwire.systems.docswrite.document import (
    PLAIN,
    Block,
    Break,
    Code,
    Figure,
    Heading,
    Inline,
    Item,
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
from jobwire.systems.docswrite.lines import (
    collapse,
    flatten,
    is_all,
    join,
    split_pictures,
    to_code,
    without_bold,
)
from jobwire.systems.docswrite.links import clean_link
from jobwire.systems.docswrite.shelf import Shelf
from jobwire.systems.docswrite.styles import HIDDEN, TAGS, Changes, read_declarations, restyle
from jobwire.systems.docswrite.tables import number_of, read_table
from jobwire.systems.docswrite.tree import DROPPED

CAPTION_CHARS_MAX: Final = 300

_OF_PAGES: Final = ("html", "body", "div", "section", "article", "main", "header", "footer", "nav", "aside")
_OF_TEXTS: Final = ("address", "center", "details", "summary", "hgroup", "figcaption", "dl", "dt", "dd")
_OF_FORMS: Final = ("form", "fieldset", "legend")
_STRAY_PARTS: Final = ("li", "caption", "tr", "td", "th", "thead", "tbody", "tfoot")
_CONTAINERS: Final = frozenset((*_OF_PAGES, *_OF_TEXTS, *_OF_FORMS, *_STRAY_PARTS))
_GOOGLE_LIST: Final = re.compile(r"lst-\S+-(\d)")
_START_MAX: Final = 1_000_000


class _Flow:
    def __init__(self) -> None:
        self.blocks: list[Block] = []
        self.line: Line = []

    def end_line(self) -> None:
        self.blocks += split_pictures(self.line)
        self.line = []


class Reader:
    """Reads elements into blocks; `notes` are the links that stand for note marks, `anchors` what may be linked to.

    `title` is the line of a paragraph of a title style, if the document opens with one.
    """

    def __init__(
        self,
        sheet: Mapping[str, Changes],
        shelf: Shelf,
        *,
        notes: Mapping[HtmlElement, int],
        anchors: Mapping[str, str],
    ) -> None:
        self._sheet = sheet
        self._shelf = shelf
        self._notes = notes
        self._anchors = anchors
        self._is_fixed_width_code = any(changes.get("code") for changes in sheet.values())
        self._readers: Mapping[str, Callable[[HtmlElement, Style, _Flow], None]] = {
            **dict.fromkeys(("h1", "h2", "h3", "h4", "h5", "h6"), self._read_heading),
            **dict.fromkeys(("ul", "ol", "menu", "dir"), self._read_list),
            "p": self._read_paragraph,
            "table": self._read_table,
            "blockquote": self._read_quote,
            "pre": self._read_code,
            "figure": self._read_figure,
            "hr": self._read_rule,
        }
        self.title: Line = []

    def read_blocks(self, element: HtmlElement, style: Style = PLAIN) -> list[Block]:
        """The blocks of what is inside an element."""
        flow = _Flow()
        self._walk(element, style, flow)
        flow.end_line()
        return flow.blocks

    def read_line(self, element: HtmlElement, style: Style = PLAIN) -> Line:
        """What is inside an element as one line."""
        return join(flatten(self.read_blocks(element, style)))

    def _walk(self, element: HtmlElement, style: Style, flow: _Flow) -> None:
        _add_text(flow, element.text, style)
        for child in element:
            if isinstance(child.tag, str):
                self._enter(child, style, flow)
            _add_text(flow, child.tail, style)

    def _enter(self, element: HtmlElement, outer: Style, flow: _Flow) -> None:
        tag = element.tag
        layers = self._find_layers(element)
        if tag in DROPPED or any(layer.get(HIDDEN) for layer in layers) or "hidden" in element.attrib:
            return
        if element in self._notes:
            flow.line.append(NoteMark(self._notes[element]))
            return
        style = restyle(outer, layers)
        if (read := self._readers.get(tag)) is not None:
            flow.end_line()
            read(element, style, flow)
        elif tag in _CONTAINERS:
            flow.end_line()
            self._walk(element, style, flow)
            flow.end_line()
        elif tag == "br":
            flow.line.append(Break())
        elif tag == "img":
            flow.line += self._read_picture(element)
        elif tag == "a":
            self._walk(element, self._restyle_link(element, outer, style), flow)
        else:
            self._walk(element, style, flow)

    def _find_layers(self, element: HtmlElement) -> list[Changes]:
        layers = [TAGS[element.tag]] if element.tag in TAGS else []
        if names := element.get("class"):
            layers += [self._sheet[name] for name in names.split() if name in self._sheet]
        if own := element.get("style"):
            layers.append(read_declarations(own))
        return layers

    def _restyle_link(self, element: HtmlElement, outer: Style, style: Style) -> Style:
        link = clean_link(element.get("href") or "")
        if link.startswith("#"):
            link = f"#{self._anchors[link[1:]]}" if link[1:] in self._anchors else ""
        # Links are underlined by the theme; Google also says it of the span around the link.
        return msgspec.structs.replace(style, link=link or outer.link, underline=style.underline and not link)

    def _read_picture(self, element: HtmlElement) -> list[Inline]:
        alt = collapse(element.get("alt") or element.get("title") or "").strip()
        key = self._shelf.place(element.get("src") or "")
        return [Picture(key, alt)] if key else []

    def _read_paragraph(self, element: HtmlElement, style: Style, flow: _Flow) -> None:
        classes = set((element.get("class") or "").split())
        blocks = self.read_blocks(element, style)
        if "title" in classes and not self.title and all(isinstance(block, Table) for block in flow.blocks):
            self.title = join(flatten(blocks))
            return
        for block in blocks:
            self._add_paragraph(block, flow, is_caption="caption" in classes)

    def _add_paragraph(self, block: Block, flow: _Flow, *, is_caption: bool) -> None:
        before = flow.blocks[-1] if flow.blocks else None
        if not isinstance(block, Paragraph):
            flow.blocks.append(block)
        elif self._is_fixed_width_code and is_all(block.line, Style(code=True)):
            _add_code(flow, to_code(block.line))
        elif isinstance(before, Figure) and not before.caption and (is_caption or _looks_like_caption(block.line)):
            flow.blocks[-1] = msgspec.structs.replace(before, caption=block.line)
        else:
            flow.blocks.append(block)

    def _read_heading(self, element: HtmlElement, style: Style, flow: _Flow) -> None:
        names = [element.get("id"), *(a.get("id") or a.get("name") for a in element.iter("a"))]
        anchor = next((self._anchors[name] for name in names if name in self._anchors), "")
        for block in self.read_blocks(element, style):
            if isinstance(block, Paragraph):
                flow.blocks.append(Heading(int(element.tag[1]), without_bold(block.line), anchor))
                anchor = ""
            else:
                flow.blocks.append(block)

    def _read_list(self, element: HtmlElement, style: Style, flow: _Flow) -> None:
        items: list[Item] = []
        for child in element:
            if not isinstance(child.tag, str) or child.tag in DROPPED:
                continue
            inner = restyle(style, self._find_layers(child))
            blocks = self.read_blocks(child, inner) if child.tag == "li" else self._read_alone(child, style)
            _add_items(items, blocks)
        if items:
            start = number_of(element.get("start"), most=_START_MAX) or 1
            listing = Listing(element.tag == "ol", items, start if element.tag == "ol" else 1)
            _add_listing(flow.blocks, listing, element.get("class") or "")

    def _read_alone(self, element: HtmlElement, style: Style) -> list[Block]:
        flow = _Flow()
        self._enter(element, style, flow)
        flow.end_line()
        return flow.blocks

    def _read_table(self, element: HtmlElement, style: Style, flow: _Flow) -> None:
        cells = element.xpath("./tr/*|./thead/tr/*|./tbody/tr/*|./tfoot/tr/*")
        if len(cells) == 1:  # Google's building block for code is a table of one cell
            blocks = self.read_blocks(cells[0], style)
            if blocks and all(isinstance(block, Code) for block in blocks):
                flow.blocks += blocks
                return
        flow.blocks += read_table(element, lambda cell: self.read_line(cell, restyle(style, self._find_layers(cell))))

    def _read_quote(self, element: HtmlElement, style: Style, flow: _Flow) -> None:
        if blocks := self.read_blocks(element, style):
            flow.blocks.append(Quote(blocks))

    def _read_code(self, element: HtmlElement, style: Style, flow: _Flow) -> None:
        for line_end in element.iter("br"):
            line_end.tail = "\n" + (line_end.tail or "")
        text = element.text_content().replace("\r\n", "\n").removeprefix("\n").rstrip()
        if text.strip():
            flow.blocks.append(Code(text))

    def _read_figure(self, element: HtmlElement, style: Style, flow: _Flow) -> None:
        captions = [child for child in element if child.tag == "figcaption"]
        caption = join(self.read_line(child, style) for child in captions)
        for child in captions:
            child.drop_tree()
        blocks = self.read_blocks(element, style)
        if caption and blocks and isinstance(last := blocks[-1], Figure | Table) and not last.caption:
            blocks[-1] = msgspec.structs.replace(last, caption=caption)
        elif caption:
            blocks.append(Paragraph(caption))
        flow.blocks += blocks

    def _read_rule(self, element: HtmlElement, style: Style, flow: _Flow) -> None:
        if "page-break" not in (element.get("style") or ""):
            flow.blocks.append(Rule())


def _add_text(flow: _Flow, text: str | None, style: Style) -> None:
    if text:
        flow.line.append(Text(collapse(text), style))


def _add_code(flow: _Flow, text: str) -> None:
    if flow.blocks and isinstance(before := flow.blocks[-1], Code):
        flow.blocks[-1] = Code(f"{before.text}\n{text}")
    else:
        flow.blocks.append(Code(text))


def _looks_like_caption(line: Line) -> bool:
    chars = sum(len(part.text) for part in line if isinstance(part, Text))
    return chars <= CAPTION_CHARS_MAX and is_all(line, Style(italic=True))


def _add_items(items: list[Item], blocks: list[Block]) -> None:
    """Add one `li`: text behind a nested list becomes an item of its own, so that the order stays."""
    opened: Item | None = None
    for block in blocks:
        if isinstance(block, Listing) and (opened or items):
            (opened or items[-1]).lists.append(block)
            opened = opened or items[-1]
            continue
        line = join(flatten([block]))
        if opened is None or opened.lists:
            opened = Item(line)
            items.append(opened)
        else:
            opened.line[:] = join([opened.line, line])


def _add_listing(blocks: list[Block], listing: Listing, classes: str) -> None:
    """Google writes each run of items of one level as a list of its own, the first of them with the class `start`."""
    google = _GOOGLE_LIST.search(classes)
    siblings: list[Block] = blocks
    for _ in range(int(google[1]) if google else 0):
        last = siblings[-1] if siblings else None
        if not isinstance(last, Listing):
            break
        siblings = last.items[-1].lists  # type: ignore[assignment]
    before = siblings[-1] if siblings else None
    is_rest = google is not None and "start" not in classes.split()
    if is_rest and isinstance(before, Listing) and before.ordered == listing.ordered:
        before.items.extend(listing.items)
    else:
        siblings.append(listing)
