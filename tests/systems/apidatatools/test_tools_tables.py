"""Conversions between JSON, CSV, XML and YAML: what is lossless comes back, what is not is refused or documented."""

import csv
import io
import json
from typing import ClassVar

import openpyxl
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from tool_runs import refuse, run_text, run_tool

from jobwire.systems.apidatatools.tools import (
    csv_read,
    flatten,
    json_pieces,
    json_values,
    pieces,
    table_write,
    xml_convert,
    xml_events,
    xml_format,
    xml_pieces,
)
from jobwire.systems.apidatatools.tools.contract import ToolError
from jobwire.systems.apidatatools.tools.csv_read import Rows, find_cells

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r\ufeff"))
ROWS = st.lists(st.fixed_dictionaries({"a": TEXT, "b c": TEXT}), min_size=1, max_size=5)
SCALAR = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT
JSON = st.recursive(
    SCALAR, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4), max_leaves=20
)


@given(ROWS)
def test_texts_come_back_from_csv_and_tsv(rows):
    if any(row["a"] or row["b c"] for row in rows):
        assert json.loads(run_text("csv-to-json", run_text("json-to-csv", json.dumps(rows)), x_delimiter=",")) == rows
        tsv = run_text("json-to-tsv", json.dumps(rows))
        assert json.loads(run_text("csv-to-json", tsv, x_delimiter="tab")) == rows


@given(JSON)
def test_json_as_yaml_is_read_back_by_a_reader_of_yaml(value):
    assert load(run_text("json-to-yaml", json.dumps(value))) == as_texts(value)


def as_texts(value):
    if isinstance(value, dict):
        return {name: as_texts(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [as_texts(inner) for inner in value]
    return value if isinstance(value, str) else json.dumps(value)


def load(text: str):
    """As YAML 1.1 has it but for numbers without a point, which are texts there."""

    class Loader(yaml.SafeLoader):
        yaml_implicit_resolvers: ClassVar = {}

    return yaml.load(text, Loader)


def test_nested_values_are_flattened_into_columns_of_all_records():
    text = run_text("json-to-csv", '[{"a":{"b":[1,2.50]},"c":null},{"d":true,"e":[]},5]')
    assert list(csv.reader(io.StringIO(text))) == [
        ["a.b.0", "a.b.1", "c", "d", "e", "value"],
        ["1", "2.50", "", "", "", ""],
        ["", "", "", "true", "[]", ""],
        ["", "", "", "", "", "5"],
    ]
    assert run_text("json-to-csv", '{"a":1}\n{"a":2}') == "a\n1\n2\n"
    assert refuse("json-to-csv", "[1,]").details == {"line": 1, "column": 4, "suggestion": "[\n  1\n]"}


def test_a_csv_without_header_becomes_lists_and_its_delimiter_is_found():
    assert json.loads(run_text("csv-to-json", "1;2\n3;4\n", x_has_header="0")) == [["1", "2"], ["3", "4"]]
    assert run_text("csv-to-json", "a\tb\n1\t2\n", x_tab_space="1") == '[\n {\n  "a": "1",\n  "b": "2"\n }\n]'
    assert run_text("csv-to-json", "a,b\n") == "[]"
    assert json.loads(run_text("csv-to-json", "a,a,\n1,2,3")) == [{"a": "1", "a_2": "2", "column_3": "3"}]
    assert json.loads(run_text("csv-to-json", "a|b\n1|2", x_delimiter="|")) == [{"a": "1", "b": "2"}]
    assert refuse("csv-to-json", "a\n", x_delimiter="ab").code == "INVALID_HEADER"
    assert refuse("csv-to-json", "a\n", x_has_header="maybe").code == "INVALID_HEADER"
    street = "Улица Ленина, дом двадцать пять, квартира сорок один; во дворе направо"
    assert json.loads(run_text("csv-to-json", f'адрес\n"{street}"\n'.encode("cp1251"))) == [{"адрес": street}]


def test_more_rows_than_a_page_stay_one_list():
    text = "n\n" + "".join(f"{n}\n" for n in range(2_345))
    assert json.loads(run_text("csv-to-json", text)) == [{"n": str(n)} for n in range(2_345)]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('a,b\n1,2\n"x,3\n4,5\n', (3, 1)),
        ('a,b\n1,2\nx,"3\n4,5\n\n\n', (3, 3)),
        ("a,b\n1,2\n\n1,2,3\n", (4, 5)),
        ("a;b\r\n1;2\r\n1;2;3;4\r\n", (3, 5)),
        ('a,b\n1,"x"y\n', (2, 6)),
        ('a,b\n"é\n""2""\n",x,y,z\n', (4, 5)),
        ('a,b\n1,"x\n\ny" ,\n', (4, 3)),
        ('a,b\n1,"', (2, 3)),
        ('"', (1, 1)),
        ('a,b\n1,"x\r\ny\rz\n"\n1,2,3\n"', (6, 5)),
    ],
)
def test_a_broken_csv_is_named_with_line_and_column(text, place):
    for tool in ("csv-to-json", "csv-to-yaml"):
        error = refuse(tool, text, x_delimiter=";" if ";" in text else ",")
        assert (error.code, (error.line, error.column)) == ("INVALID_CSV", place)


