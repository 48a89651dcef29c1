"""The server's protocol on the wire: polls past uvicorn's exchange, everything else through it, always in order."""

import asyncio
import re
import socket
from urllib.parse import urlsplit

import httpx
import pytest
from http_house import House

from jobwire.http.requests import HEADERS_BYTES_MAX


class Wire:
    """One connection, spoken to in bytes."""

    def __init__(self, house: House, key: str) -> None:
        address = urlsplit(house.url)
        self._socket = socket.create_connection((address.hostname, address.port), timeout=10)
        self._file = self._socket.makefile("rb")
        self._key = key

    def send(self, method: str, path: str, *lines: str, version: str = "1.1", body: bytes = b"") -> bytes:
        """The bytes of a request; nothing is sent yet."""
        head = [f"{method} {path} HTTP/{version}", "Host: here", f"Authorization: Bearer {self._key}", *lines]
        return "\r\n".join([*head, "", ""]).encode() + body

    def write(self, *requests: bytes) -> None:
        self._socket.sendall(b"".join(requests))

    def read(self, *, has_body: bool = True) -> tuple[int, dict[str, str], bytes]:
        status = int(self._file.readline().split()[1])
        headers = {}
        while (line := self._file.readline().strip()) != b"":
            name, _, value = line.decode().partition(":")
            headers[name.lower()] = value.strip()
        length = int(headers.get("content-length", 0)) if has_body and status != 304 else 0
        return status, headers, self._file.read(length)

    def is_closed(self) -> bool:
        return self._file.read(1) == b""

    def close(self) -> None:
        self._file.close()
        self._socket.close()


@pytest.fixture
def wire(house: House, client: httpx.Client):
    client.get("/v1/me")  # the key is known from here on, so that polls take the short way
    wire = Wire(house, client.headers["authorization"].removeprefix("Bearer "))
    yield wire
    wire.close()


@pytest.fixture
def jobs(client: httpx.Client) -> list[str]:
    return [client.post("/v1/jobs", json={"kind": "echo"}).json()["id"] for _ in range(3)]


def test_polls_sent_in_one_go_are_answered_in_their_order(wire: Wire, jobs: list[str]) -> None:
    wire.write(*[wire.send("GET", f"/v1/jobs/{job}") for job in jobs * 20])
    for job in jobs * 20:
        status, headers, body = wire.read()
        assert status == 200
        assert f'"id":"{job}"'.encode() in body
        assert len(body) == int(headers["content-length"])


def test_polls_and_other_calls_sent_in_one_go_keep_their_order(wire: Wire, jobs: list[str]) -> None:
    listing = wire.send("GET", "/v1/jobs?limit=1")
    poll = wire.send("GET", f"/v1/jobs/{jobs[0]}")
    nowhere = wire.send("GET", "/v1/nowhere")
    submission = b'{"kind":"echo"}'
    submit = wire.send(
        "POST", "/v1/jobs", "Content-Type: application/json", f"Content-Length: {len(submission)}", body=submission
    )
    wire.write(poll, listing, poll, submit, poll, poll, nowhere, poll)
    statuses = [wire.read()[0] for _ in range(8)]
    assert statuses == [200, 200, 200, 202, 200, 200, 404, 200]


def test_both_ways_give_the_same_answer(wire: Wire, jobs: list[str]) -> None:
    wire.write(wire.send("GET", f"/v1/jobs/{jobs[0]}"))
    short = wire.read()
    # An escaped letter goes the long way.
    wire.write(wire.send("GET", f"/v1/jobs/%6aob_{jobs[0][4:]}"))
    long = wire.read()
    ignored = {"x-request-id", "date"}
    assert short[0] == long[0] == 200
    assert short[2] == long[2]
    assert {n: v for n, v in short[1].items() if n not in ignored} == {
        n: v for n, v in long[1].items() if n not in ignored
    }


def test_a_poll_may_be_conditional_and_the_connection_goes_on(wire: Wire, jobs: list[str]) -> None:
    wire.write(wire.send("GET", f"/v1/jobs/{jobs[0]}"))
    etag = wire.read()[1]["etag"]
    for _ in range(3):
        wire.write(wire.send("GET", f"/v1/jobs/{jobs[0]}", f"If-None-Match: {etag}"))
        status, headers, body = wire.read()
        assert (status, headers["etag"], body) == (304, etag, b"")


@pytest.mark.parametrize(("version", "line"), [("1.0", "X-Nothing: 1"), ("1.1", "Connection: close")])
def test_a_poll_that_ends_its_connection_is_answered_and_ends_it(
    wire: Wire, jobs: list[str], version: str, line: str
) -> None:
    wire.write(wire.send("GET", f"/v1/jobs/{jobs[0]}", line, version=version))
    assert wire.read()[0] == 200
    assert wire.is_closed()


