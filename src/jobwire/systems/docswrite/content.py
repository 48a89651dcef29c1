"""Write a document as a post's content, as clean HTML or as the blocks of WordPress' editor.

Isolate `write_content` with limits.LIMITS. Every line goes through sanitize.py before structure is put around it;
block comments are written as WordPress' own serialize_blocks writes them.
"""

import html
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal, assert_never

import msgspec

from jobwire.domain.errors import JobError
from jobwire.systems.docswrite.document import (
    Block,
    Break,
    Cell,
    Code,
    Document,
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
from jobwire.systems.docswrite.links import is_external
from jobwire.systems.docswrite.sanitize import clean_inline, escape_shortcodes
from jobwire.systems.docswrite.source import load_document

CONTENT_BYTES_MAX: Final = 3 * 1024 * 1024
"""As JSON, as it travels. A post of 500 pages has about 1.5 MB; a child's result may have 4 MiB."""

_LEVEL_MAX: Final = 6

_NOTE_CLASS: Final = "footnotes"


class Media(msgspec.Struct, frozen=True):
    """A picture in the site's media library."""

    id: int
    url: str
    width: int = 0
    height: int = 0


class ContentOptions(msgspec.Struct, frozen=True):
    """How a post is written; `site_host` tells inner links from external ones."""

    editor: Literal["classic", "gutenberg"] = "classic"
    demote_headings: bool = False
    nofollow: bool = True
    bold_as_strong: bool = False
    site_host: str = ""


class ContentRequest(msgspec.Struct, frozen=True):
    """The folder of a document that was read, what became of its pictures by key, and how to write it.

    A picture without an entry in `media` is left out; its caption stays.
    """

    folder: str
    media: dict[str, Media]
    options: ContentOptions = ContentOptions()


def write_content(request: ContentRequest) -> str:
    """The content of the post. Raises JobError content_too_large (permanent)."""
    content = Writer(request.media, request.options).write(load_document(Path(request.folder)))
    if (size_bytes := len(msgspec.json.encode(content))) > CONTENT_BYTES_MAX:
        raise JobError(
            "content_too_large",
            f"the post has {size_bytes:,} bytes, more than the limit of {CONTENT_BYTES_MAX:,}; "
            "divide the document into several",
        )
    return content


class Writer:
    """Writes documents in one way; what `media` has no entry for is left out."""

    def __init__(self, media: Mapping[str, Media], options: ContentOptions) -> None:
        self._media = media
        self._options = options
        self._is_blocks = options.editor == "gutenberg"
        self._bold = "strong" if options.bold_as_strong else "b"
        self._noted: set[int] = set()

    def write(self, document: Document) -> str:
        """The document's blocks, then its notes."""
        written = [text for block in document.blocks if (text := self._write_block(block))]
        if document.notes:
            written += [self._write_rule(), self._write_notes(document.notes)]
        return "\n\n".join(written)

    def _write_block(self, block: Block) -> str:
        match block:
            case Heading():
                return self._write_heading(block)
            case Paragraph(line=line):
                return self._write_paragraph(line)
            case Listing():
                return self._write_list(block)
            case Table():
                return self._write_table(block)
            case Quote(blocks=blocks):
                inner = "".join(text for inside in blocks if (text := self._write_block(inside)))
                return self._write_quote(inner) if inner else ""
            case Code(text=text):
                return self._wrap("code", f'<pre class="wp-block-code"><code>{_escape_code(text)}</code></pre>')
            case Figure():
                return self._write_figure(block)
            case Rule():
                return self._write_rule()
            case _:
                assert_never(block)

    def _write_quote(self, inner: str) -> str:
        return self._wrap("quote", f'<blockquote class="wp-block-quote">{inner}</blockquote>')

    def _write_heading(self, block: Heading) -> str:
        text = self._write_line(block.line)
        if not text:
            return ""
        level = min(block.level + self._options.demote_headings, _LEVEL_MAX)
        anchor = f' id="{html.escape(block.anchor)}"' if block.anchor else ""
        markup = f'<h{level} class="wp-block-heading"{anchor}>{text}</h{level}>'
        return self._wrap("heading", markup, {} if level == 2 else {"level": level})  # 2 is the block's default

    def _write_paragraph(self, line: Line) -> str:
        text = self._write_line(line)
        return self._wrap("paragraph", f"<p>{text}</p>") if text else ""

    def _write_list(self, block: Listing) -> str:
        items = "".join(self._write_item(item) for item in block.items)
        if not block.ordered:
            return self._wrap("list", f'<ul class="wp-block-list">{items}</ul>')
        attributes: dict[str, Any] = {"ordered": True}
        start = ""
        if block.start != 1:
            attributes["start"] = block.start
            start = f' start="{block.start}"'
        return self._wrap("list", f'<ol{start} class="wp-block-list">{items}</ol>', attributes)

    def _write_item(self, item: Item) -> str:
        inner = "".join(self._write_list(nested) for nested in item.lists)
        return self._wrap("list-item", f"<li>{self._write_line(item.line)}{inner}</li>")

    def _write_table(self, block: Table) -> str:
        head = "".join(self._write_row(row, is_head=True) for row in block.rows[: block.head])
        body = "".join(self._write_row(row, is_head=False) for row in block.rows[block.head :])
        parts = (f"<thead>{head}</thead>" if head else "") + (f"<tbody>{body}</tbody>" if body else "")
        caption = self._write_caption(block.caption)
        markup = f'<figure class="wp-block-table"><table>{parts}</table>{caption}</figure>'
        # Whether a table without this attribute is a fixed one differs between versions of WordPress.
        return self._wrap("table", markup, {"hasFixedLayout": False})

    def _write_row(self, row: Sequence[Cell], *, is_head: bool) -> str:
        return f"<tr>{''.join(self._write_cell(cell, is_head=is_head) for cell in row)}</tr>"

    def _write_cell(self, cell: Cell, *, is_head: bool) -> str:
        tag = "th" if is_head or cell.header else "td"
        spans = (f' colspan="{cell.columns}"' if cell.columns > 1 else "") + (
            f' rowspan="{cell.rows}"' if cell.rows > 1 else ""
        )
        return f"<{tag}{spans}>{self._write_line(cell.line)}</{tag}>"

    def _write_figure(self, block: Figure) -> str:
        media = self._media.get(block.picture.key)
        if media is None:
            return self._write_paragraph(block.caption)
        image = clean_inline(self._write_picture(block.picture))
        markup = f'<figure class="wp-block-image size-full">{image}{self._write_caption(block.caption)}</figure>'
        return self._wrap("image", markup, {"id": media.id, "sizeSlug": "full", "linkDestination": "none"})

    def _write_caption(self, line: Line) -> str:
        text = self._write_line(line)
        return f'<figcaption class="wp-element-caption">{text}</figcaption>' if text else ""

    def _write_rule(self) -> str:
        return self._wrap("separator", '<hr class="wp-block-separator has-alpha-channel-opacity" />')

    def _write_notes(self, notes: Sequence[Line]) -> str:
        items = "".join(
            self._wrap("list-item", f"<li>{_note_link(number)} {self._write_line(line)}</li>")
            for number, line in enumerate(notes, 1)
        )
        markup = f'<ol class="wp-block-list {_NOTE_CLASS}">{items}</ol>'
        return self._wrap("list", markup, {"ordered": True, "className": _NOTE_CLASS})

    def _write_line(self, line: Line) -> str:
        return clean_inline("".join(self._write_inline(part) for part in line))

    def _write_inline(self, part: Inline) -> str:
        match part:
            case Text(text=text, style=style):
                return self._write_text(html.escape(text, quote=False), style)
            case Break():
                return "<br>"
            case NoteMark(number=number):
                return self._write_mark(number)
            case Picture():
                return self._write_picture(part)
            case _:
                assert_never(part)

    def _write_mark(self, number: int) -> str:
        # The note leads back to its first mark.
        name = "" if number in self._noted else f' id="note-ref-{number}"'
        self._noted.add(number)
        return f'<sup><a{name} href="#note-{number}">{number}</a></sup>'

    def _write_text(self, text: str, style: Style) -> str:
        for is_on, tag in (
            (style.code, "code"),
            (style.script, "sub" if style.script == "sub" else "sup"),
            (style.strike, "s"),
            (style.underline, "u"),
            (style.italic, "em"),
            (style.bold, self._bold),
        ):
            if is_on:
                text = f"<{tag}>{text}</{tag}>"
        if style.link:
            rel = ' rel="nofollow"' if self._is_nofollow(style.link) else ""
            text = f'<a href="{html.escape(style.link)}"{rel}>{text}</a>'
        return text

    def _is_nofollow(self, link: str) -> bool:
        return self._options.nofollow and is_external(link, self._options.site_host)

    def _write_picture(self, picture: Picture) -> str:
        media = self._media.get(picture.key)
        if media is None:
            return ""
        source, alt = html.escape(media.url), html.escape(picture.alt)
        return f'<img src="{source}" alt="{alt}" class="wp-image-{media.id}">'

    def _wrap(self, name: str, markup: str, attributes: Mapping[str, Any] | None = None) -> str:
        if not self._is_blocks:
            return markup
        # Numbers and words of our own: nothing in them could end the comment.
        opening = f"wp:{name} {msgspec.json.encode(attributes).decode()}" if attributes else f"wp:{name}"
        return f"<!-- {opening} -->\n{markup}\n<!-- /wp:{name} -->"


def _note_link(number: int) -> str:
    return f'<a id="note-{number}" href="#note-ref-{number}">↑</a>'


def _escape_code(text: str) -> str:
    """Code as it is: WordPress would turn an address that stands alone in its line into a player."""
    return escape_shortcodes(html.escape(text, quote=False)).replace("://", ":&#047;&#047;")
