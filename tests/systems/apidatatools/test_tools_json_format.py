"""json-formatter, json-validator, json-minify: tokens stay, places are exact, deep and long inputs end early."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tool_runs import cut_small, refuse, run_text, run_tool

from jobwire.systems.apidatatools.tools import json_tokens
from jobwire.systems.apidatatools.tools.contract import ToolError
from jobwire.systems.apidatatools.tools.json_repair_hint import REPAIR_BYTES_MAX

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@pytest.fixture(params=["at once", "streamed"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each test both ways that a text can go."""
    if request.param == "streamed":
        cut_small(monkeypatch, 5)
    return request.param


def test_the_indentation_is_one_space_unless_the_header_says_otherwise(way):
    assert run_text("json-formatter", '{"k":1}') == '{\n "k": 1\n}'
    assert run_text("json-formatter", '{"k":[1,{}]}', x_tab_space="2") == '{\n  "k": [\n    1,\n    {}\n  ]\n}'


def test_numbers_order_and_double_names_stay_as_they_are(way):
    text = '{"b":12345678901234567890123,"a":1.10,"c":1e400,"b":-0.0,"é":"\\u00e9\\/"}'
    assert run_text("json-minify", run_text("json-formatter", text)) == text


@given(JSON, st.sampled_from([None, 2]), st.integers(1, 60))
def test_a_streamed_text_is_written_like_one_read_at_once(value, indent, piece_bytes):
    text = json.dumps(value, indent=indent).encode()
    at_once = run_tool("json-formatter", text, x_tab_space="3")
    with pytest.MonkeyPatch.context() as patch:
        cut_small(patch, piece_bytes)
        assert run_tool("json-formatter", text, x_tab_space="3") == at_once


@given(st.lists(st.text('[]{},:"\\ntrue01 \n', max_size=4) | JSON.map(json.dumps)).map("".join), st.integers(1, 60))
def test_what_is_refused_and_where_has_nothing_to_do_with_the_pieces(text, piece_bytes):
    def run(size: int) -> object:
        with pytest.MonkeyPatch.context() as patch:
            cut_small(patch, size)
            try:
                return run_tool("json-minify", text or " ")
            except ToolError as error:
                return error.line, error.column  # how much of the text a message shows is another matter

    assert run(piece_bytes) == run(1_000_000)


def test_values_on_lines_of_their_own_stay_on_them(way):
    assert run_text("json-minify", '{"a": 1}\n\n{"a": 2}\n') == '{"a":1}\n{"a":2}'
    assert refuse("json-minify", '{"a": 1} {"a": 2}').details["column"] == 10


@pytest.mark.parametrize(
    ("text", "line", "column", "said"),
    [
        ("{\n    name: 1}", 2, 5, "name"),
        ('{"a": 1,}', 1, 9, "trailing comma"),
        ("[1, ]", 1, 5, "trailing comma"),
        ('{"a": 1, "b": }', 1, 15, "a value must follow"),
        ("[1, 2", 1, 6, "ends here"),
        ('["é", x]', 1, 7, "'x]'"),
        ('["a\nb"]', 1, 4, "U+000A"),
        ("{'a': 1}", 1, 2, "single quote"),
        ("[NaN]", 1, 2, "NaN"),
        ("[01]", 1, 2, "'01]'"),
        ('["\\x"]', 1, 3, "escape"),
        ("// no\n[]", 1, 1, "comment"),
        ('["a', 1, 4, "within a string"),
        ("[1] x", 1, 5, "the end"),
    ],
)
def test_a_fault_is_named_with_line_and_column(way, text, line, column, said):
    error = refuse("json-formatter", text)
    assert (error.code, error.line, error.column) == ("INVALID_JSON", line, column)
    assert said in error.message


def test_a_repair_is_suggested_and_not_applied():
    error = refuse("json-validator", "{name: 'x',}")
    assert json.loads(error.details["suggestion"]) == {"name": "x"}
    assert refuse("json-validator", "{name: '" + "x" * REPAIR_BYTES_MAX + "',}").suggestion is None


def test_the_validator_gives_back_what_it_read():
    assert run_text("json-validator", '\ufeff{ "a":1 }') == '{ "a":1 }'


def test_depth_is_taken_to_its_limit_and_no_further(way):
    deep = json_tokens.DEPTH_MAX
    assert run_text("json-minify", "[" * deep + "]" * deep) == "[" * deep + "]" * deep
    assert refuse("json-minify", "[" * (deep + 1) + "]" * (deep + 1)).column == deep + 1
    assert refuse("json-formatter", "[" * 100_000).code == "INVALID_JSON"


def test_brackets_in_strings_are_no_depth(way):
    deep, level = json_tokens.DEPTH_MAX, '["]\\\\\\"",'
    text = level * deep + "0" + "]" * deep
    assert run_text("json-minify", text) == text
    assert refuse("json-minify", f"{level}{text}]").column == len(level) * deep + 1


def test_a_string_is_taken_to_its_limit_and_no_further(monkeypatch):
    monkeypatch.setattr(json_tokens, "TOKEN_BYTES_MAX", 1_000)
    cut_small(monkeypatch, 64)
    assert run_text("json-minify", '"' + "x" * 900 + '"') == '"' + "x" * 900 + '"'
    assert "string of more than" in refuse("json-minify", '"' + "x" * 3_000 + '"').message


@pytest.mark.parametrize("tab", ["0", "-1", "two", "17", "1.5"])
def test_an_indentation_out_of_bounds_is_refused(tab):
    assert refuse("json-formatter", "{}", x_tab_space=tab).code == "INVALID_HEADER"
    assert run_text("json-formatter", "[1]", x_tab_space="16") == "[\n" + " " * 16 + "1\n]"


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_every_unicode_encoding_is_read(way, encoding):
    assert run_text("json-minify", '{ "ключ": "ä" }'.encode(encoding)) == '{"ключ":"ä"}'


def test_damaged_utf8_is_named_and_an_empty_input_too(way):
    error = refuse("json-formatter", '{\n "é": "'.encode() + b"\xff" + b'"}')
    assert (error.code, error.line, error.column) == ("INVALID_ENCODING", 2, 8)
    assert refuse("json-formatter", b"").code == "EMPTY_BODY"
