"""Signed links: what they let through, and that nothing of them can be changed."""

from urllib.parse import parse_qsl, quote, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobwire.blobs.links import LIFETIME_S_MAX, NAME_CHARS_MAX, SECRET_BYTES_MIN, FileLinks, LinkTarget, clean_name
from jobwire.domain.errors import RequestError

SHA = "0123456789abcdef" * 4
SECRET = b"s" * 32


class Clock:
    now = 1_700_000_000_500

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def links(clock: Clock) -> FileLinks:
    return FileLinks(SECRET, clock)


def split(url: str) -> tuple[str, dict[str, str]]:
    parts = urlsplit(url)
    return parts.path, dict(parse_qsl(parts.query))


def refusal_of(links: FileLinks, path: str, query: dict[str, str]) -> str:
    with pytest.raises(RequestError) as refused:
        links.check(path, query)
    return refused.value.code


def test_a_link_leads_to_its_file_under_its_name_and_type(links: FileLinks) -> None:
    url = links.sign(SHA, name="Plan casă №1.pdf", content_type="application/pdf", lifetime_s=60)
    assert url.startswith(f"/v1/files/{SHA}/Plan%20cas")
    path, query = split(url)
    assert sorted(query) == ["exp", "sig", "type"]
    target = LinkTarget(SHA, "Plan casă №1.pdf", "application/pdf", 1_700_000_060)
    assert links.check(path, query) == target
    assert links.check(unquote(path), query) == target


def test_a_link_ends_at_its_moment_and_says_gone(links: FileLinks, clock: Clock) -> None:
    path, query = split(links.sign(SHA, name="a", content_type="text/plain", lifetime_s=60))
    clock.now = 1_700_000_060_000 - 1
    assert links.check(path, query)
    clock.now += 1
    assert refusal_of(links, path, query) == "gone"
    assert refusal_of(links, path, {**query, "sig": "0" * 64}) == "forbidden"


@pytest.mark.parametrize(
    "changes",
    [
        {"type": "text/html"},
        {"exp": "1800000000"},
        {"exp": "01700000060"},
        {"exp": "+1700000060"},
        {"exp": "٣" * 10},
        {"exp": ""},
        {"exp": "9" * 5_000},
        {"sig": ""},
        {"sig": "\ud800ă"},
        {"type": "\ud800"},
    ],
    ids=str,
)
def test_a_link_with_anything_changed_is_forbidden(links: FileLinks, changes: dict[str, str]) -> None:
    path, query = split(links.sign(SHA, name="a.txt", content_type="text/plain", lifetime_s=60))
    assert links.check(path, query)
    assert refusal_of(links, path, {**query, **changes}) == "forbidden"
    for name in changes:
        assert refusal_of(links, path, {key: value for key, value in query.items() if key != name}) == "forbidden"


@pytest.mark.parametrize(
    "path",
    [
        f"/v1/files/{SHA[1:]}0/a.txt",
        f"/v1/files/{SHA}/b.txt",
        f"/v1/files/{SHA}/a.txt/",
        f"/v1/files/{SHA.upper()}/a.txt",
        f"/v1/files/{SHA}/../a.txt",
        f"/v1/files/{SHA}/",
        "/v1/files/",
        "/etc/passwd",
        "",
        f"/v1/files/{SHA}/a.txt\n",
    ],
)
def test_a_link_cannot_be_bent_to_another_file_or_name(links: FileLinks, path: str) -> None:
    _, query = split(links.sign(SHA, name="a.txt", content_type="text/plain", lifetime_s=60))
    assert refusal_of(links, path, query) == "forbidden"


def test_nothing_can_be_moved_from_one_part_of_a_link_to_the_next(links: FileLinks) -> None:
    path, query = split(links.sign(SHA, name="a.txt", content_type="text/plain", lifetime_s=60))
    assert refusal_of(links, f"{path}t", {**query, "type": "ext/plain"}) == "forbidden"
    assert refusal_of(links, path, {**query, "type": "text/plain1", "exp": query["exp"][1:]}) == "forbidden"


def test_every_character_of_the_signature_counts(links: FileLinks) -> None:
    path, query = split(links.sign(SHA, name="a", content_type="text/plain", lifetime_s=60))
    for place, digit in enumerate(query["sig"]):
        wrong = query["sig"][:place] + ("1" if digit == "0" else "0") + query["sig"][place + 1 :]
        assert refusal_of(links, path, {**query, "sig": wrong}) == "forbidden"


def test_another_secret_makes_other_links(links: FileLinks, clock: Clock) -> None:
    path, query = split(links.sign(SHA, name="a", content_type="text/plain", lifetime_s=60))
    assert refusal_of(FileLinks(b"t" * 32, clock), path, query) == "forbidden"


