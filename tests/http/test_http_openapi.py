"""Each dialect's OpenAPI document: complete, valid, and true of what is answered."""

import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import jsonschema_rs
import pytest
from http_house import House, open_house
from openapi_spec_validator import OpenAPIV31SpecValidator

from jobwire.dialects.azure import AZURE
from jobwire.dialects.google import GOOGLE
from jobwire.dialects.native import NATIVE
from jobwire.dialects.spec import CODES, Dialect
from jobwire.domain.outcome import PublicError
from jobwire.http.action_notes import ACTION_NOTES
from jobwire.http.actions import ACTIONS
from jobwire.http.limits import tell_limit
from jobwire.service.limits import Limit, LimitState
from jobwire.systems.apidatatools.dialect import APIDATATOOLS
from jobwire.systems.docswrite.dialect import DOCSWRITE
from jobwire.systems.fifthelement.dialect import FIFTHELEMENT
from jobwire.systems.rentix.dialect import RENTIX
from market_tables import MARKET
from shop_dialect import SHOP

DIALECTS = (NATIVE, SHOP, RENTIX, FIFTHELEMENT, DOCSWRITE, APIDATATOOLS, AZURE, GOOGLE, *MARKET)
HEADERS_OF_THE_SERVER = {"date", "server", "content-type", "content-length", "cache-control"}


