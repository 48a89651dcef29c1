"""A house for the tests of documents and their vectors: work is put in by hand, without HTTP."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from house_serving import ServedHouse, serving
from jobwire.config import read_settings
from jobwire.domain.job import JobRow
from jobwire.domain.states import State
from jobwire.store.contract import Transaction
from jobwire.systems.fifthelement.querying import query
from jobwire.systems.fifthelement.records import (
    DocumentRow,
    RepositoryRow,
    add_document,
    add_repository,
    find_document,
)
from jobwire.systems.fifthelement.records_chunks import CutRow, find_cut
from jobwire.systems.fifthelement.starting import BATCH_EMBEDDING, DOCUMENT_PROCESSING, start_job, start_processing
from jobwire.systems.fifthelement.texts import put_text, read_text
from jobwire.wiring import House, open_house

DEADLINE_S = 120
FINAL = {State.COMPLETED, State.FAILED, State.CANCELLED}


class DocumentHouse(ServedHouse):
    """One open house and one workspace in it."""

    deadline_s = DEADLINE_S

    def __init__(self, house: House, base: str) -> None:
        super().__init__(house, base)
        self.store = house.store
        self.services = house.services
        self.owner = asyncio.run(house.services.owners.create_owner("workspace")).id

    def make_key(self) -> str:
        """A key of the workspace that may call as often as it likes."""
        scopes = ["jobs:read", "jobs:write", "tier:enterprise"]
        return asyncio.run(self.services.owners.create_key("workspace", scopes=scopes)).key

    def write(self, work: Callable[[Transaction], Any]) -> Any:
        return self.store.write(work).result()

    def add_repository(self, *, owner: int | None = None, model: str | None = None) -> RepositoryRow:
        row: RepositoryRow = self.write(
            lambda tx: add_repository(
                tx, owner or self.owner, name="Library", type="knowledge", vector_store="ledger", batch_model=model
            )
        )
        return row

    def add_text(self, repository: RepositoryRow, text: str, *, title: str = "A text") -> DocumentRow:
        kept = put_text(self.services.blobs, text)
        row: DocumentRow = self.write(
            lambda tx: add_document(tx, self.owner, repository.id, title=title, text=kept, media_type="text/plain")
        )
        return row

    def add_file(self, repository: RepositoryRow, data: bytes, name: str) -> DocumentRow:
        blob = self.services.blobs.put_bytes(data).sha256
        row: DocumentRow = self.write(
            lambda tx: add_document(tx, self.owner, repository.id, title=name, source_blob=blob)
        )
        return row

    def start_processing(self, row: DocumentRow) -> int:
        number: int = self.write(lambda tx: start_processing(tx, self.services.jobs, self.owner, row)).number
        return number

    def start_batch(self, repository: RepositoryRow, rows: Sequence[DocumentRow]) -> int:
        wanted = {"documents": [row.id for row in rows]}
        number: int = self.write(
            lambda tx: start_job(
                tx, self.services.jobs, self.owner, DOCUMENT_PROCESSING, wanted, repository=repository.id
            )
        ).number
        return number

    def start_embedding(self, repository: RepositoryRow, **wanted: Any) -> int:
        number: int = self.write(
            lambda tx: start_job(
                tx, self.services.jobs, self.owner, BATCH_EMBEDDING, wanted, repository=repository.id
            )
        ).number
        return number

    def job(self, number: int) -> JobRow:
        row = self.store.get(self.owner, number=number).result()
        assert row is not None
        return row

    def wait(self, number: int) -> JobRow:
        """The job once it has ended."""
        row: JobRow = self.wait_until(lambda: row if (row := self.job(number)).state in FINAL else None)
        return row

    def result(self, number: int) -> Any:
        """The result of a job that must complete."""
        row = self.wait(number)
        assert row.state == State.COMPLETED, (row.state, row.error)
        assert row.output is not None
        return msgspec.json.decode(row.output)

    def error(self, number: int) -> dict[str, Any]:
        """The public error of a job that must fail."""
        row = self.wait(number)
        assert row.state == State.FAILED, (row.state, row.output)
        assert row.error is not None
        error: dict[str, Any] = msgspec.json.decode(row.error)
        return error

    def document(self, row: DocumentRow) -> DocumentRow:
        found = self.store.read(lambda reader: find_document(reader, self.owner, row.id)).result()
        assert found is not None
        return found

    def cut(self, row: DocumentRow) -> CutRow | None:
        return self.store.read(lambda reader: find_cut(reader, self.owner, row.id)).result()

    def text(self, row: DocumentRow) -> str:
        found = self.document(row)
        return read_text(self.services.blobs, content=found.content, text_blob=found.text_blob)

    def ask(
        self, repository: RepositoryRow, text: str, *, limit: int = 5, owner: int | None = None
    ) -> list[dict[str, Any]]:
        return asyncio.run(query(self.services, owner or self.owner, repository.id, text=text, limit=limit))


@contextmanager
def run_documents(folder: Path, address: str, *, workers: int = 2, **environment: str) -> Iterator[DocumentHouse]:
    """A house over the ledger at `address`, its files in `folder`."""
    settings = read_settings(
        {
            "JOBWIRE_FILES": str(folder / "files"),
            "JOBWIRE_DRAIN_S": "0",
            "FIFTHELEMENT_RETRY_FIRST_MS": "20",
            "FIFTHELEMENT_ATTEMPTS": "3",
            **environment,
        },
        db=address,
        workers=workers,
        systems="fifthelement",
    )
    house = open_house(settings)
    with serving(house, DocumentHouse) as opened:
        yield opened
