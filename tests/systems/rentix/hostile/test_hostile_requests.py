"""Broken bodies, headers, paths and queries at every route of the vendor's table: refused in its own shape."""

import json
import re
from collections.abc import Iterator
from contextlib import suppress

import pytest
from hostile_house import MOUNT, HostileHouse, check_answer

from jobwire.dialects.spec import Route
from jobwire.http.requests import HEADERS_BYTES_MAX
from jobwire.systems.rentix.dialect import BODY_BYTES_MAX, RENTIX
from jobwire.systems.rentix.fields import EXTERNAL_ID_CHARS_MAX, ID_MAX

pytestmark = pytest.mark.slow

ENDLESS_BYTES = 32 * 1024 * 1024
"""More than the buffers of both ends hold: it is sent to its end only if the server takes it all."""

JSON = {"Content-Type": "application/json"}
GOOD_SEGMENTS = {"id": "1", "externalId": "x"}

JSON_ROUTES = [route for route in RENTIX.routes if route.body == "json"]
KEYED_ROUTES = [route for route in RENTIX.routes if not route.is_open]
NUMBER_ROUTES = [route for route in RENTIX.routes if "{id}" in route.path]
NAME_ROUTES = [route for route in RENTIX.routes if "{externalId}" in route.path]


def name_route(route: Route) -> str:
    return f"{route.method} {route.path}"


def fill(route: Route, **segments: str) -> str:
    return re.sub(r"\{(\w+)\}", lambda match: {**GOOD_SEGMENTS, **segments}[match[1]], route.path)


@pytest.fixture
def key(house: HostileHouse) -> str:
    """A key with calls left."""
    return house.next_key()


NOT_JSON = {
    "empty": b"",
    "blank": b" \r\n\t ",
    "open object": b"{",
    "cut in a key": b'{"externalI',
    "cut in a value": b'{"externalId":"a',
    "cut before the end": b'{"externalId":"a","propertyArea":54',
    "trailing comma": b'{"externalId":"a",}',
    "single quotes": b"{'externalId':'a'}",
    "two texts": b'{"externalId":"a"}{"externalId":"b"}',
    "comment": b'{"externalId":"a"} // mine',
    "NUL behind": b'{"externalId":"a"}\0',
    "NUL in a text": b'{"externalId":"a\0b"}',
    "byte order mark": b'\xef\xbb\xbf{"externalId":"a"}',
    "UTF-16": '{"externalId":"a"}'.encode("utf-16"),
    "Latin-1": '{"externalId":"Chișinău"}'.encode("iso8859-16"),
    "overlong UTF-8": b'{"externalId":"\xc0\xaf"}',
    "encoded surrogate": b'{"externalId":"\xed\xa0\x80"}',
    "escaped lone surrogate": b'{"externalId":"\\ud800"}',
    "bad escape": b'{"externalId":"\\x41"}',
    "NaN": b'{"externalId":"a","propertyArea":NaN}',
    "Infinity": b'{"externalId":"a","propertyArea":-Infinity}',
    "number beyond a float": b'{"externalId":"a","propertyArea":1e999}',
    "number of 5,000 digits": b'{"externalId":"a","propertyArea":' + b"1" * 5_000 + b"}",
    "leading zero": b'{"externalId":"a","propertyArea":01}',
    "hexadecimal": b'{"externalId":"a","propertyArea":0x10}',
    "form": b"externalId=a&announcementStatus=active",
    "XML": b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>',
    "gzip": b"\x1f\x8b\x08\x00\x00\x00\x00\x00",
    "100,000 open arrays": b"[" * 100_000,
    "80,000 open objects": b'{"a":' * 80_000,
    "an array 65 deep": b"[" * 65 + b"]" * 65,
    "an object 65 deep": b'{"a":' * 65 + b"1" + b"}" * 65,
}


@pytest.mark.parametrize("case", NOT_JSON)
def test_a_body_that_is_no_json_is_refused_at_every_route(house: HostileHouse, case: str) -> None:
    for route in JSON_ROUTES:
        label = f"{name_route(route)} with {case}"
        seen = house.attack(route.method, fill(route), label, content=NOT_JSON[case], headers=JSON)
        assert seen.status == 400, label
        assert re.search("JSON|nested deeper than 64", seen.messages[0]), label


@pytest.mark.parametrize("body", [b"null", b"true", b"0", b'"text"', b"[]", b"[{}]", b"{}", b'{"":""}'])
def test_json_of_another_shape_is_refused_and_says_what_is_missing(house: HostileHouse, body: bytes) -> None:
    for route in JSON_ROUTES:
        label = f"{name_route(route)} with {body!r}"
        seen = house.attack(route.method, fill(route), label, content=body, headers=JSON)
        assert seen.status == 400, label
        assert re.search("externalId|operations|url|fileName|JSON object", " ".join(seen.messages)), label


