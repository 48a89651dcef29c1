"""What a crawl makes of a site, over real HTTP, on each engine."""

import gzip
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler
from itertools import pairwise

import pytest
from crawl_site import Answerer, Page, Site, crawl, documents, html, redirect, start, wait
from fifthelement_house import Client

from jobwire.systems.fifthelement.robots import ROBOTS_REDIRECTS_MAX

Serve = Callable[[Mapping[str, Page | Answerer]], Site]


def result_of(job: dict) -> dict:
    assert job["status"] == "completed", job
    return job["result"]


def test_pages_become_documents_with_title_text_and_facts(crawler: Client, serve: Serve) -> None:
    site = serve({"/": html("Start", "/a", "b/?x=1#part"), "/a": html("A"), "/b/?x=1": html("B")})
    repository = crawler.make_repository()
    result = result_of(crawl(crawler, repository, site.base))
    assert (result["documentsProcessed"], result["errors"], result["pagesFetched"]) == (3, 0, 3)
    found = documents(crawler, repository)
    assert found.keys() == {f"{site.base}/", f"{site.base}/a", f"{site.base}/b/?x=1"}
    page = found[f"{site.base}/a"]
    assert (page["title"], page["status"]) == ("A", "Ready")
    assert page["content"] == "A\n\nThe page called A says something that no other page says."
    assert page["metadata"].items() >= {"status": 200, "language": "en", "depth": 1}.items()
    assert page["metadata"]["fetchedAt"].endswith("Z")
    assert max(site.hits.values()) == 1


def test_what_is_disallowed_is_not_asked_for(crawler: Client, serve: Serve) -> None:
    rules = b"User-agent: *\nDisallow: /\n\nUser-agent: Jobwire\nDisallow: /private\nAllow: /private/open\n"
    pages = ("/private/a", "/private/open", "/public")
    site = serve({"/robots.txt": Page(rules, "text/plain"), "/": html("S", *pages), **{p: html(p) for p in pages}})
    result = result_of(crawl(crawler, crawler.make_repository(), site.base))
    assert (result["documentsProcessed"], result["skipped"]) == (3, {"robots": 1})
    assert site.hits["/private/a"] == 0
    assert site.hits["/robots.txt"] == 1


@pytest.mark.parametrize("status", [403, 404, 410])
def test_a_host_without_robots_txt_allows_everything(crawler: Client, serve: Serve, status: int) -> None:
    site = serve({"/robots.txt": Page(b"Disallow: /", "text/plain", status), "/": html("S")})
    assert result_of(crawl(crawler, crawler.make_repository(), site.base))["documentsProcessed"] == 1


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_host_whose_robots_txt_fails_allows_nothing(crawler: Client, serve: Serve, status: int) -> None:
    site = serve({"/robots.txt": Page(b"", "text/plain", status), "/": html("S")})
    job = crawl(crawler, crawler.make_repository(), site.base)
    assert (job["status"], job["result"]["documentsProcessed"], job["result"]["errors"]) == ("failed", 0, 1)
    assert job["result"]["message"].startswith("Start URL unreachable: the robots.txt of '127.0.0.1")
    assert site.hits["/"] == 0


@pytest.mark.parametrize(("redirects", "documents_"), [(ROBOTS_REDIRECTS_MAX, 1), (ROBOTS_REDIRECTS_MAX + 1, 2)])
def test_a_robots_txt_behind_too_many_redirects_is_none(
    crawler: Client, serve: Serve, redirects: int, documents_: int
) -> None:
    hops = ["/robots.txt", *(f"/robots{n}" for n in range(1, redirects)), "/rules"]
    site = serve(
        {"/": html("S", "/a"), "/a": html("A"), "/rules": Page(b"User-agent: *\nDisallow: /a", "text/plain")}
    )
    site.pages |= {hop: redirect(target) for hop, target in pairwise(hops)}
    result = result_of(crawl(crawler, crawler.make_repository(), site.base))
    assert result["documentsProcessed"] == documents_


def test_limits_of_pages_and_depth_hold(crawler: Client, serve: Serve) -> None:
    chain = {f"/{n}": html(f"Page {n}", f"/{n + 1}", f"/side{n}") for n in range(6)}
    site = serve({**chain, **{f"/side{n}": html(f"Side {n}") for n in range(6)}})
    by_depth = result_of(crawl(crawler, crawler.make_repository(), f"{site.base}/0", maxDepth=2))
    assert by_depth["documentsProcessed"] == 5 and "limit" not in by_depth["skipped"]
    repository = crawler.make_repository()
    by_pages = result_of(crawl(crawler, repository, f"{site.base}/0", maxDepth=5, maxPages=4))
    assert by_pages["documentsProcessed"] == 4 and by_pages["skipped"]["limit"] >= 1
    assert len(documents(crawler, repository)) == 4


