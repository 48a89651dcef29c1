"""What a Fetcher brings home, and which error it gives when the other side misbehaves."""

import asyncio
import contextlib
import hashlib
import random
import socket
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver

from jobwire.domain.errors import JobError
from jobwire.net import failures
from jobwire.net.failures import RETRY_AFTER_MS_MAX, read_retry_after
from jobwire.net.fetch import Fetcher

KIB = 1024
DEADLINE_MS = 150
BYTES = random.Random(20).randbytes(300 * KIB)


async def answer_bytes(_request):
    return web.Response(body=BYTES, content_type="image/jpeg")


def answer_status(status, **headers):
    async def answer(_request):
        return web.Response(status=status, headers={key.replace("_", "-"): value for key, value in headers.items()})

    return answer


def redirect_to(location, status=302):
    return answer_status(status, Location=location)


def test_a_download_arrives_whole_and_is_described(serve, loopback, tmp_path):
    async def check():
        async with serve({"/photo": answer_bytes}) as base, Fetcher(loopback) as fetcher:
            fetched = await fetcher.download(f"{base}/photo#top", tmp_path / "photo")
        assert fetched.path.read_bytes() == BYTES
        assert (fetched.url, fetched.content_type, fetched.status) == (f"{base}/photo", "image/jpeg", 200)
        assert (fetched.size_bytes, fetched.sha256) == (len(BYTES), hashlib.sha256(BYTES).hexdigest())

    asyncio.run(check())


def test_a_request_tells_who_asks_and_carries_no_cookies_back(serve, loopback):
    seen = []

    async def answer(request):
        seen.append(request.headers)
        return web.Response(headers={"Set-Cookie": "session=1"})

    async def check():
        async with serve({"/": answer}) as base, Fetcher(loopback) as fetcher:
            await fetcher.get_bytes(f"{base}/", accept="text/html")
            await fetcher.get_bytes(f"{base}/")

    asyncio.run(check())
    assert [headers["Accept"] for headers in seen] == ["text/html", "*/*"]
    for headers in seen:
        assert headers["User-Agent"] == loopback.user_agent
        assert headers["Accept-Encoding"] == "gzip"
        assert "Cookie" not in headers


def test_a_provider_is_asked_with_json_or_bytes_and_answers_whatever_its_status(serve, loopback):
    async def echo(request):
        headers = {"X-Type": request.content_type, "X-Method": request.method, "X-Key": request.headers["X-Key"]}
        return web.Response(status=409, body=await request.read(), headers=headers)

    async def check():
        async with serve({"/": echo}) as base, Fetcher(loopback) as fetcher:
            keyed = {"X-Key": "k"}
            answer = await fetcher.request("POST", base, headers=keyed, json={"text": "casă"})
            assert (answer.status, answer.body) == (409, '{"text":"casă"}'.encode())
            assert (answer.headers["x-type"], answer.headers["X-KEY"]) == ("application/json", "k")
            large = bytes(2 * 1024 * KIB)
            answer = await fetcher.request("PUT", base, headers=keyed, body=large)
            assert (answer.body, answer.headers["x-method"]) == (large, "PUT")
            answer = await fetcher.request("HEAD", base, headers=keyed, body=large, body_bytes_max=1)
            assert (answer.body, answer.headers["Content-Length"]) == (b"", str(len(large)))
            with pytest.raises(ValueError, match="not both"):
                await fetcher.request("POST", base, json={}, body=b"")
            with pytest.raises(JobError, match="status 409"):
                answer.require_success()

    asyncio.run(check())


def test_require_success_passes_a_2xx_answer_on(serve, loopback):
    async def check():
        async with serve({"/": answer_status(204)}) as base, Fetcher(loopback) as fetcher:
            answer = await fetcher.request("GET", base)
            assert answer.require_success() is answer

    asyncio.run(check())


