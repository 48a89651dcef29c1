"""A whole house on loopback for the tests of rentix: HTTP, worker and upkeep on a thread, and a server of photos."""

import asyncio
import json
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
from PIL import Image

from house_serving import ServedHouse, house_settings, serving
from jobwire.wiring import open_house
from loopback_site import Asked, LoopbackSite, Reply

DEADLINE_S = 60
POLLERS_FOLDER = Path(__file__).parent / "pollers"
JPEG, TEXT = {"Content-Type": "image/jpeg"}, {"Content-Type": "text/plain"}
PHOTOS = ("balcony", "living-room", "pavilion", "waterfall-turned", "harbour-gps")


@cache
def photo(name: str) -> bytes:
    """One of the demo photos: `harbour-gps` as it is, the others small and without metadata, to be quick."""
    original = resources.files("jobwire.systems.rentix").joinpath("demo_photos", f"{name}.jpg").read_bytes()
    if name.endswith("-gps"):
        return original
    with Image.open(BytesIO(original)) as image:
        small = image.convert("RGB")
        small.thumbnail((480, 480))
    body = BytesIO()
    small.save(body, "JPEG")
    return body.getvalue()


class PhotoServer(LoopbackSite):
    """Photos on loopback, and every way in which a photo server fails.

    `/ok/<photo>` is served; `/missing/…` is 404, `/busy/…` always 503, `/once/<photo>?…` 503 the first time,
    `/gate/<photo>` is held until `gate` is set, `/text/…` is no photo.
    """

    def __init__(self) -> None:
        super().__init__()
        self.hits: Counter[str] = Counter()
        self.reached = threading.Event()

    def answer(self, asked: Asked) -> Reply:
        self.hits[asked.path] += 1
        _, manner, name = asked.path.partition("?")[0].split("/")
        match manner:
            case "missing":
                return Reply(b"no such photo", 404, TEXT)
            case "busy":
                return Reply(b"later", 503, TEXT)
            case "once" if self.hits[asked.path] == 1:
                return Reply(b"later", 503, TEXT)
            case "gate":
                self.reached.set()
                self.gate.wait(DEADLINE_S)
            case "text":
                return Reply(b"this is no photo", headers=JPEG)
        return Reply(photo(name), headers=JPEG)

    def urls(self, *manners: str) -> list[dict[str, str]]:
        """A `files` array of one photo for each manner, a different one each time."""
        return [{"url": f"{self.base}/{manner}/{name}"} for manner, name in zip(manners, PHOTOS, strict=False)]


@dataclass
class Client:
    """One agency's client, as a CRM would write it."""

    http: httpx.Client
    key: str
    running: "RunningHouse" = field(repr=False)

    def send(self, method: str, path: str, **options: Any) -> httpx.Response:
        return self.http.request(method, path, **options)

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.send("GET", path, **options)

    def put_listing(self, **fields: Any) -> dict[str, Any]:
        answer = self.send("PUT", "/listings", json=fields)
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body

    def status(self, job: int) -> dict[str, Any]:
        answer = self.get("/job/status", params={"id": job})
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body

    def wait(self, job: int, *words: str) -> dict[str, Any]:
        """The status of a job as soon as it is one of `words` (`completed` or `failed` if none is given)."""
        return self.running.wait_until(
            lambda: status if (status := self.status(job))["status"] in (words or ("completed", "failed")) else None
        )


class RunningHouse(ServedHouse):
    """A house of rentix."""

    deadline_s = DEADLINE_S

    def make_client(self, agency: str, *, mount: str = "/api/v1") -> Client:
        """A client of that agency with a key of its own, so that its rate limit starts at zero."""
        asyncio.run(self.house.services.owners.create_owner(agency))
        key = asyncio.run(self.house.services.owners.create_key(agency)).key
        return Client(self.open_http(mount, {"Authorization": f"ApiKey {key}"}), key, self)


@contextmanager
def run_rentix(folder: Path, *, workers: int = 4, **environment: str) -> Iterator[RunningHouse]:
    """A house over the ledger in `folder`, which keeps what an earlier house there has done."""
    own = {
        "RENTIX_APERTIUM": "off",
        "RENTIX_RETRY_FIRST_MS": "20",
        "RENTIX_ATTEMPTS": "3",
        **environment,
    }
    settings = house_settings(folder, "rentix", workers=workers, environment=own)
    house = open_house(settings)
    with serving(house, RunningHouse) as running:
        yield running


FLAT: Mapping[str, Any] = {
    "announcementType": "rent",
    "propertyType": "residential",
    "propertySecondaryType": "apartment",
    "announcementValue": 350,
    "announcementCurrency": "EUR",
    "announcementPayPeriod": "monthly",
    "announcementDescription": "Apartament luminos cu două camere, mobilat, aproape de parc și de transport public.",
    "propertyArea": 54,
    "propertyQuantitySize": "2-rooms",
    "propertyAddress": "str. Alba Iulia 5, Buiucani, Chișinău",
}


def canonical(body: Mapping[str, Any]) -> str:
    """JSON text with sorted keys, to compare bodies."""
    return json.dumps(body, sort_keys=True)
