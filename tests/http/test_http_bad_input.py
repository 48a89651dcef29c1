"""Bad input of every sort gets a documented refusal, and nothing that was there before is lost."""

import json
import re
import socket
from pathlib import Path
from typing import Any

import httpx
import pytest
from http_house import House

from jobwire.domain.outcome import Completed

ERRORS = (Path(__file__).parents[2] / "docs" / "errors.md").read_text(encoding="utf-8")
STATUS_OF = dict(re.findall(r"^\| `([a-z_]+)` \| (\d{3}) \|", ERRORS, re.MULTILINE))
JSON = {"Content-Type": "application/json"}
FINE = {"kind": "echo", "input": {"text": "hi"}}
A_MILLION = b'{"kind":"echo","tags":[' + b'"x",' * 250_000 + b'"x"]}'

SUBMISSIONS: list[tuple[str, Any]] = [
    ("an unknown field", FINE | {"color": "red"}),
    ("an unknown field of the input", FINE | {"input": {"text": "hi", "color": "red"}}),
    ("no kind", {"input": {}}),
    ("an unknown kind", {"kind": "nope"}),
    ("a kind that is no text", {"kind": 7}),
    ("a negative priority", FINE | {"priority": -1}),
    ("a priority of a million", FINE | {"priority": 1_000_000}),
    ("a negative delay", FINE | {"delay": -1}),
    ("an endless delay", FINE | {"delay": 1e300}),
    ("a huge max_wait", FINE | {"max_wait": 10**12}),
    ("a negative max_wait", FINE | {"max_wait": -1}),
    ("21 tags", FINE | {"tags": ["x"] * 21}),
    ("an empty tag", FINE | {"tags": [""]}),
    ("a tag of a thousand characters", FINE | {"tags": ["x" * 1_000]}),
    ("a tag with a zero", FINE | {"tags": ["a\0b"]}),
    ("an unknown queue", FINE | {"queue": "nowhere"}),
    ("a deadline in the past", FINE | {"deadline": "1999-01-01T00:00:00Z"}),
    ("a run_at in a century", FINE | {"run_at": "2130-01-01T00:00:00Z"}),
    ("a time without an offset", FINE | {"run_at": "2031-01-01T00:00:00"}),
    ("both times", FINE | {"run_at": "2031-01-01T00:00:00Z", "delay": 1}),
    ("a concurrency key of a megabyte", FINE | {"concurrency_key": "x" * 1_000_000}),
    ("a null", None),
    ("a list", [FINE]),
    ("a text", "echo"),
]

