"""yaml-test-suite, 402 cases of YAML 1.2: taken or refused as it says, with its values, and each fault at its place.

What libyaml does otherwise is named here, each case with its reason; places are held to those of PyYAML's own reader,
which is another program.
"""

import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from suites import find_suite, judge

from jobwire.systems.apidatatools.tools.json_values import Number
from jobwire.systems.apidatatools.tools.source import Source
from jobwire.systems.apidatatools.tools.yaml_read import read_documents

CASES = 402

REFUSED_ALL_THE_SAME = {
    "an empty input": "AVM7",
    "a list or mapping as a name, which no table has":
        "4FJ6 6BFJ 6PBE 9MMW KK5P LX3P M2N8/1 M5DY Q9WF RZP5 SBG9 V9D5 X38W XW4D",
    "libyaml: an entry without a name": "2JQS 6M2F CFD4 FRK4 M2N8 NHX8 NKF9 S3PD SM9W/1 UKK6",
    "libyaml: a directive it does not know": "2LFX 6LVF BEC7 MUS6/5 MUS6/6",
    "libyaml: a colon within or beside a name in braces":
        "4ABK 4MUZ 4MUZ/1 4MUZ/2 58MP 5MUD 5T43 9SA2 DBG4 HM87 K3WX NJ66 VJP3/1",
    "libyaml: signs in the name of an anchor": "2SXE 8XYN W5VH",
    "libyaml: tabs where YAML 1.2 takes them":
        "6BCT 6CA3 96NN 96NN/1 A2M4 DK95 DK95/3 DK95/4 Q5MG R4YG Y79Y/1 Y79Y/10",
    "libyaml: a document after another's end, or with nothing in it": "7Z25 HWV9 M7A3 QT73 UT92 W4TN",
    "libyaml: a text that starts at the margin": "DK3J FP8R",
}  # fmt: skip
TAKEN_ALL_THE_SAME = {
    "libyaml: lines in brackets or quotes at the margin": "9C9N DK95/1 QB6E Y79Y/3",
    "libyaml: a comment without a space, or within a text": "9JBA CVW2 S98Z SU5Z X4QW",
    "libyaml: a directive after a document that has not ended": "9HCY EB22 MUS6 MUS6/1 RHX7",
    "libyaml: a dash in brackets": "G5U8 YJV2",
}
PLACED_BY_HAND = {
    # The backslash of an escape that is none, where the other reader names the letter behind it.
    "55WF": (2, 2),
    "HRE5": (2, 17),
    # The other reader takes a comma in a tag.
    "U99R": (1, 8),
    # A list or mapping as a name comes before the tab.
    "Y79Y/7": (1, 3),
    "Y79Y/9": (1, 3),
}
OTHER_VALUES = {
    "a hexadecimal number stays as it is written": "C4HZ",
    "libyaml: a question mark at the start of a name in braces": "652Z HM87/1",
    "libyaml: spaces alone on the last line of a text": "L24T/1",
    "libyaml: signs in the name of an anchor": "Y2GN",
}


class Case(NamedTuple):
    """A text, whether it is broken, and what it means as JSON values one after the other."""

    text: str
    is_broken: bool
    values: str | None


@pytest.fixture(scope="module")
def cases() -> dict[str, Case]:
    found = {}
    for path in sorted(find_suite("yaml-test-suite", "data").glob("????.js")):
        module = json.loads(path.read_text().partition("export default ")[2].rstrip().rstrip(";"))
        for number, case in enumerate(module["cases"]):
            name = f"{module['id']}/{number}" if number else module["id"]
            found[name] = Case(case["yaml"], bool(case.get("fail")), case.get("json"))
    assert len(found) == CASES
    return found


def list_names(table: dict[str, str]) -> set[str]:
    return {name for names in table.values() for name in names.split()}


def test_every_case_is_judged_as_the_suite_says_or_for_a_reason_otherwise(cases):
    refused = {name for name, case in cases.items() if judge("yaml-to-tsv", case.text)}
    broken = {name for name, case in cases.items() if case.is_broken}
    assert refused - broken == list_names(REFUSED_ALL_THE_SAME)
    assert broken - refused == list_names(TAKEN_ALL_THE_SAME)


def test_every_fault_is_where_another_reader_finds_it(cases):
    places = {}
    for name, case in cases.items():
        refusal = judge("yaml-to-tsv", case.text)
        if case.is_broken and refusal:
            assert refusal.code == "INVALID_YAML"
            places[name] = refusal.line, refusal.column
    assert places == {name: PLACED_BY_HAND.get(name) or find_place(cases[name].text) for name in places}


def find_place(text: str) -> tuple[int, int] | None:
    """Where PyYAML's reader in Python stops."""
    try:
        for _ in yaml.parse(text, Loader=yaml.SafeLoader):
            pass
    except yaml.MarkedYAMLError as error:
        return error.problem_mark.line + 1, error.problem_mark.column + 1
    return None


def test_what_is_taken_means_what_the_suite_says(cases, tmp_path: Path):
    path = tmp_path / "source"
    found, said = {}, {}
    for name, case in cases.items():
        if case.values is None or case.is_broken or name in list_names(REFUSED_ALL_THE_SAME):
            continue
        path.write_bytes(case.text.encode())
        found[name] = [as_values(document) for document in read_documents(Source(path), "1.2")]
        said[name] = list(split_values(case.values))
    different = {name for name in found if found[name] != said[name]}
    assert different == list_names(OTHER_VALUES)


def split_values(text: str) -> Any:
    decoder, start = json.JSONDecoder(), 0
    while start < len(text.rstrip()):
        value, start = decoder.raw_decode(text, start + len(text[start:]) - len(text[start:].lstrip()))
        yield value


def as_values(value: Any) -> Any:
    match value:
        case Number():
            return json.loads(value)
        case list():
            return [as_values(inner) for inner in value]
        case dict():
            return {name: as_values(inner) for name, inner in value.items()}
    return value
