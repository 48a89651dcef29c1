"""Fetch from the outside world within limits. Read guard.py for where connections are judged, urls.py for URLs.

download and get_bytes are for URLs customers give; request is for the providers an operator has configured. Give
each side a Fetcher of its own: an address allowed for a provider must not open to the URLs of customers.
"""

import asyncio
import hashlib
import io
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import msgspec
from aiohttp import ClientError, ClientResponse, ClientSession, ClientTimeout, DummyCookieJar, TCPConnector
from aiohttp.abc import AbstractResolver
from aiohttp.resolver import ThreadedResolver
from yarl import URL

from jobwire.net.body import ACCEPT_ENCODING, copy_body
from jobwire.net.failures import explain_failure, explain_redirects, explain_status, explain_timeout
from jobwire.net.guard import GuardedResolver
from jobwire.net.policy import FetchPolicy
from jobwire.net.urls import join_url, validate_url

__all__ = ["FetchPolicy", "Fetched", "Fetcher", "Response", "validate_url"]

_REDIRECTS = frozenset({301, 302, 303, 307, 308})


@dataclass(frozen=True, slots=True)
class Fetched:
    """A file that arrived whole: `url` is the final one, `size_bytes` and `sha256` (hex) are of the file."""

    path: Path
    url: str
    content_type: str
    size_bytes: int
    sha256: str
    status: int