@given(st.text('a,"\r\n', max_size=15), st.booleans())
def test_every_fault_in_a_csv_has_a_place_in_it(text, has_header):
    lines = io.StringIO(text, newline="").readlines()
    try:
        for _ in Rows(io.StringIO(text, newline=""), delimiter=",", has_header=has_header):
            pass
    except ToolError as error:
        assert 1 <= error.line <= len(lines)
        assert 1 <= error.column <= len(lines[error.line - 1]) + 1


@given(st.text('ab,"\r\n', max_size=40), st.booleans(), st.integers(1, 9))
def test_a_csv_is_read_alike_whatever_is_read_of_it_at_once(text, has_header, size):
    def read() -> object:
        rows = []
        try:
            for row in Rows(io.StringIO(text, newline=""), delimiter=",", has_header=has_header):
                rows.append(row)
        except ToolError as error:
            return error.line, error.column, error.message
        return rows

    whole = read()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_read, "PAGE_CHARS", size)
        assert read() == whole
        patch.setattr(csv_read, "PAGE_CELLS", size)
        assert read() == whole


def test_a_row_of_many_lines_may_be_as_long_as_its_limit(monkeypatch):
    monkeypatch.setattr(csv_read, "PAGE_CHARS", 1)
    monkeypatch.setattr(csv_read, "ROW_CHARS_MAX", 8)
    assert json.loads(run_text("csv-to-json", 'a\n"12\n456\n"\n3\n')) == [{"a": "12\n456\n"}, {"a": "3"}]
    assert refuse("csv-to-json", 'a\n3\n"12\n4567\n"\n').details == {"line": 3, "column": 1}


@given(st.lists(st.text('ab,;"\r\n', max_size=4), min_size=1, max_size=5))
def test_cells_are_found_where_the_reader_finds_them(row):
    out = io.StringIO(newline="")
    csv.writer(out).writerow(row)
    cells = list(find_cells(out.getvalue(), ","))
    assert [cell.fault for cell in cells] == [None] * len(row)
    parts = [out.getvalue()[cell.start : cell.end] for cell in cells]
    assert [next(csv.reader(io.StringIO(part, newline="")), [""])[:1] or [""] for part in parts] == [[c] for c in row]


def test_the_limits_of_csv_hold_on_both_sides(monkeypatch):
    monkeypatch.setattr(csv_read, "FIELD_CHARS_MAX", 100)
    monkeypatch.setattr(csv_read, "LINE_CHARS_MAX", 200)
    monkeypatch.setattr(csv_read, "COLUMNS_MAX", 3)
    assert json.loads(run_text("csv-to-json", "a\n" + "x" * 100)) == [{"a": "x" * 100}]
    assert refuse("csv-to-json", "a,b\n1," + "x" * 101).details == {"line": 2, "column": 3}
    assert refuse("csv-to-json", 'a\n"' + '"",\n' * 200).line == 2
    assert refuse("csv-to-json", "a\n" + "x," * 101).column == 201
    assert run_text("csv-to-json", "a,b,c\n") == "[]"
    assert refuse("csv-to-json", "a,b,c,d\n").details == {"line": 1, "column": 7}


