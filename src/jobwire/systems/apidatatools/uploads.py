"""Announced uploads: which names they may have, what their signed form says, and whose they are."""

import base64
import hmac
import re
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

import msgspec

from jobwire.blobs.links import FileLinks
from jobwire.domain.errors import RequestError
from jobwire.service.call import Call
from jobwire.systems.apidatatools.fields import UPLOAD_EXTENSIONS
from jobwire.systems.apidatatools.records import UploadRow, find_upload, name_user

UPLOAD_LIFETIME_S: Final = 3_600
NAME_CHARS_MAX: Final = 120
POLICY: Final = "policy"
SIGNATURE: Final = "x-amz-signature"

_NAME: Final = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9]+")
_KEY: Final = re.compile(r"(user_[0-9]{1,19})/(upl_[0-9a-f]{32})/([A-Za-z0-9_-]+\.[A-Za-z0-9]+)")
_PURPOSE: Final = "apidatatools upload"


def check_filename(name: str) -> str:
    """The name of a file to upload; RequestError invalid_filename, invalid_file_extension."""
    if len(name) > NAME_CHARS_MAX or _NAME.fullmatch(name) is None:
        raise RequestError(
            "invalid_filename",
            f"A file name has letters, digits, _ and -, one dot, and at most {NAME_CHARS_MAX} characters.",
        )
    if name.rpartition(".")[2].lower() not in UPLOAD_EXTENSIONS:
        raise RequestError("invalid_file_extension", f"A file name ends in one of {', '.join(UPLOAD_EXTENSIONS)}.")
    return name


def make_upload_id() -> str:
    """A new id, which nobody can guess."""
    return f"upl_{secrets.token_hex(16)}"


def sign_form(links: FileLinks, upload: UploadRow, *, bytes_max: int) -> dict[str, str]:
    """The fields of a form that uploads this file, with their signed policy."""
    fields = {
        "key": upload.key,
        "x-amz-meta-user-id": name_user(upload.owner),
        "x-amz-meta-upload-id": upload.id,
        "x-amz-meta-original-filename": upload.filename,
    }
    ends = datetime.fromtimestamp(upload.expires_at / 1_000, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    conditions: list[object] = [{name: value} for name, value in fields.items()]
    conditions.append(["content-length-range", 1, bytes_max])
    text = msgspec.json.encode({"expiration": ends, "conditions": conditions})
    policy = base64.b64encode(text).decode()
    return {**fields, POLICY: policy, SIGNATURE: links.sign_parts(_PURPOSE, policy)}


def check_form(links: FileLinks, upload: UploadRow, fields: Mapping[str, str], *, size_bytes: int) -> None:
    """RequestError forbidden unless these are the signed fields of this upload, payload_too_large above its size."""
    policy = fields.get(POLICY, "")
    expected = links.sign_parts(_PURPOSE, policy)
    if not hmac.compare_digest(fields.get(SIGNATURE, "").encode(errors="replace"), expected.encode()):
        raise _forbid()
    # Signed by us, so it has the form that sign_form gives it.
    *named, (_, least, most) = msgspec.json.decode(base64.b64decode(policy))["conditions"]
    wanted = {name: value for one in named for name, value in one.items()}
    sent = {name: value for name, value in fields.items() if name not in (POLICY, SIGNATURE)}
    if sent != wanted or sent["key"] != upload.key:
        raise _forbid()
    if size_bytes < least:
        raise RequestError("empty_body", "The file is empty; send one that is not.")
    if size_bytes > most:
        limit = f"The file has {size_bytes} bytes; it may have {most}."
        raise RequestError("payload_too_large", limit, details={"limit_bytes": most})


async def find_own_upload(call: Call, key: str) -> UploadRow:
    """The caller's upload of that key, with its bytes; RequestError forbidden for another's, else file_not_found."""
    shape, services = _KEY.fullmatch(key), call.services
    found = None
    if shape is not None:
        found = await services.store.read(lambda reader: find_upload(reader, shape[2], now=services.clock()))
    if found is None or found.key != key:
        raise _absent()
    if found.owner != call.principal.owner:
        raise _forbid()
    if found.sha256 is None:
        raise _absent()
    return found


def _absent() -> RequestError:
    return RequestError("file_not_found", "File not found")


def _forbid() -> RequestError:
    return RequestError("forbidden", "Access denied")
