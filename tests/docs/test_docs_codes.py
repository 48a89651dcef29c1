"""The catalogue of errors, the tables of routes and the guarantees agree with the code."""

import ast
import re
from collections.abc import Iterator
from functools import cache

import pytest
from doc_pages import DOCS, ROOT, read_page

from jobwire.dialects.azure import AZURE
from jobwire.dialects.google import GOOGLE
from jobwire.dialects.native import NATIVE
from jobwire.dialects.spec import CODES, REFINED_CODES, Dialect
from jobwire.http.errors import find_word
from jobwire.net.failures import _ROWS
from jobwire.systems.docswrite.dialect import DOCSWRITE
from jobwire.systems.fifthelement.dialect import FIFTHELEMENT
from jobwire.systems.rentix.dialect import RENTIX

ERRORS = read_page(DOCS / "errors.md")
RAISED = ("JobError", "RequestError", "PublicError")


def documented() -> dict[str, list[str]]:
    """The rows of errors.md by code: the other cells."""
    rows = [re.fullmatch(r"\| `([a-z_]+)` \| (.+) \|", line) for line in ERRORS.splitlines()]
    return {row[1]: row[2].split(" | ") for row in rows if row is not None}


@cache
def raised() -> tuple[tuple[str, ast.Call], ...]:
    """Every call of the source that raises a code."""
    return tuple(find_raised())


def find_raised() -> Iterator[tuple[str, ast.Call]]:
    for path in (ROOT / "src" / "jobwire").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in RAISED:
                code = node.args[0] if node.args else None
                if isinstance(code, ast.Constant) and isinstance(code.value, str):
                    yield code.value, node


def test_every_code_of_the_source_is_documented_once() -> None:
    codes = {code for code, _ in raised()} | {row[2] for row in _ROWS} | {*CODES, *REFINED_CODES}
    assert codes - documented().keys() == set()
    assert documented().keys() - codes == set()
    listed = re.findall(r"^\| `([a-z_]+)` \|", ERRORS, re.MULTILINE)
    assert len(listed) == len(set(listed))


def test_the_statuses_of_refused_calls_are_those_of_the_native_dialect() -> None:
    for code in (*CODES, *REFINED_CODES):
        assert documented()[code][0] == str(find_word(NATIVE, code).status), code


def test_what_is_tried_again_is_what_the_source_says() -> None:
    for code, call in raised():
        name = call.func.id if isinstance(call.func, ast.Name) else ""
        said = documented()[code][0]
        if name != "JobError" or said.isdecimal() or said == "it depends":
            continue
        given = {keyword.arg: keyword.value for keyword in call.keywords}.get("retryable")
        if given is None or isinstance(given, ast.Constant):
            is_retryable = isinstance(given, ast.Constant) and given.value is True
            assert said == ("yes" if is_retryable else "no"), code


@pytest.mark.parametrize(
    ("dialect", "page"),
    [
        (NATIVE, "api.md"),
        (RENTIX, "dialects/rentix.md"),
        (FIFTHELEMENT, "dialects/fifthelement.md"),
        (DOCSWRITE, "dialects/docswrite.md"),
        (AZURE, "dialects/azure.md"),
        (GOOGLE, "dialects/google.md"),
    ],
    ids=["native", "rentix", "fifthelement", "docswrite", "azure", "google"],
)
def test_the_routes_of_a_page_are_those_of_its_dialect(dialect: Dialect, page: str) -> None:
    text = read_page(DOCS / page)
    shown = {
        (method, path.partition("?")[0].removeprefix(dialect.mount))
        for method, path in re.findall(r"`(GET|POST|PUT|PATCH|DELETE) (/[^`\s]*)`", text)
    }
    routes = {(route.method, route.path) for route in dialect.routes}
    own = {("GET", "/healthz"), ("GET", "/readyz"), ("GET", "/openapi.json")}
    assert routes - shown == set()
    assert shown - routes - own == set()


def test_the_scopes_of_the_native_calls_are_as_documented() -> None:
    text = read_page(DOCS / "api.md")
    for route in NATIVE.routes:
        row = re.search(rf"^\| `{route.method} /v1{re.escape(route.path)}` \| (.+?) \|", text, re.MULTILINE)
        assert row is not None, route.path
        assert row[1] == f"`{route.scope}`" if route.scope else row[1].startswith("none")


@pytest.mark.parametrize("dialect", [RENTIX, FIFTHELEMENT, DOCSWRITE], ids=lambda dialect: dialect.name)
def test_the_words_for_phases_are_as_documented(dialect: Dialect) -> None:
    _, _, rest = read_page(DOCS / "dialects" / f"{dialect.name}.md").partition("## Words for phases\n")
    text = rest.partition("\n## ")[0].replace("| phase | `status` |", "").replace("| phase | `state` |", "")
    shown: dict[str, str] = {}
    for phases, word in re.findall(r"^\| ([a-z, ]+) \| `([a-z_]+)` \|", text, re.MULTILINE):
        shown |= dict.fromkeys(phases.split(", "), word)
    assert shown == {phase.value: word for phase, word in dialect.phases.items()}


def test_every_test_that_holds_a_guarantee_exists() -> None:
    text = read_page(DOCS / "guarantees.md")
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", text)
    assert len(named) > 20
    for path, name in named:
        file = ROOT / path
        assert file.is_file(), path
        assert re.search(rf"^\s*(?:async )?def {name}\(", file.read_text(encoding="utf-8"), re.MULTILINE), name


def test_every_guarantee_is_held_or_says_that_it_is_not() -> None:
    sections = re.split(r"^## ", read_page(DOCS / "guarantees.md"), flags=re.MULTILINE)[1:]
    assert [section.split(" ")[0] for section in sections] == [f"G{number}" for number in range(1, 15)]
    for section in sections:
        assert "::" in section or "not yet" in section, section.splitlines()[0]


def test_the_layers_are_those_that_are_checked() -> None:
    contract = re.search(r"layers = \[(.*?)\]", (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.DOTALL)
    assert contract is not None
    layers = "\n".join(re.findall(r'"([^"]+)"', contract[1]))
    assert f"```text\n{layers}\n```" in read_page(DOCS / "architecture.md")
