"""Wrong values in every field, one by one and at random: refused by name, and what fits is kept as it was sent."""

import json
from typing import Any

import pytest
from hostile_house import HostileHouse
from hypothesis import given, settings
from hypothesis import strategies as st
from rentix_house import FLAT

from jobwire.systems.rentix.fields import AGENT_FIELDS, DESCRIPTION_CHARS_MAX, LISTING_FIELDS, Text
from jobwire.systems.rentix.routes_bulk import OPERATIONS_MAX

pytestmark = pytest.mark.slow

JSON = {"Content-Type": "application/json"}

VALUES = {
    "null": "null",
    "true": "true",
    "false": "false",
    "a text": '"x"',
    "no text": '""',
    "blanks": '"   "',
    "NaN as a text": '"NaN"',
    "a number as a text": '"54"',
    "10,000 characters": json.dumps("x" * 10_000),
    "20,000 emoji": json.dumps("\U0001f3e0" * 20_000),
    "NUL": '"a\\u0000b"',
    "lone surrogate": '"\\ud800"',
    "right to left": '"\\u202egpj.exe"',
    "markup": '"<script>alert(1)</script>"',
    "SQL": '"\'; DROP TABLE rentix_listing; --"',
    "zero": "0",
    "minus one": "-1",
    "minus zero": "-0.0",
    "half": "0.5",
    "2 to the 53rd": "9007199254740992",
    "2 to the 63rd": "9223372036854775808",
    "2 to the 64th": "18446744073709551616",
    "a number of 400 digits": "9" * 400,
    "a negative number of 400 digits": "-" + "9" * 400,
    "a number of 4,300 digits": "9" * 4_300,
    "a number of 4,301 digits": "9" * 4_301,
    "the largest float": "1.7976931348623157e308",
    "beyond a float": "-1e400",
    "the smallest float": "5e-324",
    "NaN": "NaN",
    "Infinity": "Infinity",
    "an empty list": "[]",
    "a list of lists": "[[[]]]",
    "a list of null": "[null]",
    "100,000 zeros": "[" + "0," * 100_000 + "0]",
    "an empty object": "{}",
    "an object": '{"lat":{},"lng":[]}',
    "a prototype": '{"__proto__":{"x":1},"constructor":null}',
}
TEXTS = {"a text", "no text", "blanks", "NaN as a text", "a number as a text", "right to left", "markup", "SQL"}
NUMBERS = {"zero", "minus zero", "half", "the smallest float"}
FITS = {
    **{name: {"null", *(TEXTS if isinstance(rule, Text) else ())} for name, rule in LISTING_FIELDS.items()},
    **{name: {"null", *NUMBERS} for name in (
        "announcementValue", "propertyArea", "propertyFloorsTotal", "propertyQuantitySizeValue"
    )},
    "propertyFloorNumber": {"null", "minus one", *NUMBERS},
    "announcementStatus": {"null"},
    "files": {"null", "an empty list"},
    "fileIds": {"null", "an empty list"},
    "userId": {"null"},
    "id": {"null"},
    "externalId": TEXTS - {"no text"},
}  # fmt: skip


@pytest.mark.parametrize("name", FITS)
def test_every_field_of_a_listing_takes_what_fits_and_names_itself_otherwise(house: HostileHouse, name: str) -> None:
    for case, value in VALUES.items():
        label = f"{name} as {case}"
        identity = "" if name == "externalId" else '"externalId":"H",'
        seen = house.attack(
            "PUT", "/listings", label, content=f'{{{identity}"{name}":{value}}}', headers=JSON, also=(200,)
        )
        assert seen.status == (200 if case in FITS[name] else 400), f"{label}: {seen.body[:300]!r}"
        if seen.status == 400:
            assert (
                seen.messages[0].startswith(name) or "JSON" in seen.messages[0] or "exactly one" in seen.messages[0]
            )