def test_a_poll_may_be_a_head_and_may_carry_a_body(wire: Wire, jobs: list[str]) -> None:
    wire.write(wire.send("HEAD", f"/v1/jobs/{jobs[0]}"))
    status, headers, _ = wire.read(has_body=False)
    assert status == 200
    assert int(headers["content-length"]) > 0
    wire.write(wire.send("GET", f"/v1/jobs/{jobs[0]}", "Content-Length: 4", body=b"body"))
    assert wire.read()[0] == 200
    wire.write(wire.send("GET", f"/v1/jobs/{jobs[1]}"))
    assert jobs[1].encode() in wire.read()[2]


def test_a_poll_in_pieces_is_one_poll(wire: Wire, jobs: list[str]) -> None:
    for piece in re.findall(rb"(?s).{1,7}", wire.send("GET", f"/v1/jobs/{jobs[0]}")):
        wire.write(piece)
    assert wire.read()[0] == 200


def test_a_head_may_be_as_long_as_the_limit_and_no_longer(wire: Wire, jobs: list[str]) -> None:
    wire.write(wire.send("GET", f"/v1/jobs/{jobs[0]}", "X-Filler: " + "x" * (HEADERS_BYTES_MAX - 1_000)))
    assert wire.read()[0] == 200
    wire.write(b"GET /v1/me HTTP/1.1\r\nX-Endless: " + b"x" * (HEADERS_BYTES_MAX + 1_000))
    assert wire.read()[0] == 400
    assert wire.is_closed()


def test_a_caller_who_hangs_up_harms_nobody(house: House, client: httpx.Client, wire: Wire, jobs: list[str]) -> None:
    for _ in range(20):
        gone = Wire(house, client.headers["authorization"].removeprefix("Bearer "))
        gone.write(*[gone.send("GET", f"/v1/jobs/{job}") for job in jobs * 50])
        gone.close()
    wire.write(wire.send("GET", f"/v1/jobs/{jobs[0]}"))
    assert wire.read()[0] == 200


def test_the_same_headers_serve_every_job_and_every_method(wire: Wire, jobs: list[str]) -> None:
    submission = b'{"kind":"echo"}'
    submit = wire.send(
        "POST", "/v1/jobs", "Content-Type: application/json", f"Content-Length: {len(submission)}", body=submission
    )
    calls = [("GET", f"/v1/jobs/{job}", 200) for job in jobs]
    others = [
        ("GET", "/v1/jobs/job_" + "0" * 26, 404), ("GET", "/v1/jobs/job_x", 404), ("GET", "/v1/nowhere", 404),
        ("GET", f"/v1/jobs/{jobs[0]}/result", 409), ("GET", f"/v1/jobs/{jobs[0]}?x=1", 200), ("GET", "/\x7f", 400),
        ("POST", f"/v1/jobs/{jobs[0]}", 405), ("DELETE", f"/v1/jobs/{jobs[0]}", 405),
    ]  # fmt: skip
    for other in others[:5] + others[6:] + others[5:6]:
        for method, path, expected in [*calls, other]:
            wire.write(wire.send(method, path))
            status, _, body = wire.read()
            assert status == expected, (method, path, body)
            assert expected != 200 or path[9:39].encode() in body
        if other[1] != "/\x7f":
            wire.write(submit)
            assert wire.read()[0] == 202


def test_a_body_that_reads_like_a_poll_is_a_body(wire: Wire, jobs: list[str]) -> None:
    poll = wire.send("GET", f"/v1/jobs/{jobs[0]}")
    for _ in range(3):
        wire.write(poll)
        assert wire.read()[0] == 200
    wire.write(wire.send("POST", "/v1/jobs", "Content-Type: application/json", f"Content-Length: {2 * len(poll)}"))
    for _ in range(2):
        wire.write(poll)
    assert wire.read()[0] == 400
    wire.write(poll)
    assert wire.read()[0] == 200


def test_a_key_that_is_revoked_between_two_polls_is_refused(
    house: House, client: httpx.Client, wire: Wire, jobs: list[str]
) -> None:
    poll = wire.send("GET", f"/v1/jobs/{jobs[0]}")
    for _ in range(3):
        wire.write(poll)
        assert wire.read()[0] == 200
    key = client.headers["authorization"].removeprefix("Bearer ")
    asyncio.run(house.services.owners.revoke_key(key.split("_")[1]))
    wire.write(poll)
    assert wire.read()[0] == 401
