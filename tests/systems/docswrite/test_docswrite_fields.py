"""The fields of an export: every limit on both sides, every spelling, and groups that are none."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobwire.domain.errors import RequestError
from jobwire.systems.docswrite.fields import (
    ADDRESS_CHARS_MAX,
    EXCERPT_CHARS_MAX,
    FIELDS,
    NAMES_CHARS_MAX,
    SLUG_CHARS_MAX,
    TEXT_CHARS_MAX,
    find_said,
    read_fields,
    read_moment,
    split_names,
)
from jobwire.systems.docswrite.routes_exports import read_wish
from jobwire.systems.docswrite.source import TITLE_CHARS_MAX

LONGEST = {
    "title": TITLE_CHARS_MAX,
    "slug": SLUG_CHARS_MAX,
    "tags": NAMES_CHARS_MAX,
    "categories": NAMES_CHARS_MAX,
    "excerpt": EXCERPT_CHARS_MAX,
    "author": TEXT_CHARS_MAX,
    "yoast_title": TEXT_CHARS_MAX,
}
LINK = "https://docs.google.com/document/d/abcdef/edit"


@pytest.mark.parametrize(("name", "chars_max"), LONGEST.items())
def test_a_text_has_its_longest(name: str, chars_max: int) -> None:
    assert read_fields({name: "x" * chars_max}) == {name: "x" * chars_max}
    with pytest.raises(ValueError, match=f"{name} has {chars_max + 1:,} characters"):
        read_fields({name: "x" * (chars_max + 1)})


def test_an_address_has_its_longest_and_is_one_of_the_web() -> None:
    start = "https://a.example/"
    longest = start + "x" * (ADDRESS_CHARS_MAX - len(start))
    assert read_fields({"featured_image_url": longest}) == {"featured_image_url": longest}
    for wrong in (longest + "x", "ftp://a.example/x", "file:///etc/passwd", ""):
        with pytest.raises(ValueError, match="featured_image_url"):
            read_fields({"featured_image_url": wrong})


@pytest.mark.parametrize("name", FIELDS)
@pytest.mark.parametrize("value", [[], {}, 7.5])
def test_what_is_neither_a_text_nor_a_truth_is_no_field(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=name):
        read_fields({name: value})


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2031-02-03 10:00:00", 1_927_879_200_000),
        ("2031-02-03T10:00:00Z", 1_927_879_200_000),
        ("2031-02-03T12:00:00+02:00", 1_927_879_200_000),
        (" 2031-02-03 10:00 ", 1_927_879_200_000),
    ],
)
def test_a_date_without_a_zone_is_utc(text: str, moment: int) -> None:
    assert read_moment(text) == moment
    assert read_fields({"date": text}) == {"date": "2031-02-03T10:00:00+00:00"}


@pytest.mark.parametrize("text", ["2031-02-30 10:00:00", "tomorrow", "1969-12-31", "", "10000-01-01"])
def test_a_date_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="date must be a time"):
        read_fields({"date": text})


@given(st.dictionaries(st.sampled_from(sorted(FIELDS)), st.text(max_size=40) | st.booleans()))
def test_what_was_read_reads_as_itself(said: dict[str, Any]) -> None:
    try:
        fields = read_fields(said)
    except ValueError:
        return
    assert read_fields(fields) == fields


@pytest.mark.parametrize("name", sorted({rule.group for rule in FIELDS.values()} - {""}))
def test_a_group_is_an_object_and_null_says_nothing(name: str) -> None:
    assert list(find_said({name: None, "title": None})) == []
    with pytest.raises(ValueError, match=f"{name} must be an object"):
        list(find_said({name: "x"}))


@pytest.mark.parametrize(
    "body",
    [
        [],
        {"google_docs_url": LINK, "document_id": "doc-1"},
        {"google_docs_url": 7},
        {"google_docs_url": LINK, "site": 7},
        {"google_docs_url": LINK, "export_settings": []},
    ],
)
def test_a_wish_that_contradicts_itself_is_refused(body: Any) -> None:
    with pytest.raises(RequestError) as caught:
        read_wish(body)
    assert caught.value.code == "invalid_request"


def test_a_list_with_commas_has_no_empty_names() -> None:
    assert split_names(" a, b c ,,d,") == ["a", "b c", "d"]