NESTED = [
    '"propertyCoordinates":{{"lat":{value},"lng":28}}',
    '"propertyCoordinates":{{"lng":28.8,"lat":{value}}}',
    '"files":[{{"url":{value}}}]',
    '"files":[{{"url":"https://photos.example.com/a.jpg"}},{value}]',
    '"files":[{{"url":"https://photos.example.com/a.jpg","externalFileId":{value}}}]',
    '"fileIds":[{value}]',
]


@pytest.mark.parametrize("shape", NESTED)
def test_a_wrong_value_inside_a_field_is_refused_in_its_place(house: HostileHouse, shape: str) -> None:
    fits = NUMBERS | {"minus one"} if "lat" in shape else set()
    if "externalFileId" in shape:
        fits = {"null", *TEXTS} - {"no text"}
    for case, value in VALUES.items():
        label = f"{shape} as {case}"
        content = f'{{"externalId":"H",{shape.format(value=value)}}}'
        seen = house.attack("PUT", "/listings", label, content=content, headers=JSON, also=(200,))
        assert seen.status == (200 if case in fits else 400), f"{label}: {seen.body[:300]!r}"
        if seen.status == 400:
            named = shape[1:].partition('"')[0]
            assert seen.messages[0].startswith(named) or "JSON" in seen.messages[0], f"{label}: {seen.messages}"


SMALL_BODIES = [
    ("PUT", "/users", '"externalId":"H",', tuple(AGENT_FIELDS)),
    ("POST", "/media/upload-from-url", '"url":"https://photos.example.com/a.jpg",', ("externalId",)),
    ("POST", "/media/upload-from-url", "", ("url",)),
    ("POST", "/media/signed-url", '"fileName":"a","contentType":"image/jpeg","size":9,', ("fileName", "contentType")),
    ("POST", "/media/signed-url", '"fileName":"a","contentType":"image/jpeg",', ("size",)),
    ("POST", "/listings/1/link", "", ("externalId",)),
    ("POST", "/users/1/link", "", ("externalId",)),
]


@pytest.mark.parametrize(("method", "path", "start", "names"), SMALL_BODIES)
def test_no_value_in_any_other_body_is_the_servers_fault(
    house: HostileHouse, method: str, path: str, start: str, names: tuple[str, ...]
) -> None:
    """Imports that would be accepted are left out: their host is nobody's here."""
    accepted = {"null", *TEXTS} - {"no text"} if path == "/media/upload-from-url" and names == ("externalId",) else {}
    for name in names:
        for case in VALUES.keys() - accepted:
            label = f"{method} {path}: {name} as {case}"
            content = f'{{{start}"{name}":{VALUES[case]}}}'
            seen = house.attack(method, path, label, content=content, headers=JSON, also=(200,))
            if seen.status == 400:
                assert name in " ".join(seen.messages) or "JSON" in seen.messages[0], f"{label}: {seen.messages}"
            else:
                assert seen.status in (200, 404, 409), label


def test_a_description_of_10000_characters_is_refused_and_nothing_is_stored(house: HostileHouse) -> None:
    agency = house.new_agency()
    agency.call("PUT", "/listings", {**FLAT, "externalId": "A"})
    before = agency.call("GET", "/listings/external/A")
    body = {"externalId": "A", "announcementValue": 1, "announcementDescription": "x" * 10_000}
    answer = agency.send("PUT", "/listings", json=body)
    assert answer.status_code == 400
    (message,) = answer.json()["message"]
    assert "announcementDescription" in message and str(DESCRIPTION_CHARS_MAX) in message and "10000" in message
    assert agency.call("GET", "/listings/external/A") == before


def test_every_wrong_field_is_named_at_once_and_in_bulk_in_its_place(house: HostileHouse) -> None:
    agency = house.new_agency()
    wrong = {name: {"wrong": True} for name in LISTING_FIELDS}
    named = [
        m.split()[0] for m in agency.send("PUT", "/listings", json={**wrong, "externalId": "A"}).json()["message"]
    ]
    assert named == list(LISTING_FIELDS)
    operations = [{"op": "upsert", "externalId": f"H-{n}", **(wrong if n % 2 else {})} for n in range(OPERATIONS_MAX)]
    answer = agency.send("POST", "/listings/bulk", json={"operations": operations}).json()
    assert answer["summary"] == {"total": 100, "succeeded": 50, "failed": 50}
    for place, result in enumerate(answer["results"]):
        assert (result["index"], result["success"]) == (place, place % 2 == 0)
    assert agency.call("GET", "/listings")["total"] == 50


