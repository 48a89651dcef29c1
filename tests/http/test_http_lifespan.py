"""The app's own life: what runs before the first call and after the last, and what is no HTTP."""

import asyncio
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from http_house import Clock, make_services

from jobwire.dialects.native import NATIVE
from jobwire.http.app import Application, build_app


async def live(app: Application, *stages: str) -> list[Any]:
    messages, sent = [{"type": stage} for stage in stages], []

    async def receive() -> Any:
        return messages.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    await app({"type": "lifespan"}, receive, send)
    return sent


def names_of_tasks() -> set[str]:
    return {task.get_name() for task in asyncio.all_tasks()}


@pytest.fixture
def services(tmp_path: Path) -> Any:
    made = make_services(tmp_path, Clock())
    yield made
    made.store.close()


def test_hooks_run_in_order_around_the_servers_life(services: Any) -> None:
    ran: list[str] = []

    def note(name: str) -> Any:
        async def hook() -> None:
            ran.append(name)

        return hook

    app = build_app(services, [NATIVE], on_start=[note("a"), note("b")], on_stop=[note("c")])
    sent = asyncio.run(live(app, "lifespan.startup", "lifespan.shutdown"))
    assert [message["type"] for message in sent] == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert ran == ["a", "b", "c"]


def test_nobody_looks_after_open_calls_once_the_server_has_stopped(services: Any) -> None:
    """A last call leaves its look-out asleep; a loop that is closed then must not lose a task that is pending."""
    owners, app = services.owners, build_app(services, [NATIVE])

    async def allow(_: Any) -> None:
        return

    async def keep_one_call() -> set[str]:
        await owners.create_owner("ada")
        key = (await owners.create_key("ada")).key
        await owners.standing.keep(key, allow, gone=partial(asyncio.sleep, 0))
        assert "jobwire-standing" in names_of_tasks()
        await live(app, "lifespan.startup", "lifespan.shutdown")
        return names_of_tasks()

    assert "jobwire-standing" not in asyncio.run(keep_one_call())


def test_a_hook_that_fails_stops_the_start(services: Any) -> None:
    async def fail() -> None:
        raise RuntimeError("no port")

    app = build_app(services, [NATIVE], on_start=[fail])
    sent = asyncio.run(live(app, "lifespan.startup"))
    assert sent == [{"type": "lifespan.startup.failed", "message": "no port"}]


def test_a_websocket_is_closed(services: Any) -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    app = build_app(services, [NATIVE])
    asyncio.run(app({"type": "websocket", "path": "/v1/jobs"}, None, send))  # type: ignore[arg-type]
    assert sent[0]["type"] == "websocket.close"
