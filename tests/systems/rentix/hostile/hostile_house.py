"""`jobwire serve` as a process of its own, the agencies that attack it, and what each of its answers must keep to."""

import asyncio
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from http.client import HTTPResponse
from pathlib import Path
from typing import Any, NamedTuple

import httpx
from rentix_house import DEADLINE_S, FLAT

from house_engines import address_in, look_into
from jobwire.config import read_settings
from jobwire.wiring import open_house

MOUNT = "/api/v1"
NAMES_FOLDER = Path(__file__).with_name("names")
PHOTO_ADDRESS = "127.0.0.2"
"""The one address the server may fetch from: every other one of loopback is forbidden to it."""

AGENCIES = 30
KEYS = 12
"""An agency's own: the limit of 300 calls a minute is for each key, and is not what is tested here."""

FETCH_DEADLINE_MS = 1_000
MESSAGE_CHARS_MAX = 1_000
GROWTH_BYTES_MAX = 256 * 1024 * 1024
"""How much the server may grow under a module's attacks; measured: 5 MB by requests, 121 MB with jobs."""

LIMIT_HEADERS = ("x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset")
FINAL_WORDS = ("completed", "failed")
INTERNALS = ("Traceback", 'File "', ".py", "site-packages", "jobwire.", "sqlite", "psycopg", "object at 0x")
INTERNALS += ("/tmp/", tempfile.gettempdir())


class Seen(NamedTuple):
    """An answer, however it was asked for: `headers` by lower-case name."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def messages(self) -> list[str]:
        """The messages of a refusal, one or many."""
        message = json.loads(self.body)["message"]
        return message if isinstance(message, list) else [message]


def check_answer(seen: Seen, label: str, *, is_known: bool = True, also: tuple[int, ...] = ()) -> None:
    """A refusal in the vendor's shape, or one of the statuses `also`; never the server's own fault.

    `is_known`: the call had a good key, so the answer says what is left of its limit.
    """
    assert seen.status in also or 400 <= seen.status < 500, f"{label}: status {seen.status}, {seen.body[:300]!r}"
    if is_known:
        missing = [name for name in LIMIT_HEADERS if not seen.headers.get(name, "").isdigit()]
        assert not missing, f"{label}: without {missing}, {seen.body[:300]!r}"
    if seen.status < 400 or seen.status == 422:
        return
    assert seen.headers["content-type"].startswith("application/json"), label
    body = json.loads(seen.body)
    assert set(body) == {"statusCode", "message", "error"}, f"{label}: {body}"
    # RFC 9110's word, which Python has since 3.13.
    phrase = "Content Too Large" if seen.status == 413 else HTTPStatus(seen.status).phrase
    assert body["statusCode"] == seen.status and body["error"] == phrase, f"{label}: {body}"
    assert seen.messages, label
    for message in seen.messages:
        assert isinstance(message, str) and message, f"{label}: {message!r}"
        assert len(message) <= MESSAGE_CHARS_MAX, f"{label}: {len(message)} characters of {message[:200]!r}"
        assert not any(word in message for word in INTERNALS), f"{label}: {message!r}"


@dataclass
class Agency:
    """A customer, who takes another of its keys when the one in use has no calls left."""

    house: "HostileHouse"
    keys: deque[str]

    @property
    def key(self) -> str:
        return self.keys[0]

    def send(self, method: str, path: str, **options: Any) -> httpx.Response:
        headers = {"Authorization": f"ApiKey {self.key}", **options.pop("headers", {})}
        answer = self.house.http.request(method, MOUNT + path, headers=headers, **options)
        if answer.headers.get(LIMIT_HEADERS[1]) == "0":
            self.keys.rotate()
        self.house.note_jobs(self, answer)
        return answer

    def call(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        """The body of an answer that must be 200."""
        answer = self.send(method, path, json=body) if body is not None else self.send(method, path)
        assert answer.status_code == 200, answer.text
        read: dict[str, Any] = answer.json()
        return read

    def publish(self, external_id: str, files: list[dict[str, str]], **fields: Any) -> dict[str, Any]:
        body = {**FLAT, "externalId": external_id, "announcementStatus": "active", "files": files, **fields}
        return self.call("PUT", "/listings", body)

    def media_of(self, external_id: str) -> list[dict[str, Any]]:
        """The whole files of a listing, in its order."""
        listing = self.call("GET", f"/listings/external/{external_id}")
        return [self.call("GET", f"/media/{file['id']}") for file in listing["files"]]


@dataclass
class HostileHouse:
    """A running server with its log; `accepted` are the jobs it has promised, by number, with their agency."""

    process: subprocess.Popen[str]
    base: str
    ledger: str
    scratch: Path
    keys: list[deque[str]]
    log: list[str]
    http: httpx.Client
    growth_from: int
    accepted: dict[int, Agency] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._attacker = self.new_agency()

    def new_agency(self) -> Agency:
        return Agency(self, self.keys.pop())

    def next_key(self) -> str:
        """Another key of the agency that attacks."""
        self._attacker.keys.rotate()
        return self._attacker.key

    def attack(self, method: str, path: str, label: str, *, also: tuple[int, ...] = (), **options: Any) -> Seen:
        """Send a request of an agency that sends nothing else; the answer has been checked."""
        answer = self._attacker.send(method, path, **options)
        seen = Seen(answer.status_code, answer.headers, answer.content)
        check_answer(seen, label, also=also)
        return seen

    def connect(self) -> socket.socket:
        """A bare connection to the server."""
        host, port = self.base.removeprefix("http://").split(":")
        return socket.create_connection((host, int(port)), timeout=DEADLINE_S)

    def send_raw(self, request: bytes, *, method: str = "GET") -> Seen:
        """The answer to these very bytes on a connection of their own."""
        with self.connect() as connection:
            connection.sendall(request)
            with HTTPResponse(connection, method=method) as answer:
                answer.begin()
                headers = {name.lower(): value for name, value in answer.getheaders()}
                return Seen(answer.status, headers, answer.read())

    def note_jobs(self, agency: Agency, answer: httpx.Response) -> None:
        if answer.status_code == 200 and "jobId" in answer.text:
            body = answer.json()
            for item in (body, *body.get("results", ())):
                if item.get("jobId") is not None:
                    self.accepted[item["jobId"]] = agency

    def wait_until(self, look: Callable[[], Any]) -> Any:
        """What `look` gives once it is not None."""
        deadline = time.monotonic() + DEADLINE_S
        while time.monotonic() < deadline:
            seen = look()
            if seen is not None:
                return seen
            threading.Event().wait(0.2)  # a poller's pace: what is awaited happens in another process
        raise AssertionError(f"not seen within {DEADLINE_S} s")

    def finish(self, agency: Agency, job: int) -> dict[str, Any]:
        """The final status of a job."""

        def look() -> dict[str, Any] | None:
            status = agency.call("GET", f"/job/status?id={job}")
            return status if status["status"] in FINAL_WORDS else None

        status: dict[str, Any] = self.wait_until(look)
        return status

    def count_jobs(self) -> dict[str, int]:
        """How many jobs the ledger holds, and how many of them have ended."""
        rows = look_into(self.ledger, "SELECT count(*), count(finalized_at) FROM state")
        return dict(zip(("all", "ended"), rows[0], strict=True))

    def check_unharmed(self) -> None:
        """Up, no larger than allowed, no process left over, and every promised job has come to an end."""
        assert self.process.poll() is None, "the server is gone"
        for job, agency in self.accepted.items():
            self.finish(agency, job)
        assert self.count_jobs() == {"all": len(self.accepted), "ended": len(self.accepted)}
        for page in ("/healthz", "/readyz"):
            assert self.http.get(page).status_code == 200
        assert self.new_agency().call("GET", "/agency")["status"] == "active"
        self.wait_until(lambda: True if len(find_descendants(self.process.pid)) == 1 else None)  # the nursery
        # The worker's own folder stays while it lives.
        left = [path for path in self.scratch.glob("**/*") if path.parent != self.scratch or path.is_file()]
        assert left == [], "downloads, uploads or pictures were left behind"
        grown = read_rss(self.process.pid) - self.growth_from
        assert grown < GROWTH_BYTES_MAX, f"the server grew by {grown:,} bytes"
        assert "Traceback" not in "".join(self.log), "".join(self.log)[-5_000:]


def read_rss(pid: int) -> int:
    """The bytes of memory a process holds."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) * 1024  # type: ignore[index]


