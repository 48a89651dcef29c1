"""YAML, workbooks, HTML, Markdown, CSS, JavaScript, SQL, texts and pictures through their tools."""

import base64
import io
import json
import zipfile

import openpyxl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image
from selectolax.lexbor import LexborHTMLParser
from tool_runs import refuse, run_text, run_tool

from jobwire.pictures.decode import PhotoLimits
from jobwire.systems.apidatatools.tools import (
    TOOLS,
    code_tools,
    excel_tools,
    html_depth,
    html_tools,
    image_tools,
    source,
    yaml_read,
)

TABLE = [
    "json-formatter",
    "json-validator",
    "json-minify",
    "json-to-csv",
    "json-to-tsv",
    "json-to-xml",
    "json-to-yaml",
    "json-to-excel",
    "csv-to-json",
    "csv-to-yaml",
    "xml-validator",
    "xml-to-json",
    "xml-to-tsv",
    "yaml-to-tsv",
    "yaml-to-excel",
    "excel-to-yaml",
    "html-formatter",
    "html-minify",
    "html-to-markdown",
    "markdown-to-html",
    "css-formatter",
    "css-minify",
    "javascript-formatter",
    "javascript-minify",
    "sql-formatter",
    "text-minify",
    "image-converter",
]


def test_every_tool_of_the_table_is_there():
    assert sorted(TOOLS) == sorted(TABLE)


@pytest.mark.parametrize("name", sorted(set(TABLE) - {"image-converter"}))
def test_every_tool_names_an_empty_input(name):
    assert refuse(name, b"").code == "EMPTY_BODY"


@pytest.mark.parametrize("name", sorted(set(TABLE) - {"image-converter", "excel-to-yaml"}))
def test_every_tool_of_text_names_a_broken_encoding(name):
    assert refuse(name, "é".encode() + b"\xff\xfe\xff").code == "INVALID_ENCODING"


def test_yaml_becomes_rows_with_aliases_and_merges_followed():
    text = "- &a {x: 1.10, y: no}\n- <<: *a\n  z: [on, '2']\n- null\n"
    assert run_text("yaml-to-tsv", text) == "x\ty\tz.0\tz.1\tvalue\n1.10\tno\t\t\t\n1.10\tno\ton\t2\t\n\t\t\t\t\n"
    assert run_text("yaml-to-tsv", "a: no\n---\na: yes\n", x_yaml_version="1.1") == "a\nfalse\ntrue\n"
    assert refuse("yaml-to-tsv", "a: 1", x_yaml_version="2").code == "INVALID_HEADER"
    book = openpyxl.load_workbook(io.BytesIO(run_tool("yaml-to-excel", "- a: 1\n- a: '1'\n")))
    assert [cell.value for cell in book.active["A"]] == ["a", 1, "1"]


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [("a: [1\nb: 2", 2, 2), ("a: *x", 1, 4), ("é: \x01", 1, 4), ("? [a]\n: 1", 1, 3), ("a: b: c", 1, 5)],
)
def test_a_fault_in_yaml_is_named_with_line_and_column(text, line, column):
    error = refuse("yaml-to-tsv", text)
    assert (error.code, error.line, error.column) == ("INVALID_YAML", line, column)


def test_hostile_yaml_ends_early(monkeypatch):
    bomb = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 30))
    assert "aliases" in refuse("yaml-to-tsv", bomb).message
    deep = yaml_read.DEPTH_MAX
    assert run_text("yaml-to-tsv", "[" * deep + "]" * deep)
    assert refuse("yaml-to-tsv", "[" * (deep + 1) + "]" * (deep + 1)).column == deep + 1
    assert refuse("yaml-to-tsv", "[" * 100_000).code == "INVALID_YAML"
    assert refuse("yaml-to-tsv", "a: &a [*a]").code == "INVALID_YAML"
    monkeypatch.setattr(yaml_read, "NODES_MAX", 4)
    assert run_text("yaml-to-tsv", "[1, 2, 3]")
    assert refuse("yaml-to-tsv", "[1, 2, 3, 4]").code == "INVALID_YAML"


