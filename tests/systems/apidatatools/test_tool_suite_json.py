"""JSONTestSuite and JSON_checker, 399 files: each is taken or refused as they say, and every refusal is at its place.

The place is held to that of the standard library's reader. What both mean by it differs in four rules, written down
in `find_expected`; where that reader takes what is no JSON, the place was found by hand.
"""

import json
import lzma
import re
from pathlib import Path

import pytest
from suites import Refusal, find_suite, judge
from tool_runs import cut_small, run_tool

from jobwire.systems.apidatatools.tools import json_tokens

FILES = 399

TAKEN_ALL_THE_SAME = {
    "fail01.json": "a text alone is JSON since RFC 7159",
    "fail18.json": "twenty levels are not too deep for a tool that takes a thousand",
}
PLACED_BY_HAND = {
    "n_number_NaN.json": Refusal("INVALID_JSON", 1, 2),
    "n_number_infinity.json": Refusal("INVALID_JSON", 1, 2),
    "n_number_minus_infinity.json": Refusal("INVALID_JSON", 1, 2),
    "n_string_start_escape_unclosed.json": Refusal("INVALID_JSON", 1, 3),  # the escape without a letter, not the end
    "n_structure_no_data.json": Refusal("EMPTY_BODY", None, None),
    # No UTF-8 from their first odd byte on: read in the encoding that was guessed, their fault stays where it is.
    "n_array_a_invalid_utf8.json": Refusal("INVALID_JSON", 1, 2),
    "n_array_invalid_utf8.json": Refusal("INVALID_JSON", 1, 2),
    "n_number_invalid-utf-8-in-bigger-int.json": Refusal("INVALID_JSON", 1, 5),
    "n_number_invalid-utf-8-in-exponent.json": Refusal("INVALID_JSON", 1, 5),
    "n_number_invalid-utf-8-in-int.json": Refusal("INVALID_JSON", 1, 3),
    "n_number_real_with_invalid_utf8_after_e.json": Refusal("INVALID_JSON", 1, 2),
    "n_object_lone_continuation_byte_in_key_and_trailing_comma.json": Refusal("INVALID_JSON", 1, 10),
    "n_string_invalid-utf-8-in-escape.json": Refusal("INVALID_JSON", 1, 3),
    "n_string_invalid_utf8_after_escape.json": Refusal("INVALID_JSON", 1, 3),
    "n_structure_lone-invalid-utf-8.json": Refusal("INVALID_JSON", 1, 1),
    "n_structure_single_eacute.json": Refusal("INVALID_JSON", 1, 1),
    "n_structure_incomplete_UTF8_BOM.json": Refusal("INVALID_JSON", 1, 1),
    # Deeper than that reader goes.
    "n_structure_100000_opening_arrays.json": Refusal("INVALID_JSON", 1, json_tokens.DEPTH_MAX + 1),
    "n_structure_open_array_object.json": Refusal("INVALID_JSON", 1, json_tokens.DEPTH_MAX // 2 * 5 + 1),
}
REFUSED_ALTHOUGH_LEFT_OPEN = {
    "i_string_UTF-8_invalid_sequence.json": Refusal("INVALID_ENCODING", 1, 5),
    "i_structure_500_nested_arrays.json": None,
}


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    data = find_suite("orjson", "data")
    paths = [
        path for folder in ("parsing", "jsonchecker", "roundtrip", "transform") for path in (data / folder).iterdir()
    ]
    found = {path.name.removesuffix(".xz"): read(path) for path in paths}
    assert len(found) == FILES
    return found


def read(path: Path) -> bytes:
    data = path.read_bytes()
    return lzma.decompress(data) if path.suffix == ".xz" else data


@pytest.fixture(params=["at once", "streamed"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "streamed":
        cut_small(monkeypatch, 5)


def find_expected(name: str, data: bytes) -> Refusal | None:
    """The refusal that is right; what the suite leaves to each reader is taken but for a few."""
    if not name.startswith(("n_", "fail")) or name in TAKEN_ALL_THE_SAME:
        return REFUSED_ALTHOUGH_LEFT_OPEN.get(name)
    if name in PLACED_BY_HAND:
        return PLACED_BY_HAND[name]
    text = data.decode()
    with pytest.raises(json.JSONDecodeError) as caught:
        json.loads(text)
    error = caught.value
    offset = error.pos
    if error.msg.startswith("Unterminated string"):
        offset = len(text)  # the standard library names its start
    elif error.msg.startswith("Invalid \\uXXXX"):
        offset -= 1  # it names the u
    elif error.msg.startswith("Illegal trailing comma"):
        offset += len(re.match(r",\s*", text[offset:])[0])  # from Python 3.13 on it names the comma, not what follows
    elif re.match(r"[\w.+-]", text[offset:]):
        offset -= len(re.search(r"[\w.+-]*\Z", text[:offset])[0])  # a broken number or word is named as a whole
    return Refusal("INVALID_JSON", text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset))


def test_every_file_is_judged_as_its_suite_says_and_its_fault_is_at_its_place(way, files):
    found = {name: judge("json-validator", data) for name, data in files.items()}
    assert found == {name: find_expected(name, data) for name, data in files.items()}


def test_every_sound_file_keeps_its_tokens_through_the_tools(way, files):
    for name, data in files.items():
        if find_expected(name, data) is None and is_utf8(data):
            formatted = run_tool("json-formatter", data)
            assert scan(formatted) == scan(data), name
            assert scan(run_tool("json-minify", formatted)) == scan(data), name


def is_utf8(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return b"\0" not in data


def scan(data: bytes) -> list[str]:
    """The tokens of sound JSON, by a scanner that is not the tool's."""
    return re.findall(r'"(?:\\.|[^"\\])*"|[^\s\[\]{}:,"]+|[\[\]{}:,]', data.decode("utf-8-sig"))
