"""Announced uploads: which names they may have, what their signed form says, and what they may be.

arrivals.py finds them again when a call names one.
"""

import base64
import re
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

import msgspec

from jobwire.blobs.contract import Inbox
from jobwire.blobs.links import FileLinks
from jobwire.domain.errors import RequestError
from jobwire.systems.apidatatools.fields import UPLOAD_EXTENSIONS
from jobwire.systems.apidatatools.records import UPLOAD_LIFETIME_S, UploadRow, name_user
from jobwire.systems.apidatatools.settings import ToolSettings

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


def sign_inbox_form(inbox: Inbox, upload: UploadRow, *, bytes_max: int) -> dict[str, str]:
    """The fields of a form that sends this file to the storage, with its signed policy."""
    return inbox.sign_form(upload.key, _describe(upload), bytes_max=bytes_max, lifetime_s=UPLOAD_LIFETIME_S)


def sign_form(links: FileLinks, upload: UploadRow, *, bytes_max: int) -> dict[str, str]:
    """The fields of a form that sends this file to us, with their signed policy."""
    fields = {"key": upload.key, **_describe(upload)}
    ends = datetime.fromtimestamp(upload.expires_at / 1_000, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    conditions: list[object] = [{name: value} for name, value in fields.items()]
    conditions.append(["content-length-range", 1, bytes_max])
    text = msgspec.json.encode({"expiration": ends, "conditions": conditions})
    policy = base64.b64encode(text).decode()
    return {**fields, POLICY: policy, SIGNATURE: links.sign_parts(_PURPOSE, policy)}


def check_form(links: FileLinks, upload: UploadRow, fields: Mapping[str, str], *, size_bytes: int) -> None:
    """RequestError forbidden unless these are the signed fields of this upload, payload_too_large above its size."""
    policy = fields.get(POLICY, "")
    if not links.is_signed(fields.get(SIGNATURE, ""), _PURPOSE, policy):
        raise _forbid()
    # Signed by us, so it has the form that sign_form gives it.
    *named, (_, least, most) = msgspec.json.decode(base64.b64decode(policy))["conditions"]
    wanted = {name: value for one in named for name, value in one.items()}
    sent = {name: value for name, value in fields.items() if name not in (POLICY, SIGNATURE)}
    if sent != wanted or sent["key"] != upload.key:
        raise _forbid()
    if size_bytes < least:
        raise RequestError("empty_body", "The file is empty; send one that is not.")
    check_size(size_bytes, most)


def find_upload_id(key: str) -> str | None:
    """The id in the key of an upload; None for what is no key."""
    shape = _KEY.fullmatch(key)
    return None if shape is None else shape[2]


def check_size(size_bytes: int, most: int) -> None:
    """RequestError payload_too_large for a file of more bytes."""
    if size_bytes > most:
        limit = f"The file has {size_bytes} bytes; it may have {most}."
        raise RequestError("payload_too_large", limit, details={"limit_bytes": most})


def check_storage(stored_bytes: int, more_bytes: int, settings: ToolSettings) -> None:
    """RequestError storage_limit_exceeded where an account has no room for so many bytes more."""
    most = settings.storage_bytes_max
    if stored_bytes + more_bytes > most:
        raise RequestError(
            "storage_limit_exceeded",
            f"Your uploads have {stored_bytes} of {most} bytes, which leaves too little for this file;"
            " send a smaller one, or wait until some have ended.",
            details={"stored_bytes": stored_bytes, "limit_bytes": most},
        )


def _describe(upload: UploadRow) -> dict[str, str]:
    return {
        "x-amz-meta-user-id": name_user(upload.owner),
        "x-amz-meta-upload-id": upload.id,
        "x-amz-meta-original-filename": upload.filename,
    }


def _forbid() -> RequestError:
    return RequestError("forbidden", "Access denied")