def test_a_second_crawl_fetches_nothing_that_has_not_changed(crawler: Client, serve: Serve) -> None:
    site = serve({"/": html("S", "/a", "/b"), "/a": html("A", "/deep"), "/b": html("B"), "/deep": html("Deep")})
    repository = crawler.make_repository()
    crawl(crawler, repository, site.base)
    before = documents(crawler, repository)
    site.statuses.clear()
    again = result_of(crawl(crawler, repository, site.base))
    assert (again["documentsProcessed"], again["unchanged"], again["pagesFetched"]) == (0, 4, 4)
    assert site.statuses[304] == 4 and site.statuses[200] == 0
    assert documents(crawler, repository) == before


def test_a_changed_page_changes_its_document_and_no_other(crawler: Client, serve: Serve) -> None:
    site = serve({"/": html("S", "/a", "/b"), "/a": html("A"), "/b": html("B")})
    repository = crawler.make_repository()
    crawl(crawler, repository, site.base)
    before = documents(crawler, repository)
    site.pages["/a"] = html("A", words="This page was rewritten since.")
    result = result_of(crawl(crawler, repository, site.base))
    assert (result["documentsProcessed"], result["unchanged"]) == (1, 2)
    after = documents(crawler, repository)
    changed, url = after.pop(f"{site.base}/a"), f"{site.base}/a"
    assert "rewritten" in changed["content"] and changed["id"] == before.pop(url)["id"]
    assert after == before


def test_a_page_that_is_gone_fails_its_document_and_brings_it_back(crawler: Client, serve: Serve) -> None:
    site = serve({"/": html("S", "/a"), "/a": html("A")})
    repository = crawler.make_repository()
    crawl(crawler, repository, site.base)
    page = site.pages.pop("/a")
    result = result_of(crawl(crawler, repository, site.base))
    assert (result["gone"], result["errors"]) == (1, 0)
    assert documents(crawler, repository)[f"{site.base}/a"]["status"] == "Failed"
    site.pages["/a"] = page
    assert result_of(crawl(crawler, repository, site.base))["documentsProcessed"] == 1
    restored = documents(crawler, repository)
    assert len(restored) == 2 and restored[f"{site.base}/a"]["status"] == "Ready"


def test_the_same_text_under_two_urls_is_one_document(crawler: Client, serve: Serve) -> None:
    twin = html("Twin")
    site = serve({"/": html("S", "/one", "/two", "/three"), "/one": twin, "/two": twin, "/three": html("Three")})
    repository = crawler.make_repository()
    result = result_of(crawl(crawler, repository, site.base))
    assert (result["documentsProcessed"], result["skipped"]) == (3, {"duplicate": 1})
    site.pages["/one"] = html("One", words="They are twins no more.")
    site.pages["/two"] = html("Two", words="Each is itself now.")
    assert result_of(crawl(crawler, repository, site.base))["documentsProcessed"] == 2
    texts = sorted(document["content"].split("\n")[0] for document in documents(crawler, repository).values())
    assert texts == ["One", "S", "Three", "Two"]


def test_a_page_that_names_another_as_its_canonical_one_leaves_it_the_text(crawler: Client, serve: Serve) -> None:
    head = '<link rel="canonical" href="/a">'
    site = serve(
        {"/": html("S", "/a?utm_source=x", "/b?utm_source=x"), "/a?utm_source=x": html("A", head=head)}
        | {"/a": html("A", head=head), "/b?utm_source=x": html("B")}
    )
    repository = crawler.make_repository()
    result = result_of(crawl(crawler, repository, site.base))
    assert result["skipped"] == {"canonical": 1}
    assert documents(crawler, repository).keys() == {f"{site.base}{p}" for p in ("/", "/a", "/b?utm_source=x")}


