"""What a client may send: every wrong field is named at once, both sides of every limit hold."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobwire.domain.errors import RequestError
from jobwire.net.fetch import FetchPolicy
from jobwire.systems.rentix.fields import (
    ADDRESS_CHARS_MAX,
    DESCRIPTION_CHARS_MAX,
    DESCRIPTION_CHARS_MIN,
    EXTERNAL_ID_CHARS_MAX,
    ID_MAX,
    LISTING_FIELDS,
    NUMBER_MAX,
    PHONE_CHARS_MAX,
    PHOTOS_MAX,
    PHOTOS_MIN,
    WORD_CHARS_MAX,
)
from jobwire.systems.rentix.queries import OFFSET_MAX, PAGE_MAX, read_page
from jobwire.systems.rentix.validation import (
    Identity,
    check_public,
    read_agent,
    read_identity,
    read_import,
    read_link,
    read_listing,
    read_upload,
)

POLICY = FetchPolicy()

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=8,
)
KEYS = (*LISTING_FIELDS, "id", "externalId", "announcementStatus", "files", "fileIds", "userId")


def faults_of(**fields: Any) -> list[str]:
    try:
        read_listing({"externalId": "FLAT-77", **fields}, POLICY)
    except RequestError as refusal:
        assert refusal.code == "invalid_request"
        messages: list[str] = refusal.details["messages"]
        return messages
    return []


@given(st.dictionaries(st.sampled_from(KEYS), JSON) | JSON)
@pytest.mark.slow
def test_any_body_is_read_or_refused_with_messages(body: Any) -> None:
    for read in (lambda: read_listing(body, POLICY), lambda: read_agent(body), lambda: read_identity(body)):
        try:
            read()
        except RequestError as refusal:
            assert refusal.code == "invalid_request" and refusal.details["messages"]


def test_every_wrong_field_is_named_at_once() -> None:
    wrong = {name: {"wrong": True} for name in LISTING_FIELDS}
    messages = faults_of(**wrong, announcementStatus="live", files=3, fileIds="1", userId=-1)
    named = [message.split()[0] for message in messages]
    assert named == [*LISTING_FIELDS, "announcementStatus", "files", "fileIds", "userId"]


def test_unknown_keys_are_ignored_and_null_clears_a_field() -> None:
    change = read_listing({"externalId": "a", "colour": "red", "propertyArea": None, "userId": None}, POLICY)
    assert change.fields == {"propertyArea": None} and change.clears_agent


def test_exactly_one_identity_is_needed() -> None:
    assert read_listing({"id": 5}, POLICY).identity == Identity(5, None)
    for body in ({}, {"id": 5, "externalId": "a"}, {"id": None, "externalId": None}):
        with pytest.raises(RequestError, match="exactly one"):
            read_listing(body, POLICY)


@pytest.mark.parametrize(
    ("name", "within", "beyond"),
    [
        ("externalId", "x" * EXTERNAL_ID_CHARS_MAX, "x" * (EXTERNAL_ID_CHARS_MAX + 1)),
        ("announcementDescription", "x" * DESCRIPTION_CHARS_MAX, "x" * (DESCRIPTION_CHARS_MAX + 1)),
        ("propertyAddress", "x" * ADDRESS_CHARS_MAX, "x" * (ADDRESS_CHARS_MAX + 1)),
        ("propertyVisualState", "x" * WORD_CHARS_MAX, "x" * (WORD_CHARS_MAX + 1)),
        ("announcementValue", NUMBER_MAX, NUMBER_MAX + 1),
        ("announcementValue", 0, -1),
        ("announcementValue", 1.5, float("inf")),
        ("announcementValue", 1, True),
        ("userId", ID_MAX, ID_MAX + 1),
        ("propertyCoordinates", {"lat": 90, "lng": -180}, {"lat": 90.1, "lng": 0}),
        ("propertyCoordinates", {"lat": -90, "lng": 180}, {"lat": 0, "lng": 180.5}),
        ("announcementCurrency", "MDL", "RUB"),
        ("propertySecondaryType", "garage", "castle"),
        ("announcementStatus", "hidden", "pending_active"),
        ("fileIds", list(range(1, PHOTOS_MAX + 1)), list(range(1, PHOTOS_MAX + 2))),
        (
            "files",
            [{"url": f"https://photos.example.com/{n}"} for n in range(PHOTOS_MAX)],
            [{"url": f"https://photos.example.com/{n}"} for n in range(PHOTOS_MAX + 1)],
        ),
    ],
)
def test_each_limit_holds_on_both_sides(name: str, within: Any, beyond: Any) -> None:
    assert faults_of(**{name: within}) == []
    assert [message.split()[0] for message in faults_of(**{name: beyond})] == [name]


def test_a_description_of_10000_characters_is_refused_with_limit_and_length() -> None:
    (message,) = faults_of(announcementDescription="x" * 10_000)
    assert "2000" in message and "10000" in message


def test_a_text_with_nul_is_refused() -> None:
    assert "U+0000" in faults_of(propertyAddress="a\0b")[0]


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/a.jpg",
        "http://localhost/a.jpg",
        "http://169.254.169.254/latest/meta-data",
        "http://[::1]/a.jpg",
        "http://10.0.0.1/a.jpg",
        "http://0x7f000001/a.jpg",
        "http://2130706433/a.jpg",
        "http://user:secret@photos.example.com/a.jpg",
        "http://photos.example.com:22/a.jpg",
        "file:///etc/passwd",
        "ftp://photos.example.com/a.jpg",
        "javascript:alert(1)",
        "",
        7,
        None,
    ],
)
def test_a_hostile_url_is_refused_before_anything_is_stored(url: Any) -> None:
    (message,) = faults_of(files=[{"url": "https://photos.example.com/a.jpg"}, {"url": url}])
    assert message.startswith("files[1].url")
    with pytest.raises(RequestError) as refused:
        read_import({"url": url}, POLICY)
    assert refused.value.details["messages"][0].startswith("url")


def test_the_same_picture_twice_is_imported_once() -> None:
    url = "https://photos.example.com/a.jpg"
    change = read_listing({"externalId": "a", "files": [{"url": url}, {"url": url}]}, POLICY)
    assert change.files is not None and len(change.files) == 1


def test_a_public_listing_is_checked_as_a_whole() -> None:
    assert check_public({}, PHOTOS_MIN) == []
    assert "3 photos" in check_public({}, PHOTOS_MIN - 1)[0]
    assert check_public({"announcementDescription": "x" * DESCRIPTION_CHARS_MIN}, 3) == []
    assert "39" in check_public({"announcementDescription": "x" * (DESCRIPTION_CHARS_MIN - 1)}, 3)[0]
    assert "garage" in check_public({"propertyType": "parking", "propertySecondaryType": "house"}, 3)[0]
    land = {"propertyType": "residential", "propertySecondaryType": "residential-land"}
    assert check_public({**land, "announcementType": "sale"}, 3) == []
    assert check_public({**land, "announcementType": "rent"}, 3) != []
    assert "propertyQuantitySizeValue" in check_public({"propertyQuantitySize": "custom-value"}, 3)[0]
    assert check_public({"propertyQuantitySize": "custom-value", "propertyQuantitySizeValue": 7}, 3) == []
    assert check_public({}, 3, required=("announcementValue",)) == [
        "announcementValue is required to publish a listing"
    ]


def test_a_link_needs_both_ids() -> None:
    assert read_link({"id": 5, "externalId": "a"}) == (5, "a")
    with pytest.raises(RequestError) as refused:
        read_link({})
    assert refused.value.details["messages"] == ["id is required", "externalId is required"]


def test_an_announced_upload_names_its_size_and_type() -> None:
    def read(**fields: Any) -> int:
        body = {"fileName": "a.jpg", "contentType": "image/jpeg", "size": 10, **fields}
        return read_upload(body, content_types=("image/jpeg",), bytes_max=10).size_bytes

    assert read() == 10
    for wrong in ({"size": 11}, {"size": 0}, {"size": 1.5}, {"size": None}, {"contentType": "text/html"}):
        with pytest.raises(RequestError, match=next(iter(wrong))):
            read(**wrong)
    with pytest.raises(RequestError, match="fileName"):
        read(fileName=3)


def test_a_phone_number_has_its_length_on_both_sides() -> None:
    longest = "+" * PHONE_CHARS_MAX
    assert read_agent({"externalId": "a", "phone": longest})[1]["phone"] == longest
    with pytest.raises(RequestError) as refused:
        read_agent({"externalId": "a", "phone": longest + "+"})
    assert "phone" in refused.value.details["messages"][0]


def test_a_page_has_its_bounds_on_both_sides() -> None:
    for limit, offset in ((1, 0), (PAGE_MAX, OFFSET_MAX)):
        assert read_page({"limit": str(limit), "offset": str(offset)}) == (limit, offset)
    for query, name in (({"limit": "0"}, "limit"), ({"limit": "101"}, "limit"), ({"offset": "1000000001"}, "offset")):
        with pytest.raises(RequestError) as refused:
            read_page(query)
        assert [message.split()[0] for message in refused.value.details["messages"]] == [name]