def find_descendants(pid: int) -> list[int]:
    """The processes below one that runs; none below one that has just ended."""
    children: list[int] = []
    with suppress(FileNotFoundError, ProcessLookupError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            children += map(int, (task / "children").read_text().split())
    return [*children, *(grandchild for child in children for grandchild in find_descendants(child))]


def make_keys(ledger: str) -> list[deque[str]]:
    """The keys of AGENCIES agencies."""
    opened = open_house(read_settings({}, db=ledger, systems="none"))
    owners = opened.services.owners

    async def make(name: str) -> deque[str]:
        await owners.create_owner(name)
        return deque([made.key for made in await asyncio.gather(*(owners.create_key(name) for _ in range(KEYS)))])

    async def make_all() -> list[deque[str]]:
        return await asyncio.gather(*(make(f"Agency {number}") for number in range(AGENCIES)))

    try:
        return asyncio.run(make_all())
    finally:
        opened.close()


@contextmanager
def serve_hostile(folder: Path) -> Iterator[HostileHouse]:
    """A server on a fresh ledger that may fetch from PHOTO_ADDRESS only; it must end cleanly when told to."""
    ledger, scratch = address_in(folder), folder / "scratch"
    scratch.mkdir()
    keys = make_keys(ledger)
    environment = {
        **os.environ,
        "PYTHONPATH": str(NAMES_FOLDER),
        "TMPDIR": str(scratch),
        "JOBWIRE_FETCH_ALLOW": f"{PHOTO_ADDRESS}/32",
        "JOBWIRE_DRAIN_S": "1",
        "JOBWIRE_FILES": str(folder / "files"),
        "RENTIX_APERTIUM": "off",
        "RENTIX_ATTEMPTS": "2",
        "RENTIX_RETRY_FIRST_MS": "20",
        "RENTIX_FETCH_DEADLINE_MS": str(FETCH_DEADLINE_MS),
    }
    command = [sys.executable, "-m", "jobwire", "serve", "--systems", "rentix", "--port", "0", "--db", ledger]
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True, cwd=folder)
    assert process.stderr is not None
    log: list[str] = []
    address = None
    for line in process.stderr:
        log.append(line)
        if found := re.search(r"http://[\d.:]+", line):
            address = found[0]
            break
    assert address is not None, "".join(log)
    reader = threading.Thread(target=log.extend, args=(process.stderr,))
    reader.start()
    try:
        with httpx.Client(base_url=address, timeout=DEADLINE_S) as http:
            yield HostileHouse(process, address, ledger, scratch, keys, log, http, read_rss(process.pid))
        left = find_descendants(process.pid)
        process.terminate()
        assert process.wait(DEADLINE_S) == 0, "".join(log)
        assert not [pid for pid in left if Path(f"/proc/{pid}").exists()], "processes outlived the server"
    finally:
        process.kill()
        process.wait()
        reader.join(DEADLINE_S)
        process.stderr.close()
