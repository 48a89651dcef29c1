"""A whole house on loopback for the tests of export and import, and repositories in it."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import msgspec

from house_engines import address_in
from jobwire.config import read_settings
from jobwire.domain.job import JobRow
from jobwire.domain.phases import FINAL_PHASES, Phase
from jobwire.serving import bind_socket, run_house
from jobwire.store.contract import Transaction
from jobwire.systems.fifthelement.records import DocumentRow, add_repository, count_documents, list_documents
from jobwire.systems.fifthelement.starting import EXPORT, IMPORT, start_job
from jobwire.systems.fifthelement.texts import read_text
from jobwire.wiring import House, open_house

DEADLINE_S = 240
CSV_TYPE = "text/csv"


class Ended(NamedTuple):
    """A job that has ended: its result, or its error."""

    phase: Phase
    result: Any
    error: Any
    row: JobRow


@dataclass
class Shelf:
    """A repository of one owner."""

    running: "TableHouse"
    owner: int
    repository: str
    name: str = ""

    def start(self, kind: str, **wanted: Any) -> int:
        jobs = self.running.house.services.jobs

        def submit(tx: Transaction) -> int:
            return start_job(tx, jobs, self.owner, kind, wanted, repository=self.repository).number

        return self.running.house.store.write(submit).result()

    def open_client(self) -> httpx.Client:
        """A client with a key of the owner."""
        owners = self.running.house.services.owners
        key = asyncio.run(owners.create_key(self.name)).key
        return httpx.Client(
            base_url=f"{self.running.base}/v1/api", headers={"Authorization": f"Bearer {key}"}, timeout=DEADLINE_S
        )

    def wait_for(self, client: httpx.Client, job: str) -> Any:
        """The job as the API shows it, once it has ended."""

        def look() -> Any:
            shown = client.get(f"/jobs/{job}").json()["data"]
            return shown if shown["status"] in ("completed", "failed", "cancelled") else None

        return self.running.wait_until(look)

    def keep(self, data: bytes | Path) -> str:
        """A signed link to a kept file, as an upload gives it."""
        services = self.running.house.services
        blob = services.blobs.put_bytes(data) if isinstance(data, bytes) else services.blobs.put(data)
        return services.links.sign(blob.sha256, name="upload", content_type=CSV_TYPE, lifetime_s=3_600)

    def load(self, data: bytes | Path | str, **wanted: Any) -> Ended:
        """Import a file; not processed unless asked for."""
        source = self.keep(data.encode() if isinstance(data, str) else data)
        return self.wait(self.start(IMPORT, source=source, **{"process": False, **wanted}))

    def export(self, **wanted: Any) -> Ended:
        return self.wait(self.start(EXPORT, **wanted))

    def fetch(self, link: str) -> bytes:
        """The bytes behind a link of a result."""
        answer = httpx.get(self.running.base + link)
        assert answer.status_code == 200, answer.text
        return answer.content

    def wait(self, number: int) -> Ended:
        jobs, owner = self.running.house.services.jobs, self.owner

        def look() -> JobRow | None:
            row = asyncio.run(jobs.read(owner, number=number))
            return row if row.phase in FINAL_PHASES else None

        row = self.running.wait_until(look)
        result, error = (None if text is None else msgspec.json.decode(text) for text in (row.output, row.error))
        if error is not None and error["details"] is not None:
            error["details"] = msgspec.json.decode(error["details"])
        return Ended(row.phase, result, error, row)

    def documents(self, limit: int = 1_000_000) -> list[DocumentRow]:
        return self.running.house.store.read(
            lambda reader: list_documents(reader, self.owner, self.repository, start=0, limit=limit)
        ).result()

    def count(self) -> int:
        return self.running.house.store.read(
            lambda reader: count_documents(reader, self.owner, self.repository)
        ).result()

    def texts(self) -> list[tuple[str, str, dict[str, Any]]]:
        """Title, content and metadata of every document."""
        blobs = self.running.house.services.blobs
        return [
            (row.title, read_text(blobs, content=row.content, text_blob=row.text_blob), row.fields)
            for row in self.documents()
        ]

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        return self.running.house.store.read(lambda reader: reader.query(sql)).result()


class TableHouse:
    """A house that serves on `base` while its thread runs."""

    def __init__(self, house: House, base: str) -> None:
        self.house = house
        self.base = base
        self._moved = threading.Event()
        self._unlisten = house.store.listen(lambda _: self._moved.set())

    def open_shelf(self, owner: str) -> Shelf:
        number = asyncio.run(self.house.services.owners.create_owner(owner)).id

        def add(tx: Transaction) -> str:
            return add_repository(
                tx, number, name="Shelf", type="knowledge", vector_store="default", batch_model=None
            ).id

        return Shelf(self, number, self.house.store.write(add).result(), owner)

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

    def close(self) -> None:
        self._unlisten()


def open_tables(folder: Path, *, workers: int = 2, db: str | None = None, **environment: str) -> House:
    """A house over the ledger in `folder`, which keeps what an earlier house there has done."""
    settings = read_settings(
        {
            "JOBWIRE_FETCH_ALLOW": "127.0.0.0/8",
            "JOBWIRE_FILES": str(folder / "files"),
            "JOBWIRE_DRAIN_S": "0",
            "JOBWIRE_LEASE_MS": "2000",
            "FIFTHELEMENT_RETRY_FIRST_MS": "20",
            **environment,
        },
        db=db or address_in(folder),
        workers=workers,
        systems="fifthelement",
    )
    return open_house(settings)


@contextmanager
def run_tables(folder: Path, *, workers: int = 2, db: str | None = None, **environment: str) -> Iterator[TableHouse]:
    """A running house."""
    house = open_tables(folder, workers=workers, db=db, **environment)
    listener = bind_socket("127.0.0.1", 0)
    running = TableHouse(house, f"http://127.0.0.1:{listener.getsockname()[1]}")
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
