"""A whole house on loopback for the tests of fifthelement: HTTP, worker and upkeep on a thread, and a small site."""

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx

from house_engines import address_in
from jobwire.config import read_settings
from jobwire.serving import bind_socket, run_house
from jobwire.wiring import House, open_house

DEADLINE_S = 60
MOUNT = "/v1/api"
FULL = ("jobs:read", "jobs:write", "tier:enterprise")
ENDED = ("completed", "failed", "cancelled")
BROKEN_PDF = b"%PDF-1.7\nthis is no document"


class GatedSite:
    """A site on loopback: `/` and `/page` are pages, `/gate` links to one that is held until `gate` is set."""

    def __init__(self) -> None:
        self.hits: Counter[str] = Counter()
        self.gate = threading.Event()
        self.reached = threading.Event()
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, body = site.answer(self.path)
                self.send_response(status)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                with suppress(BrokenPipeError, ConnectionResetError):  # the crawler was cancelled
                    self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                return

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self.base = f"http://127.0.0.1:{self._http.server_address[1]}"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def answer(self, path: str) -> tuple[int, bytes]:
        self.hits[path] += 1
        match path:
            case "/":
                return 200, _page("A small site", "page")
            case "/page":
                return 200, _page("Another page", "")
            case "/gate":
                return 200, _page("The way in", "held")
            case "/held":
                self.reached.set()
                self.gate.wait(DEADLINE_S)
                return 200, _page("Held", "")
        return 404, b"no such page"

    def close(self) -> None:
        self.gate.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join(DEADLINE_S)


def _page(title: str, link: str) -> bytes:
    further = f'<a href="/{link}">further</a>' if link else ""
    words = "A sentence of some length that tells what this page is about. " * 5
    return f"<html><head><title>{title}</title></head><body><p>{words}</p>{further}</body></html>".encode()


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


class RunningHouse:
    """A house that serves on `base` while its thread runs."""

    def __init__(self, house: House, base: str) -> None:
        self.house = house
        self.base = base
        self._moved = threading.Event()
        self._unlisten = house.store.listen(lambda _: self._moved.set())
        self._clients: list[httpx.Client] = []

    def wait_until(self, look: Callable[[], Any], *, within_s: float = DEADLINE_S) -> Any:
        """What `look` returns once it is not None: asked again after every commit, failing after `within_s`."""
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline:
            self._moved.clear()
            seen = look()
            if seen is not None:
                return seen
            self._moved.wait(1)
        raise AssertionError(f"not seen within {within_s} s; last look gave None")

    def make_client(self, workspace: str, *, scopes: Sequence[str] = FULL, **headers: str) -> Client:
        """A client of that workspace with a key of its own, so that its rate limit starts at zero."""
        asyncio.run(self.house.services.owners.create_owner(workspace))
        key = asyncio.run(self.house.services.owners.create_key(workspace, scopes=list(scopes))).key
        http = httpx.Client(
            base_url=self.base + MOUNT, headers={"Authorization": f"Bearer {key}", **headers}, timeout=DEADLINE_S
        )
        self._clients.append(http)
        return Client(http, key, workspace, self)

    def owner_id(self, workspace: str) -> int:
        """The number of a workspace's account."""
        return asyncio.run(self.house.services.owners.create_owner(workspace)).id

    def close(self) -> None:
        for client in self._clients:
            client.close()
        self._unlisten()


@contextmanager
def run_fifthelement(folder: Path, *, workers: int = 4, **environment: str) -> Iterator[RunningHouse]:
    """A house over the ledger in `folder`, which keeps what an earlier house there has done."""
    settings = read_settings(
        {
            "JOBWIRE_FETCH_ALLOW": "127.0.0.0/8",
            "JOBWIRE_FILES": str(folder / "files"),
            "JOBWIRE_DRAIN_S": "0",
            "FIFTHELEMENT_RETRY_FIRST_MS": "20",
            "FIFTHELEMENT_ATTEMPTS": "2",
            **environment,
        },
        db=address_in(folder),
        workers=workers,
        systems="fifthelement",
    )
    house = open_house(settings)
    listener = bind_socket("127.0.0.1", 0)
    running = RunningHouse(house, f"http://127.0.0.1:{listener.getsockname()[1]}")
    loop, stop, ready = asyncio.new_event_loop(), asyncio.Event(), threading.Event()
    faults: list[BaseException] = []

    def serve() -> None:
        try:
            loop.run_until_complete(run_house(house, listener=listener, on_ready=ready.set, stop=stop))
        except BaseException as fault:
            faults.append(fault)
        finally:
            ready.set()
            loop.run_until_complete(loop.shutdown_default_executor())
            loop.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        assert ready.wait(DEADLINE_S), "the house did not start"
        if not faults:
            yield running
    finally:
        running.close()
        if not loop.is_closed():
            loop.call_soon_threadsafe(stop.set)
        thread.join(DEADLINE_S)
        house.close()
    if faults:
        raise faults[0]