TYPES = [
    "", "text/plain", "text/json", "application/jsonx", "application/x-www-form-urlencoded", "json",
    "multipart/form-data; boundary=x", "application/xml", "*/*", "application/json, text/plain", "é/ș", "a" * 10_000,
]  # fmt: skip


@pytest.mark.parametrize("route", JSON_ROUTES, ids=name_route)
def test_another_content_type_is_refused_at_every_route(house: HostileHouse, route: Route) -> None:
    for sent in TYPES:
        label = f"{name_route(route)} as {sent[:40]!r}"
        headers = {"Content-Type": sent.encode()}
        seen = house.attack(route.method, fill(route), label, content=b'{"externalId":"a"}', headers=headers)
        assert seen.status == 415 and "application/json" in seen.messages[0], label


@pytest.mark.parametrize("route", JSON_ROUTES, ids=name_route)
def test_a_body_of_513_kb_is_refused_however_it_is_sent(house: HostileHouse, route: Route) -> None:
    def chunks() -> Iterator[bytes]:
        yield b'{"externalId":"'
        for _ in range(513):
            yield b"x" * 1024
        yield b'"}'

    for content in (b"".join(chunks()), chunks()):
        label = f"{name_route(route)} as {type(content).__name__}"
        seen = house.attack(route.method, fill(route), label, content=content, headers=JSON)
        assert seen.status == 413 and str(BODY_BYTES_MAX) in seen.messages[0], label


def credentials(key: str) -> dict[str, tuple[bytes, int]]:
    """Header lines that are no credential, or more than one, with the status they earn."""
    plain = f"Authorization: ApiKey {key}\r\n".encode()
    other = f"X-API-Key: {key}\r\n".encode()
    return {
        "none": (b"", 401),
        "twice the same": (plain + plain, 400),
        "both headers": (plain + other, 400),
        "twice X-API-Key": (other + other, 400),
        "another scheme": (f"Authorization: Bearer {key}\r\n".encode(), 401),
        "no scheme": (f"Authorization: {key}\r\n".encode(), 401),
        "scheme only": (b"Authorization: ApiKey\r\n", 401),
        "empty": (b"Authorization:\r\nX-API-Key: \r\n", 401),
        "joined by a comma": (f"X-API-Key: {key}, {key}\r\n".encode(), 401),
        "cut": (plain[:-6] + b"\r\n", 401),
        "upper case": (b"X-API-Key: " + key.upper().encode() + b"\r\n", 401),
        "10,000 characters": (b"X-API-Key: " + b"a" * 10_000 + b"\r\n", 401),
        "Latin-1": (b"X-API-Key: jw_\xe9\xff\xfe\r\n", 401),
        "UTF-8": ("Authorization: ApiKey jw_ключ\r\n".encode(), 401),
        "quoted": (f'X-API-Key: "{key}"\r\n'.encode(), 401),
        "SQL": (b"X-API-Key: ' OR '1'='1\r\n", 401),
    }


def bare(method: str, path: str, lines: bytes) -> bytes:
    return f"{method} {MOUNT}{path} HTTP/1.1\r\nHost: x\r\n".encode() + lines + b"\r\n"


@pytest.mark.parametrize("case", credentials("key"))
def test_a_bad_credential_is_refused_at_every_route(house: HostileHouse, key: str, case: str) -> None:
    lines, status = credentials(key)[case]
    for route in KEYED_ROUTES:
        label = f"{name_route(route)} with the credential: {case}"
        seen = house.send_raw(bare(route.method, fill(route), lines))
        check_answer(seen, label, is_known=False)
        assert seen.status == status, label


BAD_NUMBERS = [
    "0", "-1", "+1", "1.0", "1e3", "0x10", "01a", "%31%00", "%20", "%201", "1%20", "١", "１", "½", "null", "NaN",
    str(ID_MAX + 1), "9" * 19, "9" * 5_000, "1;DROP", "1'--", "..", "..%2f..%2fagency", "%2e%2e", "1%2F2",
    "%F0%9F%98%80",
]  # fmt: skip


@pytest.mark.parametrize("route", NUMBER_ROUTES, ids=name_route)
def test_an_id_that_is_no_number_is_refused_at_every_route(house: HostileHouse, key: str, route: Route) -> None:
    body, headers = (b'{"externalId":"x"}', JSON) if route.body == "json" else (b"", {})
    for bad in BAD_NUMBERS:
        label = f"{name_route(route)} of {bad[:40]}"
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        lines = f"Authorization: ApiKey {key}\r\n{head}Content-Length: {len(body)}\r\n"
        seen = house.send_raw(bare(route.method, fill(route, id=bad), lines.encode()) + body)
        if not bad.isascii():
            assert seen.status == 400, label  # no URI: the server's parser of HTTP refuses it
            continue
        check_answer(seen, label, is_known=not route.is_open)
        assert seen.status == 400 and seen.messages == ["id must be a positive integer"], label


