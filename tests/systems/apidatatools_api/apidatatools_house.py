"""A house of apidatatools on loopback, and a server of files that it may fetch from."""

import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from house_serving import ServedHouse, house_settings, serving
from jobwire.wiring import open_house
from loopback_site import Asked, LoopbackSite, Reply

DEADLINE_S = 60
MOUNT = "/apidatatools"


class FileServer(LoopbackSite):
    """Serves `files` by path on loopback; `/gate/…` is held until `gate` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.files: dict[str, bytes] = {"/good.json": b'{"k":[1,2]}', "/bad.json": b'{\n "a": 1,\n "b": 2,\n}\n'}
        self.hits: Counter[str] = Counter()

    def answer(self, asked: Asked) -> Reply:
        path = asked.path.partition("?")[0]
        self.hits[path] += 1
        if path.startswith("/gate/"):
            self.gate.wait(DEADLINE_S)
        body = self.files.get(path.removeprefix("/gate"))
        return Reply(b"", 404) if body is None else Reply(body)


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

    def make_client(self, name: str) -> Customer:
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
