"""A body is bounded in bytes and in time, whatever its server promises."""

import asyncio
import contextlib
import gzip
import random
import zlib
from dataclasses import replace

import pytest
from aiohttp import web

from jobwire.net.fetch import Fetcher

KIB = 1024
DEADLINE_MS = 150


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"8\r\n12345678\r\n" * 500 + b"0\r\n\r\n"


@pytest.mark.parametrize(
    "reply",
    [
        b"HTTP/1.1 200 OK\r\n\r\n" + bytes(4000),
        b"HTTP/1.1 200 OK\r\nContent-Length: 4000\r\n\r\n" + bytes(4000),
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nConnection: close\r\n\r\n" + bytes(4000),
        CHUNKED,
    ],
    ids=["no length", "true length", "announced only", "http/1.0", "chunked"],
)
def test_a_body_above_the_cap_is_refused_however_it_is_announced(listen, loopback, tmp_path, reply, refused):
    async def check():
        async with listen(reply) as listener, Fetcher(loopback) as fetcher:
            url = f"http://127.0.0.1:{listener.port}/"
            call = fetcher.download(url, tmp_path / "x", body_bytes_max=3999)
            error = await refused(call, "fetch_too_large", retryable=False)
            assert error.details["body_bytes_max"] == 3999

    asyncio.run(check())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "reply",
    [b"HTTP/1.1 200 OK\r\n\r\n" + bytes(4000), CHUNKED],
    ids=["no length", "chunked"],
)
def test_a_body_of_exactly_the_cap_arrives(listen, loopback, reply):
    async def check():
        async with listen(reply) as listener, Fetcher(loopback) as fetcher:
            url = f"http://127.0.0.1:{listener.port}/"
            assert len((await fetcher.get_bytes(url, body_bytes_max=4000)).body) == 4000

    asyncio.run(check())


def test_a_call_cannot_raise_the_cap_or_the_deadline_of_the_policy(listen, loopback, refused):
    policy = replace(loopback, body_bytes_max=1000, deadline_ms=DEADLINE_MS)

    async def check():
        async with listen(CHUNKED) as listener, Fetcher(policy) as fetcher:
            call = fetcher.get_bytes(f"http://127.0.0.1:{listener.port}/", body_bytes_max=10**9)
            error = await refused(call, "fetch_too_large", retryable=False)
            assert error.details["body_bytes_max"] == 1000
        async with listen(b"", hold=asyncio.Event()) as listener, Fetcher(policy) as fetcher:
            call = fetcher.get_bytes(f"http://127.0.0.1:{listener.port}/", deadline_ms=10**9)
            error = await refused(call, "fetch_timeout", retryable=True)
            assert error.details["deadline_ms"] == DEADLINE_MS

    asyncio.run(check())


def reply_gzip(body, encoding="gzip"):
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: {encoding}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


TEXT = random.Random(20).randbytes(3 * KIB).hex().encode() * 100
EMPTY_MEMBERS = gzip.compress(b"") * 3


@pytest.mark.parametrize(
    ("body", "encoding", "expected"),
    [
        (gzip.compress(TEXT), "gzip", TEXT),
        (gzip.compress(TEXT), " X-GZIP ", TEXT),
        (gzip.compress(TEXT[:999]) + EMPTY_MEMBERS + gzip.compress(TEXT[999:]), "gzip", TEXT),
        (gzip.compress(bytes(2048 * KIB)), "gzip", bytes(2048 * KIB)),
        (b"", "gzip", b""),
        (TEXT, "identity", TEXT),
    ],
    ids=["gzip", "x-gzip", "many members", "more than one piece", "empty", "identity"],
)
def test_an_encoded_body_is_stored_decoded(listen, loopback, body, encoding, expected):
    async def check():
        async with listen(reply_gzip(body, encoding)) as listener, Fetcher(loopback) as fetcher:
            assert (await fetcher.get_bytes(f"http://127.0.0.1:{listener.port}/")).body == expected

    asyncio.run(check())


def test_a_gzip_bomb_is_stopped_at_the_cap(listen, loopback, tmp_path, refused):
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = b"".join([*(packer.compress(bytes(1024 * KIB)) for _ in range(64)), packer.flush()])
    assert len(bomb) < 100 * KIB

    async def check():
        async with listen(reply_gzip(bomb)) as listener, Fetcher(loopback) as fetcher:
            call = fetcher.download(f"http://127.0.0.1:{listener.port}/", tmp_path / "x", body_bytes_max=1024 * KIB)
            await refused(call, "fetch_too_large", retryable=False)

    asyncio.run(check())
    assert list(tmp_path.iterdir()) == []