def make_book(rows, title="One") -> bytes:
    book = openpyxl.Workbook()
    book.active.title = title
    for row in rows:
        book.active.append(row)
    book.create_sheet("Two").append(["only"])
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def test_a_sheet_becomes_yaml_by_name_or_place():
    book = make_book([["a", "b"], [1, "no"], [1.5, None], [None, None], [True, "x"]])
    assert run_text("excel-to-yaml", book) == '- a: 1\n  b: "no"\n- a: 1.5\n  b: null\n- a: true\n  b: x\n'
    assert run_text("excel-to-yaml", book, x_sheet_name="Two", x_has_header="false") == "- - only\n"
    assert run_text("excel-to-yaml", book, x_sheet_index="1", x_has_header="false") == "- - only\n"
    assert refuse("excel-to-yaml", book, x_sheet_name="Three").code == "SHEET_NOT_FOUND"
    assert refuse("excel-to-yaml", book, x_sheet_index="2").code == "SHEET_NOT_FOUND"
    rows = [{"n": 1.5, "t": "=1", "b": False}, {"n": None, "t": "x", "b": True}]
    back = run_text("excel-to-yaml", run_tool("json-to-excel", json.dumps(rows)))
    assert back == '- "n": 1.5\n  t: "=1"\n  b: false\n- "n": null\n  t: x\n  b: true\n'


def test_hostile_workbooks_end_early(monkeypatch):
    assert refuse("excel-to-yaml", b"PK\x03\x04 no archive").code == "INVALID_EXCEL"
    assert refuse("excel-to-yaml", b"\xd0\xcf\x11\xe0 no book").code == "INVALID_EXCEL"
    for data in (b"0" * (8 << 20), b"<!DOCTYPE x><x/>"):
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("xl/worksheets/sheet1.xml", data)
        assert refuse("excel-to-yaml", out.getvalue()).code == "INVALID_EXCEL"
    book = make_book([["a"], [1]])
    biggest = max(info.file_size for info in zipfile.ZipFile(io.BytesIO(book)).infolist())
    monkeypatch.setattr(excel_tools, "PART_BYTES_MAX", biggest)
    assert run_text("excel-to-yaml", book) == "- a: 1\n"
    monkeypatch.setattr(excel_tools, "PART_BYTES_MAX", biggest - 1)
    assert refuse("excel-to-yaml", book).code == "INVALID_EXCEL"


def test_html_is_indented_and_shown_the_same():
    text = "<!doctype html><html><body><p>a  <b>b</b> &amp; &copy d</p><pre> x\n  y</pre><ul><li>1<li>2</ul></body>"
    assert run_text("html-formatter", text) == (
        "<!doctype html>\n<html>\n  <body>\n    <p>\n"
        "      a <b>b</b> &amp; &copy d\n    </p>\n    <pre> x\n  y</pre>\n"
        "    <ul>\n      <li>\n        1\n      <li>\n        2\n    </ul>\n  </body>\n"
    )


def test_html_is_minified_to_its_depth_and_no_deeper():
    deep = html_tools.MINIFY_DEPTH_MAX
    assert run_text("html-minify", "<div>" * deep)
    assert refuse("html-minify", "<div></b>" * (deep + 1)).code == "INVALID_HTML"
    flat = "<ul>" + "<li>x" * (deep * 2) + "</ul>" + "<p><b>y</b>" * (deep * 2) + "<!--" + "<b>" * (deep * 2) + "-->"
    assert run_text("html-minify", flat + f"<script>{'if(a<b)a=b;' * (deep * 2)}</script>")


PIECES_OF_HTML = [
    *("<b>", "</b>", "<B>", "</B>", "<div>", "</div>", "<i a=1>", "</i>", "<i a=--></i>", "<b-->", "</b-->", "<p>"),
    *("</p >", "<p -->", "<br/>", "x", " ", "\n", "--", ">", "<", "/", "i>", "<!--", "-->"),
    *("<script>", "</script>", "<script", "<style ", "</style"),
]


@given(st.lists(st.sampled_from(PIECES_OF_HTML), max_size=40).map("".join), st.integers(0, 4))
@example("<!-- <b>x</b> --> <b><b>", 1)
@example("<!-- <b-->x</b--> <b><b>", 1)
def test_html_is_as_deep_without_its_leaves_being_taken_out_first(text, levels):
    fast = html_depth.is_deeper(text, levels)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(html_depth, "_LEAF_PASSES", 0)
        assert html_depth.is_deeper(text, levels) == fast