CALLS: list[tuple[str, str, str, dict[str, Any]]] = [
    *((what, "POST", "/v1/jobs", {"json": body}) for what, body in SUBMISSIONS),
    ("a quarter of a million tags", "POST", "/v1/jobs", {"content": A_MILLION, "headers": JSON}),
    ("a million tags", "POST", "/v1/jobs", {"content": A_MILLION.replace(b'"x",', b'"x",' * 4), "headers": JSON}),
    ("a body over its limit", "POST", "/v1/jobs", {"content": b" " * 1_048_577, "headers": JSON}),
    ("no body", "POST", "/v1/jobs", {"headers": JSON}),
    ("half a body", "POST", "/v1/jobs", {"content": b'{"kind"', "headers": JSON}),
    ("no UTF-8", "POST", "/v1/jobs", {"content": b'{"kind":"\xff"}', "headers": JSON}),
    ("a deep body", "POST", "/v1/jobs", {"content": b"[" * 100_000, "headers": JSON}),
    ("no type", "POST", "/v1/jobs", {"content": b"{}"}),
    ("another type", "POST", "/v1/jobs", {"content": b"{}", "headers": {"Content-Type": "text/html"}}),
    ("an empty key", "POST", "/v1/jobs", {"json": FINE, "headers": {"Idempotency-Key": ""}}),
    ("a long key", "POST", "/v1/jobs", {"json": FINE, "headers": {"Idempotency-Key": "k" * 256}}),
    ("a key beyond ASCII", "POST", "/v1/jobs", {"json": FINE, "headers": {"Idempotency-Key": "ключ".encode()}}),
    ("huge headers", "GET", "/v1/jobs", {"headers": {f"X-{n}": "x" * 8_000 for n in range(9)}}),
    ("a negative limit", "GET", "/v1/jobs?limit=-1", {}),
    ("a limit of nothing", "GET", "/v1/jobs?limit=", {}),
    ("a limit in other digits", "GET", "/v1/jobs?limit=%D9%A3", {}),
    ("a limit of a thousand digits", "GET", "/v1/jobs?limit=" + "9" * 1_000, {}),
    ("an unknown parameter", "GET", "/v1/jobs?colour=red", {}),
    ("a cursor of somebody's own", "GET", "/v1/jobs?cursor=bi0x", {}),
    ("a time of the year 10000", "GET", "/v1/jobs?created_after=10000-01-01T00:00:00Z", {}),
    ("a hundred and one parameters", "GET", "/v1/jobs?" + "&".join(f"a{n}=1" for n in range(101)), {}),
    ("no job's id", "GET", "/v1/jobs/job_..", {}),
    ("a path of a thousand segments", "GET", "/v1" + "/a" * 1_000, {}),
    ("another method", "DELETE", "/v1/jobs", {}),
    ("a long key of the API", "GET", "/v1/me", {"headers": {"Authorization": "Bearer " + "x" * 513}}),
    ("two keys of the API", "GET", "/v1/me", {"headers": {"X-API-Key": "x"}}),
    ("a batch of no list", "POST", "/v1/jobs/batch", {"json": FINE}),
    ("a batch of 10,001", "POST", "/v1/jobs/batch", {"json": [1] * 10_001}),
    ("a filter of nothing", "POST", "/v1/jobs/cancel", {"json": {}}),
    ("a negative bulk", "POST", "/v1/jobs/rerun", {"json": {"kind": "echo", "limit": -1}}),
]


@pytest.mark.parametrize(("method", "path", "options"), [c[1:] for c in CALLS], ids=[c[0] for c in CALLS])
def test_bad_input_gets_a_documented_refusal(
    client: httpx.Client, method: str, path: str, options: dict[str, Any]
) -> None:
    answer = client.request(method, path, **options)
    assert 400 <= answer.status_code < 500, answer.text[:500]
    assert answer.headers["content-type"] == "application/problem+json"
    told = answer.json()
    assert STATUS_OF[told["code"]] == str(answer.status_code) == str(told["status"])
    assert told["detail"] and told["request_id"] == answer.headers["x-request-id"]
    assert len(answer.content) < 20_000


def test_nothing_is_lost_among_bad_input(house: House, client: httpx.Client) -> None:
    before = client.post("/v1/jobs", json=FINE).json()
    with house.client(client.headers["authorization"].removeprefix("Bearer ")) as hostile:
        for _, method, path, options in CALLS:
            hostile.request(method, path, **options)
    assert [job["id"] for job in client.get("/v1/jobs").json()["jobs"]] == [before["id"]]
    [claim] = house.claim()
    house.settle(claim, Completed(json.dumps({"text": "hi"})))
    assert client.get(before["links"]["self"]).json()["result"] == {"text": "hi"}


@pytest.mark.parametrize(
    "sent",
    [
        b"not http at all\r\n\r\n",
        b"BREW /v1/jobs HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /v1/jobs HTTP/1.1\r\nHost: x\r\nX-Fill: " + b"x" * 70_000,
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
    ids=["no HTTP", "a method of one's own", "a head without end", "TLS"],
)
def test_what_is_no_request_is_refused_with_a_request_id_too(house: House, sent: bytes) -> None:
    host, _, port = house.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(sent)
        with connection.makefile("rb") as file:
            head, _, body = file.read().partition(b"\r\n\r\n")
    told = json.loads(body)
    assert head.startswith(b"HTTP/1.1 400 ") and (told["status"], told["code"]) == (400, "invalid_request")
    assert f"x-request-id: {told['request_id']}".encode() in head
