"""Reads a request's body with a hard cap, whatever its Content-Length says: JSON decoded, or a file spooled."""

import asyncio
import math
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from jobwire.blobs.scratch import Scratch
from jobwire.domain.errors import RequestError
from jobwire.http.answer import Receive
from jobwire.kinds.spelling import quote

JSON_DEPTH_MAX = 64
BODY_SECONDS_MAX = 60
UPLOAD_SECONDS_MAX = 900


class ClientGone(Exception):  # noqa: N818 - states a fact
    """The caller hung up before it had its answer: there is nobody to answer."""


async def wait_until_gone(receive: Receive) -> None:
    """Raise ClientGone when the caller, whose body was read, has hung up."""
    while (await receive())["type"] != "http.disconnect":
        continue
    raise ClientGone


async def read_json(receive: Receive, headers: Mapping[str, str], bytes_max: int) -> Any:
    """The decoded body; RequestError malformed_json, and as read_bytes."""
    return decode_json(await read_bytes(receive, headers, bytes_max))


async def read_bytes(receive: Receive, headers: Mapping[str, str], bytes_max: int) -> bytes:
    """The whole body; RequestError payload_too_large, or invalid_request when it is too slow."""
    parts = [part async for part in _read_parts(receive, headers, bytes_max=bytes_max, seconds_max=BODY_SECONDS_MAX)]
    return b"".join(parts)


def decode_json(body: bytes) -> Any:
    """The data of a JSON text; RequestError malformed_json for anything else, and deeper than JSON_DEPTH_MAX."""
    if not body.strip():
        raise RequestError("malformed_json", "The body is empty; send a JSON text.")
    try:
        data = _DECODER.decode(body)
    except RecursionError:
        raise _refuse_depth() from None
    except (msgspec.DecodeError, ValueError) as error:
        raise RequestError("malformed_json", f"The body is not valid JSON in UTF-8: {error}") from None
    # Only a text with that many brackets can be that deep.
    if body.count(b"[") + body.count(b"{") > JSON_DEPTH_MAX and _is_too_deep(data):
        raise _refuse_depth()
    return data


def _read_float(text: str) -> float:
    """65.0 and 6.5e1 are the number 65: JSON has one sort of numbers, and so has its Schema."""
    value = float(text)
    if math.isinf(value):
        raise ValueError("Number out of range")
    return int(value) if value.is_integer() and abs(value) <= _WHOLE_MAX else value


# Above it not every whole number is a float.
_WHOLE_MAX = 2**53
_DECODER = msgspec.json.Decoder(float_hook=_read_float)


def _is_too_deep(data: Any) -> bool:
    level = _nests([data])
    for _ in range(JSON_DEPTH_MAX):
        level = _nests(child for nest in level for child in (nest.values() if isinstance(nest, dict) else nest))
    return bool(level)


def _nests(values: Iterable[Any]) -> list[Any]:
    return [value for value in values if isinstance(value, dict | list)]


def _refuse_depth() -> RequestError:
    return RequestError("malformed_json", f"The body is nested deeper than {JSON_DEPTH_MAX} levels; flatten it.")


async def _read_parts(
    receive: Receive, headers: Mapping[str, str], *, bytes_max: int, seconds_max: float
) -> AsyncIterator[bytes]:
    declared = headers.get("content-length", "")
    if declared.isdecimal() and int(declared[:20]) > bytes_max:
        raise _refuse_size(bytes_max)
    size = 0
    deadline = asyncio.get_running_loop().time() + seconds_max
    while True:
        try:
            async with asyncio.timeout_at(deadline):
                message = await receive()
        except TimeoutError:
            raise RequestError("invalid_request", f"The body did not arrive within {seconds_max:g} s.") from None
        if message["type"] == "http.disconnect":
            raise ClientGone
        part: bytes = message.get("body", b"")
        size += len(part)
        if size > bytes_max:
            raise _refuse_size(bytes_max)
        if part:
            yield part
        if not message.get("more_body", False):
            return


def _refuse_size(bytes_max: int) -> RequestError:
    return RequestError(
        "payload_too_large", f"The body has more than {bytes_max} bytes.", details={"limit_bytes": bytes_max}
    )


@asynccontextmanager
async def spool_upload(
    receive: Receive, headers: Mapping[str, str], bytes_max: int, *, scratch: Scratch
) -> AsyncIterator[Path]:
    """A raw body as a file that is gone at the end, unless it was moved away; errors as read_bytes."""
    opened, path = scratch.make_file()
    try:
        with opened as file:
            async for part in _read_parts(receive, headers, bytes_max=bytes_max, seconds_max=UPLOAD_SECONDS_MAX):
                await asyncio.to_thread(file.write, part)
        yield path
    finally:
        await asyncio.to_thread(path.unlink, missing_ok=True)


def read_media_type(sent: str | None) -> str:
    """The media type of a Content-Type without its parameters, in lower case; empty without one."""
    return (sent or "").partition(";")[0].strip().lower()


def check_content_type(sent: str | None, accepted: tuple[str, ...] | None) -> None:
    """RequestError unsupported_media_type unless the type, without its parameters, is accepted (None: any)."""
    if accepted is None:
        return
    kind = read_media_type(sent)
    if kind not in accepted:
        raise RequestError(
            "unsupported_media_type",
            f"Send the body as {' or '.join(accepted)}, not {quote(kind) if kind else 'without a type'}.",
        )