def test_a_workbook_holds_exact_numbers_as_numbers_and_everything_else_as_text():
    rows = '[{"n":1.50,"long":12345678901234567890,"t":"=1+1","b":true,"x":null,"huge":1e400}]'
    book = openpyxl.load_workbook(io.BytesIO(run_tool("json-to-excel", rows)))
    assert [[cell.value for cell in row] for row in book.active] == [
        ["n", "long", "t", "b", "x", "huge"],
        [1.5, "12345678901234567890", "=1+1", True, None, "1e400"],
    ]
    assert book.active["C2"].data_type == "s"


def test_the_limits_of_a_workbook_hold_on_both_sides(monkeypatch):
    fits = json.dumps([{"a": "x" * table_write.CELL_CHARS_MAX}])
    assert run_tool("json-to-excel", fits)
    assert refuse("json-to-excel", json.dumps([{"a": "x" * 32_768}])).code == "TOO_LARGE_FOR_EXCEL"
    monkeypatch.setattr(table_write, "SHEET_ROWS_MAX", 3)
    book = openpyxl.load_workbook(io.BytesIO(run_tool("json-to-excel", '[{"a":1},{"a":2},{"a":3}]')))
    assert [sheet.max_row for sheet in book.worksheets] == [3, 2]
    monkeypatch.setattr(table_write, "SHEET_COLUMNS_MAX", 1)
    assert refuse("json-to-excel", '{"a":1,"b":2}').code == "TOO_LARGE_FOR_EXCEL"
    monkeypatch.setattr(flatten, "COLUMNS_MAX", 2)
    assert run_text("json-to-csv", '{"a":1,"b":2}') == "a,b\n1,2\n"
    assert refuse("json-to-csv", '{"a":1,"b":2,"c":3}').code == "TOO_MANY_COLUMNS"


def test_one_record_may_be_as_long_as_its_limit(monkeypatch):
    monkeypatch.setattr(json_values, "ITEM_BYTES_MAX", 10)
    assert run_text("json-to-csv", '[{"a":"12"},{"a":"34"}]') == "a\n12\n34\n"
    assert refuse("json-to-csv", '[{"a":"123"}]').code == "PAYLOAD_TOO_LARGE"


def test_yaml_traps_are_quoted_and_numbers_keep_their_digits():
    text = run_text(
        "json-to-yaml", '[{"no":"no","v":1.10,"t":"1.10","d":"2020-01-01","o":"0x1","e":1e400,"l":[[1],{}]}]'
    )
    assert text == (
        '- "no": "no"\n  v: 1.10\n  t: "1.10"\n  d: "2020-01-01"\n  o: "0x1"\n  e: 1e400\n  l:\n    - - 1\n    - {}\n'
    )
    assert run_text("json-to-yaml", "[]") == "[]\n"
    assert run_text("csv-to-yaml", "a,b\n1,2\n", x_tab_space="4") == '-   a: "1"\n    b: "2"\n'


def test_attributes_and_texts_follow_the_convention():
    text = '<r x="1"><a id="2">t<b/></a><a/><!-- c --><c><![CDATA[<&]]></c></r>'
    expected = {"r": {"@x": "1", "a": [{"@id": "2", "b": "", "#text": "t"}, ""], "c": "<&"}}
    assert json.loads(run_text("xml-to-json", text)) == expected
    assert json.loads(
        run_text("xml-to-json", run_text("json-to-xml", json.dumps(expected["r"]), x_root_name="r"))
    ) == (expected)
    assert json.loads(run_text("xml-to-json", "<r><a>1</a></r>", x_list_elements="a")) == {"r": {"a": ["1"]}}
    assert run_text("xml-to-tsv", "<r><a><n>1</n></a><a k='2'><n>3</n></a></r>") == "n\t@k\n1\t\n3\t2\n"
    assert run_text("json-to-xml", "[]", x_root_name="r").endswith("<r/>\n")
    assert refuse("json-to-xml", '{"a b":1}').code == "NOT_REPRESENTABLE"
    assert refuse("json-to-xml", '{"a":"\\u0001"}').code == "NOT_REPRESENTABLE"
    assert refuse("json-to-xml", "{}", x_root_name="a b").code == "INVALID_HEADER"
    assert refuse("json-to-xml", "[" * 1_000 + "]" * 1_000).code == "NOT_REPRESENTABLE"


