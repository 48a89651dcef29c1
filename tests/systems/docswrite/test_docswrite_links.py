"""Google's links, and which addresses a post may link to."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobwire.domain.errors import JobError
from jobwire.systems.docswrite.links import (
    LINK_CHARS_MAX,
    build_export_url,
    clean_link,
    explain_export,
    explain_private,
    find_document_id,
    is_external,
    is_login,
)

ID = "1aB2c_D3-e4F5g6H7i8J9k0LmNoPqRsTuVwXyZ"


@pytest.mark.parametrize(
    "url",
    [
        f"https://docs.google.com/document/d/{ID}/edit",
        f"https://docs.google.com/document/d/{ID}/edit?usp=sharing&tab=t.0#heading=h.1",
        f"https://docs.google.com/document/d/{ID}",
        f"http://docs.google.com/document/u/1/d/{ID}/preview",
        f"https://docs.google.com/a/example.org/document/d/{ID}/edit",
        f"https://drive.google.com/file/d/{ID}/view",
        f"https://drive.google.com/open?id={ID}",
        f"  https://docs.google.com/document/d/{ID}/mobilebasic\n",
    ],
)
def test_the_links_people_copy_name_a_document(url: str) -> None:
    assert find_document_id(url) == ID


@pytest.mark.parametrize(
    "url",
    [
        "",
        "https://docs.google.com/",
        f"https://docs.google.com/spreadsheets/d/{ID}/edit",
        f"https://docs.google.com.evil.example/document/d/{ID}/edit",
        f"https://evil.example/document/d/{ID}/edit",
        f"ftp://docs.google.com/document/d/{ID}/edit",
        "https://docs.google.com/document/d/e/2PACX-1vabc/pub",
        "https://docs.google.com/document/d/../edit",
        "https://drive.google.com/open?id=",
        f"https://docs.google.com/document/d/{ID}/edit?{'x' * LINK_CHARS_MAX}",
        "https://[broken",
    ],
)
def test_other_links_name_none(url: str) -> None:
    assert find_document_id(url) is None


def test_a_document_is_exported_with_its_pictures_from_a_configurable_base() -> None:
    assert build_export_url(ID) == f"https://docs.google.com/document/d/{ID}/export?format=zip"
    assert build_export_url(ID, base="http://127.0.0.1:9/") == f"http://127.0.0.1:9/document/d/{ID}/export?format=zip"


@pytest.mark.parametrize(
    ("status", "code"),
    [(401, "document_private"), (403, "document_private"), (404, "document_gone"), (410, "document_gone")],
)
def test_a_refused_export_tells_the_author_what_to_do(status: int, code: str) -> None:
    error = explain_export(JobError("fetch_status", "x", details={"status": status}))
    assert (error.code, error.retryable) == (code, False)


def test_other_failures_of_an_export_stay_what_they_are() -> None:
    busy = JobError("fetch_status", "x", retryable=True, details={"status": 503})
    assert explain_export(busy) is busy
    assert is_login("https://accounts.google.com/v3/signin/identifier?continue=x")
    assert not is_login(build_export_url(ID))
    assert "Anyone with the link" in explain_private().message


@pytest.mark.parametrize(
    ("href", "target"),
    [
        ("https://www.google.com/url?q=https://a.example/x%3Fy%3D1&sa=D&ust=1", "https://a.example/x?y=1"),
        ("https://www.google.com/url?url=https://a.example/", "https://a.example/"),
        ("https://www.google.com/url?q=https://www.google.com/url?q%3Dhttps://a.example/", "https://a.example/"),
        ("https://www.google.com/search?q=cats", "https://www.google.com/search?q=cats"),
        ("https://a.example/url?q=https://b.example/", "https://a.example/url?q=https://b.example/"),
        ("mailto:me@a.example", "mailto:me@a.example"),
        ("tel:+37322000000", "tel:+37322000000"),
        ("#note", "#note"),
        ("  https://a.example/ ", "https://a.example/"),
    ],
)
def test_a_link_leads_where_it_says(href: str, target: str) -> None:
    assert clean_link(href) == target


@pytest.mark.parametrize(
    "href",
    [
        "javascript:alert(1)",
        "JaVa\tScRiPt:alert(1)",
        "\u200bjavascript:alert(1)",
        "data:text/html,<script>",
        "vbscript:x",
        "file:///etc/passwd",
        "https://www.google.com/url?q=javascript:alert(1)",
        "//a.example/x",
        "/relative",
        "relative.html",
        "#",
        "",
        "http://",
        "https://[",
        "https://a.example/" + "x" * LINK_CHARS_MAX,
    ],
)
def test_a_link_that_may_not_be_is_dropped(href: str) -> None:
    assert clean_link(href) == ""


@given(st.text())
def test_whatever_is_left_of_a_link_is_of_a_harmless_scheme(href: str) -> None:
    cleaned = clean_link(href)
    assert cleaned == "" or cleaned.lower().startswith(("http://", "https://", "mailto:", "tel:", "#"))


def test_a_link_at_the_limit_of_its_length_is_kept() -> None:
    longest = "https://a.example/".ljust(LINK_CHARS_MAX, "x")
    assert clean_link(longest) == longest
    assert clean_link(longest + "x") == ""


def test_the_site_itself_is_not_external_with_or_without_www() -> None:
    assert not is_external("https://www.a.example/x", "a.example")
    assert not is_external("mailto:x@b.example", "a.example")
    assert is_external("https://b.example/", "a.example")
