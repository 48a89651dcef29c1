"""HTML and Markdown to text: what a reader sees, block by block, without scripts, styles and markup."""

import re
from collections.abc import Iterator
from typing import Final

from markdown_it import MarkdownIt
from markdown_it.token import Token
from selectolax.lexbor import LexborHTMLParser, LexborNode

from jobwire.systems.fifthelement.extracting_plain import Extracted, clean_text, decode_text

TITLE_CHARS_MAX: Final = 500

_CHARSET: Final = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([A-Za-z0-9_.:-]{1,40})", re.IGNORECASE)
_CHARSET_BYTES: Final = 4_096
_UNSEEN: Final = frozenset(
    {
        "script",
        "style",
        "noscript",
        "template",
        "head",
        "svg",
        "math",
        "iframe",
        "object",
        "canvas",
        "select",
        "dialog",
    }
)
_LINES: Final = frozenset({"br", "tr", "li", "dt", "dd", "option", "caption", "figcaption", "summary"})
_BLOCKS: Final = frozenset(
    {"address", "article", "aside", "blockquote", "details", "div", "dl", "fieldset", "figure", "footer", "form"}
    | {"h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "main", "nav", "ol", "p", "pre", "section", "table", "ul"}
)
_CELLS: Final = frozenset({"td", "th"})
_SPACES: Final = re.compile(r"[ \t\r\n\f\u00a0]+")
_AROUND_LINES: Final = re.compile(r"[ \t]*\n[ \t]*")
_MARKDOWN: Final = MarkdownIt("commonmark", {"html": False}).enable("table")


def read_html(data: bytes) -> Extracted:
    """The visible text of a page, its title, description, language and author."""
    head = _CHARSET.search(data[:_CHARSET_BYTES])
    page, warnings = decode_text(data, declared=head[1].decode("ascii") if head else None)
    tree = LexborHTMLParser(page)
    body = tree.body or tree.root
    text = "" if body is None else _AROUND_LINES.sub("\n", "".join(_walk(body)))
    title = tree.css_first("title") or tree.css_first("h1")
    return Extracted(
        clean_text(text),
        title=_shorten(title.text()) if title is not None else None,
        facts=_read_facts(tree),
        warnings=warnings,
    )


def _read_facts(tree: LexborHTMLParser) -> dict[str, str]:
    facts: dict[str, str] = {}
    for name in ("author", "description", "keywords"):
        node = tree.css_first(f'meta[name="{name}"]')
        if node is not None and (content := _shorten(node.attributes.get("content") or "")):
            facts[name] = content
    root = tree.css_first("html")
    if root is not None and (language := _shorten(root.attributes.get("lang") or "")):
        facts["language"] = language
    return facts


def _shorten(text: str) -> str | None:
    return " ".join(text.split())[:TITLE_CHARS_MAX] or None


def _walk(body: LexborNode) -> Iterator[str]:
    """The text in order, without recursion: a page may nest as deep as its author likes.

    Nodes are not compared: `==` writes both out as HTML, which took 20 s for a page of 200 KB.
    """
    node = body
    depth = preformatted = 0
    while True:
        tag = node.tag or ""
        if tag == "-text":
            text = node.text_content or ""
            yield text if preformatted else _SPACES.sub(" ", text)
        elif tag not in _UNSEEN:
            yield _open(tag)
            if (child := node.child) is not None:
                node = child
                depth += 1
                preformatted += tag == "pre"
                continue
            yield _close(tag)
        while depth and node.next is None and node.parent is not None:
            node = node.parent
            depth -= 1
            preformatted -= node.tag == "pre"
            yield _close(node.tag or "")
        if not depth or node.next is None:
            return
        node = node.next


def _open(tag: str) -> str:
    return "\n\n" if tag in _BLOCKS else "\n" if tag in _LINES else ""


def _close(tag: str) -> str:
    return "\n\n" if tag in _BLOCKS else "\t" if tag in _CELLS else ""


def read_markdown(data: bytes) -> Extracted:
    """The text of a Markdown file without its marks; its first heading is the title."""
    source, warnings = decode_text(data)
    parts: list[str] = []
    title: str | None = None
    tokens = _MARKDOWN.parse(source)
    for place, token in enumerate(tokens):
        if token.type == "inline":
            said = "".join(_say_inline(token.children or ()))
            if title is None and place and tokens[place - 1].type == "heading_open":
                title = _shorten(said)
            parts.append(said)
            parts.append("\t" if tokens[place - 1].type in ("td_open", "th_open") else "\n")
        elif token.type in ("fence", "code_block", "html_block"):
            parts.append(f"\n{token.content}\n")
        elif token.type in ("paragraph_close", "heading_close", "table_close", "tr_close", "hr"):
            parts.append("\n")
    return Extracted(clean_text("".join(parts)), title=title, warnings=warnings)


def _say_inline(tokens: "list[Token] | tuple[()]") -> Iterator[str]:
    for token in tokens:
        if token.type in ("softbreak", "hardbreak"):
            yield "\n"
        elif token.type == "image":
            yield token.content
        else:
            yield token.content
