"""Files over HTTP: import from a URL, signed upload, read, delete. media.py has the job behind them."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from jobwire.blobs.links import FILES_PATH
from jobwire.domain.errors import RequestError
from jobwire.service.call import Call, Reply
from jobwire.service.services import Services
from jobwire.store.contract import Reader, Transaction
from jobwire.systems.rentix.fields import ID_MAX, MOUNT
from jobwire.systems.rentix.media import MEDIA_OPTIMIZE
from jobwire.systems.rentix.photos import SUPPORTED_TYPES, PhotoLimits
from jobwire.systems.rentix.queries import read_external_id, read_number
from jobwire.systems.rentix.records_media import (
    PENDING,
    SUCCESS,
    MediaRow,
    add_media,
    delete_media,
    find_media,
    import_again,
    keep_upload,
)
from jobwire.systems.rentix.settings import RentixSettings
from jobwire.systems.rentix.validation import read_import, read_upload
from jobwire.systems.rentix.views import LINK_LIFETIME_S, moment, show_media

UPLOAD_BYTES_MAX: Final = PhotoLimits().bytes_max
UPLOAD_LIFETIME_S: Final = 3600
UPLOAD_TYPES: Final = tuple(f"image/{kind}" for kind in SUPPORTED_TYPES)

_UPLOAD_NAME: Final = "upload"


@dataclass(frozen=True, slots=True)
class Submitted:
    """A file and the number of the job that optimises it; no job when that is done already."""

    media: int
    status: str
    job: int | None


async def import_media(call: Call) -> Reply:
    """Import one picture; a known externalId gives the stored file instead of another one."""
    services, owner = call.services, call.principal.owner
    ref = read_import(call.body, RentixSettings(services.settings).fetch_policy)

    def start(tx: Transaction) -> Submitted:
        stored = find_media(tx, owner, external_id=ref.external_id) if ref.external_id is not None else None
        if stored is None:
            media = add_media(tx, owner, external_id=ref.external_id, source_url=ref.url)
            return _submit(tx, services, owner, media=media)
        if stored.optimization == SUCCESS:
            return Submitted(stored.id, SUCCESS, None)
        import_again(tx, owner, stored.id, source_url=ref.url)
        return _submit(tx, services, owner, media=stored.id)

    done = await services.store.write(start)
    return Reply({"mediaId": done.media, "status": done.status, "externalId": ref.external_id, "jobId": done.job})


async def sign_upload(call: Call) -> Reply:
    """Announce a file: where to PUT its bytes, without a key, until when."""
    services, owner = call.services, call.principal.owner
    upload = read_upload(call.body, content_types=UPLOAD_TYPES, bytes_max=UPLOAD_BYTES_MAX)

    def announce(tx: Transaction) -> int:
        if upload.external_id is not None and find_media(tx, owner, external_id=upload.external_id) is not None:
            raise RequestError("conflict", "There is a file with this externalId already; delete it first")
        return add_media(
            tx,
            owner,
            external_id=upload.external_id,
            content_type=upload.content_type,
            size_bytes=upload.size_bytes,
        )

    media = await services.store.write(announce)
    signed = services.links.sign(
        _upload_address(owner, media),
        name=_UPLOAD_NAME,
        content_type=upload.content_type,
        lifetime_s=UPLOAD_LIFETIME_S,
    )
    url = f"{call.base_url}{MOUNT}/media/{media}/upload?agency={owner}&{signed.partition('?')[2]}"
    expires_at = services.clock() + UPLOAD_LIFETIME_S * 1000
    return Reply({"mediaId": media, "uploadUrl": url, "expiresAt": moment(expires_at)})


async def admit_upload(call: Call) -> None:
    """Refuse an upload before its bytes come: the signature in the URL is the permission."""
    media = read_number("id", call.params["id"])
    owner = _read_uploader(call.query)
    call.services.links.check(f"{FILES_PATH}{_upload_address(owner, media)}/{_UPLOAD_NAME}", call.query)
    announced = await call.services.store.read(lambda reader: _require(reader, owner, number=media))
    declared = call.headers.get("content-length", "")
    size_bytes = int(declared) if declared.isdecimal() else announced.size_bytes
    # What is over the limit is refused as that, by whoever reads the body.
    if size_bytes is None or size_bytes <= UPLOAD_BYTES_MAX:
        _check_awaits_upload(announced, size_bytes)


async def receive_upload(call: Call) -> Reply:
    """Take the bytes of an announced file, admitted by admit_upload."""
    services, media = call.services, read_number("id", call.params["id"])
    owner = _read_uploader(call.query)
    assert call.upload is not None
    size_bytes = call.upload.stat().st_size
    announced = await services.store.read(lambda reader: _require(reader, owner, number=media))
    _check_awaits_upload(announced, size_bytes)
    blob = await asyncio.to_thread(services.blobs.put, call.upload)

    def keep(tx: Transaction) -> None:
        _check_awaits_upload(_require(tx, owner, number=media), size_bytes)
        keep_upload(tx, owner, media, sha256=blob.sha256, size_bytes=blob.size_bytes)

    await services.store.write(keep)
    return Reply({"mediaId": media, "size": size_bytes})


async def complete_upload(call: Call) -> Reply:
    """Optimise an uploaded file; a repeat gives the same job while it is live."""
    services, owner = call.services, call.principal.owner
    number = read_number("id", call.params["id"])

    def start(tx: Transaction) -> Submitted:
        stored = _require(tx, owner, number=number)
        if stored.optimization == SUCCESS:
            return Submitted(stored.id, SUCCESS, None)
        if not stored.has_bytes:
            raise RequestError("conflict", "The file has not been uploaded yet; PUT its bytes to its uploadUrl")
        return _submit(tx, services, owner, media=stored.id)

    done = await services.store.write(start)
    return Reply({"mediaId": done.media, "status": done.status, "jobId": done.job})


async def get_media(call: Call) -> Reply:
    """One file by its id."""
    return await _read_one(call, number=read_number("id", call.params["id"]))


async def get_media_by_external_id(call: Call) -> Reply:
    """One file by the client's id, in its exact case."""
    return await _read_one(call, external_id=read_external_id(call.params["externalId"]))


