"""Bodies: broken, too big, too deep, of the wrong type, and cut off. Each is refused and the server lives on."""

import asyncio
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from http_house import House

from jobwire.dialects.spec import BODY_BYTES_MAX
from jobwire.domain.errors import RequestError
from jobwire.http.body import JSON_DEPTH_MAX, decode_json, read_json

JSON = {"Content-Type": "application/json"}


def post(client: httpx.Client, content: bytes | Iterator[bytes], **headers: str) -> httpx.Response:
    return client.post("/v1/jobs", content=content, headers=JSON | headers)


@pytest.mark.parametrize(
    "body",
    [
        b"", b"  ", b"{", b'{"kind":', b"nope", b"{'kind':'echo'}", b'{"kind":"echo"}}', b'{"a":1,}', b"\xff\xfe",
        b'{"kind":"\xff"}', b'{"kind":"\\ud800"}', b'"\\x"', b"[1,2", b"NaN", b'{"input":Infinity}', b"\x00",
        b"[" * 100_000, b'{"a":' * 100_000, b"[" * 1_000 + b"]" * 1_000, b"1" * 100_000, b'{"kind":"echo"}\x00',
        b"[" * (JSON_DEPTH_MAX + 1) + b"]" * (JSON_DEPTH_MAX + 1),
        b'{"a":[[' * 40 + b"1" + b"]]}" * 40,
    ],
)  # fmt: skip
def test_what_is_not_json_is_refused(client: httpx.Client, body: bytes) -> None:
    answer = post(client, body)
    assert answer.status_code == 400
    assert answer.json()["code"] in {"malformed_json", "invalid_request"}
    assert client.get("/v1/jobs").json()["jobs"] == []


def test_json_may_be_as_deep_as_its_bound_and_not_deeper() -> None:
    assert decode_json(b"[" * JSON_DEPTH_MAX + b"]" * JSON_DEPTH_MAX)
    wide = b"[" + b"[]," * 500 + b"{}]"
    assert len(decode_json(wide)) == 501
    assert decode_json(b'"' + b"[" * 500 + b'"') == "[" * 500
    for body in (
        b"[" * 65 + b"]" * 65,
        b'{"a":' * 65 + b"1" + b"}" * 65,
        b"[" + b"[]," * 500 + b"[" * 65 + b"]" * 66,
    ):
        with pytest.raises(RequestError, match="deeper than 64"):
            decode_json(body)


@pytest.mark.parametrize("number", ["2", "2.0", "2e0", "0.2e1", "20E-1"])
def test_a_whole_number_may_be_written_in_every_way_json_has(client: httpx.Client, number: str) -> None:
    body = f'{{"kind":"echo","priority":{number},"input":{{"times":{number}}}}}'
    answer = post(client, body.encode())
    assert (answer.status_code, answer.json()["priority"]) == (202, 2)


def test_numbers_that_are_not_whole_or_too_large_stay_what_they_are(client: httpx.Client) -> None:
    assert decode_json(b"[2.5, 1e300, 9007199254740993, 1.0]") == [2.5, 1e300, 9007199254740993, 1]
    assert [type(value) for value in decode_json(b"[1e300, 1e2]")] == [float, int]
    assert post(client, b'{"kind":"echo","input":{"times":1e999}}').json()["code"] == "malformed_json"
    assert post(client, b'{"kind":"echo","input":{"times":2.5}}').json()["errors"][0]["pointer"] == "/input/times"


def test_a_body_may_fill_the_bound_and_no_byte_more(client: httpx.Client) -> None:
    def padded(size: int) -> bytes:
        body = b'{"kind":"echo"}'
        return body + b" " * (size - len(body))

    assert post(client, padded(BODY_BYTES_MAX)).status_code == 202
    for content in (padded(BODY_BYTES_MAX + 1), iter([padded(BODY_BYTES_MAX), b" "])):
        answer = post(client, content)
        assert (answer.status_code, answer.json()["code"]) == (413, "payload_too_large")
        assert answer.json()["title"] == "Content Too Large", "RFC 9110's word on every Python"
        assert answer.json()["details"]["limit_bytes"] == BODY_BYTES_MAX


def test_a_declared_length_is_refused_before_a_byte_is_read(house: House, key: str) -> None:
    assert raw(house, key, f"Content-Length: {BODY_BYTES_MAX + 1}\r\n").startswith("HTTP/1.1 413")


def test_a_caller_that_hangs_up_harms_nobody(house: House, key: str, client: httpx.Client) -> None:
    raw(house, key, "Content-Length: 100\r\n", body=b'{"kind":', is_cut=True)
    assert client.get("/v1/jobs").json()["jobs"] == []


def raw(house: House, key: str, headers: str, *, body: bytes = b"", is_cut: bool = False) -> str:
    parts = urlsplit(house.url)
    assert parts.hostname and parts.port
    with socket.create_connection((parts.hostname, parts.port), timeout=20) as connection:
        head = (
            f"POST /v1/jobs HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\n"
        )
        connection.sendall((head + headers + "\r\n").encode() + body)
        return "" if is_cut else connection.recv(65_536).decode()


def test_a_body_that_does_not_come_is_not_waited_for_forever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobwire.http.body.BODY_SECONDS_MAX", 0.01)

    async def never() -> Any:
        await asyncio.Event().wait()

    with pytest.raises(RequestError, match=r"did not arrive within 0\.01 s"):
        asyncio.run(read_json(never, {}, 100))


@pytest.mark.parametrize("sent", ["text/plain", "", "application/jsonx", "multipart/form-data; boundary=x", "json"])
def test_another_content_type_is_refused(client: httpx.Client, sent: str) -> None:
    answer = client.post("/v1/jobs", content=b'{"kind":"echo"}', headers={"Content-Type": sent})
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")


def test_a_missing_content_type_is_refused(client: httpx.Client) -> None:
    assert client.post("/v1/jobs", content=b'{"kind":"echo"}').status_code == 415


@pytest.mark.parametrize("sent", ["application/json; charset=utf-8", "Application/JSON", "application/json ;x=y"])
def test_json_may_have_parameters(client: httpx.Client, sent: str) -> None:
    assert client.post("/v1/jobs", content=b'{"kind":"echo"}', headers={"Content-Type": sent}).status_code == 202
