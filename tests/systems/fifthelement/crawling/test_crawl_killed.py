"""A crawl whose server is killed: what was kept is not asked for again, and nothing is there twice."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from crawl_site import PATIENCE_S, Answerer, Page, Site, html

from house_engines import address_in
from jobwire.systems.fifthelement.crawl_run import IN_HAND_MAX

JOBWIRE = str(Path(sys.executable).with_name("jobwire"))
PAGES = 120


class Served:
    """`jobwire serve` over one folder, and one workspace's client."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {
            **os.environ,
            "JOBWIRE_DB": address_in(folder),
            "JOBWIRE_FILES": str(folder / "files"),
            "JOBWIRE_FETCH_ALLOW": "127.0.0.0/8",
            "JOBWIRE_LEASE_MS": "1000",
            "FIFTHELEMENT_CRAWL_DELAY_MS": "0",
        }
        create = [JOBWIRE, "keys", "create", "--owner", "Workspace", "--json"]
        made = subprocess.run(create, env=self.environment, capture_output=True, check=True, cwd=folder)
        self.headers = {"Authorization": f"Bearer {json.loads(made.stdout)['key']}"}

    @contextmanager
    def run(self) -> "Iterator[tuple[subprocess.Popen[str], httpx.Client]]":
        command = [JOBWIRE, "serve", "--systems", "fifthelement", "--port", "0"]
        process = subprocess.Popen(
            command, env=self.environment, stderr=subprocess.PIPE, text=True, cwd=self.folder, start_new_session=True
        )
        assert process.stderr is not None
        address = next(found[0] for line in process.stderr if (found := re.search(r"http://[\d.:]+", line)))
        try:
            with httpx.Client(base_url=f"{address}/v1/api", headers=self.headers, timeout=60) as client:
                yield process, client
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=60)


def follow(client: httpx.Client, job: str, site: Site) -> dict:
    """The job when it has ended; between two looks the site is waited for, not the clock alone."""
    for _ in range(PATIENCE_S * 4):
        shown = client.get(f"/jobs/{job}").json()["data"]
        if shown["status"] in ("completed", "failed", "cancelled"):
            return shown
        site.moved.wait(0.25)
        site.moved.clear()
    raise AssertionError(f"not ended: {shown}")


class CountingSite(Site):
    """Says when so many pages have been asked for, and can hold the one that comes then."""

    def __init__(self, pages: "Mapping[str, Page | Answerer]", stop_at: int) -> None:
        super().__init__(pages)
        self.stop_at = stop_at

    def find(self, path: str) -> "Page | Answerer":
        self.moved.set()
        if sum(self.hits.values()) >= self.stop_at:
            self.reached.set()
        return super().find(path)


def make_pages() -> dict[str, "Page | Answerer"]:
    links = {n: [f"/{m}" for m in range(n * 3 + 1, n * 3 + 4) if m < PAGES] for n in range(PAGES)}
    return {f"/{n}" if n else "/": html(f"Page {n}", *links[n]) for n in range(PAGES)}


@pytest.mark.slow
@pytest.mark.parametrize("stop_at", [12, 70])
def test_a_killed_crawl_goes_on_where_it_was(tmp_path: Path, house_engine: str, stop_at: int) -> None:
    site = CountingSite(make_pages(), stop_at)
    served = Served(tmp_path)
    try:
        with served.run() as (process, client):
            repository = client.post("/repositories", json={"name": "R"}).json()["data"]["id"]
            wanted = {"url": site.base, "maxPages": 500, "maxDepth": 10}
            job = client.post(f"/repositories/{repository}/crawl", json=wanted).json()["data"]["id"]
            assert site.reached.wait(60)
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        with served.run() as (_, client):
            result = follow(client, job, site)["result"]
            listed = client.get(f"/repositories/{repository}/documents?limit=200").json()["data"]["documents"]
    finally:
        site.close()
    assert (result["documentsProcessed"], result["errors"], result["pagesFetched"]) == (PAGES, 0, PAGES)
    assert sorted(d["metadata"]["url"] for d in listed) == sorted(f"{site.base}{path}" for path in site.pages)
    repeated = [path for path in site.pages if site.hits[path] > 1]
    assert len(repeated) <= IN_HAND_MAX and max(site.hits[path] for path in site.pages) <= 2, repeated


@pytest.mark.slow
def test_only_the_page_that_was_under_way_is_asked_for_again(tmp_path: Path, house_engine: str) -> None:
    others = [f"/{n}" for n in range(8)]
    site = CountingSite({"/": html("S", "/held", *others), **{p: html(f"P{p}") for p in others}}, 11)
    site.pages["/held"] = site.hold
    served = Served(tmp_path)
    try:
        with served.run() as (process, client):
            repository = client.post("/repositories", json={"name": "R"}).json()["data"]["id"]
            path = f"/repositories/{repository}/documents"
            job = client.post(f"/repositories/{repository}/crawl", json={"url": site.base}).json()["data"]["id"]
            for _ in range(PATIENCE_S * 4):
                if client.get(path).json()["data"]["pagination"]["total"] == 9:
                    break
                site.moved.wait(0.25)
                site.moved.clear()
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        site.gate.set()
        with served.run() as (_, client):
            result = follow(client, job, site)["result"]
    finally:
        site.close()
    assert result["documentsProcessed"] == 10
    assert {p for p in site.pages if site.hits[p] > 1} == {"/held"}