BAD_NAMES = {"x" * (EXTERNAL_ID_CHARS_MAX + 1): 400, "%00": 400, "a%00b": 400, "%ff": 404, "%ed%a0%80": 404, "": 404}
ODD_NAMES = [
    "%2e%2e%2f",
    "..",
    "%F0%9F%98%80",
    "%E2%80%AE",
    "'%20OR%201=1",
    "%25",
    "a%2Fb",
    "%C5%9F",
    "x" * 255,
    "{x}",
]


@pytest.mark.parametrize("route", NAME_ROUTES, ids=name_route)
def test_an_external_id_that_cannot_be_one_is_refused_and_an_odd_one_not_found(
    house: HostileHouse, key: str, route: Route
) -> None:
    lines = f"Authorization: ApiKey {key}\r\n".encode()
    for name, status in {**BAD_NAMES, **dict.fromkeys(ODD_NAMES, 404)}.items():
        label = f"{name_route(route)} of {name[:40]}"
        seen = house.send_raw(bare(route.method, fill(route, externalId=name), lines))
        check_answer(seen, label, is_known=name in ODD_NAMES or status == 400)
        assert seen.status == status, label


PATHS = [
    "", "/", "//agency", "/agency//", "/./agency", "/../v1/agency", "/%2e%2e/agency", "/agency%00", "/agency%2f",
    "/AGENCY", "/agency;x=1", "/agency/..;/", "/listings/1/link/extra", "/%", "/%zz", "/%ff", "/" + "a/" * 5_000,
    "/" + "a" * 60_000, "/media/1/upload/1", "/.git/config", "/job", "/job/status/1",
]  # fmt: skip


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path[:30])
def test_a_path_that_leads_nowhere_is_not_found(house: HostileHouse, key: str, path: str) -> None:
    seen = house.send_raw(bare("GET", path, f"Authorization: ApiKey {key}\r\n".encode()))
    check_answer(seen, path, is_known=False)
    assert seen.status == 404


