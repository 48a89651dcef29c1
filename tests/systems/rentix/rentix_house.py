"""A whole house on loopback for the tests of rentix: HTTP, worker and upkeep on a thread, and a server of photos."""

import asyncio
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
from PIL import Image

from house_engines import address_in
from jobwire.config import read_settings
from jobwire.serving import bind_socket, run_house
from jobwire.wiring import House, open_house

DEADLINE_S = 60
POLLERS_FOLDER = Path(__file__).parent / "pollers"
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


class PhotoServer:
    """Photos on loopback, and every way in which a photo server fails.

    `/ok/<photo>` is served; `/missing/…` is 404, `/busy/…` always 503, `/once/<photo>?…` 503 the first time,
    `/gate/<photo>` is held until `gate` is set, `/text/…` is no photo.
    """

    def __init__(self) -> None:
        self.hits: Counter[str] = Counter()
        self.gate = threading.Event()
        self.reached = threading.Event()
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, body = server.answer(self.path)
                self.send_response(status)
                self.send_header("Content-Type", "image/jpeg" if status == 200 else "text/plain")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                with suppress(BrokenPipeError, ConnectionResetError):  # the fetching process was killed
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
        _, manner, name = path.partition("?")[0].split("/")
        match manner:
            case "missing":
                return 404, b"no such photo"
            case "busy":
                return 503, b"later"
            case "once" if self.hits[path] == 1:
                return 503, b"later"
            case "gate":
                self.reached.set()
                self.gate.wait(DEADLINE_S)
            case "text":
                return 200, b"this is no photo"
        return 200, photo(name)

    def urls(self, *manners: str) -> list[dict[str, str]]:
        """A `files` array of one photo for each manner, a different one each time."""
        return [{"url": f"{self.base}/{manner}/{name}"} for manner, name in zip(manners, PHOTOS, strict=False)]

    def close(self) -> None:
        self.gate.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join(DEADLINE_S)


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


class RunningHouse:
    """A house that serves on `base` while its thread runs."""

    def __init__(self, house: House, base: str) -> None:
        self.house = house
        self.base = base
        self._moved = threading.Event()
        self._unlisten = house.store.listen(lambda _: self._moved.set())
        self._clients: list[httpx.Client] = []

    def wait_until(self, look: Callable[[], Any]) -> Any:
        """What `look` returns once it is not None: asked again after every commit, failing after DEADLINE_S."""
        deadline = time.monotonic() + DEADLINE_S
        while time.monotonic() < deadline:
            self._moved.clear()
            seen = look()
            if seen is not None:
                return seen
            self._moved.wait(1)
        raise AssertionError(f"not seen within {DEADLINE_S} s; last look gave None")

    def make_client(self, agency: str, *, mount: str = "/api/v1") -> Client:
        """A client of that agency with a key of its own, so that its rate limit starts at zero."""
        asyncio.run(self.house.services.owners.create_owner(agency))
        key = asyncio.run(self.house.services.owners.create_key(agency)).key
        http = httpx.Client(
            base_url=self.base + mount, headers={"Authorization": f"ApiKey {key}"}, timeout=DEADLINE_S
        )
        self._clients.append(http)
        return Client(http, key, self)

    def close(self) -> None:
        for client in self._clients:
            client.close()
        self._unlisten()


@contextmanager
def run_rentix(folder: Path, *, workers: int = 4, **environment: str) -> Iterator[RunningHouse]:
    """A house over the ledger in `folder`, which keeps what an earlier house there has done."""
    settings = read_settings(
        {
            "JOBWIRE_FETCH_ALLOW": "127.0.0.0/8",
            "JOBWIRE_FILES": str(folder / "files"),
            "JOBWIRE_DRAIN_S": "0",
            "RENTIX_APERTIUM": "off",
            "RENTIX_RETRY_FIRST_MS": "20",
            "RENTIX_ATTEMPTS": "3",
            **environment,
        },
        db=address_in(folder),
        workers=workers,
        systems="rentix",
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
