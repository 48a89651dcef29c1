"""The tools of apidatatools beside the bare library of each, in MB of source a second."""

import argparse
import csv
import io
import json
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import cssbeautifier
import jsbeautifier
import markdownify
import minify_html
import msgspec
import openpyxl
import orjson
import rcssmin
import rjsmin
import sqlglot
import tree_sitter
import tree_sitter_css
import tree_sitter_javascript
import xlsxwriter
import yaml
from lxml import etree
from markdown_it import MarkdownIt
from PIL import Image

from jobwire.systems.apidatatools.tools import TOOLS
from jobwire.systems.apidatatools.tools.contract import Sink, Source

RUNS: Final = 3
DEFAULT_MB: Final = 4.0
JSON: Final = '{"id":%d,"name":"name %d","price":1.10,"tags":["a","b"]}'
HTML: Final = "<div><h2>Title</h2><p>A <b>bold</b> word &amp; more</p><ul><li>one</li><li>two</li></ul></div>\n"


_MINIFIED: Final = {"minify_css": True, "keep_closing_tags": True}


def _format_lines(text: bytes) -> bytes:
    return b"\n".join(msgspec.json.format(line, indent=1) for line in text.splitlines())


def _check_json(text: bytes) -> bytes:
    msgspec.json.decode(text, type=msgspec.Raw)
    return text


def _list_rows(text: bytes) -> bytes:
    rows = list(csv.DictReader(io.StringIO(text.decode())))
    return orjson.dumps(rows, option=orjson.OPT_INDENT_2)


def _flatten(value: Any, path: str, row: dict[str, Any]) -> dict[str, Any]:
    if isinstance(value, dict):
        for name, inner in value.items():
            _flatten(inner, f"{path}.{name}" if path else name, row)
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            _flatten(inner, f"{path}.{place}", row)
    else:
        row[path] = value
    return row


def _make_csv(text: bytes) -> bytes:
    rows = [_flatten(record, "", {}) for record in json.loads(text, parse_int=str, parse_float=str)]
    columns = list(dict.fromkeys(name for row in rows for name in row))
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([row.get(name) for name in columns] for row in rows)
    return out.getvalue().encode()


def _dump_yaml(rows: object) -> bytes:
    return yaml.dump(rows, Dumper=yaml.CSafeDumper, sort_keys=False, allow_unicode=True, encoding="utf-8")


def _make_yaml(text: bytes) -> bytes:
    return _dump_yaml(list(csv.DictReader(io.StringIO(text.decode()))))


def _make_tsv(text: bytes) -> bytes:
    # This loader leaves scalars as they are written: 1.10 stays 1.10.
    rows = yaml.load(text, Loader=yaml.CBaseLoader)
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]), delimiter="\t", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()


def _read_excel(data: bytes) -> bytes:
    rows = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True).active.iter_rows(values_only=True)
    header = next(rows)
    return _dump_yaml([dict(zip(header, row, strict=True)) for row in rows])


def _make_excel(text: bytes) -> bytes:
    out = io.BytesIO()
    with xlsxwriter.Workbook(out, {"constant_memory": True, "strings_to_urls": False}) as book:
        sheet = book.add_worksheet()
        rows = [_flatten(record, "", {}) for record in json.loads(text)]
        columns = list(dict.fromkeys(name for row in rows for name in row))
        for number, row in enumerate([columns, *([row.get(name) for name in columns] for row in rows)]):
            for place, value in enumerate(row):
                sheet.write(number, place, value)
    return out.getvalue()


def _make_jpeg(data: bytes) -> bytes:
    out = io.BytesIO()
    Image.open(io.BytesIO(data)).convert("RGB").save(out, format="JPEG", quality=90, optimize=True)
    return out.getvalue()


def _make_png(size_bytes: int) -> bytes:
    """A photo's worth of noise and gradient, about that large."""
    side = int((size_bytes / 1.2) ** 0.5)
    noise = Image.effect_noise((side, side), 20)
    out = io.BytesIO()
    Image.merge("RGB", (noise, Image.linear_gradient("L").resize((side, side)), noise)).save(out, format="PNG")
    return out.getvalue()


def _indent_xml(text: bytes) -> bytes:
    reader = etree.XMLParser(remove_blank_text=True, resolve_entities=False, no_network=True)
    return etree.tostring(etree.fromstring(text, reader), pretty_print=True, encoding="utf-8")


def _minify(grammar: object, minify: Callable[[str], str]) -> Callable[[bytes], bytes]:
    language = tree_sitter.Language(grammar)

    def run(text: bytes) -> bytes:
        if tree_sitter.Parser(language).parse(text).root_node.has_error:
            raise ValueError
        return minify(text.decode()).encode()

    return run