def test_a_provider_redirect_is_not_followed(serve, loopback):
    async def check():
        async with serve({"/": redirect_to("/other")}) as base, Fetcher(loopback) as fetcher:
            assert (await fetcher.request("GET", base)).status == 302

    asyncio.run(check())


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_followed_up_to_the_limit_and_no_further(serve, loopback, status, refused):
    async def check():
        chain = {f"/{n}": redirect_to(f"{n - 1}", status) for n in range(1, 6)} | {"/0": answer_bytes}
        async with serve(chain) as base, Fetcher(loopback) as fetcher:
            assert (await fetcher.get_bytes(f"{base}/3")).url == f"{base}/0"
            error = await refused(fetcher.get_bytes(f"{base}/4"), "fetch_redirects", retryable=False)
            assert error.details["redirects_max"] == 3
        async with serve(chain) as base, Fetcher(replace(loopback, redirects_max=0)) as fetcher:
            assert (await fetcher.get_bytes(f"{base}/0")).status == 200
            await refused(fetcher.get_bytes(f"{base}/1"), "fetch_redirects", retryable=False)

    asyncio.run(check())


def test_a_redirect_loop_ends(serve, loopback, tmp_path, refused):
    async def check():
        async with serve({"/a": redirect_to("/b"), "/b": redirect_to("/a")}) as base, Fetcher(loopback) as fetcher:
            await refused(fetcher.download(f"{base}/a", tmp_path / "x"), "fetch_redirects", retryable=False)

    asyncio.run(check())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("location", "code"),
    [
        ("file:///etc/passwd", "url_invalid"),
        ("gopher://127.0.0.1/", "url_invalid"),
        ("http://user:pass@127.0.0.1/", "url_invalid"),
        ("http://[::1", "url_invalid"),
        ("http://127.0.0.1\\@example.com/", "url_invalid"),
        ("http://2130706434/", "url_invalid"),
        ("/" + "a" * 2048, "url_invalid"),
        ("http://127.0.0.2/", "url_forbidden"),
        ("//127.0.0.2/", "url_forbidden"),
        ("http://[::ffff:10.0.0.1]/", "url_forbidden"),
        ("http://169.254.169.254/latest/meta-data/", "url_forbidden"),
        ("http://8.8.8.8:22/", "url_forbidden"),
    ],
)
def test_a_redirect_is_judged_like_the_first_url(serve, loopback, location, code, refused):
    async def check():
        async with serve({"/": redirect_to(location)}) as base, Fetcher(loopback) as fetcher:
            await refused(fetcher.get_bytes(base), code, retryable=False)

    asyncio.run(check())


def test_a_redirect_without_a_location_is_a_failed_status(serve, loopback, refused):
    async def check():
        async with serve({"/": answer_status(302)}) as base, Fetcher(loopback) as fetcher:
            error = await refused(fetcher.get_bytes(base), "fetch_status", retryable=False)
            assert error.details["status"] == 302

    asyncio.run(check())