def test_what_an_answer_repeats_of_a_hostile_operation_is_what_was_sent(house: HostileHouse) -> None:
    """Ids that are no ids come back as they are: even a number of 4,300 digits is a number on the way out."""
    for case, value in VALUES.items():
        content = f'{{"operations":[{{"op":"delete","id":{value}}},{{"op":{value}}}]}}'
        label = f"bulk with {case}"
        seen = house.attack("POST", "/listings/bulk", label, content=content, headers=JSON)
        assert seen.status in (400, 422), label
        if seen.status == 422:
            first, second = json.loads(seen.body)["results"]
            assert first["id"] == json.loads(value) and first["success"] is second["success"] is False
            for result in (first, second):
                assert result["error"]["statusCode"] == 400 and result["error"]["error"] == "Bad Request"


NUMBER = st.integers() | st.integers(min_value=-(10**400), max_value=10**400) | st.floats()
VALUE = st.recursive(
    st.none() | st.booleans() | NUMBER | st.text(max_size=30) | st.sampled_from(["active", "draft", "", "\0", "%00"]),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=8), inner, max_size=5),
    max_leaves=12,
)
FIELD = st.sampled_from([*LISTING_FIELDS, "id", "externalId", "announcementStatus", "files", "fileIds", "userId"])
FILE = st.fixed_dictionaries({}, optional={"url": VALUE, "externalFileId": VALUE})
LISTING = st.dictionaries(FIELD, VALUE, max_size=8) | st.fixed_dictionaries(
    {"externalId": st.text(max_size=5)}, optional={"files": st.lists(FILE, max_size=4), "fileIds": st.lists(VALUE)}
)
OPERATION = VALUE | st.builds(
    lambda op, fields: {**fields, "op": op},
    st.sampled_from(["upsert", "link", "unlink", "delete", "validate", "publish", None]),
    LISTING,
)
BULK = VALUE | st.fixed_dictionaries({"operations": VALUE | st.lists(OPERATION, max_size=6)})
IMPORT = VALUE | st.fixed_dictionaries({}, optional={"url": VALUE, "externalId": VALUE, "other": VALUE})


def send_any(house: HostileHouse, method: str, path: str, body: Any) -> None:
    content = json.dumps(body).encode()
    seen = house.attack(
        method, path, f"{method} {path} {content[:500]!r}", content=content, headers=JSON, also=(200,)
    )
    if seen.status == 422:
        for result in json.loads(seen.body)["results"]:
            assert set(result["error"]) == {"statusCode", "message", "error"}
            assert 400 <= result["error"]["statusCode"] < 500


@settings(max_examples=100)
@given(VALUE | LISTING)
def test_any_json_at_all_may_be_put_as_a_listing(house: HostileHouse, body: Any) -> None:
    send_any(house, "PUT", "/listings", body)


@settings(max_examples=100)
@given(BULK)
def test_any_json_at_all_may_be_sent_in_bulk(house: HostileHouse, body: Any) -> None:
    send_any(house, "POST", "/listings/bulk", body)


@settings(max_examples=100)
@given(IMPORT)
def test_any_json_at_all_may_be_sent_as_an_import(house: HostileHouse, body: Any) -> None:
    send_any(house, "POST", "/media/upload-from-url", body)


@settings(max_examples=100)
@given(st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
def test_any_bytes_at_all_may_be_put_as_a_listing(house: HostileHouse, body: bytes) -> None:
    house.attack("PUT", "/listings", repr(body), content=body, headers=JSON, also=(200,))


def test_the_server_is_unharmed_and_kept_every_promise(house: HostileHouse) -> None:
    house.check_unharmed()
