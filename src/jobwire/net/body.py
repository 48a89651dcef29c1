"""Copy a response body while counting it: on the wire and after gzip, whatever its headers promise."""

import asyncio
import zlib
from collections.abc import Callable, Iterator

from aiohttp import ClientResponse

from jobwire.net.failures import explain_broken_body, explain_too_large

ACCEPT_ENCODING = "gzip"
# One network read of gzip can unfold a thousandfold; in pieces this small the event loop gets its turn between.
PIECE_BYTES_MAX = 256 * 1024

_GZIP_WINDOW_BITS = 16 + zlib.MAX_WBITS
_PLAIN = ("", "identity")
_GZIP = ("gzip", "x-gzip")


class _Enough(Exception):  # noqa: N818 - no error: the rest is not wanted
    """As many bytes as are wanted have been handed over."""


class GzipDecoder:
    """Unfold gzip members piece by piece, holding at most one piece; raises zlib.error on bytes that are not gzip.

    The HTTP library's own decoder is not used: it takes a stream cut short for a whole one (aiohttp 3.14.5).
    """

    def __init__(self) -> None:
        self._member = zlib.decompressobj(_GZIP_WINDOW_BITS)
        self._fed = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield what `data` unfolds to, in pieces of at most PIECE_BYTES_MAX bytes."""
        while data:
            if self._member.eof:
                self._member = zlib.decompressobj(_GZIP_WINDOW_BITS)
            self._fed = True
            yield self._member.decompress(data, PIECE_BYTES_MAX)
            data = self._member.unconsumed_tail or self._member.unused_data

    def finish(self) -> Iterator[bytes]:
        """Yield what is still held back; raise zlib.error when the stream ended in the middle."""
        while self._fed and not self._member.eof:
            if not (piece := self._member.decompress(b"", PIECE_BYTES_MAX)):
                raise zlib.error("the stream ended early")
            yield piece


class PlainDecoder:
    """Pass the body through as it is."""

    def feed(self, data: bytes) -> Iterator[bytes]:
        yield data

    def finish(self) -> Iterator[bytes]:
        return iter(())


async def copy_body(
    response: ClientResponse,
    write: Callable[[bytes], object],
    *,
    host: str,
    body_bytes_max: int,
    is_cut: bool = False,
) -> int:
    """Hand every decoded byte of `response` to `write` in order and return their number.

    Raises JobError fetch_too_large as soon as more than `body_bytes_max` bytes are announced, arrive, or unfold,
    unless it `is_cut` there: then the first bytes are handed over and the rest is never read. Raises
    fetch_body_broken when the encoding is one we did not ask for or is damaged.
    """
    decoder = _choose_decoder(response, host)
    if response.method != "HEAD" and not is_cut and (response.content_length or 0) > body_bytes_max:
        raise explain_too_large(host, body_bytes_max)
    arrived = size = 0

    async def take(pieces: Iterator[bytes]) -> None:
        nonlocal size
        for piece in pieces:
            size += len(piece)
            if max(arrived, size) > body_bytes_max:
                if not is_cut:
                    raise explain_too_large(host, body_bytes_max)
                write(piece[: len(piece) - max(0, size - body_bytes_max)])
                raise _Enough
            write(piece)
            await asyncio.sleep(0)

    try:
        async for chunk in response.content.iter_any():
            arrived += len(chunk)
            await take(decoder.feed(chunk))
        await take(decoder.finish())
    except zlib.error:
        raise explain_broken_body(host, "its gzip encoding is damaged or cut short", retryable=True) from None
    except _Enough:
        return body_bytes_max
    return size


def _choose_decoder(response: ClientResponse, host: str) -> GzipDecoder | PlainDecoder:
    encoding = ", ".join(response.headers.getall("Content-Encoding", [])).strip().lower()
    if encoding in _PLAIN:
        return PlainDecoder()
    if encoding in _GZIP:
        return GzipDecoder()
    raise explain_broken_body(
        host, f"it is encoded as {encoding[:40]!r}, we asked for {ACCEPT_ENCODING}", retryable=False
    )
