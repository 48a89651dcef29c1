"""Carries out the steps that speak HTTP, with httpx: an exchange a flow, for one client of httpx."""

import ssl
from typing import Any

import httpx

from jobwire.client.address import Address
from jobwire.client.steps import Answer, Close, Cut, Open, Read, Request, Send

CONNECT_S_MAX = 10.0

# Nothing of the request was sent.
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError, httpx.UnsupportedProtocol)


def options_of(address: Address, *, agent: str) -> dict[str, Any]:
    """How a client of httpx is made: the key goes to this server alone, so redirects are not followed."""
    headers = {"user-agent": agent, "accept": "application/json"}
    if address.api_key is not None:
        headers["authorization"] = f"Bearer {address.api_key}"
    # As many connections as calls at once: how many wait together is the caller's choice.
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=20)
    return {"base_url": address.root, "headers": headers, "follow_redirects": False, "limits": limits}


def write_request(request: Request, silence_s: float) -> dict[str, Any]:
    """The arguments of httpx for a request."""
    return {
        "method": request.method,
        # A path without its slash is below the base URL.
        "url": request.path.removeprefix("/"),
        "params": list(request.query),
        "headers": list(request.headers),
        "content": request.body,
        "timeout": httpx.Timeout(silence_s, connect=min(silence_s, CONNECT_S_MAX)),
    }


def read_cut(error: Exception) -> Cut:
    """What an error of httpx says of the request."""
    reason = str(error) or type(error).__name__
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ssl.SSLCertVerificationError):
        cause = cause.__cause__ or cause.__context__
    return Cut(reason, may_have_arrived=not isinstance(error, _NOT_SENT), is_lasting=cause is not None)


def is_stream(response: httpx.Response) -> bool:
    """Whether the body is one of events, read piece by piece."""
    return response.status_code == 200 and response.headers.get("content-type", "").startswith("text/event-stream")


class Exchange:
    """The requests of one flow, and its open stream."""

    def __init__(self, http: httpx.Client) -> None:
        self._http = http
        self._stream: httpx.Response | None = None
        self._pieces: Any = None

    def perform(self, step: Send | Open | Read | Close) -> Any:
        """What came of a step."""
        try:
            match step:
                case Send(request, limit_s):
                    response = self._http.request(**write_request(request, limit_s))
                    return Answer(response.status_code, response.headers, response.content)
                case Open(request, silence_s):
                    return self._open(request, silence_s)
                case Read():
                    return next(self._pieces, b"")
                case Close():
                    return self.close()
        except (httpx.HTTPError, httpx.StreamError) as error:
            return read_cut(error)

    def _open(self, request: Request, silence_s: float) -> Answer:
        self.close()
        built = self._http.build_request(**write_request(request, silence_s))
        response = self._http.send(built, stream=True)
        if is_stream(response):
            self._stream, self._pieces = response, response.iter_bytes()
            return Answer(200, response.headers)
        try:
            return Answer(response.status_code, response.headers, response.read())
        finally:
            response.close()

    def close(self) -> None:
        """Close the stream if one is open."""
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()


class AsyncExchange:
    """The same for a client that is awaited."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http
        self._stream: httpx.Response | None = None
        self._pieces: Any = None

    async def perform(self, step: Send | Open | Read | Close) -> Any:
        """What came of a step."""
        try:
            match step:
                case Send(request, limit_s):
                    response = await self._http.request(**write_request(request, limit_s))
                    return Answer(response.status_code, response.headers, response.content)
                case Open(request, silence_s):
                    return await self._open(request, silence_s)
                case Read():
                    return await anext(self._pieces, b"")
                case Close():
                    return await self.aclose()
        except (httpx.HTTPError, httpx.StreamError) as error:
            return read_cut(error)

    async def _open(self, request: Request, silence_s: float) -> Answer:
        await self.aclose()
        built = self._http.build_request(**write_request(request, silence_s))
        response = await self._http.send(built, stream=True)
        if is_stream(response):
            self._stream, self._pieces = response, response.aiter_bytes()
            return Answer(200, response.headers)
        try:
            return Answer(response.status_code, response.headers, await response.aread())
        finally:
            await response.aclose()

    async def aclose(self) -> None:
        """Close the stream if one is open."""
        stream, self._stream = self._stream, None
        if stream is not None:
            await stream.aclose()
