"""A whole house on loopback for the tests of export and import, and repositories in it."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import msgspec

from house_serving import ServedHouse, house_settings, serving
from jobwire.domain.job import JobRow
from jobwire.domain.phases import FINAL_PHASES, Phase
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


class TableHouse(ServedHouse):
    """A house of fifthelement, for exports and imports."""

    deadline_s = DEADLINE_S

    def open_shelf(self, owner: str) -> Shelf:
        number = asyncio.run(self.house.services.owners.create_owner(owner)).id

        def add(tx: Transaction) -> str:
            return add_repository(
                tx, number, name="Shelf", type="knowledge", vector_store="default", batch_model=None
            ).id

        return Shelf(self, number, self.house.store.write(add).result(), owner)


def open_tables(folder: Path, *, workers: int = 2, db: str | None = None, **environment: str) -> House:
    """A house over the ledger in `folder`, which keeps what an earlier house there has done."""
    own = {
        "JOBWIRE_LEASE_MS": "2000",
        "FIFTHELEMENT_RETRY_FIRST_MS": "20",
        **environment,
    }
    settings = house_settings(folder, "fifthelement", workers=workers, environment=own, db=db)
    return open_house(settings)


@contextmanager
def run_tables(folder: Path, *, workers: int = 2, db: str | None = None, **environment: str) -> Iterator[TableHouse]:
    """A running house."""
    house = open_tables(folder, workers=workers, db=db, **environment)
    with serving(house, TableHouse) as running:
        yield running
