"""Kept files: a job's output gets signed links when it is shown, and a signed link gets the bytes (kept.py)."""

import asyncio
import re
from collections.abc import Callable
from typing import Any

import msgspec
from starlette.responses import Response

from jobwire.blobs.links import FileLinks, show_disposition
from jobwire.dialects.sources import ShowOutput
from jobwire.domain.errors import RequestError
from jobwire.http.kept import send_blob
from jobwire.kinds.contract import FILE_MARK
from jobwire.service.call import Call, FileReply

LINK_LIFETIME_S = 3_600
_FILE_KEYS = frozenset({"sha256", "name", "content_type", "size_bytes", "seal"})
_SHA256 = re.compile(r"[0-9a-f]{64}")
_SHOWN_INLINE = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp", "image/avif"})


def show_links(links: FileLinks, *, prefix: str = "", hook: Callable[[Any], Any] | None = None) -> ShowOutput:
    """Shows an output through the dialect's hook, and each SavedFile in it with a signed `url` of one hour."""

    def show(text: str) -> str:
        if hook is None and FILE_MARK not in text:
            return text
        output = msgspec.json.decode(text)
        return msgspec.json.encode(_link(links, output if hook is None else hook(output), prefix)).decode()

    return show


def _link(links: FileLinks, value: Any, prefix: str) -> Any:
    match value:
        case dict() if _is_file(links, value):
            url = links.sign(
                value["sha256"],
                name=value["name"],
                content_type=value["content_type"],
                lifetime_s=LINK_LIFETIME_S,
            )
            return {key: part for key, part in value.items() if key != "seal"} | {"url": prefix + url}
        case dict():
            return {key: _link(links, child, prefix) for key, child in value.items()}
        case list():
            return [_link(links, child, prefix) for child in value]
    return value


def _is_file(links: FileLinks, value: dict[str, Any]) -> bool:
    """Whether `save_file` made this: what a customer sent and a handler echoes is no file."""
    return (
        value.keys() == _FILE_KEYS
        and all(isinstance(value[key], str) for key in ("sha256", "name", "content_type", "seal"))
        and _SHA256.fullmatch(value["sha256"]) is not None
        and links.is_sealed(
            value["sha256"], name=value["name"], content_type=value["content_type"], seal=value["seal"]
        )
    )


async def serve_file(call: Call) -> Response:
    """The bytes behind a signed link; RequestError forbidden, gone, or not_found when they are no longer kept.

    A customer's file is never a page of ours: it is saved, or shown as a picture, in a sandbox without scripts.
    """
    target = call.services.links.check(call.path, call.query)
    blobs = call.services.blobs
    blob = await asyncio.to_thread(blobs.find, target.sha256)
    if blob is None:
        raise RequestError("not_found", "this file is no longer kept")
    disposition = target.disposition
    if target.content_type in _SHOWN_INLINE:
        disposition = disposition.replace("attachment", "inline", 1)
    headers = {**_fence(disposition), "Cache-Control": f"private, max-age={LINK_LIFETIME_S}, immutable"}
    return send_blob(blobs, blob, asked=call.headers, content_type=target.content_type, headers=headers)


def send_saved(call: Call, reply: FileReply) -> Response:
    """The bytes of a system's file, to be saved and never shown as a page of ours."""
    headers = {**_fence(show_disposition(reply.name)), "Cache-Control": "private, no-cache"}
    blobs = call.services.blobs
    return send_blob(blobs, reply.blob, asked=call.headers, content_type=reply.content_type, headers=headers)


def _fence(disposition: str) -> dict[str, str]:
    return {
        "Content-Disposition": disposition,
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "sandbox; default-src 'none'",
        "Cross-Origin-Resource-Policy": "cross-origin",
    }
