"""There and back between JSON, YAML, XML, CSV and workbooks: what is lost is what the page says, and nothing else.

docs/apidatatools_tools.md has the table of losses; `lose_in_xml` and `lose_in_tables` are that table as functions.
"""

import csv
import io
import json
from typing import Any

import pytest
import yaml
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from tool_runs import cut_small, refuse, run_text, run_tool

FEW = settings(max_examples=50)
"""An example is two runs of a tool or more."""

NAME = st.from_regex(r"[a-zA-Z_][a-zA-Z0-9_]{0,4}", fullmatch=True)
XML_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\ufffe\uffff\ufeff")).filter(
    lambda text: not any(char < " " and char not in "\t\n\r" for char in text)
)
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r\ufeff"))
NUMBERS = st.sampled_from(["0", "-0", "1", "-12", "1.10", "0.0", "1E400", "-1e-400", "0.10e+05", "9" * 25])
STRINGS = st.sampled_from(
    ['""', '"a"', '"\\u00e9\\/"', '"\\ud800"', '"\\"\\\\"', '"é\u2028"', '"\\u0000"', '" "', '"{[,:"']
)
SPACES = st.text(" \t\r\n", max_size=3)


def join(start: str, items: Any, end: str) -> Any:
    return st.lists(items, max_size=4).map(lambda pieces: start + ",".join(pieces) + end)


def pad(piece: Any) -> Any:
    return st.tuples(SPACES, piece, SPACES).map("".join)


RAW_JSON = st.recursive(
    pad(NUMBERS | STRINGS | st.sampled_from(["true", "false", "null"])),
    lambda inner: (
        pad(join("[", inner, "]"))
        | pad(join("{", st.tuples(pad(STRINGS), inner).map(":".join), "}"))  # names twice, too
        | pad(st.tuples(st.just("["), SPACES, st.just("]")).map("".join))
    ),
    max_leaves=12,
)


def scan(text: str) -> list[str]:
    """The tokens of sound JSON, one character after the other."""
    tokens, place = [], 0
    while place < len(text):
        start = place
        if text[place] == '"':
            place += 1
            while text[place] != '"':
                place += 2 if text[place] == "\\" else 1
            place += 1
        elif text[place] in "[]{},: \t\r\n":
            place += 1
        else:
            while place < len(text) and text[place] not in "[]{},: \t\r\n":
                place += 1
        tokens.append(text[start:place])
    return [token for token in tokens if token.strip(" \t\r\n")]


@FEW
@given(text=RAW_JSON, indent=st.integers(1, 16))
@pytest.mark.parametrize("chunk_bytes", [None, 5])
def test_formatting_and_minifying_keep_every_token_as_it_is_written(chunk_bytes, text, indent):
    with pytest.MonkeyPatch.context() as patch:
        if chunk_bytes:
            cut_small(patch, chunk_bytes)
        formatted = run_text("json-formatter", text, x_tab_space=str(indent))
        assert scan(formatted) == scan(text)
        assert run_text("json-minify", formatted) == "".join(scan(text))
        assert run_text("json-validator", text) == text


XML_VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | XML_TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAME, inner, max_size=3),
    max_leaves=10,
)


def lose_in_xml(value: Any) -> Any:
    """What is left of JSON that was XML: texts, and lists that have two elements or more."""
    match value:
        case None | True | False:
            return {None: "", True: "true", False: "false"}[value]
        case str():
            return "" if "\n" in value and not value.strip() else value
        case int():
            return str(value)
        case list():
            return lose_in_xml({"item": value})
    left = {}
    for name, inner in value.items():
        elements = [lose_in_xml(element) for element in (inner if isinstance(inner, list) else [inner])]
        if elements:
            left[name] = elements if len(elements) > 1 else elements[0]
    return left or ""


@FEW
@given(XML_VALUE)
@example(" ")
@example({"a": [" ", "", " \n"]})
def test_json_loses_in_xml_what_is_documented_and_nothing_else(value):
    text = run_text("json-to-xml", json.dumps(value), x_root_name="r")
    back = run_text("xml-to-json", text)
    assert json.loads(back) == {"r": lose_in_xml(value)}
    assert json.loads(run_text("xml-to-json", run_text("xml-validator", text))) == {"r": lose_in_xml(value)}


@FEW
@given(XML_VALUE)
def test_what_has_been_through_xml_once_loses_nothing_more(value):
    once = run_text("json-to-xml", json.dumps(value), x_root_name="r")
    inside = json.loads(run_text("xml-to-json", once))["r"]
    assert json.loads(run_text("xml-to-json", run_text("json-to-xml", json.dumps(inside), x_root_name="r"))) == {
        "r": inside
    }


@FEW
@given(st.dictionaries(st.text(min_size=1, max_size=3), st.text(max_size=3), min_size=1, max_size=2))
def test_what_xml_cannot_hold_is_refused_and_never_changed(value):
    try:
        text = run_text("json-to-xml", json.dumps(value), x_root_name="r")
    except Exception as error:
        assert getattr(error, "code", None) == "NOT_REPRESENTABLE", error
        return
    plain = {name: inner for name, inner in value.items() if name != "#text" and name[0] != "@"}
    back = json.loads(run_text("xml-to-json", text))["r"]
    if plain == value:
        assert back == lose_in_xml(value)