@pytest.fixture(scope="module")
def both(house_engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with open_house(tmp_path_factory.mktemp("openapi"), *DIALECTS) as opened:
        yield opened


def read_document(house: House, mount: str) -> Any:
    with house.client() as nobody:
        answer = nobody.get(f"{mount}/openapi.json")
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    return answer.json()


@pytest.fixture(scope="module")
def document(both: House) -> Any:
    return read_document(both, NATIVE.mount)


def operations(document: Any) -> list[Any]:
    return [operation for methods in document["paths"].values() for operation in methods.values()]


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
def test_each_document_is_valid_and_has_every_route_and_no_other(both: House, dialect: Dialect) -> None:
    document = read_document(both, dialect.mount)
    OpenAPIV31SpecValidator(document).validate()
    described = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    assert described == {(route.method, dialect.mount + route.path) for route in dialect.routes}
    ids = [operation["operationId"] for operation in operations(document)]
    assert len(ids) == len(set(ids))
    assert document["info"]["title"] == (dialect.title or dialect.name)


def test_the_document_at_the_root_is_the_first_dialects(both: House, document: Any) -> None:
    assert read_document(both, "") == document


def test_the_catalogue_leads_to_every_description(both: House) -> None:
    with both.client() as nobody:
        answer = nobody.get("/.well-known/api-catalog")
        assert answer.headers["content-type"].startswith("application/linkset+json; profile=")
        head = nobody.head("/.well-known/api-catalog")
        assert head.headers["link"] == '</.well-known/api-catalog>; rel="api-catalog"'
        links = answer.json()["linkset"]
        assert [link["anchor"] for link in links] == [dialect.mount for dialect in DIALECTS]
        for link in links:
            for target in (*link["service-desc"], *link["service-doc"]):
                found = nobody.get(target["href"])
                assert (found.status_code, found.headers["content-type"].partition(";")[0]) == (200, target["type"])


def test_its_path_parameters_are_those_of_the_path(document: Any) -> None:
    for path, methods in document["paths"].items():
        for operation in methods.values():
            named = [one["name"] for one in operation["parameters"] if one.get("in") == "path"]
            assert named == re.findall(r"\{(\w+)\}", path)


def test_open_routes_ask_for_no_key(document: Any) -> None:
    assert document["paths"]["/v1/files/{sha256}/{name}"]["get"]["security"] == []
    assert document["security"] == [{"authorization_bearer": []}, {"x_api_key": []}]
    assert document["components"]["securitySchemes"]["x_api_key"] == {
        "type": "apiKey", "in": "header", "name": "X-API-Key",
    }  # fmt: skip


def test_every_action_says_what_it_does() -> None:
    assert set(ACTIONS) == set(ACTION_NOTES)
    codes = {code for notes in ACTION_NOTES.values() for code in notes.refusals}
    assert codes - set(CODES) <= {"backlog_full", "overloaded", "job_failed"}


def test_the_kinds_and_their_inputs_are_told_with_a_submission(document: Any) -> None:
    schemas = document["components"]["schemas"]
    assert schemas["Submission"]["discriminator"]["mapping"] == {
        "echo": "#/components/schemas/Submission.echo",
        "slow": "#/components/schemas/Submission.slow",
    }
    for body, is_good in (
        ({"kind": "echo", "input": {"text": "a", "times": 2}, "tags": ["a"]}, True),
        ({"kind": "slow"}, True),
        ({"kind": "slow", "input": {"times": 2}}, False),
        ({"kind": "nope"}, False),
        ({"kind": "echo", "delay": 1, "run_at": "2031-01-01T00:00:00Z"}, False),
        ({"kind": "echo", "delay": 1, "run_at": None}, True),
        ({"kind": "echo", "priority": 10}, False),
        ({"kind": "echo", "queue": "nope"}, False),
        ({"kind": "echo", "else": 1}, False),
    ):
        assert validator(document, schemas["Submission"]).is_valid(body) is is_good, body


def test_its_examples_of_submissions_are_taken(both: House, document: Any) -> None:
    examples = document["paths"]["/v1/jobs"]["post"]["requestBody"]["content"]["application/json"]["examples"]
    assert set(examples) == {"echo", "slow"}
    with both.client(both.make_key("ada")) as client:
        for example in examples.values():
            assert client.post("/v1/jobs", json=example["value"]).status_code == 202


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
def test_its_examples_of_answers_fit_their_schemas(both: House, dialect: Dialect) -> None:
    document = read_document(both, dialect.mount)
    count = 0
    for operation in operations(document):
        for response in operation["responses"].values():
            for content in response.get("content", {}).values():
                for example in content.get("examples", {}).values():
                    validator(document, content["schema"]).validate(example["value"])
                    count += 1
    assert count > len(dialect.routes)


def test_every_header_and_body_that_is_answered_is_described(house: House, key: str) -> None:
    document = read_document(house, NATIVE.mount)
    with house.client(key) as client:
        job = check(document, client.post("/v1/jobs", json={"kind": "echo"}), "/v1/jobs")
        check(document, client.get("/v1/jobs"), "/v1/jobs")
        etag = client.get(job["links"]["self"]).headers["etag"]
        check(document, client.get(job["links"]["self"], headers={"If-None-Match": etag}), "/v1/jobs/{id}")
        check(document, client.get(f"{job['links']['self']}/result"), "/v1/jobs/{id}/result")
        house.fail(PublicError("no", "not today", details='{"a":1}'))
        check(document, client.get(job["links"]["self"]), "/v1/jobs/{id}")
        check(document, client.get(f"{job['links']['self']}/result"), "/v1/jobs/{id}/result")
        again = check(document, client.post(f"{job['links']['self']}/rerun"), "/v1/jobs/{id}/rerun")
        check(document, client.post(again["links"]["cancel"]), "/v1/jobs/{id}/cancel")
        check(document, client.post(again["links"]["self"] + "/cancel"), "/v1/jobs/{id}/cancel")
        check(document, client.post("/v1/jobs", json={"kind": "echo"}), "/v1/jobs")
        house.complete()
        check(document, client.get("/v1/jobs?limit=2"), "/v1/jobs")
        check(document, client.get("/v1/me"), "/v1/me")
        for refused in (
            client.post("/v1/jobs", json={"kind": "echo", "input": {"times": "x"}}),
            client.post("/v1/jobs", content="{"),
            client.post("/v1/jobs", content="{}", headers={"Content-Type": "text/plain"}),
            client.get("/v1/jobs?limit=0"),
        ):
            assert refused.status_code >= 400
            check(document, refused, "/v1/jobs")
        check(document, client.get("/v1/jobs/job_x"), "/v1/jobs/{id}")
    with house.client() as nobody:
        check(document, nobody.get("/v1/me"), "/v1/me")


def test_a_vendors_words_are_in_its_own_document(both: House) -> None:
    document = read_document(both, SHOP.mount)
    key = both.make_key("shopper")
    with both.client(key) as client:
        client.post("/v1/jobs", json={"kind": "echo"})
    with both.client(headers={"X-Api-Key": key}) as shop:
        page = check(document, shop.get("/shop/api/jobs"), "/shop/api/jobs")
        number = page["data"]["jobs"][0]["id"]
        check(document, shop.get(f"/shop/api/job?id={number}"), "/shop/api/job")
        check(document, shop.get("/shop/api/job?id=x"), "/shop/api/job")
    status = document["paths"]["/shop/api/job"]["get"]["responses"]["200"]
    assert {"X-Limit", "X-Left", "X-Reset"} <= set(status["headers"])


def test_each_document_says_how_somebody_elses_job_answers(both: House) -> None:
    for dialect in DIALECTS:
        told = read_document(both, dialect.mount)["info"]["description"]
        assert ("somebody else's job is refused with 403" in told) is dialect.tells_others, dialect.name


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
def test_no_header_of_a_limit_is_told_that_is_not_sent(both: House, dialect: Dialect) -> None:
    names = dialect.limit_headers
    sent = {name for name, _ in tell_limit(LimitState(Limit("l", 1, 1), 0, 0), names, now=0)}
    told: set[str] = set()
    for operation in operations(read_document(both, dialect.mount)):
        for response in operation["responses"].values():
            told |= {name.lower() for name in response.get("headers", {}) if "limit" in name.lower()}
    assert told == {name.decode() for name in sent if b"limit" in name}


def check(document: Any, answer: httpx.Response, path: str) -> Any:
    """Assert that an answer's status, headers and body are described; its body."""
    operation = document["paths"][path][answer.request.method.lower()]
    response = operation["responses"][str(answer.status_code)]
    told = {name.lower(): resolve(document, header) for name, header in response["headers"].items()}
    assert set(answer.headers) - HEADERS_OF_THE_SERVER <= set(told), (path, answer.status_code)
    for name, header in told.items():
        assert name in answer.headers or not header["required"], name
    if answer.status_code == 304:
        assert answer.content == b""
        return None
    (media_type, content), *_ = response["content"].items()
    assert answer.headers["content-type"].partition(";")[0] == media_type
    validator(document, content["schema"]).validate(answer.json())
    refuse_untold(document, content["schema"], answer.json())
    return answer.json()


def resolve(document: Any, told: Any) -> Any:
    while "$ref" in told:
        target = document
        for part in told["$ref"].split("/")[1:]:
            target = target[part]
        told = target
    return told


def refuse_untold(document: Any, schema: Any, value: Any) -> None:
    """Assert that an object has no fields but those of its schema, where that tells any."""
    shape = resolve(document, schema)
    if isinstance(value, dict) and "properties" in shape:
        assert set(value) <= set(shape["properties"]), set(value) - set(shape["properties"])
        for name, child in value.items():
            refuse_untold(document, shape["properties"][name], child)
    if isinstance(value, list) and "items" in shape:
        for child in value:
            refuse_untold(document, shape["items"], child)


def validator(document: Any, schema: Any) -> Any:
    return jsonschema_rs.Draft202012Validator(
        {**resolve(document, schema), "components": document["components"]}, validate_formats=False
    )


def test_links_lead_from_the_submission_to_every_call_on_the_job(document: Any) -> None:
    links = document["paths"]["/v1/jobs"]["post"]["responses"]["202"]["links"]
    assert {name: link["parameters"] for name, link in links.items()} == {
        name: {"path.id": "$response.body#/id"} for name in ("status", "cancel", "result", "rerun")
    }
    ids = {operation["operationId"] for operation in operations(document)}
    assert {link["operationId"] for link in links.values()} <= ids
    again = document["paths"]["/v1/jobs/{id}"]["get"]["responses"]["200"]["links"]["again"]
    assert again["parameters"]["header.If-None-Match"] == "$response.header.ETag"


def test_the_document_names_no_address(both: House) -> None:
    for dialect in DIALECTS:
        text = json.dumps(read_document(both, dialect.mount))
        assert urlsplit(both.url).netloc not in text


def test_a_submission_that_waited_is_shown_with_its_end(document: Any) -> None:
    responses = document["paths"]["/v1/jobs"]["post"]["responses"]
    shown = {status: list(responses[status]["content"]["application/json"]["examples"]) for status in ("202", "200")}
    assert shown == {"202": ["waiting"], "200": ["completed"]}
