"""css-formatter, css-minify, javascript-formatter, javascript-minify, sql-formatter and text-minify."""

import re
from collections.abc import Callable
from functools import partial
from typing import Any, Final

import cssbeautifier
import jsbeautifier
import rcssmin
import rjsmin
import sqlglot
import tree_sitter
import tree_sitter_css
import tree_sitter_javascript
from sqlglot.errors import SqlglotError

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

SQL_BYTES_MAX: Final = 1 << 20

_SHOWN_CHARS: Final = 40
_TOKEN: Final = re.compile(
    r"<Token token_type: TokenType\.(?P<type>\w+), text: (?P<text>.*), line: \d+, col: \d+, start: .*>", re.DOTALL
)

Rewrite = Callable[[str, Options], str]


def _write_checked(  # noqa: PLR0917 - partial() gives the first three
    code: str, grammar: Any, rewrite: Rewrite, source: Source, options: Options, sink: Sink
) -> ToolResult:
    text = source.read_text()
    _check(text, grammar, code)
    sink.write_text(rewrite(text, options))
    return ToolResult()


def _check(text: str, grammar: Any, code: str) -> None:
    """ToolError with the place of the first piece that no rule of the grammar takes."""
    tree = tree_sitter.Parser(tree_sitter.Language(grammar)).parse(text.encode())
    cursor = tree.walk()
    if not tree.root_node.has_error:
        return
    # Down to the first broken node, past those that are sound.
    while True:
        node: Any = cursor.node
        if node.is_missing or node.is_error or not cursor.goto_first_child():
            break
        while not cursor.node.has_error and cursor.goto_next_sibling():  # type: ignore[union-attr]
            pass
    row, byte = node.start_point
    line = text.encode().split(b"\n")[row]
    said = f"{node.type!r} is missing" if node.is_missing else "what stands here does not fit"
    raise ToolError(
        code,
        f"The {_LANGUAGES[code]} is broken: {said}.",
        line=row + 1,
        column=len(line[:byte].decode(errors="replace")) + 1,
    )


_LANGUAGES: Final = {"INVALID_CSS": "CSS", "INVALID_JAVASCRIPT": "JavaScript"}


def _format_css(text: str, options: Options) -> str:
    settings = cssbeautifier.default_options()
    settings.indent_size = read_int(options, "x-tab-space")
    return str(cssbeautifier.beautify(text, settings)).rstrip("\n") + "\n"


def _format_js(text: str, options: Options) -> str:
    settings = jsbeautifier.default_options()
    settings.indent_size = read_int(options, "x-tab-space")
    return str(jsbeautifier.beautify(text, settings)).rstrip("\n") + "\n"


def format_sql(source: Source, options: Options, sink: Sink) -> ToolResult:
    """Write the statements indented; in mode rewrite, in the words of another dialect. ToolError INVALID_SQL."""
    read, write = read_text(options, "x-input-sql-dialect"), read_text(options, "x-output-sql-dialect")
    if options["x-format-mode"] == "rewrite" and write is None:
        raise ToolError("INVALID_HEADER", "x-output-sql-dialect is missing; mode rewrite needs it")
    if source.size_bytes > SQL_BYTES_MAX:
        raise ToolError(
            "PAYLOAD_TOO_LARGE", f"the SQL has {source.size_bytes:,} bytes; it may have {SQL_BYTES_MAX:,}"
        )
    target = write if options["x-format-mode"] == "rewrite" else read
    text = source.read_text()
    try:
        statements = sqlglot.transpile(text, read=read, write=target, pretty=True)
    except SqlglotError as error:
        raise _explain(error, text) from error
    except RecursionError as error:
        raise ToolError("INVALID_SQL", "the SQL is nested too deep; simplify it") from error
    sink.write_text(
        ";\n\n".join(statements) + (";\n" if len(statements) > 1 or text.rstrip().endswith(";") else "\n")
    )
    return ToolResult()


def _explain(error: SqlglotError, text: str) -> ToolError:
    for fault in getattr(error, "errors", []):
        # sqlglot's column is that of the last character of the piece.
        column = max(1, (fault["col"] or 1) - max(0, len(fault["highlight"] or "x") - 1))
        return ToolError(
            "INVALID_SQL",
            f"The SQL is broken: {_name_tokens(fault['description'])}.",
            line=fault["line"],
            column=column,
        )
    found = re.search(r"line (\d+)", str(error))
    return ToolError(
        "INVALID_SQL", "The SQL is broken: a text or comment has no end.", line=int(found[1]) if found else None
    )


def _name_tokens(description: str) -> str:
    """What sqlglot says, with its tokens as they stand in the text."""
    return _TOKEN.sub(
        lambda found: "the end" if found["type"] == "SENTINEL" else repr(found["text"][:_SHOWN_CHARS]), description
    )


def minify_text(source: Source, options: Options, sink: Sink) -> ToolResult:
    """Write the words with one space between them; a text of any size streams."""
    with source.open_text() as file, sink.open_text() as out:
        is_cut = has_words = False
        while line := file.readline(1 << 16):
            words = line.split()
            if words:
                joins = is_cut and not line[0].isspace()
                out.write(("" if joins or not has_words else " ") + " ".join(words))
                has_words = True
            is_cut = not line[-1].isspace() if words else is_cut and not line[0].isspace()
    return ToolResult()


_DIALECTS: Final = tuple(sorted(name for name in (d.value for d in sqlglot.Dialects) if name))

TOOLS: Final = (
    Tool(
        "css-formatter",
        ("txt", "css", "log"),
        "css",
        "text/css",
        partial(_write_checked, "INVALID_CSS", tree_sitter_css.language(), _format_css),
        (tab_space(2),),
        ("INVALID_CSS",),
    ),
    Tool(
        "css-minify",
        ("txt", "css", "log"),
        "css",
        "text/css",
        partial(_write_checked, "INVALID_CSS", tree_sitter_css.language(), lambda text, _: str(rcssmin.cssmin(text))),
        (),
        ("INVALID_CSS",),
    ),
    Tool(
        "javascript-formatter",
        ("txt", "js", "log"),
        "js",
        "text/javascript",
        partial(_write_checked, "INVALID_JAVASCRIPT", tree_sitter_javascript.language(), _format_js),
        (tab_space(2),),
        ("INVALID_JAVASCRIPT",),
    ),
    Tool(
        "javascript-minify",
        ("txt", "js", "log"),
        "js",
        "text/javascript",
        partial(
            _write_checked,
            "INVALID_JAVASCRIPT",
            tree_sitter_javascript.language(),
            lambda text, _: str(rjsmin.jsmin(text)),
        ),
        (),
        ("INVALID_JAVASCRIPT",),
    ),
    Tool(
        "sql-formatter",
        ("sql", "txt"),
        "sql",
        "application/sql",
        format_sql,
        (
            Option("x-format-mode", "choice", "pretty", choices=("pretty", "rewrite")),
            Option("x-input-sql-dialect", "choice", choices=_DIALECTS),
            Option("x-output-sql-dialect", "choice", choices=_DIALECTS),
        ),
        ("INVALID_SQL",),
    ),
    Tool("text-minify", ("txt",), "txt", "text/plain", minify_text),
)