TABLE_VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from([1.5, -0.25, 1e300]) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
RECORDS = st.lists(st.dictionaries(TEXT, TABLE_VALUE, max_size=3), min_size=1, max_size=4)


@pytest.mark.slow
@FEW
@given(RECORDS)
def test_a_table_is_the_same_whether_its_records_come_as_json_or_as_yaml(records):
    text = json.dumps(records)
    assert run_text("yaml-to-tsv", run_text("json-to-yaml", text)) == run_text("json-to-tsv", text)


def lose_in_tables(record: Any, path: str = "") -> dict[str, str]:
    """The cells of a record: names of nested ones joined by dots, everything a text."""
    if isinstance(record, dict | list) and record:
        cells: dict[str, str] = {}
        for name, inner in record.items() if isinstance(record, dict) else enumerate(record):
            cells |= lose_in_tables(inner, f"{path}.{name}" if path else str(name))
        return cells
    shown = "" if record is None else record if isinstance(record, str) else json.dumps(record)
    return {path or "value": shown}


@pytest.mark.slow
@FEW
@given(st.lists(st.dictionaries(NAME, TABLE_VALUE, min_size=1, max_size=3), min_size=1, max_size=4))
def test_json_loses_in_csv_what_is_documented_and_nothing_else(records):
    rows = [lose_in_tables(record) for record in records]
    columns = list(dict.fromkeys(name for row in rows for name in row))
    assume(all(name == name.strip() != "" for name in columns))
    filled = [{name: row.get(name, "") for name in columns} for row in rows]
    text = run_text("json-to-csv", json.dumps(records))
    assert list(csv.reader(io.StringIO(text, newline=""))) == [columns, *[list(row.values()) for row in filled]]
    assert json.loads(run_text("csv-to-json", text, x_delimiter=",")) == filled


CELLS = st.lists(st.lists(TEXT, min_size=2, max_size=3), min_size=2, max_size=5).filter(
    lambda rows: len({len(row) for row in rows}) == 1
)


@FEW
@given(CELLS, st.sampled_from([",", ";", "\t", "|", "^"]), st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_csv_of_every_dialect_comes_back_cell_by_cell(rows, delimiter, line_end, quote_all):
    out = io.StringIO(newline="")
    csv.writer(
        out, delimiter=delimiter, lineterminator=line_end, quoting=csv.QUOTE_ALL if quote_all else csv.QUOTE_MINIMAL
    ).writerows(rows)
    said = "tab" if delimiter == "\t" else delimiter
    assert json.loads(run_text("csv-to-json", out.getvalue(), x_has_header="0", x_delimiter=said)) == rows
    as_yaml = run_text("csv-to-yaml", out.getvalue(), x_has_header="0", x_delimiter=said)
    assert yaml.safe_load(as_yaml) == rows


WORDS = st.text("abcdé 0123456789.-", min_size=1, max_size=8).filter(str.strip)


@FEW
@given(st.integers(2, 4).flatmap(lambda width: st.lists(st.lists(WORDS, min_size=width, max_size=width), min_size=2)),
       st.sampled_from([",", ";", "\t", "|"]))  # fmt: skip
def test_the_delimiter_of_a_csv_is_found_out(rows, delimiter):
    text = "".join(delimiter.join(row) + "\n" for row in rows)
    assert json.loads(run_text("csv-to-json", text, x_has_header="0")) == rows


SHEET_TEXT = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff\ufeff"), min_size=1
)
SHEET_NUMBER = st.integers(-(10**14), 10**14) | st.sampled_from([0.5, -2.25])


@pytest.mark.slow
@FEW
@given(
    st.lists(
        st.fixed_dictionaries({"text": SHEET_TEXT, "number": SHEET_NUMBER, "flag": st.booleans()}),
        min_size=1,
        max_size=3,
    )
)
def test_records_come_back_from_a_workbook_with_their_types(records):
    book = run_tool("json-to-excel", json.dumps(records))
    assert yaml.safe_load(run_text("excel-to-yaml", book)) == records


def test_a_plain_sign_of_yaml_merges_and_a_quoted_one_is_a_name():
    assert run_text("yaml-to-tsv", "- &a {x: 1}\n- {<<: *a, y: 2}\n") == "x\ty\n1\t\n1\t2\n"
    assert run_text("yaml-to-tsv", '- &a {x: 1}\n- {"<<": *a}\n') == "x\t<<.x\n1\t\n\t1\n"


def test_json_that_repeats_a_name_keeps_the_last_value_in_conversions():
    assert run_text("json-to-csv", '{"a":1,"a":2}') == "a\n2\n"
    assert refuse("json-to-xml", '{"²":1}').code == "NOT_REPRESENTABLE"
    assert "<ключ>1</ключ>" in run_text("json-to-xml", '{"ключ":1}')
    assert refuse("json-to-xml", '{"a":[{"b c":1}]}').code == "NOT_REPRESENTABLE"