def test_a_list_that_streams_reads_like_one_that_does_not(monkeypatch):
    streamed = run_text("xml-to-json", '<r k="v"><a>1</a><a><b>2</b></a></r>')
    assert streamed == json.dumps({"r": {"@k": "v", "a": ["1", {"b": "2"}]}}, indent=2)
    monkeypatch.setattr(xml_convert, "TREE_BYTES_MAX", 20)
    assert run_text("xml-to-json", "<r><a/><b/></r>")
    assert refuse("xml-to-json", "<r><a/><b/><c/><d/></r>").code == "PAYLOAD_TOO_LARGE"
    monkeypatch.setattr(xml_convert, "RECORD_EVENTS_MAX", 2)
    assert run_text("xml-to-json", "<r><a><b/></a><a/></r>")
    assert refuse("xml-to-json", "<r><a><b/><b/></a><a/></r>").code == "PAYLOAD_TOO_LARGE"


def test_xml_is_indented_but_for_mixed_text():
    text = '<?xml version="1.0"?><!-- c --><r><a k="&lt;&quot;">x <b>y</b> z</a><c> <d/> </c><?p q?></r>'
    assert run_text("xml-validator", text) == (
        '<?xml version="1.0" encoding="UTF-8"?>\n<!-- c -->\n<r>\n  <a k="&lt;&quot;">x <b>y</b> z</a>\n'
        "  <c>\n    <d/>\n  </c>\n  <?p q?>\n</r>"
    )
    assert run_text("xml-validator", '<r xml:space="preserve"> <a/> </r>') == '<r xml:space="preserve"> <a/> </r>'
    once = run_text("xml-validator", '<!DOCTYPE r [\n<!ENTITY e "x">\n]>\n<r>&e;</r>', x_tab_space="3")
    assert "&e;" in once
    assert run_text("xml-validator", once, x_tab_space="3") == once


@given(
    st.recursive(
        st.sampled_from(
            ["t", " ", "\n", "&#160;", "&amp;", "<!-- c -->", "<?p q?>", "<e/>", "<e a='&lt;1'></e>", "<a:e/>"]
        ),
        lambda inner: st.builds(
            "<{0}>{1}</{0}>".format, st.sampled_from(["a", "b"]), st.lists(inner, max_size=4).map("".join)
        ),
        max_leaves=30,
    ),
    st.integers(1, 80),
    st.sampled_from(["1", "2"]),
)
def test_xml_is_written_alike_whoever_reads_it(inside, piece_bytes, tab):
    text = f'<r xmlns:a="u"><a/>{inside}<b>t</b><b>\n</b></r>'
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(xml_pieces, "PIECE_BYTES", piece_bytes)
        patch.setattr(pieces, "SEARCH_BYTES", piece_bytes)
        patch.setattr(xml_format, "_HEAD_BYTES", 1)
        in_pieces = run_text("xml-validator", text, x_tab_space=tab)
        patch.setattr(xml_format, "indent_plain", lambda text, indent: None)
        assert run_text("xml-validator", text, x_tab_space=tab) == in_pieces


