"""Heads of requests that nobody sends by mistake: each a documented 4xx, and the server goes on."""

import socket

import pytest
from http_house import House

from jobwire.http.requests import HEADERS_BYTES_MAX
from jobwire.service.tokens import TOKEN_CHARS_MAX


def send_raw(house: House, lines: list[bytes]) -> tuple[int, bytes]:
    """The status and the whole answer to a GET of these header lines."""
    host, port = house.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        head = b"\r\n".join([b"GET /v1/me HTTP/1.1", b"Host: x", *lines, b"Connection: close", b"", b""])
        connection.sendall(head)
        answer = b""
        while piece := connection.recv(65_536):
            answer += piece
    return int(answer.split(b" ", 2)[1]), answer


@pytest.mark.parametrize("byte", [*range(32), 127])
def test_a_control_character_in_a_credential_is_refused(house: House, key: str, byte: int) -> None:
    middle = len(key) // 2
    token = key[:middle].encode() + bytes([byte]) + key[middle:].encode()
    for line in (b"Authorization: Bearer " + token, b"X-API-Key: " + token):
        # A line's end ends the header, and what follows is no header: HTTP's own 400.
        status, answer = send_raw(house, [line])
        assert status in (400, 401), byte
        assert key[middle:].encode() not in answer


@pytest.mark.parametrize("lines", [1, 500, 10_000])
def test_headers_over_their_limit_are_refused_whatever_their_number(house: House, key: str, lines: int) -> None:
    size = HEADERS_BYTES_MAX // lines + 1
    many = [b"X-%d: %s" % (number, b"a" * max(1, size - 8)) for number in range(lines)]
    status, _ = send_raw(house, [b"X-API-Key: " + key.encode(), *many])
    assert status == 400


def test_many_headers_below_the_limit_are_nobody_s_business(house: House, key: str) -> None:
    many = [b"X-%d: a" % number for number in range(4_000)]
    assert send_raw(house, [b"X-API-Key: " + key.encode(), *many])[0] == 200


def test_a_credential_over_its_limit_is_refused_like_any_other(house: House, key: str) -> None:
    answers = [send_raw(house, [b"X-API-Key: " + b"a" * size]) for size in (10, TOKEN_CHARS_MAX, TOKEN_CHARS_MAX + 1)]
    assert {status for status, _ in answers} == {401}
    assert len({answer.split(b'"detail"')[1].split(b"request_id")[0] for _, answer in answers}) == 1
    assert send_raw(house, [b"X-API-Key: " + key.encode()])[0] == 200