async def remove_media(call: Call) -> Reply:
    """Delete a file by its id, also from the listings that show it."""
    return await _delete_one(call, number=read_number("id", call.params["id"]))


async def remove_media_by_external_id(call: Call) -> Reply:
    """Delete a file by the client's id, also from the listings that show it."""
    return await _delete_one(call, external_id=read_external_id(call.params["externalId"]))


async def _read_one(call: Call, *, number: int | None = None, external_id: str | None = None) -> Reply:
    owner, links = call.principal.owner, call.services.links
    row = await call.services.store.read(
        lambda reader: _require(reader, owner, number=number, external_id=external_id)
    )

    def sign(sha256: str, name: str, content_type: str) -> str:
        path = links.sign(sha256, name=name, content_type=content_type, lifetime_s=LINK_LIFETIME_S)
        return call.base_url + path

    return Reply(show_media(row, sign))


async def _delete_one(call: Call, *, number: int | None = None, external_id: str | None = None) -> Reply:
    owner = call.principal.owner

    def delete(tx: Transaction) -> None:
        delete_media(tx, owner, _require(tx, owner, number=number, external_id=external_id).id)

    await call.services.store.write(delete)
    return Reply({"deleted": True})


def _require(reader: Reader, owner: int, *, number: int | None = None, external_id: str | None = None) -> MediaRow:
    row = find_media(reader, owner, number=number, external_id=external_id)
    if row is None:
        raise RequestError("media_not_found", "Media not found")
    return row


def _submit(tx: Transaction, services: Services, owner: int, *, media: int) -> Submitted:
    job = services.jobs.build(owner, MEDIA_OPTIMIZE, {"mediaId": media}, unique_key=f"media:{media}")
    (receipt,) = services.jobs.admit_in(tx, [job])
    return Submitted(media, PENDING, receipt.number)


def _upload_address(owner: int, media: int) -> str:
    """What an upload link is signed for: shaped like a file's address, but of no file anybody could make."""
    return f"{owner:032x}{media:032x}"


def _read_uploader(query: Mapping[str, str]) -> int:
    """The owner that an upload link names; its signature covers it."""
    agency = query.get("agency", "")
    return int(agency) if agency.isascii() and agency.isdecimal() and len(agency) <= len(str(ID_MAX)) else 0


def _check_awaits_upload(media: MediaRow, size_bytes: int | None) -> None:
    if media.has_bytes:
        raise RequestError("conflict", "The file has been uploaded already")
    if size_bytes != media.size_bytes:
        raise RequestError(
            "invalid_request", f"The file has {size_bytes} bytes, {media.size_bytes} were announced; send it whole"
        )