@pytest.mark.parametrize(
    "text",
    [
        "<?xml version='1.0'?><r/>",
        "\n<?xml version='1.0'?><r/>",
        '<?xml version="1.0"?>\v<r/>',
        '<?xml version="1.0" encoding="latin-1" standalone="yes"?>\n<r/>\n',
        "<!-- c --><r/>",
        "<r/><!-- c -->",
        "<r><?xml version='1.0'?></r>",
        "<r xmlns:xml='http://www.w3.org/XML/1998/namespace'/>",
        "<r><a b='1' xmlns='u'/></r>",
        "<r><p:a/></r>",
        "<r/>x",
        "<r><![CDATA[ ]]></r>",
        "<r><a>1 <!-- c --></a><b> <!-- c --> </b></r>",
    ],
)
def test_what_is_not_plain_xml_is_left_to_expat(text):
    def run(patch: pytest.MonkeyPatch | None) -> object:
        if patch is not None:
            patch.setattr(xml_format, "indent_plain", lambda text, indent: None)
        try:
            return run_text("xml-validator", text)
        except ToolError as error:
            return error.line, error.column

    with pytest.MonkeyPatch.context() as patch:
        assert run(None) == run(patch)


def test_a_space_that_does_not_break_is_text():
    assert run_text("xml-validator", "<r><a>&#160;</a></r>") == "<r>\n  <a>\u00a0</a>\n</r>"
    assert (
        run_text("xml-validator", "<r><!-- c --><![CDATA[x]]>&#160;<a/></r>")
        == "<r><!-- c --><![CDATA[x]]>\u00a0<a/></r>"
    )


def test_a_table_gets_a_column_that_comes_late():
    rows = [{"a": 1}] * 1_500 + [{"b": True, "a": 2}]
    assert run_text("json-to-csv", json.dumps(rows)) == "a,b\n" + "1,\n" * 1_500 + "2,true\n"


@given(st.lists(JSON), st.sampled_from([None, 1]), st.integers(1, 80))
def test_records_are_the_same_whatever_the_pieces(values, indent, piece_bytes):
    text = json.dumps(values, indent=indent)
    whole = run_text("json-to-yaml", text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pieces, "SEARCH_BYTES", piece_bytes)
        for name in ("_ELEMENTS_BYTES", "_HEAD_BYTES", "_WINDOW_BYTES"):
            patch.setattr(json_pieces, name, piece_bytes)
        assert run_text("json-to-yaml", text) == whole
        if len(values) > 1 and all(isinstance(value, dict) for value in values):
            assert run_text("json-to-yaml", "\n".join(map(json.dumps, values))) == whole


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [("<a>\n <b></a>", 2, 7), ("<é></x>", 1, 6), ("<a b=1/>", 1, 6), ("<a/><b/>", 1, 5), ("<a>&x</a>", 1, 6)],
)
def test_a_fault_in_xml_is_named_with_line_and_column(text, line, column):
    for tool in ("xml-validator", "xml-to-json", "xml-to-tsv"):
        error = refuse(tool, text)
        assert (error.code, error.line, error.column) == ("INVALID_XML", line, column)


def test_hostile_xml_ends_early():
    laughs = '<!DOCTYPE r [<!ENTITY a "ha"><!ENTITY b "' + "&a;" * 1_000 + '"><!ENTITY c "' + "&b;" * 1_000 + '">]>'
    assert refuse("xml-to-json", laughs + "<r>" + "&c;" * 1_000 + "</r>").code == "NOT_REPRESENTABLE"
    assert len(run_text("xml-validator", laughs + "<r>&c;</r>")) < 10_000
    assert refuse("xml-validator", laughs + '<r x="' + "&c;" * 1_000 + '"/>').code == "INVALID_XML"
    outside = '<!DOCTYPE r SYSTEM "file:///etc/passwd" [<!ENTITY p SYSTEM "file:///etc/passwd">]><r>&p;</r>'
    assert "root:" not in run_text("xml-validator", outside)
    depth = xml_events.DEPTH_MAX
    assert run_text("xml-validator", "<a>" * depth + "</a>" * depth)
    assert refuse("xml-to-json", "<a>" * (depth + 1) + "</a>" * (depth + 1)).column == 3 * depth + 1
    assert refuse("xml-validator", "<a>" * 100_000).code == "INVALID_XML"
