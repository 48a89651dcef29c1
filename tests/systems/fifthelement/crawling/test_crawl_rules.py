"""The crawler's rules by themselves: spellings, robots.txt, the frontier, sitemaps, and whose turn it is."""

import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest
from fifthelement_house import RunningHouse
from hypothesis import given
from hypothesis import strategies as st

from jobwire.domain.errors import JobError
from jobwire.systems.fifthelement import sitemaps
from jobwire.systems.fifthelement.crawl_frontier import Frontier
from jobwire.systems.fifthelement.crawl_pages import (
    LINK_CHARS_MAX,
    TEXT_BYTES_MAX,
    TITLE_CHARS_MAX,
    PageBatch,
    PageBytes,
    PageReading,
    read_pages,
)
from jobwire.systems.fifthelement.crawl_records import hold_host, reserve_turn
from jobwire.systems.fifthelement.crawl_urls import join_link, normalise_url
from jobwire.systems.fifthelement.robots import CRAWL_DELAY_MS_MAX, ROBOTS_BYTES_MAX, judge_robots
from jobwire.systems.fifthelement.sitemaps import SitemapFile, read_sitemap


@pytest.mark.parametrize(
    ("url", "spelt"),
    [
        ("HTTP://Example.ORG:80", "http://example.org/"),
        ("https://example.org:443/a/./b/../c#part", "https://example.org/a/c"),
        ("https://example.org:8443/?b=2&a=1", "https://example.org:8443/?b=2&a=1"),
        ("http://example.org/%7euser/%2f%e2%82%ac?q=%41", "http://example.org/~user/%2F%E2%82%AC?q=A"),
        ("http://example.org/ș b", "http://example.org/%C8%99%20b"),
        ("http://example.org/100%", "http://example.org/100%25"),
        ("http://bücher.example/", "http://xn--bcher-kva.example/"),
        ("http://example.org./a", "http://example.org/a"),
        ("http://[::1]:8080/a", "http://[::1]:8080/a"),
        ("http://user@example.org/", None),
        ("ftp://example.org/", None),
        ("http://example.org:99999/", None),
        ("http://example.org/" + "a" * 2029, "http://example.org/" + "a" * 2029),
        ("http://example.org/" + "a" * 2030, None),
    ],
)
def test_a_page_has_one_spelling(url: str, spelt: str | None) -> None:
    assert normalise_url(url) == spelt


@given(st.text(max_size=60))
def test_a_spelling_is_its_own_spelling(link: str) -> None:
    spelt = join_link("http://example.org/a/b?c", link)
    assert spelt is None or normalise_url(spelt) == spelt
    assert spelt is None or spelt.isascii()


def test_a_group_of_ours_is_taken_before_that_of_all() -> None:
    robots = judge_robots(200, b"User-agent: *\nDisallow: /\nUser-agent: JobWire/2.0\nAllow: /a\nDisallow: /\n")
    assert robots.allows("http://example.org/a") and not robots.allows("http://example.org/b")


@pytest.mark.parametrize("agent", ["job", "jobwirebot", "googlebot", "wire"])
def test_a_group_of_somebody_else_is_not_for_us(agent: str) -> None:
    assert judge_robots(200, f"User-agent: {agent}\nDisallow: /\n".encode()).allows("http://example.org/")


@pytest.mark.parametrize(("asked", "delay_ms"), [("2", 2_000), ("0.5", 500), ("61", CRAWL_DELAY_MS_MAX), ("x", 0)])
def test_a_crawl_delay_is_kept_up_to_a_limit(asked: str, delay_ms: int) -> None:
    assert judge_robots(200, f"User-agent: *\nCrawl-delay: {asked}\n".encode()).delay_ms == delay_ms


def test_what_stands_beyond_the_limit_of_robots_txt_does_not_count() -> None:
    rule = b"\nUser-agent: *\nDisallow: /\n"
    for filling, allowed in ((ROBOTS_BYTES_MAX - len(rule) - 1, False), (ROBOTS_BYTES_MAX - len(rule) + 1, True)):
        assert judge_robots(200, b"#" * filling + rule).allows("http://example.org/a") is allowed


def test_the_frontier_gives_near_pages_first_and_each_once() -> None:
    frontier = Frontier(pages_max=10, depth_max=2)
    frontier.add(["s"], depth=0)
    assert [target.url for target in frontier.add(["a", "s", "a"], depth=1)] == ["a"]
    assert frontier.add(["deep"], depth=3) == []
    frontier.add(["far"], depth=2)
    frontier.add(["b"], depth=1)
    taken = []
    while (target := frontier.take()) is not None:
        taken.append(target.url)
    assert taken == ["s", "a", "b", "far"]


@given(st.integers(1, 20), st.integers(1, 30), st.integers(0, 40))
def test_the_frontier_keeps_its_limits(pages_max: int, known_max: int, found: int) -> None:
    frontier = Frontier(pages_max, 5, known_max=known_max)
    assert len(frontier.add((str(n) for n in range(found)), depth=1)) == min(found, known_max)
    visits = 0
    while frontier.take() is not None:
        visits += 1
    assert visits == min(found, known_max, pages_max)


