"""Sends kept bytes, whole or in one range (RFC 9110), from whatever store they are in."""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping

from starlette.concurrency import iterate_in_threadpool
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from jobwire.blobs.contract import Blob, Blobs
from jobwire.http.requests import is_same

_RANGE = re.compile(r"bytes=[ \t]*(?:([0-9]{1,19})-([0-9]{1,19})?|-([0-9]{1,19}))[ \t]*", re.IGNORECASE)


class KeptResponse(StreamingResponse):
    """The bytes of a blob; a HEAD gets the headers and reads none."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] == "HEAD":
            await Response(status_code=self.status_code, headers=dict(self.headers))(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


def send_blob(
    blobs: Blobs, blob: Blob, *, asked: Mapping[str, str], content_type: str, headers: Mapping[str, str]
) -> Response:
    """200 with all of it, 206 with the range that the headers `asked` want, 416 where that is outside, or 304."""
    tag = f'"{blob.sha256}"'
    said = {**headers, "Accept-Ranges": "bytes", "ETag": tag}
    if "if-none-match" in asked and is_same(asked["if-none-match"].encode("latin-1"), tag.encode()):
        return Response(status_code=304, headers=said)
    wanted = asked.get("range", "") if asked.get("if-range", tag) == tag else ""
    place = read_range(wanted, blob.size_bytes)
    first, end = place or (0, blob.size_bytes)
    if first >= end and place is not None:
        return Response(status_code=416, headers={**said, "Content-Range": f"bytes */{blob.size_bytes}"})
    said["Content-Length"] = str(end - first)
    if place is not None:
        said["Content-Range"] = f"bytes {first}-{end - 1}/{blob.size_bytes}"

    async def pieces() -> AsyncIterator[bytes]:
        found = await asyncio.to_thread(blobs.read, blob.sha256, first, end)
        async for piece in iterate_in_threadpool(found):
            yield piece

    status = 200 if place is None else 206
    return KeptResponse(pieces(), status, headers=said, media_type=content_type)


def read_range(text: str, size_bytes: int) -> tuple[int, int] | None:
    """From where up to where a Range header asks for, nothing where that is outside; None for the whole.

    Several ranges at once, and what is no range, get the whole: that is always allowed.
    """
    found = _RANGE.fullmatch(text)
    if found is None:
        return None
    if found[3] is not None:
        return max(0, size_bytes - int(found[3])), size_bytes
    first, last = int(found[1]), int(found[2] or size_bytes)
    return (first, min(last + 1, size_bytes)) if first <= last or found[2] is None else None
