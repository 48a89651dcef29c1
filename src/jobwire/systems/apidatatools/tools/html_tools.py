"""html-formatter, html-minify, html-to-markdown and markdown-to-html."""

import html
import re
import warnings
from typing import Final

import markdownify
import minify_html
from markdown_it import MarkdownIt

from jobwire.systems.apidatatools.tools.contract import (
    Option,
    Options,
    Sink,
    Source,
    Tool,
    ToolError,
    ToolResult,
    read_int,
)
from jobwire.systems.apidatatools.tools.html_depth import is_deeper
from jobwire.systems.apidatatools.tools.html_format import HtmlIndenter
from jobwire.systems.apidatatools.tools.json_format import tab_space


def format_html(source: Source, options: Options, sink: Sink) -> ToolResult:
    """Write the document indented; white space that a browser shows stays."""
    sink.write_text(HtmlIndenter(read_int(options, "x-tab-space")).format(source.read_text()))
    return ToolResult()


def minify_document(source: Source, options: Options, sink: Sink) -> ToolResult:
    """Write the document without comments and needless white space, its styles minified too; scripts stay.

    The library would take variables out of a script that no other line of it reads, although another script may.
    """
    text = source.read_text()
    if is_deeper(text, MINIFY_DEPTH_MAX):
        raise ToolError("INVALID_HTML", f"the HTML is nested deeper than {MINIFY_DEPTH_MAX:,}; flatten it")
    # The library would take these by their number; browsers have always read them as letters of Windows-1252.
    text = _C1_REFERENCES.sub(lambda found: html.unescape(found[0]), text)
    sink.write_text(minify_html.minify(text, minify_css=True, minify_js=False, keep_closing_tags=True))
    return ToolResult()


def html_to_markdown(source: Source, options: Options, sink: Sink) -> ToolResult:
    """Write Markdown; what it has no sign for (classes, styles, scripts) is lost."""
    try:
        with warnings.catch_warnings():
            # A text that looks like a file name or an address is text all the same.
            warnings.simplefilter("ignore")
            text = markdownify.markdownify(_end_tags(source.read_text()), heading_style="ATX")
    except RecursionError as error:
        raise ToolError("INVALID_HTML", "the HTML is nested too deep to convert; flatten it") from error
    sink.write_text(text.strip() + "\n")
    return ToolResult()


def _end_tags(text: str) -> str:
    """The text without starts of tags behind its last end: from each of them the reader would look for one."""
    end = text.rfind(">") + 1
    return text[:end] + text[end:].replace("<", "&lt;")


def markdown_to_html(source: Source, options: Options, sink: Sink) -> ToolResult:
    """Write HTML by CommonMark with tables and strike-through."""
    reader = MarkdownIt("commonmark", {"html": bool(options["x-raw-html"])}).enable(["table", "strikethrough"])
    sink.write_text(reader.render(source.read_text()))
    return ToolResult()


MINIFY_DEPTH_MAX: Final = 2_000
"""The library takes its elements one in another on the stack."""

_C1_REFERENCES: Final = re.compile(r"&#(?:0*1(?:2[89]|[34]\d|5\d)|[xX]0*[89][0-9a-fA-F]);")

TOOLS: Final = (
    Tool("html-formatter", ("html", "txt"), "html", "text/html", format_html, (tab_space(2),)),
    Tool("html-minify", ("html", "txt"), "html", "text/html", minify_document, (), ("INVALID_HTML",)),
    Tool("html-to-markdown", ("txt", "html"), "md", "text/markdown", html_to_markdown, (), ("INVALID_HTML",)),
    Tool(
        "markdown-to-html",
        ("txt", "md"),
        "html",
        "text/html",
        markdown_to_html,
        (Option("x-raw-html", "boolean", True),),
    ),
)