def test_the_first_key_signs_the_others_still_check_and_the_ledgers_own_seals(clock: Clock) -> None:
    old = FileLinks(SECRET, clock)
    rolled = FileLinks(SECRET, clock, keys=[b"n" * 32, SECRET])
    new = FileLinks(SECRET, clock, keys=[b"n" * 32])
    of_old, of_new = (split(links.sign(SHA, name="a", content_type="a/b", lifetime_s=60)) for links in (old, rolled))
    assert rolled.check(*of_old) == rolled.check(*of_new) == new.check(*of_new)
    for links, link in ((new, of_old), (old, of_new)):
        assert refusal_of(links, *link) == "forbidden"
    text = old.sign_parts("x", "a", "bc")
    assert old.is_signed(text, "x", "a", "bc") and rolled.is_signed(text, "x", "a", "bc")
    wrong = ((text, "y", "a", "bc"), (text, "x", "ab", "c"), (text[:-1], "x", "a", "bc"), ("\ud800ă", "x", "a", "bc"))
    assert not new.is_signed(text, "x", "a", "bc") and not any(old.is_signed(*parts) for parts in wrong)
    seal = old.seal(SHA, name="a", content_type="a/b")
    assert new.is_sealed(SHA, name="a", content_type="a/b", seal=seal)


def test_a_short_secret_is_refused_and_one_of_32_bytes_is_not(clock: Clock) -> None:
    with pytest.raises(ValueError, match="has 31 bytes; give 32 or more"):
        FileLinks(b"s" * (SECRET_BYTES_MIN - 1), clock)
    with pytest.raises(ValueError, match="has 31 bytes; give 32 or more"):
        FileLinks(SECRET, clock, keys=[b"s" * (SECRET_BYTES_MIN - 1)])
    assert FileLinks(b"s" * SECRET_BYTES_MIN, clock, keys=[b"k" * SECRET_BYTES_MIN])


@pytest.mark.parametrize("lifetime_s", [0, -1, LIFETIME_S_MAX + 1])
def test_a_lifetime_beyond_its_bounds_is_refused(links: FileLinks, lifetime_s: int) -> None:
    with pytest.raises(ValueError, match="must lie between 1 and 604800 s"):
        links.sign(SHA, name="a", content_type="text/plain", lifetime_s=lifetime_s)


@pytest.mark.parametrize("lifetime_s", [1, LIFETIME_S_MAX])
def test_a_lifetime_is_accepted_at_its_bounds(links: FileLinks, lifetime_s: int) -> None:
    target = links.check(*split(links.sign(SHA, name="a", content_type="text/plain", lifetime_s=lifetime_s)))
    assert target.expires_at_s == 1_700_000_000 + lifetime_s


@pytest.mark.parametrize("sha256", ["", "a" * 63, "../" + "a" * 61, "A" * 64, "a" * 64 + "/b"])
def test_only_an_address_is_signed(links: FileLinks, sha256: str) -> None:
    with pytest.raises(ValueError, match="64 hex digits"):
        links.sign(sha256, name="a", content_type="text/plain", lifetime_s=60)


@pytest.mark.parametrize(
    ("given_type", "kept"),
    [
        ("image/svg+xml", "image/svg+xml"),
        ("text/csv; charset=utf-8", "text/csv; charset=utf-8"),
        ("", "application/octet-stream"),
        ("text", "application/octet-stream"),
        ("text/html\r\nSet-Cookie: a=b", "application/octet-stream"),
        ("text/html; boundary=x", "application/octet-stream"),
    ],
)
def test_a_content_type_that_cannot_be_one_becomes_plain_bytes(links: FileLinks, given_type: str, kept: str) -> None:
    target = links.check(*split(links.sign(SHA, name="a", content_type=given_type, lifetime_s=60)))
    assert target.content_type == kept


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("plan.pdf", "plan.pdf"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\me\\plan.pdf", "plan.pdf"),
        ('a"b;c.txt', "a_b_c.txt"),
        ("a\r\nSet-Cookie: x.txt", "a__Set-Cookie_ x.txt"),
        ("фото.jpg", "фото.jpg"),
        ("cafe\u0301.txt", "café.txt"),
        ("100%.txt", "100_.txt"),
        ("\u202egpj.exe", "gpj.exe"),
        ("...", "file"),
        ("", "file"),
        (" / ", "file"),
        (".htaccess", "htaccess"),
        ("\ud800.txt", "txt"),
        ("n" * 120, "n" * 120),
        ("n" * 121, "n" * 120),
        ("n" * 200 + ".jpeg", "n" * 115 + ".jpeg"),
    ],
)
def test_a_name_is_made_safe_and_stays_readable(written: str, kept: str) -> None:
    assert clean_name(written) == kept


@given(st.text(max_size=300))
def test_any_name_makes_a_valid_link_and_a_header_of_one_line(written: str) -> None:
    links = FileLinks(SECRET, Clock())
    url = links.sign(SHA, name=written, content_type="text/plain", lifetime_s=60)
    path, query = split(url)
    target = links.check(path, query)
    assert target == links.check(unquote(path), query)
    assert target.name == clean_name(written) == clean_name(target.name)
    assert 1 <= len(target.name) <= NAME_CHARS_MAX
    assert url.isascii()
    header = target.disposition
    assert header.isascii()
    assert header.isprintable()
    assert header.count('"') == 2
    assert header.endswith(f"filename*=UTF-8''{quote(target.name, safe='')}")
