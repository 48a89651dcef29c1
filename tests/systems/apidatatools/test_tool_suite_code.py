"""csv-spectrum, test262-parser-tests, css-parsing-tests, sqlglot's statements and html5lib's trees through the tools."""

import csv
import io
import json
import re

import pytest
import sqlglot
from selectolax.lexbor import LexborHTMLParser
from suites import find_suite, judge
from tool_runs import run_text, run_tool

JAVASCRIPT_REFUSED = {
    "yield as a name outside of generators": "08c3105bb3f7ccb7 09e84f25af85b836 19d1d07fe88ec849 213c3b05c6690d2d"
    " 29e41f46ede71f11 6196b3f969486455 6b76b8761a049c19 75172741c27c7703 8de47a8b53495792 979b36a2c530f286"
    " d82ae3dbc61808f8",
    "a target of an assignment in brackets of its own": "0b4d61559ccce0f9 5829d742ab805866 598a5cedba92154d"
    " 7788d3c1e1247da9 ad06370e34811a6a e71c1d5f0b6b833c",
    "a comment over two lines that ends a statement": "7b0a9215ec756496",
    "a property of a number in the old octal form": "7c6d13458e08e1f4",
    "the character U+0000 in a text": "c7e5fba8bf3854cd",
    "null as the name of what is imported": "caaa9f06dd52e5a5.module",
    "an empty input": "e3b0c44298fc1c14",
}
JAVASCRIPT_BROKEN, JAVASCRIPT_FOUND = 731, 460
JAVASCRIPT_PLACES = {}
SQL_STATEMENTS = 900


def list_names(table: dict[str, str]) -> set[str]:
    return {name for names in table.values() for name in names.split()}


def test_csv_spectrum_becomes_the_json_it_says():
    paths = sorted(find_suite("csv-spectrum", "csvs").iterdir())
    assert len(paths) == 12
    for path in paths:
        said = json.loads((path.parent.parent / "json" / f"{path.stem}.json").read_text())
        assert json.loads(run_text("csv-to-json", path.read_bytes())) == said, path.name


@pytest.mark.slow
def test_every_program_is_taken_but_for_a_few_that_nobody_writes():
    paths = sorted(find_suite("test262-parser-tests", "pass").glob("*.js"))
    assert len(paths) == 1_981
    refused = {path.name.removesuffix(".js") for path in paths if judge("javascript-minify", path.read_bytes())}
    assert refused == list_names(JAVASCRIPT_REFUSED)


@pytest.mark.slow
def test_most_broken_programs_are_refused_at_their_fault():
    paths = sorted(find_suite("test262-parser-tests", "fail").glob("*.js"))
    assert len(paths) == JAVASCRIPT_BROKEN
    found = {path.name: judge("javascript-minify", path.read_bytes()) for path in paths}
    places = {name: refusal for name, refusal in found.items() if refusal}
    assert len(places) >= JAVASCRIPT_FOUND
    for name, (_, line, column) in places.items():
        text = (paths[0].parent / name).read_text()
        assert line is None or len(text.split("\n")[line - 1]) + 1 >= column, name
    print(sorted((k, tuple(v)[1:], (paths[0].parent / k).read_text()) for k, v in places.items())[::12])


def test_css_of_the_parsing_tests_is_taken_or_refused():
    cases = json.loads(find_suite("tinycss2", "tests", "css-parsing-tests", "stylesheet.json").read_text())
    for text, said in zip(cases[::2], cases[1::2], strict=True):
        print(repr(text), "error" in json.dumps(said), judge("css-minify", text) if text else None)


def test_every_statement_of_sqlglot_means_the_same_when_it_is_formatted():
    lines = find_suite("sqlglot", "tests", "fixtures", "identity.sql").read_text().splitlines()
    statements = [line for line in lines if line and not line.startswith("--")]
    assert len(statements) >= SQL_STATEMENTS
    changed = [text for text in statements if read_sql(run_text("sql-formatter", text)) != read_sql(text)]
    assert changed == []


def read_sql(text: str):
    return sqlglot.parse(text)


def test_every_document_of_html5lib_shows_the_same_text_when_it_is_formatted():
    folder = find_suite("html5lib", "html5lib", "tests", "testdata", "tree-construction")
    changed = []
    count = 0
    for path in sorted(folder.glob("*.dat")):
        for case in path.read_bytes().decode(errors="replace").split("#data\n")[1:]:
            text = case.partition("\n#errors")[0]
            if "#document-fragment" in case or not text.strip():
                continue
            count += 1
            for tool in ("html-formatter", "html-minify"):
                if show(run_text(tool, text)) != show(text):
                    changed.append((tool, path.name, text))
    print(count, len(changed), *changed, sep="\n")
    assert not changed


def show(text: str) -> str:
    return "".join((LexborHTMLParser(text).text() or "").split())