def test_no_part_of_odd_html_is_lost():
    assert "let a = 1" in run_text("html-formatter", "<p>x</p><script>let a = 1")
    assert run_text("html-formatter", "<div>x  <b a") == "<div>\n  x <b a\n"
    assert run_text("html-formatter", "<pre>a  <b\n") == "<pre>a  <b\n\n"
    assert run_text("html-to-markdown", "<p>x</p>1 < 2 &amp; <b") == "x\n\n1 < 2 & <b\n"
    assert "<![CDATA[a\nb]]>" in run_text("html-formatter", "<svg><![CDATA[a\nb]]></svg>")
    assert "<![if IE]>" in run_text("html-formatter", "<![if IE]><p>x</p><![endif]>")
    assert "\u2013\u20ac" in run_text("html-minify", "<p>&#150;&#x80;</p>")


def test_scripts_and_styles_are_code_and_no_text():
    page = "<script>var size = 1; f(size)</script><script>g(size)</script><style>a { b : c }</style><p>x"
    small = run_text("html-minify", page)
    assert "var size = 1" in small, "another script reads it"
    assert "a{b:c}" in small
    assert run_text("html-to-markdown", page) == "x\n"


@given(
    st.lists(
        st.sampled_from(
            ["<p>", "</p>", "<b>", "</b>", "<div>", "</div>", "<pre>", "</pre>", "a", " ", "&lt;", "\n", "<br>"]
        )
    )
)
def test_formatting_html_twice_changes_nothing_and_no_text_is_lost(pieces):
    text = "x" + "".join(pieces)
    once = run_text("html-formatter", text)
    assert show(once) == show(text)
    assert show(run_text("html-minify", text)) == show(text)


def show(text: str) -> str:
    return "".join((LexborHTMLParser(text).text() or "").split())


def test_html_and_markdown_become_each_other():
    markdown = "# Title\n\nSome **bold** text\n\n* one\n* two\n"
    html = run_text("markdown-to-html", markdown)
    assert html == "<h1>Title</h1>\n<p>Some <strong>bold</strong> text</p>\n<ul>\n<li>one</li>\n<li>two</li>\n</ul>\n"
    assert run_text("html-to-markdown", html) == markdown
    assert run_text("markdown-to-html", "<i>x</i>", x_raw_html="0") == "<p>&lt;i&gt;x&lt;/i&gt;</p>\n"
    assert run_text("markdown-to-html", "|a|\n|-|\n|1|\n").count("<td>1</td>") == 1
    assert refuse("html-to-markdown", "<div>" * 5_000).code == "INVALID_HTML"


def test_css_and_javascript_are_formatted_and_minified():
    assert run_text("css-formatter", "a{b:c;d:e}", x_tab_space="4") == "a {\n    b: c;\n    d: e\n}\n"
    assert run_text("css-minify", "a {\n  b: c; /* x */\n}\n") == "a{b:c}"
    assert run_text("javascript-formatter", "function f(a){return a+1}") == "function f(a) {\n  return a + 1\n}\n"
    assert run_text("javascript-minify", "// x\nlet a = `b  c`; // y\nlet d = 1;\n") == "let a=`b  c`;let d=1;"


@pytest.mark.parametrize(
    ("name", "text", "code", "line", "column"),
    [
        ("javascript-minify", "let a = 1;\nlet é = (;\n", "INVALID_JAVASCRIPT", 2, 7),
        ("css-formatter", "a { b: c; }\n}", "INVALID_CSS", 2, 1),
        ("sql-formatter", "SELECT a\nFROM (b", "INVALID_SQL", 2, 7),
    ],
)
def test_a_fault_in_code_is_named_with_line_and_column(name, text, code, line, column):
    error = refuse(name, text)
    assert (error.code, error.line, error.column) == (code, line, column)


def test_sql_is_formatted_and_rewritten_for_another_dialect(monkeypatch):
    assert run_text("sql-formatter", "select a,b from t where x=1") == "SELECT\n  a,\n  b\nFROM t\nWHERE\n  x = 1\n"
    assert run_text(
        "sql-formatter",
        "select `a` from t limit 1",
        x_format_mode="rewrite",
        x_input_sql_dialect="mysql",
        x_output_sql_dialect="tsql",
    ) == ("SELECT\nTOP 1\n  [a]\nFROM t\n")
    assert refuse("sql-formatter", "select 1", x_format_mode="rewrite").code == "INVALID_HEADER"
    assert refuse("sql-formatter", "select 1", x_input_sql_dialect="basic").code == "INVALID_HEADER"
    assert refuse("sql-formatter", "select " + "(" * 3_000 + "1" + ")" * 3_000).code == "INVALID_SQL"
    assert refuse("sql-formatter", "select 'a").code == "INVALID_SQL"
    assert refuse("sql-formatter", "select from where").message.endswith(" but got 'where'.")
    assert refuse("sql-formatter", "insert into").message.endswith(" but got the end.")
    monkeypatch.setattr(code_tools, "SQL_BYTES_MAX", 8)
    assert run_text("sql-formatter", "select 1")
    assert refuse("sql-formatter", "select 12").code == "PAYLOAD_TOO_LARGE"


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\ufeff"), min_size=1))
def test_a_minified_text_has_its_words_with_one_space_between(text):
    assert run_text("text-minify", text) == " ".join(text.split())
    long = text * 3 + "x" * 70_000 + text
    assert run_text("text-minify", long) == " ".join(long.split())


