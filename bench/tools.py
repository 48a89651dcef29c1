"""The tools of apidatatools beside the bare library of each, in MB of source a second."""

import csv
import io
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final
from xml.parsers import expat

import cssbeautifier
import jsbeautifier
import markdownify
import minify_html
import msgspec
import orjson
import rcssmin
import rjsmin
import sqlglot
from markdown_it import MarkdownIt

from jobwire.systems.apidatatools.tools import TOOLS
from jobwire.systems.apidatatools.tools.contract import Sink, Source

RUNS: Final = 3
DEFAULT_MB: Final = 4.0
JSON: Final = '{"id":%d,"name":"name %d","price":1.10,"tags":["a","b"]}'
HTML: Final = "<div><h2>Title</h2><p>A <b>bold</b> word &amp; more</p><ul><li>one</li><li>two</li></ul></div>\n"


def _list_rows(text: bytes) -> bytes:
    rows = list(csv.DictReader(io.StringIO(text.decode())))
    return orjson.dumps(rows, option=orjson.OPT_INDENT_2)


def _make_csv(text: bytes) -> bytes:
    rows = json.loads(text)
    out = io.StringIO()
    writer = csv.DictWriter(out, ["id", "name", "price", "tags"])
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()


def _parse_xml(text: bytes) -> bytes:
    parser = expat.ParserCreate()
    names: list[str] = []
    parser.StartElementHandler = lambda name, attributes: names.append(name)
    parser.CharacterDataHandler = names.append
    parser.Parse(text, True)
    return b""


def make_text(form: str, size_bytes: int) -> bytes:
    """A source of about that size."""
    lines = {
        "json": lambda n: JSON % (n, n) + ",\n",
        "csv": lambda n: f"{n},name {n},1.10\n",
        "xml": lambda n: f'<row id="{n}"><name>name {n}</name></row>\n',
        "html": lambda n: HTML,
        "md": lambda n: f"# Title {n}\n\nA **bold** word\n\n* one\n* two\n\n",
        "css": lambda n: f".c{n} {{ color: red; margin: 0 1px; }}\n",
        "js": lambda n: f"function f{n}(a) {{ return a + {n}; }}\n",
        "sql": lambda n: f"select a, b from t{n} where x = {n};\n",
    }[form]
    page = "".join(lines(n) for n in range(500))
    body = page * max(1, size_bytes // len(page))
    start, end = {"json": ("[", JSON % (1, 1) + "]"), "csv": ("id,name,price\n", ""), "xml": ("<r>", "</r>")}.get(
        form, ("", "")
    )
    return (start + body + end).encode()


# The sizes of slow ones are a part of the whole.
BESIDE: Final[tuple[tuple[str, str, float, Callable[[bytes], object]], ...]] = (
    ("json-formatter", "json", 1, lambda text: msgspec.json.format(text, indent=1) and orjson.loads(text)),
    ("json-validator", "json", 1, orjson.loads),
    ("json-minify", "json", 1, lambda text: msgspec.json.format(text, indent=-1) and orjson.loads(text)),
    ("json-formatter", "json", 4, lambda text: msgspec.json.format(text, indent=1)),
    ("json-to-csv", "json", 1, _make_csv),
    ("csv-to-json", "csv", 1, _list_rows),
    ("xml-validator", "xml", 1, _parse_xml),
    ("html-minify", "html", 1, lambda text: minify_html.minify(text.decode(), minify_css=True, minify_js=True)),
    ("html-to-markdown", "html", 0.1, lambda text: markdownify.markdownify(text.decode(), heading_style="ATX")),
    ("markdown-to-html", "md", 0.1, lambda text: MarkdownIt("commonmark").render(text.decode())),
    ("css-formatter", "css", 0.02, lambda text: cssbeautifier.beautify(text.decode())),
    ("css-minify", "css", 0.2, lambda text: rcssmin.cssmin(text.decode())),
    ("javascript-formatter", "js", 0.02, lambda text: jsbeautifier.beautify(text.decode())),
    ("javascript-minify", "js", 0.2, lambda text: rjsmin.jsmin(text.decode())),
    ("sql-formatter", "sql", 0.02, lambda text: sqlglot.transpile(text.decode(), pretty=True)),
)


def time_best(run: Callable[[], object]) -> float:
    """Seconds of the fastest of RUNS."""
    taken = []
    for _ in range(RUNS):
        start = time.perf_counter()
        run()
        taken.append(time.perf_counter() - start)
    return min(taken)


def main(words: list[str]) -> int:
    """Print a line a tool: MB/s of the tool, of the bare library, and their ratio."""
    size_mb = float(words[0]) if words else DEFAULT_MB
    with TemporaryDirectory() as folder:
        for name, form, share, bare in BESIDE:
            text = make_text(form, int(size_mb * share * 1_000_000))
            path = Path(folder, "source")
            path.write_bytes(text)
            tool = TOOLS[name]
            options = tool.read_options({})
            ours = time_best(lambda: tool.run(Source(path), options, Sink(Path(folder, "sink"))))  # noqa: B023
            theirs = time_best(lambda: bare(text))  # noqa: B023
            mb = len(text) / 1_000_000
            print(f"{name:22} {mb:7.2f} MB {mb / ours:8.1f} MB/s, bare {mb / theirs:8.1f} MB/s, {theirs / ours:5.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
