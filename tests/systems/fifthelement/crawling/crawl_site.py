"""A site on loopback as a table of pages, and a client's way to crawl it."""

import hashlib
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

from fifthelement_house import ENDED, Client

from loopback_site import LoopbackSite

PATIENCE_S = 500
"""A site of hundreds of pages, on a machine that has other things to do."""

Answerer = Callable[[BaseHTTPRequestHandler], None]


@dataclass(frozen=True)
class Page:
    """What a path answers; without `is_dated` it can be asked for conditionally by its ETag only."""

    body: bytes = b""
    content_type: str = "text/html; charset=utf-8"
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


def html(title: str, *links: str, head: str = "", words: str | None = None) -> Page:
    """A page with a sentence of its own and links."""
    sentence = words or f"The page called {title} says something that no other page says."
    anchors = "".join(f'<li><a href="{link}">{link}</a></li>' for link in links)
    source = f"<html lang=en><head><title>{title}</title>{head}</head><body><nav>menu</nav><main><h1>{title}</h1>"
    return Page(f"{source}<p>{sentence}</p><ul>{anchors}</ul></main><script>no()</script></body></html>".encode())


def redirect(location: str, status: int = 301) -> Page:
    return Page(status=status, headers={"Location": location})


class Site(LoopbackSite):
    """Serves `pages` by path, answers 304 where the ETag is known, and counts what was asked for."""

    protocol = "HTTP/1.1"

    def __init__(self, pages: Mapping[str, Page | Answerer] | None = None) -> None:
        super().__init__()
        self.pages: dict[str, Page | Answerer] = dict(pages or {})
        self.hits: Counter[str] = Counter()
        self.statuses: Counter[int] = Counter()
        self.reached = threading.Event()
        self.moved = threading.Event()

    def serve(self, handler: BaseHTTPRequestHandler) -> None:
        self.hits[handler.path] += 1
        page = self.find(handler.path)
        if not isinstance(page, Page):
            page(handler)
            return
        self.send(handler, page)

    def send(self, handler: BaseHTTPRequestHandler, page: Page) -> None:
        tag = f'"{hashlib.sha256(page.body).hexdigest()[:20]}"'
        is_known = page.status == 200 and handler.headers.get("If-None-Match") == tag
        status, body = (304, b"") if is_known else (page.status, page.body)
        self.statuses[status] += 1
        handler.send_response(status)
        handler.send_header("Content-Type", page.content_type)
        handler.send_header("ETag", tag)
        handler.send_header("Last-Modified", formatdate(0, usegmt=True))
        for name, value in page.headers.items():
            handler.send_header(name, value)
        if status != 304:
            handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    def find(self, path: str) -> Page | Answerer:
        return self.pages.get(path, Page(b"no such page", "text/plain", 404))

    def hold(self, handler: BaseHTTPRequestHandler) -> None:
        """An answerer that begins a page and goes on when `gate` is set."""
        handler.send_response(200)
        handler.send_header("Content-Type", "text/html")
        handler.send_header("Content-Length", "100")
        handler.end_headers()
        handler.wfile.write(b"<p>" + b"x" * 47)
        handler.wfile.flush()
        self.reached.set()
        self.gate.wait(PATIENCE_S)
        handler.wfile.write(b"y" * 50)


class FolderSite(Site):
    """Serves the HTML files of folders, by the folder's word."""

    def __init__(self, folders: Mapping[str, Path]) -> None:
        super().__init__()
        self._folders = folders

    def find(self, path: str) -> Page | Answerer:
        if path in self.pages:
            return self.pages[path]
        word, _, rest = path.partition("?")[0].removeprefix("/").partition("/")
        file = self._folders.get(word, Path("/nowhere")) / rest
        if file.is_dir():
            file /= "index.html"
        if not file.is_file():
            return super().find(path)
        kind = "text/html; charset=utf-8" if file.suffix == ".html" else "application/octet-stream"
        return Page(file.read_bytes(), kind)


def crawl(client: Client, repository: str, url: str, **wanted: Any) -> Any:
    """A crawl's job when it has ended."""
    return wait(client, start(client, repository, url, **wanted))


def start(client: Client, repository: str, url: str, **wanted: Any) -> str:
    """The id of a crawl that was started."""
    job: str = client.data("POST", f"/repositories/{repository}/crawl", json={"url": url, **wanted})["id"]
    return job


def wait(client: Client, job: str) -> Any:
    return client.running.wait_until(
        lambda: status if (status := client.status(job))["status"] in ENDED else None, within_s=PATIENCE_S
    )


def documents(client: Client, repository: str) -> dict[str, Any]:
    """The repository's documents by the URL they were read at; fails where two have the same."""
    found: dict[str, Any] = {}
    count = 0
    while True:
        path = f"/repositories/{repository}/documents?start={count}&limit=200"
        page = client.data("GET", path)["documents"]
        for document in page:
            assert document["metadata"]["url"] not in found, document
            found[document["metadata"]["url"]] = document
        count += len(page)
        if not page:
            return found