def test_what_is_read_as_a_whole_may_be_as_long_as_its_limit(monkeypatch):
    monkeypatch.setattr(source, "TEXT_BYTES_MAX", 10)
    assert run_text("markdown-to-html", "x" * 10)
    assert refuse("markdown-to-html", "x" * 11).code == "PAYLOAD_TOO_LARGE"


def make_picture(form: str, size=(8, 4), mode="RGB", **options) -> bytes:
    out = io.BytesIO()
    Image.new(mode, size, "red").save(out, form, **options)
    return out.getvalue()


@pytest.mark.parametrize("wanted", ["jpg", "jpeg", "png", "gif", "webp"])
@pytest.mark.parametrize("form", ["JPEG", "PNG", "GIF", "WEBP"])
def test_every_format_becomes_every_other(form, wanted):
    data = run_tool("image-converter", make_picture(form), x_source_format=form.lower(), x_destination_format=wanted)
    with Image.open(io.BytesIO(data)) as picture:
        assert (picture.format, picture.size) == ({"jpg": "JPEG"}.get(wanted, wanted.upper()), (8, 4))
        assert not picture.getexif()


def test_base64_is_read_and_written_and_transparency_is_kept_where_it_can_be():
    data = make_picture("PNG", mode="RGBA")
    text = run_tool("image-converter", data, x_source_format="png", x_destination_format="base64")
    assert base64.b64decode(text) == data
    for sent in (text, b"data:image/png;base64," + text):
        out = run_tool("image-converter", sent, x_source_format="base64", x_destination_format="webp")
        assert Image.open(io.BytesIO(out)).mode in ("RGBA", "RGB")
    named = TOOLS["image-converter"].name_output({"x-destination-format": "base64", "x-source-format": "png"})
    assert named == ("txt", "text/plain")


def test_hostile_pictures_end_early(monkeypatch):
    def send(data, said="png", wanted="jpg"):
        return refuse("image-converter", data, x_source_format=said, x_destination_format=wanted).code

    picture = make_picture("PNG")
    assert send(picture[:45]) == "INVALID_IMAGE"
    assert send(b"<svg/>") == "INVALID_IMAGE"
    assert send(picture, said="gif") == "INVALID_IMAGE"
    assert send(b"!!", said="base64") == "INVALID_IMAGE"
    assert send(b"") == "EMPTY_BODY"
    assert send(picture, wanted="bmp") == "INVALID_HEADER"
    assert refuse("image-converter", picture, x_source_format="png").code == "INVALID_HEADER"
    text = base64.b64encode(picture)
    for name, limit, code in (
        ("pixels_max", 32, "INVALID_IMAGE"),
        ("side_px_max", 8, "INVALID_IMAGE"),
        ("bytes_max", len(picture), "PAYLOAD_TOO_LARGE"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(image_tools, "LIMITS", PhotoLimits(**{name: limit}))
            assert run_tool("image-converter", picture, x_source_format="png", x_destination_format="jpg")
            assert run_tool("image-converter", text, x_source_format="base64", x_destination_format="jpg")
            patch.setattr(image_tools, "LIMITS", PhotoLimits(**{name: limit - 1}))
            assert send(picture) == send(text, said="base64") == code


def test_an_avif_is_refused_as_the_tool_names_none():
    sent = base64.b64encode(make_picture("AVIF"))
    refused = refuse("image-converter", sent, x_source_format="base64", x_destination_format="png")
    assert refused.code == "INVALID_IMAGE"
    text = refuse("image-converter", b"x", x_source_format="png", x_destination_format="jpg")
    assert refused.message == text.message == "the file is no JPEG, PNG, GIF or WebP; send one of these"