def make_text(form: str, size_bytes: int) -> bytes:
    """A source of about that size."""
    if form == "png":
        return _make_png(size_bytes)
    if form == "xlsx":
        return _make_excel(make_text("json", size_bytes * 2))
    lines = {
        "json": lambda n: JSON % (n, n) + ",\n",
        "ndjson": lambda n: JSON % (n, n) + "\n",
        "csv": lambda n: f"{n},name {n},1.10\n",
        "xml": lambda n: f'<row id="{n}"><name>name {n}</name></row>\n',
        "html": lambda n: HTML,
        "yaml": lambda n: f"- id: {n}\n  name: name {n}\n  price: 1.10\n",
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


def _encoded(write: Callable[..., str], **options: object) -> Callable[[bytes], bytes]:
    return lambda text: write(text.decode(), **options).encode()


class Beside(NamedTuple):
    """A tool, the form and share of the size of its source, and what a developer would write with `library` alone."""

    tool: str
    form: str
    share: float
    library: str
    bare: Callable[[bytes], bytes]
    headers: Mapping[str, str] = MappingProxyType({})


# The sizes of slow ones are a part of the whole. Both sides read a file and write one. The minifiers alone take
# anything: it is the parser in front of them that refuses what is broken, so both are on both sides.
BESIDE: Final = (
    Beside("json-formatter", "json", 1, "msgspec.json.format", partial(msgspec.json.format, indent=1)),
    Beside("json-formatter", "json", 4, "msgspec.json.format", partial(msgspec.json.format, indent=1)),
    Beside("json-formatter", "ndjson", 1, "msgspec.json.format, lines", _format_lines),
    Beside("json-minify", "json", 4, "msgspec.json.format", partial(msgspec.json.format, indent=-1)),
    Beside("json-validator", "json", 4, "msgspec.json.decode, Raw", _check_json),
    Beside("json-to-csv", "json", 1, "json, csv.writer", _make_csv),
    Beside("csv-to-json", "csv", 1, "csv.DictReader, orjson", _list_rows),
    Beside("xml-validator", "xml", 1, "lxml, pretty_print", _indent_xml),
    Beside("csv-to-yaml", "csv", 0.1, "csv.DictReader, libyaml", _make_yaml),
    Beside("yaml-to-tsv", "yaml", 0.1, "libyaml, csv.DictWriter", _make_tsv),
    Beside("excel-to-yaml", "xlsx", 0.05, "openpyxl, libyaml", _read_excel),
    Beside("json-to-excel", "json", 0.1, "json, xlsxwriter", _make_excel),
    Beside(
        "image-converter",
        "png",
        0.5,
        "Pillow",
        _make_jpeg,
        {"x-source-format": "png", "x-destination-format": "jpg"},
    ),
    Beside("html-minify", "html", 1, "minify_html", _encoded(minify_html.minify, **_MINIFIED)),
    Beside("html-minify", "html", 1, "minify_html, ends dropped", _encoded(minify_html.minify, minify_css=True)),
    Beside("html-to-markdown", "html", 0.1, "markdownify", _encoded(markdownify.markdownify, heading_style="ATX")),
    Beside("markdown-to-html", "md", 0.1, "markdown-it-py", _encoded(MarkdownIt("commonmark").render)),
    Beside("css-formatter", "css", 0.02, "cssbeautifier", _encoded(cssbeautifier.beautify)),
    Beside("css-minify", "css", 0.2, "tree-sitter, rcssmin", _minify(tree_sitter_css.language(), rcssmin.cssmin)),
    Beside("css-minify", "css", 0.2, "rcssmin, unchecked", _encoded(rcssmin.cssmin)),
    Beside("javascript-formatter", "js", 0.02, "jsbeautifier", _encoded(jsbeautifier.beautify)),
    Beside(
        "javascript-minify",
        "js",
        0.2,
        "tree-sitter, rjsmin",
        _minify(tree_sitter_javascript.language(), rjsmin.jsmin),
    ),
    Beside("javascript-minify", "js", 0.2, "rjsmin, unchecked", _encoded(rjsmin.jsmin)),
    Beside(
        "sql-formatter", "sql", 0.02, "sqlglot", _encoded(lambda text: "".join(sqlglot.transpile(text, pretty=True)))
    ),
)


def time_best(*runs: Callable[[], object]) -> list[float]:
    """Seconds of the fastest of RUNS of each, in turns."""
    taken: list[list[float]] = [[] for _ in runs]
    for _ in range(RUNS):
        for run, times in zip(runs, taken, strict=True):
            start = time.perf_counter()
            run()
            times.append(time.perf_counter() - start)
    return list(map(min, taken))


def main(words: list[str]) -> int:
    """Print a line a tool: MB/s of the tool, of the bare library, and their ratio."""
    parser = argparse.ArgumentParser(
        prog="python -m bench tools", description="Measure each tool of apidatatools beside its bare library."
    )
    parser.add_argument("megabytes", nargs="?", type=float, default=DEFAULT_MB, help=f"of a source ({DEFAULT_MB:g})")
    size_mb = parser.parse_args(words).megabytes
    with TemporaryDirectory() as folder:
        path, target = Path(folder, "source"), Path(folder, "sink")
        for name, form, share, library, bare, headers in BESIDE:
            text = make_text(form, int(size_mb * share * 1_000_000))
            path.write_bytes(text)
            tool = TOOLS[name]
            options = tool.read_options(headers)
            theirs, ours = time_best(
                lambda: target.write_bytes(bare(path.read_bytes())),  # noqa: B023
                lambda: tool.run(Source(path), options, Sink(target)),  # noqa: B023
            )
            mb = len(text) / 1_000_000
            print(
                f"{name:20} {form:6} {mb:5.2f} MB {mb / ours:7.1f} MB/s, bare {mb / theirs:7.1f} MB/s, "
                f"{theirs / ours:5.2f}  {library}"
            )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