@pytest.mark.parametrize("path", sorted({route.path for route in RENTIX.routes}))
def test_another_method_is_refused_with_those_that_work(house: HostileHouse, key: str, path: str) -> None:
    known = {route.method for route in RENTIX.routes if route.path == path}
    filled = re.sub(r"\{(\w+)\}", lambda match: GOOD_SEGMENTS[match[1]], path)
    for method in {"GET", "PUT", "POST", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND"} - known:
        lines = f"Authorization: ApiKey {key}\r\nContent-Length: 0\r\n".encode()
        seen = house.send_raw(bare(method, filled, lines))
        # A literal segment stands where an id could: GET /listings/bulk asks for the listing "bulk".
        check_answer(seen, f"{method} {path}", is_known=seen.status == 400)
        assert seen.status in (400, 405), f"{method} {path}"
        if seen.status == 405:
            assert known <= set(seen.headers["allow"].split(", "))


QUERIES = [
    ("/job/status", query, "id")
    for query in (
        "", "id", "id=", "id=abc", "id=-1", "id=1.5", "id=0", "id=1e3", "id=%31%00", "id=+1", "id=%D9%A1", "id[]=1",
        "ID=1", "id=" + "9" * 19, "id=" + "9" * 10_000, "id=1&id=x", "id=null", "id=1%20OR%201=1",
    )
]  # fmt: skip
QUERIES += [
    (path, query, query[:5])
    for path in ("/listings", "/users")
    for query in ("limit=0", "limit=101", "limit=-1", "limit=abc", "limit=", "limit=1e1", "limit=%EF%BC%91")
]
QUERIES += [
    (path, query, "offset")
    for path in ("/listings", "/users")
    for query in ("offset=-1", "offset=1000000001", "offset=x", "offset=" + "9" * 5_000)
]
QUERIES += [
    ("/reference/schema/contextual", query, name)
    for query, name in (
        ("", "announcementType"),
        ("announcementType=rent", "propertyType"),
        ("announcementType=rent&propertyType=castle", "propertyType"),
        ("announcementType=%00&propertyType=residential", "announcementType"),
        ("announcementType=" + "x" * 10_000 + "&propertyType=residential", "announcementType"),
    )
]
QUERIES += [
    (path, query, "query")
    for path in ("/agency", "/listings", "/job/status")
    for query in ("x=%ff", "%c3=1", "&".join(f"a{n}=1" for n in range(101)))
]


@pytest.mark.parametrize(("path", "query", "named"), QUERIES, ids=lambda item: item[:40])
def test_a_query_that_cannot_be_read_is_refused_by_name(
    house: HostileHouse, key: str, path: str, query: str, named: str
) -> None:
    seen = house.send_raw(bare("GET", f"{path}?{query}", f"Authorization: ApiKey {key}\r\n".encode()))
    check_answer(seen, f"{path}?{query[:60]}", is_known=named != "query")
    assert seen.status == 400 and named in " ".join(seen.messages)


def headers_of(size: int, key: str) -> bytes:
    """Header lines that come to exactly that many bytes, those of `bare` included."""
    lines = b"Host: x\r\n" + f"Authorization: ApiKey {key}\r\n".encode()
    return lines[len(b"Host: x\r\n") :] + b"X: " + b"a" * (size - len(lines) - len(b"X: \r\n")) + b"\r\n"


def test_headers_may_fill_their_bound_and_not_one_byte_more(house: HostileHouse, key: str) -> None:
    assert house.send_raw(bare("GET", "/agency", headers_of(HEADERS_BYTES_MAX, key))).status == 200
    seen = house.send_raw(bare("GET", "/agency", headers_of(HEADERS_BYTES_MAX + 1, key)))
    check_answer(seen, "headers", is_known=False)
    assert seen.status == 400 and str(HEADERS_BYTES_MAX) in seen.messages[0]


def test_a_flood_of_headers_is_refused_and_holds_up_nobody(house: HostileHouse, key: str) -> None:
    """Joined one by one, 12 MB of them took the whole server more than a minute; it needed no key."""
    with suppress(ConnectionError):  # it need not hear all of them
        assert house.send_raw(bare("GET", "/agency", b"X: a\r\n" * 500_000)).status == 400
    assert house.send_raw(bare("GET", "/agency", f"Authorization: ApiKey {key}\r\n".encode())).status == 200


def test_a_head_without_an_end_is_cut_off(house: HostileHouse) -> None:
    with house.connect() as connection, pytest.raises(ConnectionError):
        connection.sendall(b"GET /api/v1/agency HTTP/1.1\r\nX: " + b"a" * ENDLESS_BYTES)


ODD_LINES = [
    b"X-Request-Id: \xff\xfe\r\n", b"X-Request-Id: " + b"a" * 5_000 + b"\r\n", b"Host: \r\n", b"Host: a b\r\n",
    b"X-Forwarded-Host: evil.example\r\n", b"Accept: nonsense\r\n", b"Range: bytes=0-\r\n", b"Cookie: \xc3\r\n",
    b"If-None-Match: *\r\n", b"Expect: 100-continue\r\n", b"Upgrade: h2c\r\nConnection: Upgrade\r\n",
    b"Upgrade: websocket\r\nConnection: Upgrade\r\n", b"Accept-Encoding: br\r\n",
    b"X-HTTP-Method-Override: DELETE\r\n",
]  # fmt: skip


@pytest.mark.parametrize("lines", ODD_LINES)
def test_odd_headers_change_nothing(house: HostileHouse, key: str, lines: bytes) -> None:
    seen = house.send_raw(bare("GET", "/agency", f"Authorization: ApiKey {key}\r\n".encode() + lines))
    check_answer(seen, repr(lines), also=(200,))
    assert seen.status == 200


NOT_HTTP = [
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"SSH-2.0-OpenSSH_9.6\r\n",
    b"FOO /api/v1/agency HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /api/v1/agency HTTP/9.9\r\nHost: x\r\n\r\n",
    b"GET /api/v1/\xff HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /api/v1/" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /api/v1/agency HTTP/1.1\r\nBad Name: x\r\n\r\n",
    b"GET /api/v1/agency HTTP/1.1\r\nX: a\0b\r\n\r\n",
    b"GET /api/v1/agency HTTP/1.1\r\n Folded: x\r\n\r\n",
    b"PUT /api/v1/listings HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
    b"PUT /api/v1/listings HTTP/1.1\r\nContent-Length: 99999999999999999999999\r\n\r\n",
    b"PUT /api/v1/listings HTTP/1.1\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    b"PUT /api/v1/listings HTTP/1.1\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}",
    b"PUT /api/v1/listings HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n{}",
]


@pytest.mark.parametrize("request_bytes", NOT_HTTP, ids=lambda sent: repr(sent[:40]))
def test_what_is_no_http_is_refused_before_any_dialect_is_asked(house: HostileHouse, request_bytes: bytes) -> None:
    """Nobody has been addressed yet, so these few are answered in the words of the native API."""
    seen = house.send_raw(request_bytes)
    problem = json.loads(seen.body)
    assert (seen.status, problem["code"]) == (400, "invalid_request")
    assert problem["detail"] == "Invalid HTTP request received."


def test_the_server_is_unharmed_and_has_logged_no_fault(house: HostileHouse) -> None:
    house.check_unharmed()