@pytest.fixture
def sitemap(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "sitemap"


def test_a_sitemap_of_the_largest_size_is_read_and_none_larger(
    sitemap: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = b"<urlset><url><loc>http://example.org/a</loc></url></urlset>"
    sitemap.write_bytes(gzip.compress(text))
    monkeypatch.setattr(sitemaps, "SITEMAP_BYTES_MAX", len(text))
    assert read_sitemap(SitemapFile(str(sitemap), "http://example.org/s")).pages == ["http://example.org/a"]
    monkeypatch.setattr(sitemaps, "SITEMAP_BYTES_MAX", len(text) - 1)
    with pytest.raises(JobError, match="larger than"):
        read_sitemap(SitemapFile(str(sitemap), "http://example.org/s"))


def test_a_sitemap_opens_no_file_and_multiplies_nothing(sitemap: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("http://example.org/secret")
    bomb = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10 if n else "x" * 100}">' for n in range(9))
    for doctype, entity in ((f'<!ENTITY x SYSTEM "file://{secret}">', "x"), (bomb, "l8")):
        sitemap.write_text(f"<!DOCTYPE u [{doctype}]><urlset><url><loc>&{entity};</loc></url></urlset>")
        try:
            found = read_sitemap(SitemapFile(str(sitemap), "http://example.org/s"))
        except JobError as error:
            assert error.code == "sitemap_invalid"
        else:
            assert found.pages == []


def test_a_sitemap_may_be_a_list_of_lines(sitemap: Path) -> None:
    sitemap.write_text("http://example.org/a\n\nhttps://example.org/b#x\nnone\n")
    pages = read_sitemap(SitemapFile(str(sitemap), "http://example.org/s")).pages
    assert pages == ["http://example.org/a", "https://example.org/b"]


def read(body: str, **headers: str) -> PageReading:
    page = PageBytes("http://example.org/", "text/html; charset=utf-8", headers.get("tags", ""), body.encode())
    (reading,) = read_pages(PageBatch([page], ["example.org"]))
    return reading


def test_a_text_is_cut_where_its_limit_is() -> None:
    whole, cut = read("<p>" + "ș" * (TEXT_BYTES_MAX // 2)), read("<p>" + "ș" * (TEXT_BYTES_MAX // 2 + 1))
    assert len(whole.text) == len(cut.text) == TEXT_BYTES_MAX // 2
    assert whole.sha256 != cut.sha256


def test_a_title_is_cut_where_its_limit_is() -> None:
    for chars in (TITLE_CHARS_MAX, TITLE_CHARS_MAX + 1):
        assert read(f"<title>{'t' * chars}</title>").title == "t" * TITLE_CHARS_MAX


def test_links_are_followed_up_to_so_many_characters() -> None:
    long = [f"/{n:04}{'x' * 1_000}" for n in range(300)]
    links = read("".join(f"<a href='{link}'>x</a>" for link in long)).links
    size = len(f"http://example.org{long[0]}")
    assert len(links) == LINK_CHARS_MAX // size < len(long)


def test_a_page_is_read_block_by_block_without_its_surroundings() -> None:
    reading = read(
        "<html lang='ro-MD'><title> A \n title </title><body><nav>menu</nav><h1>Head</h1><p>one\n <b>t</b>wo<br>three"
        "<ul><li>a<li>b</ul><pre>x = 1\ny = 2</pre><footer>end</footer><script>no()</script>"
    )
    assert (reading.title, reading.language) == ("A title", "ro-md")
    assert reading.text == "Head\n\none two\nthree\n\na\nb\n\nx = 1\ny = 2"
    assert [reading.text[chunk.start : chunk.end] for chunk in reading.chunks] == [reading.text]


@pytest.mark.parametrize(
    ("tags", "wants_no_index"),
    [
        ("noindex", True),
        ("NONE", True),
        ("nofollow, NoIndex", True),
        ("index", False),
        ("otherbot: noindex", False),
        ("jobwire: noindex", True),
    ],
)
def test_a_header_says_what_crawlers_may_do(tags: str, wants_no_index: bool) -> None:
    assert read("<p>words", tags=tags).wants_no_index is wants_no_index


def test_all_crawls_wait_for_one_clock_of_a_host(stopped: RunningHouse) -> None:
    def turn(delay_ms: int) -> int:
        return stopped.house.store.write(lambda tx: reserve_turn(tx, "clock.example", delay_ms)).result(60)

    first, second, third = turn(600_000), turn(600_000), turn(600_000)
    assert first == 0
    assert 300_000 < second <= 600_000
    assert 900_000 < third <= 1_200_000
    stopped.house.store.write(lambda tx: hold_host(tx, "held.example", 500_000)).result(60)
    held = stopped.house.store.write(lambda tx: reserve_turn(tx, "held.example", 1)).result(60)
    assert 250_000 < held <= 500_000
