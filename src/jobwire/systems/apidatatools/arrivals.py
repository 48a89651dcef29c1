"""Uploads that a call names: those that came through us are kept, those in the storage's inbox are taken from there.

What a customer posts to the storage is seen first when its owner announces another or names it. Until it is taken it
may be posted anew; once it is, it is a kept file like any other, and the one in the inbox is deleted.
"""

import asyncio

from jobwire.blobs.contract import Inbox
from jobwire.domain.errors import RequestError
from jobwire.service.call import Call
from jobwire.service.services import Services
from jobwire.store.contract import Transaction
from jobwire.systems.apidatatools.records import (
    UploadRow,
    find_upload,
    keep_upload,
    list_awaited,
    measure_uploads,
    name_user,
    note_size,
)
from jobwire.systems.apidatatools.settings import ToolSettings
from jobwire.systems.apidatatools.uploads import check_size, check_storage, find_upload_id


async def find_own_upload(call: Call, key: str) -> UploadRow:
    """The caller's upload of that key, with its bytes; RequestError forbidden for another's, else file_not_found.

    One that has to be taken first may be refused as payload_too_large or storage_limit_exceeded.
    """
    services = call.services
    inbox = services.blobs.inbox
    name = (inbox and inbox.find_name(key)) or key
    upload = find_upload_id(name)
    found = None if upload is None else await _find(services, upload)
    if found is None or found.key != name:
        raise _absent()
    if found.owner != call.principal.owner:
        raise RequestError("forbidden", "Access denied")
    if found.sha256 is None and inbox is not None:
        await _take(services, inbox, found)
        found = await _find(services, found.id)
    if found is None or found.sha256 is None:
        raise _absent()
    return found


async def note_arrivals(services: Services, inbox: Inbox, owner: int) -> None:
    """Those of the owner's uploads that have come meanwhile are awaited no more, and their bytes count."""
    awaited = await services.store.read(lambda reader: list_awaited(reader, owner, now=services.clock()))
    if not awaited:
        return
    sizes = await asyncio.to_thread(inbox.list_arrived, name_user(owner))
    came = {upload: size for name, size in sizes.items() if (upload := find_upload_id(name)) in awaited}

    def note(tx: Transaction) -> None:
        for upload, size_bytes in came.items():
            note_size(tx, upload, size_bytes=size_bytes)

    if came:
        await services.store.write(note)


async def _take(services: Services, inbox: Inbox, upload: UploadRow) -> None:
    """Keep what has come for an upload; nothing where nothing has."""
    settings = ToolSettings(services.settings)
    sizes = await asyncio.to_thread(inbox.list_arrived, f"{name_user(upload.owner)}/{upload.id}")
    size_bytes = sizes.get(upload.key, 0)
    if not size_bytes:
        return
    # Its policy says the same; but a storage that does not hold to policies must not open ours.
    check_size(size_bytes, settings.file_bytes_max)
    with services.scratch.make_folder() as folder:
        try:
            arrived = await asyncio.to_thread(inbox.bring, upload.key, folder)
        except FileNotFoundError:
            return  # another call has taken it
        blob = await asyncio.to_thread(services.blobs.put, arrived)
    check_size(blob.size_bytes, settings.file_bytes_max)

    def keep(tx: Transaction) -> None:
        row = find_upload(tx, upload.id, now=tx.now)
        if row is not None and row.sha256 is None:
            stored_bytes = measure_uploads(tx, row.owner, now=tx.now)[1] - row.size_bytes
            check_storage(stored_bytes, blob.size_bytes, settings)
            kept_ms = settings.kept_s * 1_000
            keep_upload(tx, row.id, sha256=blob.sha256, size_bytes=blob.size_bytes, kept_ms=kept_ms)

    await services.store.write(keep)
    await asyncio.to_thread(inbox.forget, upload.key)


async def _find(services: Services, upload: str) -> UploadRow | None:
    return await services.store.read(lambda reader: find_upload(reader, upload, now=services.clock()))


def _absent() -> RequestError:
    return RequestError("file_not_found", "File not found")