@dataclass(frozen=True, slots=True)
class Response:
    """An answer that arrived whole in memory; `headers` are found in any letter case."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str

    def require_success(self) -> Self:
        """Return itself when the status is 2xx; raise JobError fetch_status otherwise."""
        _require_success(urlsplit(self.url).hostname or "", self.status, self.headers)
        return self


class Fetcher:
    """Fetch within `policy`: judged addresses only, no environment proxy, no cookies, nothing left open.

    Used as `async with Fetcher(policy) as fetcher`, in one event loop. Every call raises JobError and nothing
    else for what the other side does: url_invalid, url_forbidden, fetch_redirects, fetch_too_large and
    fetch_tls_failed are permanent; fetch_refused, fetch_unreachable, fetch_timeout are retryable;
    fetch_dns_failed, fetch_body_broken and fetch_status say so case by case. A call's `body_bytes_max` and
    `deadline_ms` can only lower the policy's. A `resolver` given here stays the caller's to close.
    """

    def __init__(self, policy: FetchPolicy | None = None, *, resolver: AbstractResolver | None = None) -> None:
        self._policy = policy or FetchPolicy()
        self._resolver = resolver
        self._opened: ClientSession | None = None

    async def __aenter__(self) -> Self:
        guard = self._policy.guard
        connector = TCPConnector(
            resolver=GuardedResolver(guard, self._resolver or ThreadedResolver()),
            socket_factory=guard.open_socket,
            use_dns_cache=False,
        )
        self._opened = ClientSession(
            connector=connector,
            cookie_jar=DummyCookieJar(),
            headers={"User-Agent": self._policy.user_agent, "Accept-Encoding": ACCEPT_ENCODING},
            timeout=ClientTimeout(total=None, sock_connect=self._policy.connect_ms / 1000),
            auto_decompress=False,
            trust_env=False,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()
        self._opened = None

    async def download(
        self,
        url: str,
        into: Path,
        *,
        body_bytes_max: int | None = None,
        deadline_ms: int | None = None,
        accept: str = "*/*",
    ) -> Fetched:
        """GET `url` into the file `into`, following redirects; on any error no file is left there."""
        async with self._follow(url, accept=accept, deadline_ms=deadline_ms) as (final, response):
            with _open_sink(into) as (write, digest):
                size_bytes = await self._copy(final, response, write, body_bytes_max)
        return Fetched(
            path=into,
            url=str(final),
            content_type=response.content_type,
            size_bytes=size_bytes,
            sha256=digest.hexdigest(),
            status=response.status,
        )

    async def get_bytes(
        self,
        url: str,
        *,
        body_bytes_max: int | None = None,
        deadline_ms: int | None = None,
        accept: str = "*/*",
    ) -> Response:
        """GET `url` into memory, following redirects; the status is 2xx."""
        async with self._follow(url, accept=accept, deadline_ms=deadline_ms) as (final, response):
            return await self._read(final, response, body_bytes_max)

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        json: Any = None,
        body: bytes | None = None,
        body_bytes_max: int | None = None,
        deadline_ms: int | None = None,
    ) -> Response:
        """Send one request and return the answer whatever its status; redirects are not followed.

        `json` is any value msgspec encodes and sets the content type; give it or `body`, not both.
        """
        if json is not None and body is not None:
            raise ValueError("request takes json or body, not both")
        sent = dict(headers or {})
        if json is not None:
            sent.setdefault("Content-Type", "application/json")
            body = msgspec.json.encode(json)
        target = validate_url(url, self._policy)
        async with (
            self._deadline(target, deadline_ms),
            self._exchange(method, target, headers=sent, body=body) as response,
        ):
            return await self._read(target, response, body_bytes_max)

    async def visit(
        self,
        url: str,
        *,
        headers: Mapping[str, str],
        wants: Callable[[int, Mapping[str, str]], bool],
        body_bytes_max: int | None = None,
        deadline_ms: int | None = None,
        is_cut: bool = False,
    ) -> Response:
        """GET `url` and return the answer whatever its status; redirects are not followed.

        The body is read only if `wants(status, headers)`, and is empty otherwise. One over the limit is an error,
        unless it `is_cut`: then its first bytes are returned and the rest is never read.
        """
        target = validate_url(url, self._policy)
        async with self._deadline(target, deadline_ms), self._exchange("GET", target, headers=headers) as response:
            if not wants(response.status, response.headers):
                return Response(response.status, response.headers, b"", str(target))
            return await self._read(target, response, body_bytes_max, is_cut=is_cut)

    async def post(
        self,
        url: str,
        *,
        headers: Mapping[str, str],
        body: bytes,
        answer_bytes_max: int,
        deadline_ms: int | None = None,
    ) -> Response:
        """Send `body` and return the status with the first bytes of the answer; the rest of it is never read.

        An answer that breaks off after its headers is one all the same. Redirects are not followed.
        """
        target = validate_url(url, self._policy)
        answer = bytearray()
        async with (
            self._deadline(target, deadline_ms),
            self._exchange("POST", target, headers={"Accept-Encoding": "identity", **headers}, body=body) as response,
        ):
            with suppress(ClientError):
                while len(answer) < answer_bytes_max and (part := await response.content.readany()):
                    answer += part
            return Response(response.status, response.headers, bytes(answer[:answer_bytes_max]), str(target))

    @property
    def _session(self) -> ClientSession:
        if self._opened is None:
            raise RuntimeError("the Fetcher is not open; use it inside `async with Fetcher(policy) as fetcher`")
        return self._opened

    @asynccontextmanager
    async def _follow(
        self, url: str, *, accept: str, deadline_ms: int | None
    ) -> AsyncIterator[tuple[URL, ClientResponse]]:
        first = target = validate_url(url, self._policy)
        async with self._deadline(first, deadline_ms):
            for _ in range(self._policy.redirects_max + 1):
                async with self._exchange("GET", target, headers={"Accept": accept}) as response:
                    location = response.headers.get("Location")
                    if response.status not in _REDIRECTS or location is None:
                        _require_success(_host_of(target), response.status, response.headers)
                        yield target, response
                        return
                target = join_url(target, location, self._policy)
        raise explain_redirects(_host_of(first), self._policy.redirects_max)

    @asynccontextmanager
    async def _exchange(
        self, method: str, url: URL, *, headers: Mapping[str, str], body: bytes | None = None
    ) -> AsyncIterator[ClientResponse]:
        # As a stream: aiohttp warns about bytes above 1 MiB, and warnings are errors to us.
        data = None if body is None else io.BytesIO(body)
        try:
            async with self._session.request(
                method, url, headers=headers, data=data, allow_redirects=False
            ) as response:
                yield response
        except ClientError as error:
            raise explain_failure(error, _host_of(url)) from error

    @asynccontextmanager
    async def _deadline(self, url: URL, deadline_ms: int | None) -> AsyncIterator[None]:
        limit_ms = _lower(deadline_ms, self._policy.deadline_ms)
        try:
            async with asyncio.timeout(limit_ms / 1000):
                yield
        except TimeoutError as error:
            raise explain_timeout(_host_of(url), limit_ms) from error

    async def _read(
        self, url: URL, response: ClientResponse, body_bytes_max: int | None, *, is_cut: bool = False
    ) -> Response:
        body = bytearray()
        await self._copy(url, response, body.extend, body_bytes_max, is_cut=is_cut)
        return Response(status=response.status, headers=response.headers, body=bytes(body), url=str(url))

    async def _copy(
        self,
        url: URL,
        response: ClientResponse,
        write: Callable[[bytes], object],
        body_bytes_max: int | None,
        *,
        is_cut: bool = False,
    ) -> int:
        limit = _lower(body_bytes_max, self._policy.body_bytes_max)
        return await copy_body(response, write, host=_host_of(url), body_bytes_max=limit, is_cut=is_cut)


@contextmanager
def _open_sink(path: Path) -> "Iterator[tuple[Callable[[bytes], None], hashlib._Hash]]":
    digest = hashlib.sha256()
    file = path.open("wb")
    try:
        with file:

            def write(chunk: bytes) -> None:
                file.write(chunk)
                digest.update(chunk)

            yield write, digest
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _require_success(host: str, status: int, headers: Mapping[str, str]) -> None:
    if not 200 <= status < 300:
        raise explain_status(host, status, headers)


def _lower(asked: int | None, most: int) -> int:
    return most if asked is None else min(asked, most)


def _host_of(url: URL) -> str:
    return url.raw_host or ""
