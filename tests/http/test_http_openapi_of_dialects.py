"""The descriptions of dialects that say more than the native one: words of pages, removal, waits, shared paths."""

import json
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest
from http_house import House, open_house

from jobwire.dialects.azure import AZURE
from jobwire.dialects.google import GOOGLE
from jobwire.dialects.native import NATIVE
from jobwire.dialects.spec import Dialect
from jobwire.domain.states import Event
from jobwire.domain.webhooks import EVENT_TYPES, PHASES_AFTER, TEST_EVENT
from jobwire.net.webhook_signing import Keyring, SecretName, make_key, write_headers
from jobwire.store.webhook_messages import write_message, write_test
from market_tables import MARKET

DIALECTS = (NATIVE, AZURE, GOOGLE, *MARKET)


@pytest.fixture(scope="module")
def served(house_engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with open_house(tmp_path_factory.mktemp("described"), *DIALECTS) as opened:
        yield opened


def read_document(house: House, dialect: Dialect) -> Any:
    with house.client() as nobody:
        return nobody.get(f"{dialect.mount}/openapi.json").json()


def read_paths(house: House, dialect: Dialect) -> Any:
    return read_document(house, dialect)["paths"]


def fits(document: Any, schema: Any, value: Any) -> bool:
    whole = {**schema, "components": document["components"]}
    return jsonschema_rs.Draft202012Validator(whole, validate_formats=True).is_valid(value)


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


BODIES = [
    ({}, True),
    ({"input": {"text": "a", "times": 2}}, True),
    ({"input": None, "priority": None, "tags": None}, True),
    ({"input": {"text": 7}}, False),
    ({"input": {"text": "a"}, "colour": "red"}, False),
    ({"priority": 99}, False),
    ({"queue": "nope"}, False),
    ({"tags": ["a", "b"]}, True),
    ({"tags": "a"}, False),
    ({"{start}": "2031-03-04T05:06:07Z"}, True),
    ({"{start}": 5}, False),
]


@pytest.mark.parametrize(
    ("dialect", "start"), [(AZURE, "startDateTime"), (GOOGLE, "startTime")], ids=["azure", "google"]
)
def test_a_body_in_a_vendors_words_is_described_as_it_is_taken(served: House, dialect: Dialect, start: str) -> None:
    document = read_document(served, dialect)
    [path] = [path for path in document["paths"] if path.endswith("{kind}:run")]
    schema = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]
    taken = set(schema["properties"])
    assert {"input", "queue", "priority", "tags", start} <= taken and schema["additionalProperties"] is False
    with served.client(served.make_key("ada")) as client:
        for body, is_good in BODIES:
            sent = {name.format(start=start): value for name, value in body.items()}
            answer = client.post(path.format(kind="echo"), json=sent)
            assert (answer.status_code < 300) is is_good, (sent, answer.text)
            assert fits(document, schema, sent) is is_good, sent


def test_every_body_of_the_market_is_described(served: House) -> None:
    for dialect in DIALECTS:
        paths = read_paths(served, dialect)
        for route in dialect.routes:
            if route.takes and any(take.sent is not None and take.sent.place == "body" for take in route.takes):
                body = paths[dialect.mount + route.path][route.method.lower()]["requestBody"]
                schema = next(iter(body["content"].values()))["schema"]
                assert schema, (dialect.name, route.path)


def test_the_webhooks_of_the_document_are_the_messages_that_are_sent(served: House) -> None:
    document = read_document(served, NATIVE)
    webhooks = document["webhooks"]
    assert set(webhooks) == {*EVENT_TYPES.values(), TEST_EVENT}
    told = [
        write_message("0" * 26, kind="echo", event=e, no=7, at=1_900_000_000_123, version=2, phase=None)
        for e in Event
    ]
    for message in (*told, write_test("msg_test_1", at=1_900_000_000_123)):
        operation = webhooks[message.type]["post"]
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        assert fits(document, schema, json.loads(message.body)), message
        keyring = Keyring([make_key("s" * 32)])
        names = [SecretName("whe_1", 1, keyring.newest)]
        headers = write_headers(keyring, names, scheme="v1", id_=message.id, at_s=1, body=message.body.encode())
        described = {one["name"]: one["schema"] for one in operation["parameters"]}
        assert set(described) == set(headers)
        assert all(fits(document, described[name], value) for name, value in headers.items())
    other = webhooks[EVENT_TYPES[Event.FAILED]]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert not fits(document, other, json.loads(told[0].body))
    assert set(PHASES_AFTER) == set(Event)


def test_a_dialect_without_webhooks_describes_none(served: House) -> None:
    for dialect in DIALECTS[1:]:
        document = read_document(served, dialect)
        assert "webhooks" not in document and "WebhookData" not in document["components"]["schemas"]
        with served.client() as nobody:
            assert 'id="webhooks"' not in nobody.get(f"{dialect.mount}/docs").text
    with served.client() as nobody:
        page = nobody.get("/v1/docs").text
    assert 'href="#webhooks"' in page and "job.completed" in page and "webhook-signature" in page
