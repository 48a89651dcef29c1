"""A whole house on loopback for the tests of fifthelement: HTTP, worker and upkeep on a thread, and a small site."""

import asyncio
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from house_serving import ServedHouse, house_settings, serving
from jobwire.wiring import open_house
from loopback_site import Asked, LoopbackSite, Reply

DEADLINE_S = 60
MOUNT = "/v1/api"
FULL = ("jobs:read", "jobs:write", "tier:enterprise")
ENDED = ("completed", "failed", "cancelled")
HTML = {"Content-Type": "text/html; charset=utf-8"}
BROKEN_PDF = b"%PDF-1.7\nthis is no document"


class GatedSite(LoopbackSite):
    """A site on loopback: `/` and `/page` are pages, `/gate` links to one that is held until `gate` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.hits: Counter[str] = Counter()
        self.reached = threading.Event()

    def answer(self, asked: Asked) -> Reply:
        self.hits[asked.path] += 1
        match asked.path:
            case "/":
                return _page("A small site", "page")
            case "/page":
                return _page("Another page", "")
            case "/gate":
                return _page("The way in", "held")
            case "/held":
                self.reached.set()
                self.gate.wait(DEADLINE_S)
                return _page("Held", "")
        return Reply(b"no such page", 404, HTML)


def _page(title: str, link: str) -> Reply:
    further = f'<a href="/{link}">further</a>' if link else ""
    words = "A sentence of some length that tells what this page is about. " * 5
    page = f"<html><head><title>{title}</title></head><body><p>{words}</p>{further}</body></html>"
    return Reply(page.encode(), headers=HTML)


@dataclass
class Client:
    """One workspace's client, as its program would be written."""

    http: httpx.Client
    key: str
    owner: str
    running: "RunningHouse" = field(repr=False)

    def send(self, method: str, path: str, **options: Any) -> httpx.Response:
        return self.http.request(method, path, **options)

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.send("GET", path, **options)

    def post(self, path: str, **options: Any) -> httpx.Response:
        return self.send("POST", path, **options)

    def data(self, method: str, path: str, **options: Any) -> Any:
        """The `data` of an answer that must be a success."""
        answer = self.send(method, path, **options)
        assert answer.status_code == 200, answer.text
        body = answer.json()
        assert list(body) == ["data", "error"] and body["error"] is None, body
        return body["data"]

    def make_repository(self, name: str = "Handbook") -> str:
        repository: str = self.data("POST", "/repositories", json={"name": name})["id"]
        return repository

    def make_document(self, repository: str, content: str = "A short text about lakes.", **fields: Any) -> Any:
        body = {"title": "Lakes", "content": content, **fields}
        return self.data("POST", f"/repositories/{repository}/documents", json=body)

    def start_processing(self) -> str:
        """The id of a job that will complete."""
        job: str = self.make_document(self.make_repository())["jobId"]
        return job

    def start_failing(self) -> str:
        """The id of a job that will fail."""
        path = f"/repositories/{self.make_repository()}/documents/upload?name=broken.pdf"
        job: str = self.data("POST", path, content=BROKEN_PDF)["jobId"]
        return job

    def start_crawl(self, url: str, **fields: Any) -> str:
        path = f"/repositories/{self.make_repository()}/crawl"
        job: str = self.data("POST", path, json={"url": url, **fields})["id"]
        return job

    def status(self, job: str) -> Any:
        return self.data("GET", f"/jobs/{job}")

    def wait(self, job: str, *words: str) -> Any:
        """The job as soon as its status is one of `words` (ended, if none is given)."""
        return self.running.wait_until(
            lambda: status if (status := self.status(job))["status"] in (words or ENDED) else None
        )


class RunningHouse(ServedHouse):
    """A house of fifthelement."""

    deadline_s = DEADLINE_S

    def make_client(self, workspace: str, *, scopes: Sequence[str] = FULL, **headers: str) -> Client:
        """A client of that workspace with a key of its own, so that its rate limit starts at zero."""
        asyncio.run(self.house.services.owners.create_owner(workspace))
        key = asyncio.run(self.house.services.owners.create_key(workspace, scopes=list(scopes))).key
        http = self.open_http(MOUNT, {"Authorization": f"Bearer {key}", **headers})
        return Client(http, key, workspace, self)

    def owner_id(self, workspace: str) -> int:
        """The number of a workspace's account."""
        return asyncio.run(self.house.services.owners.create_owner(workspace)).id


@contextmanager
def run_fifthelement(folder: Path, *, workers: int = 4, **environment: str) -> Iterator[RunningHouse]:
    """A house over the ledger in `folder`, which keeps what an earlier house there has done."""
    own = {
        "FIFTHELEMENT_RETRY_FIRST_MS": "20",
        "FIFTHELEMENT_ATTEMPTS": "2",
        **environment,
    }
    settings = house_settings(folder, "fifthelement", workers=workers, environment=own)
    house = open_house(settings)
    with serving(house, RunningHouse) as running:
        yield running
