"""Documents that are uploaded instead of shared: send one, replace it, delete it."""

import asyncio
from typing import Any, Final

from jobwire.domain.errors import JobError, RequestError
from jobwire.service.call import Call, Reply
from jobwire.systems.docswrite.records import (
    DocumentRow,
    NewDocument,
    add_document,
    delete_document,
    replace_document,
)
from jobwire.systems.docswrite.source import find_form
from jobwire.systems.uploads import expect_file

NAME_CHARS_MAX: Final = 255


async def post_document(call: Call) -> Reply:
    """Keep an uploaded document; its id is for exports."""
    new = await _keep_upload(call)
    owner = call.principal.owner
    return Reply(show_document(await call.services.store.write(lambda tx: add_document(tx, owner, new))))


async def put_document(call: Call) -> Reply:
    """Replace what a document contains: its next export updates the same post."""
    new = await _keep_upload(call)
    owner, document = call.principal.owner, call.params["id"]
    row = await call.services.store.write(lambda tx: replace_document(tx, owner, document, new))
    if row is None:
        raise _missing(document)
    return Reply(show_document(row))


async def remove_document(call: Call) -> Reply:
    """Delete a document; posts made from it stay."""
    owner, document = call.principal.owner, call.params["id"]
    if not await call.services.store.write(lambda tx: delete_document(tx, owner, document)):
        raise _missing(document)
    return Reply({"deleted": True})


def show_document(row: DocumentRow) -> dict[str, Any]:
    """A document as its owner sees it."""
    return {
        "document_id": row.id,
        "name": row.name,
        "format": row.form,
        "size": row.size_bytes,
        "createdAt": row.created_at,
        "updatedAt": row.updated_at,
    }


async def _keep_upload(call: Call) -> NewDocument:
    name, upload = call.query.get("name", "").strip(), expect_file(call)
    if not 1 <= len(name) <= NAME_CHARS_MAX or not name.isprintable():
        raise RequestError(
            "invalid_request",
            f"say the file's name in the query: ?name=notes.docx, at most {NAME_CHARS_MAX} characters",
        )
    try:
        form = await asyncio.to_thread(find_form, name, upload)
        blob = await asyncio.to_thread(call.services.blobs.put, upload)
    except JobError as error:
        raise RequestError("invalid_request", error.message) from error
    return NewDocument(name, form, blob.sha256, blob.size_bytes)


def _missing(document: str) -> RequestError:
    return RequestError("item_not_found", f"there is no document {document[:80]!r}; upload it anew")
