"""The page a server has about itself: whole, closed to everything outside, and with the caller's address."""

import base64
import hashlib
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import pytest
from http_house import House, open_house

from jobwire.dialects.azure import AZURE
from jobwire.dialects.google import GOOGLE
from jobwire.dialects.native import NATIVE
from jobwire.dialects.notes import Notes, Parameter
from jobwire.dialects.spec import Carrier, Dialect
from jobwire.http.docs_page import BASE_URL
from jobwire.http.snippets import KEY_VARIABLE, LANGUAGES, Request
from jobwire.systems.apidatatools.dialect import APIDATATOOLS
from jobwire.systems.docswrite.dialect import DOCSWRITE
from jobwire.systems.fifthelement.dialect import FIFTHELEMENT
from jobwire.systems.rentix.dialect import RENTIX
from shop_dialect import SHOP

DIALECTS = (NATIVE, SHOP, RENTIX, FIFTHELEMENT, DOCSWRITE, APIDATATOOLS, AZURE, GOOGLE)
PLACES = ("/docs", *(f"{dialect.mount}/docs" for dialect in DIALECTS))
VOID = {"meta", "link", "br", "hr", "img", "input"}
LOADING = {"script", "img", "iframe", "object", "embed", "link", "video", "audio", "source", "form", "base"}


@pytest.fixture(scope="module")
def described(house_engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with open_house(tmp_path_factory.mktemp("pages"), *DIALECTS) as opened:
        yield opened


class Outline(HTMLParser):
    """The elements of a page; what is closed must have been open."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: Counter[str] = Counter()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.levels: list[int] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        named = dict(attributes)
        assert not any(name.startswith("on") or name == "style" for name in named), named
        if "id" in named:
            self.ids.append(str(named["id"]))
        if "href" in named:
            self.links.append(str(named["href"]))
        if re.fullmatch(r"h[1-6]", tag):
            self.levels.append(int(tag[1]))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open.pop() == tag, tag


def read(house: House, path: str, **headers: str) -> str:
    with house.client() as nobody:
        answer = nobody.get(path, headers=headers)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    return answer.text


@pytest.mark.parametrize("path", PLACES)
def test_the_page_is_whole_and_loads_nothing(described: House, path: str) -> None:
    page = read(described, path)
    outline = Outline(page)
    assert outline.open == [] and page.startswith("<!doctype html>\n<html lang=")
    assert LOADING & set(outline.tags) == set()
    assert outline.tags["h1"] == outline.tags["main"] == outline.tags["title"] == 1
    assert all(
        later <= earlier + 1 for earlier, later in zip(outline.levels, outline.levels[1:], strict=False) if earlier
    )
    assert len(outline.ids) == len(set(outline.ids))
    inside = {link.removeprefix("#") for link in outline.links if link.startswith("#")}
    assert inside <= set(outline.ids)
    assert not re.search(r"url\(|@import", page)
    with described.client() as nobody:
        outside = {link for link in outline.links if not link.startswith("#")}
        assert outside and all(nobody.get(link).status_code == 200 for link in outside)


def test_its_style_is_the_only_thing_its_policy_lets_in(described: House) -> None:
    with described.client() as nobody:
        answer = nobody.get("/docs")
    (style,) = re.findall(r"<style>(.*?)</style>", answer.text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = dict(part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";"))
    assert policy == {
        "default-src": "'none'", "style-src": f"'sha256-{digest}'", "base-uri": "'none'", "form-action": "'none'",
        "frame-ancestors": "'none'",
    }  # fmt: skip


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
def test_every_call_has_its_section_with_examples(described: House, dialect: Dialect) -> None:
    page = unescape(read(described, f"{dialect.mount}/docs"))
    for route in dialect.routes:
        assert f"<b>{route.method}</b> <span>{dialect.mount}{route.path}</span>" in page
        assert route.summary in page
    counted = Counter(re.findall(r'data-language="(\w+)"', page))
    assert set(counted) == set(LANGUAGES) and len(set(counted.values())) == 1


def test_its_examples_have_the_address_the_reader_came_by(described: House) -> None:
    assert f"{described.url}/v1/jobs" in read(described, "/docs")
    assert "http://jobs.example:8080/v1/jobs" in read(described, "/docs", Host="jobs.example:8080")
    for bad in ('x"><script>', "no host", "x/../y"):
        page = read(described, "/docs", Host=bad)
        assert bad not in page and f"{described.url}/v1/jobs" in page
    assert BASE_URL not in read(described, "/docs")


def test_head_answers_as_get_without_the_body_and_other_methods_find_nothing(described: House) -> None:
    with described.client() as nobody:
        for path in ("/docs", "/openapi.json", "/.well-known/api-catalog"):
            got, head = nobody.get(path), nobody.head(path)
            assert (head.status_code, head.content) == (200, b"")
            assert head.headers["content-length"] == got.headers["content-length"] == str(len(got.content))
            assert nobody.post(path).status_code == 404


def test_a_page_that_cannot_be_made_is_our_fault_and_says_under_which_request(tmp_path: Path) -> None:
    route = replace(NATIVE.routes[0], notes=Notes(parameters=(Parameter("odd", {"type": object()}),)))
    odd = replace(NATIVE, name="odd", mount="/odd", routes=(route,))
    with open_house(tmp_path, NATIVE, odd) as house, house.client() as nobody:
        for path in ("/odd/docs", "/odd/openapi.json"):
            answer = nobody.get(path, headers={"X-Request-Id": "mine-12345"})
            assert (answer.status_code, answer.json()["code"]) == (500, "internal")
            assert answer.json()["request_id"] == answer.headers["x-request-id"] == "mine-12345"
        assert nobody.get("/v1/docs").status_code == 200


@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/me", "/v1/jobs/job_x/cancel"])
def test_options_is_told_the_methods_of_the_path(described: House, path: str) -> None:
    with described.client(described.make_key("ada")) as client:
        answer = client.options(path)
        assert answer.status_code == 405
        allowed = answer.headers["allow"].split(", ")
        assert ("GET" in allowed) == ("HEAD" in allowed) and "OPTIONS" not in allowed


def test_a_query_field_that_is_not_known_is_refused_in_lists_only(described: House) -> None:
    with described.client(described.make_key("ada")) as client:
        assert client.get("/v1/me?nope=1").status_code == 200
        refused = client.get("/v1/jobs?nope=1")
        assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (400, "/nope")


REQUESTS = [
    Request("GET", "http://h/a", None),
    Request("GET", "http://h/a?b=1", Carrier("token", place="query")),
    Request("DELETE", "http://h/a", Carrier("X-API-Key")),
    Request("PUT", "http://h/it's", Carrier("Authorization", scheme="Bearer"), {"a": None, "b": [True, "it's \n é"]}),
]
CHECKS = {
    "curl": ["sh", "-n"],
    "Python": [sys.executable, "-c", "import ast, sys; ast.parse(sys.stdin.read())"],
    "JavaScript": ["node", "--input-type=module", "--check"],
}


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda request: request.method)
@pytest.mark.parametrize("language", LANGUAGES)
def test_an_example_is_a_program_that_takes_the_key_from_its_place(language: str, request_: Request) -> None:
    text = LANGUAGES[language](request_)
    assert (KEY_VARIABLE in text) == (request_.carrier is not None)
    if shutil.which(CHECKS[language][0]) is None:
        pytest.skip(f"{CHECKS[language][0]} is not here")
    done = subprocess.run(CHECKS[language], input=text, text=True, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, f"{text}\n{done.stderr}"
