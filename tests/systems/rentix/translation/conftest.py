"""Engines on loopback: real HTTP servers that an aiohttp application answers on a free port."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest
from aiohttp import web

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]
EngineServer = Callable[[Answer], AbstractAsyncContextManager[str]]


@pytest.fixture
def engine_server() -> EngineServer:
    return serve_engine


@asynccontextmanager
async def serve_engine(answer: Answer) -> AsyncIterator[str]:
    """Answer every request with `answer`; yields the server's URL."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
