"""Uploads: a signed form is given, and what is sent with it is kept. uploads.py has the form."""

import asyncio
from typing import Final

from jobwire.blobs.contract import PARTIAL_AGE_S
from jobwire.domain.errors import RequestError
from jobwire.service.call import Call, Reply
from jobwire.store.contract import Transaction
from jobwire.systems.apidatatools.arrivals import note_arrivals
from jobwire.systems.apidatatools.fields import MOUNT
from jobwire.systems.apidatatools.form_data import cut_file, read_boundary
from jobwire.systems.apidatatools.records import (
    UPLOAD_LIFETIME_S,
    UploadRow,
    add_upload,
    find_upload,
    keep_upload,
    measure_uploads,
)
from jobwire.systems.apidatatools.settings import FILE_BYTES_MAX, ToolSettings
from jobwire.systems.apidatatools.uploads import (
    check_filename,
    check_form,
    check_storage,
    make_upload_id,
    sign_form,
    sign_inbox_form,
)

FORM_FIELDS_BYTES_MAX: Final = 65_536
FORM_BYTES_MAX: Final = FILE_BYTES_MAX + FORM_FIELDS_BYTES_MAX


async def announce_upload(call: Call) -> Reply:
    """A signed form for one file, within what the account may have."""
    services, owner = call.services, call.principal.owner
    settings, inbox = ToolSettings(services.settings), services.blobs.inbox
    sent = call.body.get("filename") if isinstance(call.body, dict) else None
    filename = check_filename(sent if isinstance(sent, str) else "")
    upload = make_upload_id()
    if inbox is not None:
        await note_arrivals(services, inbox, owner)
    lifetime_s = UPLOAD_LIFETIME_S if inbox is None else PARTIAL_AGE_S

    def announce(tx: Transaction) -> UploadRow:
        pending, stored_bytes = measure_uploads(tx, owner, now=tx.now)
        if pending >= settings.pending_uploads_max:
            raise RequestError(
                "too_many_pending_uploads",
                f"{pending} announced uploads wait for their files; send some or let them end.",
                retry_after_s=UPLOAD_LIFETIME_S,
            )
        check_storage(stored_bytes, 1, settings)
        add_upload(tx, owner, upload=upload, filename=filename, lifetime_ms=lifetime_s * 1_000)
        row = find_upload(tx, upload, now=tx.now)
        assert row is not None
        return row

    row = await services.store.write(announce)
    if inbox is not None:
        fields, url = sign_inbox_form(inbox, row, bytes_max=settings.file_bytes_max), inbox.url
    else:
        fields = sign_form(services.links, row, bytes_max=settings.file_bytes_max)
        url = f"{settings.public_url or call.base_url}{MOUNT}/storage/{upload}"
    return Reply({"upload_id": upload, "upload": {"url": url, "fields": fields}})


async def admit_upload(call: Call) -> None:
    """Refuse a form by its address and its length before its bytes come."""
    await _require_awaited(call)
    read_boundary(call.headers.get("content-type", ""))
    declared = call.headers.get("content-length", "")
    if not declared.isdecimal():
        raise RequestError("length_required", "Send the form with its Content-Length.")
    bytes_max = ToolSettings(call.services.settings).file_bytes_max
    if int(declared[:20]) > bytes_max + FORM_FIELDS_BYTES_MAX:
        limit = f"The form has {declared[:20]} bytes; its file may have {bytes_max}."
        raise RequestError("payload_too_large", limit, details={"limit_bytes": bytes_max})


async def receive_upload(call: Call) -> Reply:
    """Keep the file of a form that is signed for this upload."""
    services, upload = call.services, await _require_awaited(call)
    settings, spooled = ToolSettings(services.settings), call.upload
    assert spooled is not None
    form = await asyncio.to_thread(cut_file, spooled, read_boundary(call.headers.get("content-type", "")))
    check_form(services.links, upload, form.fields, size_bytes=form.size_bytes)
    blob = await asyncio.to_thread(services.blobs.put, spooled)

    def keep(tx: Transaction) -> bool:
        check_storage(measure_uploads(tx, upload.owner, now=tx.now)[1], blob.size_bytes, settings)
        kept_ms = settings.kept_s * 1_000
        return keep_upload(tx, upload.id, sha256=blob.sha256, size_bytes=blob.size_bytes, kept_ms=kept_ms)

    if not await services.store.write(keep):
        raise RequestError("forbidden", "Access denied")
    return Reply(None, 204)


async def _require_awaited(call: Call) -> UploadRow:
    services, name = call.services, call.params["upload"]
    found = await services.store.read(lambda reader: find_upload(reader, name, now=services.clock()))
    if found is None or found.sha256 is not None:
        raise RequestError("forbidden", "Access denied")
    return found
