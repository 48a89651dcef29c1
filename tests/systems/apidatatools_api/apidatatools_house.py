"""A house of apidatatools on loopback, and a server of files that it may fetch from."""

import asyncio
import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx

from house_serving import ServedHouse, house_settings, serving
from jobwire.wiring import open_house

DEADLINE_S = 60
MOUNT = "/apidatatools"


class FileServer:
    """Serves `files` by path on loopback; `/gate/…` is held until `gate` is set."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {"/good.json": b'{"k":[1,2]}', "/bad.json": b'{\n "a": 1,\n "b": 2,\n}\n'}
        self.hits: Counter[str] = Counter()
        self.gate = threading.Event()
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path = self.path.partition("?")[0]
                server.hits[path] += 1
                if path.startswith("/gate/"):
                    server.gate.wait(DEADLINE_S)
                    path = path.removeprefix("/gate")
                body = server.files.get(path)
                self.send_response(404 if body is None else 200)
                self.send_header("Content-Length", str(len(body or b"")))
                self.end_headers()
                with suppress(BrokenPipeError, ConnectionResetError):
                    self.wfile.write(body or b"")

            def log_message(self, *_: Any) -> None:
                return

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self.base = f"http://127.0.0.1:{self._http.server_address[1]}"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self.gate.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join(DEADLINE_S)


@dataclass
class Customer:
    """One account's client."""

    http: httpx.Client
    key: str
    owner: int
    running: "RunningTools" = field(repr=False)

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.http.get(path, **options)

    def run(self, tool: str, body: bytes | str, **headers: str) -> httpx.Response:
        """Call a tool; `source_type="url"` is the header x-source-type."""
        named = {f"x-{name.replace('_', '-')}": value for name, value in headers.items()}
        return self.http.post(f"/{tool}-api", content=body, headers=named)

    def start(self, tool: str, url: str, **headers: str) -> str:
        """The id of a job in url mode."""
        body = json.dumps({"url": url})
        answer = self.run(tool, body, source_type="url", **headers)
        assert answer.status_code == 202, answer.text
        job: str = answer.json()["job_id"]
        return job

    def wait(self, job: str, *words: str) -> dict[str, Any]:
        """The status of a job as soon as it is one of `words` (`success` or `failed` if none is given)."""

        def look() -> dict[str, Any] | None:
            body: dict[str, Any] = self.get(f"/jobs/{job}").json()
            return body if body["status"] in (words or ("success", "failed")) else None

        seen: dict[str, Any] = self.running.wait_until(look)
        return seen

    def announce(self, filename: str) -> dict[str, Any]:
        answer = self.http.post("/upload-api", json={"filename": filename})
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body

    def send_form(
        self, announced: dict[str, Any], content: bytes, *, fields: dict[str, str] | None = None
    ) -> httpx.Response:
        """Post the form as a browser would, without the key of the API."""
        upload = announced["upload"]
        given = upload["fields"] if fields is None else fields
        return httpx.post(upload["url"], data=given, files={"file": ("any", content)}, timeout=DEADLINE_S)

    def upload(self, filename: str, content: bytes) -> str:
        """The key of an uploaded file."""
        announced = self.announce(filename)
        sent = self.send_form(announced, content)
        assert sent.status_code == 204, sent.text
        key: str = announced["upload"]["fields"]["key"]
        return key


class RunningTools(ServedHouse):
    """A house of apidatatools."""

    deadline_s = DEADLINE_S

    def make_customer(self, name: str) -> Customer:
        owner = asyncio.run(self.house.services.owners.create_owner(name))
        key = asyncio.run(self.house.services.owners.create_key(name)).key
        return Customer(self.open_http(MOUNT, {"x-api-key": key}), key, owner.id, self)


@contextmanager
def run_tools(folder: Path, *, workers: int = 4, **environment: str) -> Iterator[RunningTools]:
    """A house over the ledger in `folder`, which keeps what an earlier house there has done."""
    own = {
        "APIDATATOOLS_SYNC_MS": "60000",
        **environment,
    }
    settings = house_settings(folder, "apidatatools", workers=workers, environment=own)
    house = open_house(settings)
    with serving(house, RunningTools) as running:
        yield running
