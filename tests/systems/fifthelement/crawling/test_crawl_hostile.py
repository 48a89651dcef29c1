"""Sites that mean harm: a clear error each, bounded memory and time, and a worker that goes on."""

import gzip
import threading
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler
from itertools import count

import pytest
from aiohttp.abc import AbstractResolver
from crawl_site import Answerer, Page, Site, crawl, documents, html
from fifthelement_house import Client, RunningHouse, run_fifthelement

from jobwire.systems.fifthelement import crawl_hosts, crawl_keeping, crawl_visits, crawling
from jobwire.systems.fifthelement.crawl_pages import LINKS_MAX

Serve = Callable[[Mapping[str, Page | Answerer]], Site]


@pytest.fixture(autouse=True)
def alive(crawler: Client, serve: Serve) -> Iterator[None]:
    """After each of these the same worker crawls on."""
    yield
    assert crawl(crawler, crawler.make_repository(), serve({"/": html("S")}).base)["status"] == "completed"


def stream(kind: str, part: bytes) -> Answerer:
    """An answer without an end, as fast as it is taken."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", kind)
        handler.send_header("Connection", "close")
        handler.end_headers()
        handler.close_connection = True
        while True:
            handler.wfile.write(part)

    return answer


def failure_of(job: dict) -> str:
    assert job["status"] == "failed", job
    return job["result"]["message"]


def test_a_robots_txt_that_never_ends_counts_as_far_as_the_rfc_wants(crawler: Client, serve: Serve) -> None:
    site = serve({"/": html("S", "/x", "/y"), "/x": html("X"), "/y": html("Y")})
    site.pages["/robots.txt"] = stream("text/plain", b"User-agent: *\nDisallow: /x\n# and so on\n" * 100)
    result = crawl(crawler, crawler.make_repository(), site.base)["result"]
    assert (result["documentsProcessed"], result["skipped"]) == (2, {"robots": 1})


def test_a_robots_txt_that_trickles_closes_its_host(
    crawler: Client, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crawl_hosts, "ROBOTS_DEADLINE_MS", 200)
    site = serve({"/": html("S")})
    site.pages["/robots.txt"] = site.hold
    assert "robots.txt" in failure_of(crawl(crawler, crawler.make_repository(), site.base))
    assert site.hits["/"] == 0


def test_a_robots_txt_of_nothing_but_groups_is_read_in_the_time_of_its_length(crawler: Client, serve: Serve) -> None:
    rules = b"".join(b"User-agent: a%d\n" % n for n in range(15_000)) + b"Disallow: /*a*b*c$\n" * 13_000
    site = serve({"/robots.txt": Page(rules, "text/plain"), "/": html("S")})
    assert crawl(crawler, crawler.make_repository(), site.base)["result"]["documentsProcessed"] == 1


@pytest.mark.parametrize("length", [1, 2, 3])
def test_redirects_in_a_circle_are_told(crawler: Client, serve: Serve, length: int) -> None:
    circle = {f"/{n}": Page(status=302, headers={"Location": f"/{(n + 1) % length}"}) for n in range(length)}
    message = failure_of(crawl(crawler, crawler.make_repository(), f"{serve(circle).base}/0"))
    assert "redirects more than" in message


def test_redirects_without_an_end_are_told(crawler: Client, serve: Serve) -> None:
    site = serve({f"/{n}": Page(status=302, headers={"Location": f"/{n + 1}"}) for n in range(20)})
    assert "redirects more than" in failure_of(crawl(crawler, crawler.make_repository(), f"{site.base}/0"))
    assert site.hits["/6"] == 0


def test_a_page_of_50_mb_is_one_error(crawler: Client, serve: Serve) -> None:
    site = serve({"/": html("S", "/told", "/untold"), "/told": Page(b"<p>" + b"x" * 50_000_000)})
    site.pages["/untold"] = stream("text/html", b"<p>x" * 10_000)
    result = crawl(crawler, crawler.make_repository(), site.base)["result"]
    assert (result["documentsProcessed"], result["errors"]) == (1, 2)
    assert {error["code"] for error in result["errorList"]} == {"fetch_too_large"}


def test_pages_of_the_largest_size_are_taken_and_no_larger(
    crawler: Client, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crawl_visits, "PAGE_BYTES_MAX", 1_000)
    site = serve({"/": html("S", "/a", "/b"), "/a": Page(b"a" * 1_000), "/b": Page(b"b" * 1_001)})
    result = crawl(crawler, crawler.make_repository(), site.base)["result"]
    assert (result["documentsProcessed"], result["errors"]) == (2, 1)
    assert result["errorList"][0]["url"].endswith("/b")


@pytest.mark.slow
def test_a_gzip_bomb_is_one_error(crawler: Client, serve: Serve) -> None:
    bomb = gzip.compress(b"<p>x" * 25_000_000)
    site = serve({"/": html("S", "/bomb"), "/bomb": Page(bomb, headers={"Content-Encoding": "gzip"})})
    site.pages["/sitemap.xml"] = Page(gzip.compress(b"<urlset>" + b" " * 100_000_000), "application/gzip")
    result = crawl(crawler, crawler.make_repository(), site.base)["result"]
    assert (result["documentsProcessed"], result["errors"]) == (1, 2)
    assert {error["code"] for error in result["errorList"]} == {"fetch_too_large", "sitemap_invalid"}


@pytest.mark.slow
def test_nested_elements_without_an_end_cost_one_page(
    crawler: Client, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = crawl_keeping.LIMITS
    monkeypatch.setattr(crawl_keeping, "LIMITS", type(limits)(limits.memory_bytes_max, 1, limits.wall_ms_max))
    site = serve({"/": html("S", "/deep", "/a", "/b"), "/deep": Page(b"<div>" * 700_000)})
    site.pages |= {"/a": html("A"), "/b": html("B")}
    result = crawl(crawler, crawler.make_repository(), site.base)["result"]
    assert (result["documentsProcessed"], result["errors"]) == (3, 1)
    assert result["errorList"][0] == result["errorList"][0] | {"url": f"{site.base}/deep", "code": "child_cpu"}


def test_a_calendar_without_an_end_stops_at_the_limit_of_pages(crawler: Client, serve: Serve) -> None:
    site = serve({})
    days = count(1)
    site.find = lambda path: (  # type: ignore[method-assign]
        Page(status=404) if "." in path else html(f"Day {path}", *(f"/day/{next(days)}" for _ in range(50)))
    )
    result = crawl(crawler, crawler.make_repository(), site.base, maxPages=30, maxDepth=50)["result"]
    assert result["documentsProcessed"] == 30
    assert result["skipped"]["limit"] > 30


def test_a_page_of_more_links_than_are_followed_is_read(crawler: Client, serve: Serve) -> None:
    site = serve({"/": html("S", *(f"/{n}" for n in range(LINKS_MAX + 100)))})
    result = crawl(crawler, crawler.make_repository(), site.base, maxPages=1)["result"]
    assert result["skipped"] == {"limit": LINKS_MAX}


def test_a_page_that_trickles_is_one_error(crawler: Client, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crawl_visits, "PAGE_DEADLINE_MS", 200)
    monkeypatch.setattr(crawl_visits, "PAGE_TRIES_MAX", 1)
    site = serve({"/": html("S", "/slow")})
    site.pages["/slow"] = site.hold
    result = crawl(crawler, crawler.make_repository(), site.base)["result"]
    assert (result["documentsProcessed"], result["errorList"][0]["code"]) == (1, "fetch_timeout")


def test_pages_in_the_wrong_charset_are_read(crawler: Client, serve: Serve) -> None:
    russian = "Съешь же ещё этих мягких французских булок, да выпей чаю. " * 5
    romanian = "Muzicologă în bej vând whisky și tequila, preț fix. " * 5
    pages = {
        "/utf8-said-latin": Page(f"<p>{romanian} a".encode(), "text/html; charset=ascii"),
        "/cp1251-said-utf8": Page(f"<p>{russian}".encode("cp1251"), "text/html; charset=utf-8"),
        "/koi8": Page(f"<meta charset=koi8-r><p>{russian} я".encode("koi8-r"), "text/html"),
        "/utf16": Page(f"<p>{romanian}".encode("utf-16"), "text/html; charset=utf-8"),
        "/nonsense": Page(f"<p>{romanian} x".encode(), "text/html; charset=rot13"),
    }
    site = serve({"/": html("S", *pages), **pages})
    repository = crawler.make_repository()
    crawl(crawler, repository, site.base)
    texts = {url.rpartition("/")[2]: d["content"] for url, d in documents(crawler, repository).items()}
    assert (texts["koi8"], texts["cp1251-said-utf8"]) == (f"{russian.strip()} я", russian.strip())
    assert texts["utf16"] == romanian.strip() and texts["nonsense"] == f"{romanian.strip()} x"


@pytest.mark.parametrize(
    "url", ["http://169.254.169.254/", "http://10.0.0.1/", "file:///etc/passwd", "http://[::1]:1/"]
)
def test_addresses_that_are_not_public_are_refused(crawler: Client, url: str) -> None:
    message = failure_of(crawl(crawler, crawler.make_repository(), url))
    assert "not allowed" in message or "http" in message


def test_a_redirect_into_the_house_is_refused(crawler: Client, serve: Serve) -> None:
    site = serve({"/": Page(status=302, headers={"Location": "http://169.254.169.254/latest/meta-data"})})
    assert "not allowed" in failure_of(crawl(crawler, crawler.make_repository(), site.base))


class Rebinding(AbstractResolver):
    """A name that is an allowed address at first, and one of ours from the second look-up on."""

    def __init__(self) -> None:
        self.asked = 0
        self.lock = threading.Lock()

    async def resolve(self, host: str, port: int = 0, family: int = 0) -> list:
        with self.lock:
            self.asked += 1
            address = "127.0.0.1" if self.asked <= 1 else "127.0.0.2"
        return [{"hostname": host, "host": address, "port": port, "family": 2, "proto": 0, "flags": 0}]

    async def close(self) -> None:
        return None


@pytest.fixture
def rebinding(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[RunningHouse, Rebinding]]:
    resolver = Rebinding()
    make_kinds = crawling.make_kinds
    monkeypatch.setattr(crawling, "make_kinds", lambda *given: make_kinds(*given, resolver=resolver))
    allowed = {"JOBWIRE_FETCH_ALLOW": "127.0.0.1/32", "FIFTHELEMENT_CRAWL_DELAY_MS": "0"}
    with run_fifthelement(tmp_path_factory.mktemp("rebinding"), **allowed) as house:
        yield house, resolver


@pytest.mark.slow
def test_a_host_that_leads_elsewhere_after_the_first_look_up_is_refused(
    rebinding: tuple[RunningHouse, Rebinding], serve: Serve
) -> None:
    house, resolver = rebinding
    site = serve({"/": html("S")})
    # robots.txt is had at the first address and ends its connection; the page would be had at the second.
    site.pages["/robots.txt"] = Page(b"", "text/plain", headers={"Connection": "close"})
    client = house.make_client("Rebound")
    message = failure_of(crawl(client, client.make_repository(), f"http://rebind.example:{site.port}/"))
    assert "not allowed" in message
    assert (resolver.asked, site.hits["/robots.txt"], site.hits["/"]) == (2, 1, 0)
