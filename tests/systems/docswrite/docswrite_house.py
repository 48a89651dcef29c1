"""A whole house on loopback for the tests of docswrite: HTTP, worker and upkeep on a thread, and a Google of ours."""

import asyncio
import hashlib
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from docswrite_samples import make_picture, make_zip
from wordpress_site import WordPressSite

from house_serving import ServedHouse, house_settings, serving
from jobwire.systems.docswrite.settings import DocswriteSettings
from jobwire.systems.docswrite.sites import NewSite, Sites
from jobwire.wiring import open_house, read_clock
from loopback_site import Asked, LoopbackSite, Reply

DEADLINE_S = 90
SITES_KEY = "k" * 16 + "docswrite-tests-" + "0" * 8
PAGE = "<html><head><title>{title}</title></head><body>{table}<h1>{title}</h1><p>{text}</p>{images}</body></html>"
ROW = "<tr><td>{}</td><td>{}</td></tr>"


def make_page(
    title: str, *, text: str = "Some words.", settings: dict[str, str] | None = None, pictures: tuple[str, ...] = ()
) -> bytes:
    """A document as Google zips it; each picture is told apart by its name."""
    rows = "".join(ROW.format(*pair) for pair in (settings or {}).items())
    table = f"<table><tr><td>docswrite_settings</td><td></td></tr>{rows}</table>" if settings else ""
    images = "".join(f'<p><img src="images/{name}.png" alt="The {name}"></p>' for name in pictures)
    page = PAGE.format(title=title, table=table, text=text, images=images)
    files: dict[str, bytes | str] = {"Page.html": page}
    for name in pictures:
        # Of another size for each name, so that none is another's.
        number = int(hashlib.sha256(name.encode()).hexdigest(), 16)
        size = (20 + number % 397, 20 + number // 397 % 389)
        files[f"images/{name}.png"] = make_picture(size=size)
    return make_zip(files)


class Google(LoopbackSite):
    """Documents on loopback where Google would export them; `statuses` answers a document with a status instead."""

    def __init__(self) -> None:
        super().__init__()
        self.documents: dict[str, bytes] = {}
        self.statuses: dict[str, int] = {}
        self.asked: Counter[str] = Counter()
        self.gates: dict[str, threading.Event] = {}

    def answer(self, asked: Asked) -> Reply:
        name = asked.path.removeprefix("/document/d/").partition("/")[0]
        self.asked[name] += 1
        if name in self.gates:
            self.gates[name].wait(DEADLINE_S)
        body = self.documents.get(name, b"")
        status = self.statuses.get(name, 200 if body else 404)
        return Reply(body, status, {"Content-Type": "application/zip"})

    def share(self, name: str, **page: Any) -> str:
        """Put a document up; its link."""
        self.documents[name] = make_page(**{"title": name, **page})
        return link(name)

    def close(self) -> None:
        for gate in self.gates.values():
            gate.set()
        super().close()


def link(name: str) -> str:
    """A document's link as people copy it."""
    return f"https://docs.google.com/document/d/{name}/edit?usp=sharing"


@dataclass
class Client:
    """One customer."""

    http: httpx.Client
    key: str
    owner: str
    running: "RunningHouse" = field(repr=False)

    def post(self, path: str, body: Any = None, **options: Any) -> httpx.Response:
        return self.http.post(path, json=body, **options)

    def export(self, url: str, **fields: Any) -> str:
        answer = self.post("/export", {"google_docs_url": url, **fields})
        assert answer.status_code == 200, answer.text
        id_: str = answer.json()["data"]["jobId"]
        return id_

    def status(self, job: str) -> dict[str, Any]:
        answer = self.post("/job/status", {"jobId": job})
        assert answer.status_code == 200, answer.text
        data: dict[str, Any] = answer.json()["data"]
        return data

    def wait(self, job: str, *states: str) -> dict[str, Any]:
        """The status as soon as it is one of `states` (`completed` or `failed` if none is given)."""
        wanted = states or ("completed", "failed")
        return self.running.wait_until(lambda: now if (now := self.status(job))["state"] in wanted else None)

    def publish(self, url: str, **fields: Any) -> dict[str, Any]:
        """The end of an export, which has to succeed."""
        ended = self.wait(self.export(url, **fields))
        assert ended["state"] == "completed", ended
        return ended


class RunningHouse(ServedHouse):
    """A house of docswrite."""

    deadline_s = DEADLINE_S

    def make_client(self, owner: str, site: WordPressSite | None = None, *, as_jwt: bool = False) -> Client:
        """A customer with a key of its own, the site connected."""
        owners = self.house.services.owners
        row = asyncio.run(owners.create_owner(owner))
        key = asyncio.run(owners.create_key(owner, as_jwt=as_jwt)).key
        http = self.open_http("/api", {"x-access-token": key})
        if site is not None:
            new = NewSite(site.url, "editor", site.passwords["editor"])
            asyncio.run(self.sites.connect(row.id, new))
        return Client(http, key, owner, self)

    @property
    def sites(self) -> Sites:
        """The connected sites of the house."""
        services = self.house.services
        return Sites(services.store, DocswriteSettings(services.settings))


@contextmanager
def run_docswrite(
    folder: Path, google: Google, *, workers: int = 4, clock: Callable[[], int] = read_clock, **environment: str
) -> Iterator[RunningHouse]:
    """A house over the ledger in `folder`, which keeps what an earlier house there has done."""
    own = {
        "DOCSWRITE_GOOGLE_URL": google.base,
        "DOCSWRITE_SITES_KEY": SITES_KEY,
        "DOCSWRITE_RETRY_FIRST_MS": "20",
        "DOCSWRITE_ATTEMPTS": "3",
        **environment,
    }
    settings = house_settings(folder, "docswrite", workers=workers, environment=own)
    house = open_house(settings, clock=clock)
    with serving(house, RunningHouse) as running:
        yield running