@pytest.mark.parametrize(
    ("status", "retryable"),
    [
        (400, False),
        (401, False),
        (403, False),
        (404, False),
        (410, False),
        (408, True),
        (425, True),
        (429, True),
        (500, True),
        (502, True),
        (503, True),
        (504, True),
        (599, True),
        (304, False),
    ],
)
def test_a_failed_status_says_whether_asking_again_may_help(serve, loopback, tmp_path, status, retryable, refused):
    async def check():
        async with serve({"/": answer_status(status, Retry_After="7")}) as base, Fetcher(loopback) as fetcher:
            call = fetcher.download(base, tmp_path / "x")
            error = await refused(call, "fetch_status", retryable=retryable)
            assert error.details["status"] == status
            assert error.retry_after_ms == (7000 if retryable else None)

    asyncio.run(check())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("header", "expected_ms"),
    [
        (None, None),
        ("0", 0),
        (" 12 ", 12_000),
        (str(RETRY_AFTER_MS_MAX // 1000), RETRY_AFTER_MS_MAX),
        (str(RETRY_AFTER_MS_MAX // 1000 + 1), RETRY_AFTER_MS_MAX),
        ("9" * 18, RETRY_AFTER_MS_MAX),
        ("9" * 400, None),
        ("-1", None),
        ("1.5", None),
        ("٣", None),
        ("soon", None),
        ("", None),
        ("Mon, 01 Jan 2024 00:00:30 GMT", 30_000),
        ("Mon, 01 Jan 2024 00:00:30 -0000", 30_000),
        ("Sun, 31 Dec 2023 23:00:00 GMT", 0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", RETRY_AFTER_MS_MAX),
        ("Fri, 99 Dec 2024 23:59:59 GMT", None),
        ("Fri, 31 Dec 2024 23:59:59 +9999999999", None),
    ],
)
def test_retry_after_is_read_in_both_forms_and_bounded(header, expected_ms):
    assert read_retry_after(header, datetime(2024, 1, 1, tzinfo=UTC)) == expected_ms


def test_a_retry_after_date_is_honoured_over_http(serve, loopback, refused):
    async def check():
        date = format_datetime(datetime(2100, 1, 1, tzinfo=UTC), usegmt=True)
        async with serve({"/": answer_status(503, Retry_After=date)}) as base, Fetcher(loopback) as fetcher:
            error = await refused(fetcher.get_bytes(base), "fetch_status", retryable=True)
            assert error.retry_after_ms == RETRY_AFTER_MS_MAX

    asyncio.run(check())


def test_a_closed_port_is_refused_and_may_open_later(loopback, refused):
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]

        async def check():
            async with Fetcher(loopback) as fetcher:
                await refused(fetcher.get_bytes(f"http://127.0.0.1:{port}/"), "fetch_refused", retryable=True)

        asyncio.run(check())


def test_a_host_that_never_takes_the_connection_meets_connect_ms(loopback, refused):
    with socket.socket() as full, contextlib.ExitStack() as waiting:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(4):  # the kernel drops further connections once the backlog is full
            client = waiting.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(full.getsockname())

        async def check():
            async with Fetcher(replace(loopback, connect_ms=DEADLINE_MS)) as fetcher:
                url = f"http://127.0.0.1:{full.getsockname()[1]}/"
                error = await refused(fetcher.get_bytes(url), "fetch_timeout", retryable=True)
                assert "did not take our connection" in error.message

        asyncio.run(check())


def test_plain_http_where_https_was_asked_is_a_permanent_tls_failure(loopback, refused):
    async def speak_plainly(_reader, writer):
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async def check():
        server = await asyncio.start_server(speak_plainly, "127.0.0.1", 0)
        async with server, Fetcher(loopback) as fetcher:
            url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
            await refused(fetcher.get_bytes(url), "fetch_tls_failed", retryable=False)

    asyncio.run(check())


@pytest.mark.parametrize(
    ("errno", "retryable"), [(socket.EAI_NONAME, False), (socket.EAI_AGAIN, True), (socket.EAI_FAIL, True)]
)
def test_an_unknown_name_is_permanent_and_a_failed_look_up_is_not(errno, retryable, refused):
    class Failing(AbstractResolver):
        async def resolve(self, host, port=0, family=socket.AF_UNSPEC):
            raise socket.gaierror(errno, "look-up failed at 10.9.8.7")

        async def close(self):
            raise AssertionError("not ours")

    async def check():
        async with Fetcher(resolver=Failing()) as fetcher:
            error = await refused(
                fetcher.get_bytes("http://nowhere.example/"), "fetch_dns_failed", retryable=retryable
            )
            assert error.details == {"host": "nowhere.example"}
            assert "10.9.8.7" not in error.message

    asyncio.run(check())


def test_a_file_that_cannot_be_written_is_our_fault_and_not_the_urls(serve, loopback, tmp_path):
    async def check():
        async with serve({"/": answer_bytes}) as base, Fetcher(loopback) as fetcher:
            with pytest.raises(FileNotFoundError):
                await fetcher.download(base, tmp_path / "absent" / "x")

    asyncio.run(check())


def test_a_fetcher_that_is_not_open_says_so(loopback):
    with pytest.raises(RuntimeError, match="async with"):
        asyncio.run(Fetcher(loopback).get_bytes("http://127.0.0.1/"))


def test_every_failure_row_can_be_reached():
    kinds = [row[:2] for row in failures._ROWS]
    for index, (error, cause) in enumerate(kinds):
        for earlier, earlier_cause in kinds[:index]:
            assert not (issubclass(error, earlier) and earlier_cause in (None, cause))
