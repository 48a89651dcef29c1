"""The descriptions of dialects that say more than the native one: words of pages, removal, waits, shared paths."""

from collections.abc import Iterator
from typing import Any

import pytest
from http_house import House, open_house

from jobwire.dialects.azure import AZURE
from jobwire.dialects.google import GOOGLE
from jobwire.dialects.native import NATIVE
from jobwire.dialects.spec import Dialect
from market_tables import MARKET

DIALECTS = (NATIVE, AZURE, GOOGLE, *MARKET)


@pytest.fixture(scope="module")
def served(house_engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with open_house(tmp_path_factory.mktemp("described"), *DIALECTS) as opened:
        yield opened


def read_paths(house: House, dialect: Dialect) -> Any:
    with house.client() as nobody:
        return nobody.get(f"{dialect.mount}/openapi.json").json()["paths"]


def test_a_list_is_described_in_the_words_of_its_page(served: House) -> None:
    listed = read_paths(served, AZURE)["/azure/operations"]["get"]
    query = {one["name"]: one["schema"] for one in listed["parameters"] if one.get("in") == "query"}
    assert set(query) == {"top", "skipToken", "kind", "status"}
    assert query["status"]["enum"] == ["NotStarted", "Running", "Succeeded", "Failed", "Canceled"]
    page = listed["responses"]["200"]["content"]["application/json"]["schema"]
    assert (set(page["properties"]), page["required"]) == ({"value", "nextLink"}, ["value"])


def test_a_removal_answers_nothing(served: House) -> None:
    removed = read_paths(served, AZURE)["/azure/operations/{id}"]["delete"]
    assert "content" not in removed["responses"]["204"]
    assert {"404", "409"} <= set(removed["responses"])


def test_the_headers_of_a_new_job_are_those_of_the_route(served: House) -> None:
    ran = read_paths(served, AZURE)["/azure/jobs/{kind}:run"]["post"]["responses"]["202"]["headers"]
    assert {"Operation-Location", "Location"} <= set(ran)
    asked = read_paths(served, GOOGLE)["/google/v1/jobs/{kind}:run"]["post"]["responses"]["200"]["headers"]
    assert "Location" not in asked


def test_a_wait_in_the_body_is_described_there(served: House) -> None:
    path = "/google/v1/locations/global/operations/{id}:wait"
    body = read_paths(served, GOOGLE)[path]["post"]["requestBody"]
    assert not body["required"]
    assert set(body["content"]["application/json"]["schema"]["properties"]) == {"timeout"}


def test_of_calls_that_share_a_path_the_first_is_described(served: House) -> None:
    for dialect in DIALECTS:
        first = {(route.method, route.path): route for route in reversed(dialect.routes)}
        paths = read_paths(served, dialect)
        for (method, path), route in first.items():
            assert paths[dialect.mount + path][method.lower()]["summary"] == route.summary
