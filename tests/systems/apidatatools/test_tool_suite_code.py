"""csv-spectrum, test262-parser-tests, css-parsing-tests, sqlglot's statements and html5lib's trees."""

import json

import pytest
import sqlglot
from selectolax.lexbor import LexborHTMLParser
from suites import find_suite, judge
from tool_runs import run_text

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
JAVASCRIPT_PLACES = {
    "0053737b6145994c.js": (1, 6),  # var x, ;
    "0557c70da3f698b5.module.js": (1, 10),  # import {b,,c} from 'a';
    "265fda17a34611b1.js": (1, 1),  # '
    "4d117d87d4a40541.js": (1, 10),  # continue 2;
    "58d9ebcbb28bf3a7.js": (1, 8),  # for(let[a].b of 0);
    "80d1e106056a576f.js": (1, 20),  # function *a(){yield*}
    "943297e7b6314bd8.module.js": (1, 8),  # import * As a from 'a'
    "a3710b36f9b97324.js": (1, 6),  # f(....g);
    "c91a41d48af2ef00.js": (1, 6),  # var a.b;
    "f747102fa7882fec.js": (1, 9),  # (class {)
}
CSS_REFUSED = [
    "foo", "foo 4", "@foo", " /**/ @foo bar{[(4", "@foo { bar", "@foo [ bar", " /**/ { color: #aaa  ",
    " /* CDO/CDC are ignored between rules */ <!-- --> {", " <!-- --> a<!---->{", "div {} -->", "{}a", "{}@a",
]  # fmt: skip
"""What a browser would close at the end or leave out."""

SQL_STATEMENTS = 990
HTML_DOCUMENTS = 1_522
HTML_CHANGED_BY_MINIFY = 79
"""Comments, scripts and tables that are broken; the library reads them in its own way."""

HTML_CHANGED_BY_FORMAT = {
    # How Python's reader ends comments and scripts depends on its version.
    "FOO<!-- BAR --   >BAZ",
    "FOO<!-- BAR -- <QUX> -- MUX -- >BAZ",
    '<script type="data"><!--<script></scrip></SCRIPT></script>',
    '<script type="data"><!--<script></scrip </SCRIPT></script>',
    '<script type="data"><!--<script></scrip/</SCRIPT></script>',
    "<!doctype html><script></SCRIPT",
    "<!doctype html><script></script",
    "<!doctype html><script><!--</script",
    "<!doctype html><script><!--<script </script </script",
    "<!doctype html><script><!--<script --></script",
    "<script></SCRIPT",
    "<script></script",
    "<script><!--</script",
    "<script><!--<script </script </script",
    "<script><!--<script --></script",
    "<!doctypehtml><scrIPt type=text/x-foobar;baz>X</SCRipt",
    "</",
    # What follows an end that is none is no part of the plain text.
    "<svg><foreignObject><div>foo</div><plaintext></foreignObject></svg><div>bar</div>",
}


def list_names(table: dict[str, str]) -> set[str]:
    return {name for names in table.values() for name in names.split()}


def test_csv_spectrum_becomes_the_json_it_says():
    paths = sorted(find_suite("csv-spectrum", "csvs").iterdir())
    assert len(paths) == 12
    for path in paths:
        said = json.loads((path.parent.parent / "json" / f"{path.stem}.json").read_text())
        if path.stem == "location_coordinates":
            said = [{**said, "Contact Phone Number": "2095257564"}]  # says another number, and no list
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
    assert {name: places[name][1:] for name in JAVASCRIPT_PLACES} == JAVASCRIPT_PLACES


def test_css_is_refused_where_a_browser_would_mend_it():
    cases = json.loads(find_suite("tinycss2", "tests", "css-parsing-tests", "stylesheet.json").read_text())
    texts = [text for text in cases[::2] if text]
    assert [text for text in texts if judge("css-minify", text)] == CSS_REFUSED


@pytest.mark.slow
def test_every_statement_of_sqlglot_means_the_same_when_it_is_formatted():
    lines = find_suite("sqlglot", "tests", "fixtures", "identity.sql").read_text().splitlines()
    statements = [line for line in lines if line and not line.startswith("--")]
    assert len(statements) == SQL_STATEMENTS
    for text in statements:
        assert sqlglot.parse(run_text("sql-formatter", text)) == sqlglot.parse(text)


@pytest.mark.slow
def test_every_document_of_html5lib_shows_the_same_text_when_it_is_formatted():
    folder = find_suite("html5lib", "html5lib", "tests", "testdata", "tree-construction")
    texts = []
    for path in sorted(folder.glob("*.dat")):
        for case in path.read_bytes().decode(errors="replace").split("#data\n")[1:]:
            text = case.partition("\n#errors")[0]
            if "#document-fragment" not in case and text.strip():
                texts.append(text)
    assert len(texts) == HTML_DOCUMENTS
    assert {text for text in texts if show(run_text("html-formatter", text)) != show(text)} <= HTML_CHANGED_BY_FORMAT
    minified = [text for text in texts if show(run_text("html-minify", text)) == show(text)]
    assert len(minified) >= HTML_DOCUMENTS - HTML_CHANGED_BY_MINIFY


def show(text: str) -> str:
    return "".join((LexborHTMLParser(text).text() or "").split())
