"""Documents over HTTP: create of a text or a file, list, read, change, delete. documents.py has their job."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from msgspec import UNSET

from jobwire.blobs.links import clean_name
from jobwire.dialects.parse import read_form, refuse_faults
from jobwire.dialects.sources import show_job_id
from jobwire.domain.errors import RequestError
from jobwire.domain.job import Receipt
from jobwire.kinds.faults import Fault
from jobwire.service.call import Call, Reply
from jobwire.service.services import Services
from jobwire.store.contract import Reader, Transaction
from jobwire.systems.fifthelement.bodies import (
    TITLE_CHARS_MAX,
    DocumentBody,
    DocumentChange,
    check_metadata,
    clean_text,
    name_document,
    name_repository,
    read_page,
)
from jobwire.systems.fifthelement.job_shape import IDS
from jobwire.systems.fifthelement.records import (
    DocumentRow,
    add_document,
    cancel_document_jobs,
    change_document,
    count_documents,
    delete_document,
    find_document,
    list_documents,
)
from jobwire.systems.fifthelement.routes_repositories import expect_repository
from jobwire.systems.fifthelement.starting import start_processing
from jobwire.systems.fifthelement.texts import put_text, read_text
from jobwire.systems.fifthelement.views import show_document, show_page
from jobwire.systems.uploads import expect_file

UPLOAD_BYTES_MAX: Final = 104_857_600
TEXT_TYPE: Final = "text/plain"


@dataclass(frozen=True, slots=True)
class Saved:
    """A stored document and the job that processes it; no job where nothing is to be processed."""

    row: DocumentRow
    receipt: Receipt | None


async def post_document(call: Call) -> Reply:
    """Create a document of a text; its job starts in the same transaction."""
    owner, repository = call.principal.owner, name_repository(call.params)
    body = read_form(DocumentBody, call.body)
    metadata = check_metadata(body.metadata)
    await call.services.store.read(lambda reader: expect_repository(reader, owner, repository))
    kept = await asyncio.to_thread(put_text, call.services.blobs, body.content)

    def create(tx: Transaction) -> Saved:
        expect_repository(tx, owner, repository)
        row = add_document(
            tx,
            owner,
            repository,
            title=clean_text(body.title),
            text=kept,
            media_type=TEXT_TYPE,
            metadata=metadata,
        )
        return Saved(row, start_processing(tx, call.services.jobs, owner, row))

    return await _reply_saved(call.services, await call.services.store.write(create))


async def post_upload(call: Call) -> Reply:
    """Create a document of a file: the body is its bytes, `name` in the query its name."""
    owner, repository = call.principal.owner, name_repository(call.params)
    title = read_upload_title(call)
    await call.services.store.read(lambda reader: expect_repository(reader, owner, repository))
    sha256 = await keep_upload(call)

    def create(tx: Transaction) -> Saved:
        expect_repository(tx, owner, repository)
        row = add_document(tx, owner, repository, title=title, source_blob=sha256)
        return Saved(row, start_processing(tx, call.services.jobs, owner, row))

    return await _reply_saved(call.services, await call.services.store.write(create))


async def get_documents(call: Call) -> Reply:
    """A page of a repository's documents, oldest first; a text over 64 KiB is left to the reading of one document."""
    owner, repository = call.principal.owner, name_repository(call.params)
    start, limit = read_page(call.query)

    def read(reader: Reader) -> tuple[list[DocumentRow], int]:
        expect_repository(reader, owner, repository)
        rows = list_documents(reader, owner, repository, start=start, limit=limit)
        return rows, count_documents(reader, owner, repository)

    rows, total = await call.services.store.read(read)
    items = [show_document(row, text=row.content) for row in rows]
    return Reply(show_page("documents", items, total=total, start=start, limit=limit))


async def get_document(call: Call) -> Reply:
    """One document with its whole text."""
    row = await call.services.store.read(_naming(call))
    return Reply(await _show_whole(call.services, row))


async def put_document(call: Call) -> Reply:
    """Change what the body names of a document; another content is processed anew."""
    owner, find = call.principal.owner, _naming(call)
    body = read_form(DocumentChange, call.body)
    metadata = None if body.metadata is UNSET else check_metadata(body.metadata)
    await call.services.store.read(find)
    kept = None if body.content is UNSET else await asyncio.to_thread(put_text, call.services.blobs, body.content)

    def change(tx: Transaction) -> Saved:
        row = find(tx)
        if kept is not None:
            cancel_document_jobs(tx, owner, row.id)
        changed = change_document(
            tx,
            owner,
            row,
            title=row.title if body.title is UNSET else clean_text(body.title),
            metadata=row.fields if metadata is None else metadata,
            text=kept,
            media_type=TEXT_TYPE,
        )
        return Saved(changed, None if kept is None else start_processing(tx, call.services.jobs, owner, changed))

    return await _reply_saved(call.services, await call.services.store.write(change))


async def remove_document(call: Call) -> Reply:
    """Delete a document with what was made of it; its jobs are cancelled."""
    owner, find = call.principal.owner, _naming(call)

    def delete(tx: Transaction) -> None:
        delete_document(tx, owner, find(tx).id)

    await call.services.store.write(delete)
    return Reply({"deleted": True})


def read_upload_title(call: Call) -> str:
    """The title of an upload from its `title` or `name`; RequestError without one."""
    name = call.query.get("name", "")
    title = clean_text(call.query.get("title") or (name and clean_name(name))).strip()
    if not 1 <= len(title) <= TITLE_CHARS_MAX:
        raise refuse_faults([Fault("/name", f"the file's name, 1 to {TITLE_CHARS_MAX} characters, in the query")])
    return title


async def keep_upload(call: Call) -> str:
    """The address under which the bytes of an upload are kept now; RequestError for a form, and for no bytes."""
    blob = await asyncio.to_thread(call.services.blobs.put, expect_file(call))
    return blob.sha256


def _naming(call: Call) -> Callable[[Reader], DocumentRow]:
    """Finds the document of a call's path; RequestError document_not_found."""
    owner, repository, document = call.principal.owner, name_repository(call.params), name_document(call.params)

    def find(reader: Reader) -> DocumentRow:
        row = find_document(reader, owner, document, repository=repository)
        if row is None:
            raise RequestError("document_not_found", "Document not found")
        return row

    return find


async def _show_whole(services: Services, row: DocumentRow) -> dict[str, Any]:
    if row.text_blob is None:
        return show_document(row, text=row.content)
    read = partial(read_text, services.blobs, content=row.content, text_blob=row.text_blob)
    return show_document(row, text=await asyncio.to_thread(read))


async def _reply_saved(services: Services, saved: Saved) -> Reply:
    job = None if saved.receipt is None else show_job_id(IDS, saved.receipt)
    return Reply({**await _show_whole(services, saved.row), "jobId": job})
