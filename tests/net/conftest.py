"""Real servers on loopback, and names that lead where a test says."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import ip_network

import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult

from jobwire.domain.errors import JobError
from jobwire.net.fetch import FetchPolicy

HANG_S = 10  # a call that takes this long hangs: no deadline in these tests is longer than a second

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Listener:
    """A raw server: what it heard, and the port it listens on."""

    port: int = 0
    heard: list[bytes] = field(default_factory=list)
    connections: int = 0


class NamesResolver(AbstractResolver):
    """Answers each look-up of a name with the next of its address lists, the last one for ever."""

    def __init__(self, names: Mapping[str, list[list[str]]]) -> None:
        self._names = {name: list(answers) for name, answers in names.items()}
        self.asked: list[str] = []

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        self.asked.append(host)
        answers = self._names.get(host) or self._names["*"]
        addresses = answers.pop(0) if len(answers) > 1 else answers[0]
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in addresses
        ]

    async def close(self) -> None:
        raise AssertionError("the Fetcher closed a resolver it does not own")


@pytest.fixture
def serve():
    """An aiohttp server as a context manager: `async with serve({"/path": handler}) as base_url`."""

    @asynccontextmanager
    async def running(routes: Mapping[str, Handler]) -> AsyncIterator[str]:
        app = web.Application(client_max_size=8 * 1024 * 1024)
        for path, handler in routes.items():
            app.router.add_route("*", path, handler)
        runner = web.AppRunner(app, shutdown_timeout=0.05)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        try:
            yield f"http://127.0.0.1:{runner.addresses[0][1]}"
        finally:
            await runner.cleanup()

    return running


@pytest.fixture
def listen():
    """A raw server that sends `reply` to every request and then hangs up, or stays silent when `hold` is given."""

    @asynccontextmanager
    async def running(
        reply: bytes, *, host: str = "127.0.0.1", port: int = 0, hold: asyncio.Event | None = None
    ) -> AsyncIterator[Listener]:
        listener = Listener()

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            listener.connections += 1
            try:
                listener.heard.append(await reader.readuntil(b"\r\n\r\n"))
                writer.write(reply)
                await writer.drain()
                if hold is not None:
                    await hold.wait()
            except (ConnectionError, asyncio.IncompleteReadError):
                pass
            finally:
                writer.close()

        server = await asyncio.start_server(answer, host, port)
        listener.port = server.sockets[0].getsockname()[1]
        async with server:
            yield listener
            if hold is not None:
                hold.set()

    return running


@pytest.fixture
def names():
    return NamesResolver


@pytest.fixture
def loopback() -> FetchPolicy:
    """The policy of a test rig: one loopback address and nothing else that is not public."""
    return FetchPolicy(allow=(ip_network("127.0.0.1/32"),))


@pytest.fixture
def refused():
    """Await a call that must fail with this JobError, and return the error."""

    async def check(call: Awaitable[object], code: str, *, retryable: bool) -> JobError:
        with pytest.raises(JobError) as caught:
            async with asyncio.timeout(HANG_S):
                await call
        error = caught.value
        assert (error.code, error.retryable) == (code, retryable), error.message
        return error

    return check