def test_gzip_that_never_unfolds_to_anything_is_stopped_at_the_cap(listen, loopback, refused):
    async def check():
        endless = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + gzip.compress(b"") * 100
        async with listen(endless) as listener, Fetcher(loopback) as fetcher:
            url = f"http://127.0.0.1:{listener.port}/"
            assert (await fetcher.get_bytes(url, body_bytes_max=2000)).body == b""
            await refused(fetcher.get_bytes(url, body_bytes_max=1999), "fetch_too_large", retryable=False)

    asyncio.run(check())


def test_gzip_that_unfolds_to_exactly_the_cap_arrives_and_one_byte_more_does_not(listen, loopback, refused):
    async def check():
        async with listen(reply_gzip(gzip.compress(bytes(1000 * KIB)))) as listener, Fetcher(loopback) as fetcher:
            url = f"http://127.0.0.1:{listener.port}/"
            assert len((await fetcher.get_bytes(url, body_bytes_max=1000 * KIB)).body) == 1000 * KIB
            call = fetcher.get_bytes(url, body_bytes_max=1000 * KIB - 1)
            await refused(call, "fetch_too_large", retryable=False)

    asyncio.run(check())


@pytest.mark.parametrize(
    ("reply", "retryable"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort", True),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n1234", True),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n", True),
        (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", True),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 20_000 + b"\r\n\r\n", True),
        (b"", True),
        (reply_gzip(gzip.compress(TEXT)[:-20]), True),
        (reply_gzip(gzip.compress(TEXT)[:40]), True),
        (reply_gzip(b"not gzip at all"), True),
        (reply_gzip(gzip.compress(TEXT) + b"trailing"), True),
        (reply_gzip(b"x", "br"), False),
        (reply_gzip(gzip.compress(gzip.compress(TEXT)), "gzip, gzip"), False),
    ],
    ids=[
        "short",
        "cut chunk",
        "bad chunk",
        "not http",
        "long header",
        "hang-up",
        "cut gzip",
        "cut early",
        "not gzip",
        "after gzip",
        "brotli",
        "gzip twice",
    ],
)
def test_a_broken_body_leaves_no_file(listen, loopback, tmp_path, reply, retryable, refused):
    async def check():
        async with listen(reply) as listener, Fetcher(loopback) as fetcher:
            call = fetcher.download(f"http://127.0.0.1:{listener.port}/", tmp_path / "x")
            await refused(call, "fetch_body_broken", retryable=retryable)

    asyncio.run(check())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"HTTP/1.1 200",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345",
        reply_gzip(gzip.compress(TEXT)).replace(b"Content-Length", b"X")[:600],
    ],
    ids=["silence", "half a head", "no body", "half a body", "half a gzip"],
)
def test_a_server_that_stalls_meets_the_deadline(listen, loopback, tmp_path, reply, refused):
    async def check():
        async with listen(reply, hold=asyncio.Event()) as listener, Fetcher(loopback) as fetcher:
            call = fetcher.download(f"http://127.0.0.1:{listener.port}/", tmp_path / "x", deadline_ms=DEADLINE_MS)
            error = await refused(call, "fetch_timeout", retryable=True)
            assert error.details["deadline_ms"] == DEADLINE_MS
            assert listener.connections == 1

    asyncio.run(check())
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_drips_for_ever_meets_the_deadline(serve, loopback, tmp_path, refused):
    async def check():
        stop = asyncio.Event()

        async def drip(request):
            response = web.StreamResponse()
            await response.prepare(request)
            while not stop.is_set():
                with contextlib.suppress(ConnectionError):
                    await response.write(b".")
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), DEADLINE_MS / 10_000)
            return response

        async with serve({"/": drip}) as base, Fetcher(loopback) as fetcher:
            call = fetcher.download(base, tmp_path / "x", deadline_ms=DEADLINE_MS)
            await refused(call, "fetch_timeout", retryable=True)
            stop.set()

    asyncio.run(check())
    assert list(tmp_path.iterdir()) == []


def test_the_deadline_spans_all_redirects(serve, loopback, refused):
    hold = asyncio.Event()

    async def turn(_request):
        raise web.HTTPFound("/stall")

    async def stall(_request):
        await hold.wait()
        return web.Response()

    async def check():
        async with serve({"/": turn, "/stall": stall}) as base, Fetcher(loopback) as fetcher:
            await refused(fetcher.get_bytes(base, deadline_ms=DEADLINE_MS), "fetch_timeout", retryable=True)
            hold.set()

    asyncio.run(check())


def test_cancelling_a_download_leaves_neither_file_nor_connection(listen, loopback, tmp_path):
    hold = asyncio.Event()

    async def check():
        reply = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345"
        async with listen(reply, hold=hold) as listener, Fetcher(loopback) as fetcher:
            path = tmp_path / "x"
            task = asyncio.create_task(fetcher.download(f"http://127.0.0.1:{listener.port}/", path))
            async with asyncio.timeout(5):
                while not path.exists():  # noqa: ASYNC110  the file is the event
                    await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert not path.exists()

    asyncio.run(check())