def test_pages_say_what_crawlers_may_do(crawler: Client, serve: Serve) -> None:
    site = serve(
        {
            "/": html("S", "/noindex", "/nofollow", "/header", "/rel"),
            "/noindex": html("N", "/found", head='<meta name="robots" content="noindex">'),
            "/nofollow": html("F", "/hidden", head='<meta name="ROBOTS" content="nofollow">'),
            "/header": Page(html("H").body, headers={"X-Robots-Tag": "none"}),
            "/rel": Page(b"<p>words</p><a rel='nofollow ugc' href='/hidden2'>x</a>"),
            "/found": html("Found"),
        }
    )
    repository = crawler.make_repository()
    result = result_of(crawl(crawler, repository, site.base))
    assert result["skipped"] == {"noindex": 2}
    assert {url.rpartition("/")[2] for url in documents(crawler, repository)} == {"", "nofollow", "rel", "found"}
    assert site.hits["/hidden"] == site.hits["/hidden2"] == 0


def test_redirects_are_followed_within_the_site(crawler: Client, serve: Serve) -> None:
    other = serve({"/": html("Other")})
    site = serve(
        {"/": redirect("/home", 302), "/home": html("Home", "/old", "/away"), "/old": redirect("/new", 308)}
        | {"/new": html("New"), "/away": redirect(f"{other.base}/")}
    )
    repository = crawler.make_repository()
    result = result_of(crawl(crawler, repository, site.base))
    assert (result["documentsProcessed"], result["skipped"]) == (2, {"host": 1, "redirected": 2})
    assert sum(other.hits.values()) == 0


def test_of_one_page_asked_for_one_is_read_behind_a_redirect(crawler: Client, serve: Serve) -> None:
    site = serve({"/": redirect("/home"), "/home": html("Home", "/more"), "/more": html("More")})
    result = result_of(crawl(crawler, crawler.make_repository(), site.base, maxPages=1))
    assert (result["documentsProcessed"], result["skipped"]) == (1, {"limit": 1, "redirected": 1})


def test_a_host_that_asks_for_time_is_asked_again_when_it_has_passed(crawler: Client, serve: Serve) -> None:
    busy = Page(b"", status=503, headers={"Retry-After": "1"})
    site = serve({"/": html("S", "/a")})

    def answer(handler: BaseHTTPRequestHandler) -> None:
        site.pages["/a"] = html("A")
        site.send(handler, busy)

    site.pages["/a"] = answer
    assert result_of(crawl(crawler, crawler.make_repository(), site.base))["documentsProcessed"] == 2
    held = crawler.running.house.store.read(
        lambda reader: reader.query(
            "SELECT COUNT(*) FROM fifthelement_host WHERE authority = :host", host=f"127.0.0.1:{site.port}"
        )
    )
    assert held.result(60) == [(1,)] and site.hits["/a"] == 2


def test_further_hosts_are_crawled_when_they_are_named(crawler: Client, serve: Serve) -> None:
    other = serve({"/": html("Other")})
    site = serve({"/": html("S", f"{other.base}/")})
    wanted = {"hosts": [f"127.0.0.1:{other.port}"]}
    assert result_of(crawl(crawler, crawler.make_repository(), site.base))["documentsProcessed"] == 1
    assert result_of(crawl(crawler, crawler.make_repository(), site.base, **wanted))["documentsProcessed"] == 2
    assert other.hits["/robots.txt"] == 1


def test_sitemaps_name_pages_that_nothing_links_to(crawler: Client, serve: Serve) -> None:
    site = serve({"/": html("S"), "/lonely": html("Lonely"), "/zipped": html("Zipped")})
    urls = f"<urlset><url><loc>{site.base}/lonely</loc></url><url><loc>http://elsewhere.example/</loc></url></urlset>"
    zipped = gzip.compress(f"<urlset><url><loc>{site.base}/zipped</loc></url></urlset>".encode())
    index = "".join(f"<sitemap><loc>{site.base}/{name}</loc></sitemap>" for name in ("1.xml", "2.xml.gz", "bad.xml"))
    site.pages |= {
        "/robots.txt": Page(f"Sitemap: {site.base}/index.xml\n".encode(), "text/plain"),
        "/index.xml": Page(f"<sitemapindex>{index}</sitemapindex>".encode(), "text/xml"),
        "/1.xml": Page(urls.encode(), "text/xml"),
        "/2.xml.gz": Page(zipped, "application/gzip"),
        "/bad.xml": Page(b"<urlset><url><loc>", "text/xml"),
    }
    repository = crawler.make_repository()
    result = result_of(crawl(crawler, repository, site.base))
    assert (result["documentsProcessed"], result["errors"]) == (3, 1)
    assert result["errorList"][0]["code"] == "sitemap_invalid"
    assert result_of(crawl(crawler, crawler.make_repository(), site.base, maxDepth=0))["documentsProcessed"] == 1


