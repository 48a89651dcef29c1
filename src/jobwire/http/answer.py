"""An answer on its way out: status, headers and body as the server takes them."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, NamedTuple

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

JSON_TYPE = b"application/json; charset=utf-8"


class Answer(NamedTuple):
    """A whole answer; `headers` has everything but Content-Length."""

    status: int
    headers: Headers
    body: bytes


def json_answer(status: int, body: bytes, headers: Headers | None = None) -> Answer:
    """An answer of JSON that no cache may keep."""
    return Answer(status, [(b"content-type", JSON_TYPE), (b"cache-control", b"no-store"), *(headers or ())], body)


def encode_header(name: str, value: str) -> tuple[bytes, bytes]:
    """A header as bytes; ValueError if it would end its line, for the server does not look."""
    if not (name + value).isprintable():
        raise ValueError(f"header {name!r} has a control character")
    return name.lower().encode("latin-1"), value.encode("latin-1")


async def send_answer(answer: Answer, send: Send, *, is_head: bool) -> None:
    """Send an answer; to HEAD everything but the body."""
    status, headers, body = answer
    if status not in (204, 304):
        headers.append((b"content-length", b"%d" % len(body)))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if is_head else body})