def test_what_is_no_text_is_not_downloaded(crawler: Client, serve: Serve) -> None:
    site = serve({"/": html("S", "/a.zip", "/t.txt"), "/a.zip": Page(b"PK", "application/zip")})
    site.pages["/t.txt"] = Page("plain și simplu".encode(), "text/plain; charset=utf-8")
    repository = crawler.make_repository()
    assert result_of(crawl(crawler, repository, site.base))["skipped"] == {"content_type": 1}
    assert documents(crawler, repository)[f"{site.base}/t.txt"]["content"] == "plain și simplu"


def test_a_page_that_fails_is_one_error_among_the_others(crawler: Client, serve: Serve) -> None:
    site = serve({"/": html("S", "/bad", "/a"), "/bad": Page(b"", status=500), "/a": html("A")})
    result = result_of(crawl(crawler, crawler.make_repository(), site.base))
    assert (result["documentsProcessed"], result["errors"]) == (2, 1)
    (error,) = result["errorList"]
    assert (error["url"], error["code"]) == (f"{site.base}/bad", "fetch_status")
    assert site.hits["/bad"] == 2


@pytest.mark.parametrize(("page", "reason"), [(Page(status=404), "no such page"), (Page(b"PK", "a/b"), "neither")])
def test_a_start_page_that_is_none_fails_the_job(crawler: Client, serve: Serve, page: Page, reason: str) -> None:
    job = crawl(crawler, crawler.make_repository(), serve({"/": page}).base)
    assert job["status"] == "failed" and job["result"]["documentsProcessed"] == 0
    assert job["result"]["message"].startswith("Start URL unreachable: ") and reason in job["result"]["message"]


def test_a_start_url_where_nobody_listens_fails_the_job(crawler: Client, serve: Serve) -> None:
    site = serve({})
    site.close()
    job = crawl(crawler, crawler.make_repository(), site.base)
    assert job["status"] == "failed" and job["result"]["message"].startswith("Start URL unreachable")


def test_a_cancel_stops_in_the_middle_of_a_download(crawler: Client, serve: Serve) -> None:
    site = serve({"/": html("S", "/slow", *(f"/{n}" for n in range(3)))})
    site.pages |= {"/slow": site.hold, **{f"/{n}": html(f"P {n}") for n in range(3)}}
    repository = crawler.make_repository()
    job = start(crawler, repository, site.base)
    assert site.reached.wait(60)
    crawler.data("POST", f"/jobs/{job}/cancel")
    assert wait(crawler, job)["status"] == "cancelled"
    assert not site.gate.is_set()
    left = "SELECT COUNT(*) FROM fifthelement_crawl_url"
    assert crawler.running.house.store.read(lambda reader: reader.query(left)).result(60) == [(0,)]


def test_a_document_that_was_deleted_comes_back_with_the_next_crawl(crawler: Client, serve: Serve) -> None:
    site = serve({"/": html("S", "/a"), "/a": html("A")})
    repository = crawler.make_repository()
    crawl(crawler, repository, site.base)
    doomed = documents(crawler, repository)[f"{site.base}/a"]["id"]
    crawler.data("DELETE", f"/repositories/{repository}/documents/{doomed}")
    assert result_of(crawl(crawler, repository, site.base))["documentsProcessed"] == 1
    assert len(documents(crawler, repository)) == 2


def test_repositories_know_nothing_of_each_others_pages(crawler: Client, serve: Serve) -> None:
    site = serve({"/": html("S")})
    for _ in range(2):
        repository = crawler.make_repository()
        assert result_of(crawl(crawler, repository, site.base))["documentsProcessed"] == 1
        assert len(documents(crawler, repository)) == 1


@pytest.mark.parametrize(
    ("field", "value"),
    [("maxPages", 0), ("maxPages", 10_001), ("maxDepth", -1), ("maxDepth", 51), ("hosts", ["h"] * 21)],
)
def test_limits_beyond_what_a_crawl_may_are_refused(crawler: Client, field: str, value: object) -> None:
    path = f"/repositories/{crawler.make_repository()}/crawl"
    answer = crawler.post(path, json={"url": "https://example.org", field: value})
    assert answer.status_code == 400, answer.text


def test_the_widest_limits_are_taken(crawler: Client, serve: Serve) -> None:
    site = serve({"/": html("S")})
    wanted = {"maxPages": 10_000, "maxDepth": 50, "hosts": [f"h{n}.example" for n in range(20)]}
    assert result_of(crawl(crawler, crawler.make_repository(), site.base, **wanted))["documentsProcessed"] == 1
