"""The receiver of docs/webhooks.md takes real messages, and refuses what is not signed."""

import asyncio
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from doc_pages import DOCS, find_blocks, read_page

from jobwire import Jobwire
from jobwire.config import read_settings
from jobwire.domain.states import Event
from jobwire.domain.webhooks import EVENT_TYPES, RETRY_WAITS_S
from jobwire.http.webhooks import STATE_WORDS

PAGE = read_page(DOCS / "webhooks.md")
DEADLINE_S = 30


@asynccontextmanager
async def serve(app: Any) -> AsyncIterator[str]:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off"))
    task = asyncio.create_task(server.serve(sockets=[listener]))
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    await task
    listener.close()


@pytest.mark.slow
def test_the_receiver_takes_what_is_signed_for_it_and_nothing_else(tmp_path: Path) -> None:
    [block] = [b for b in find_blocks(PAGE) if b.language == "python" and "receiver = " in b.text]
    page: dict[str, Any] = {}
    exec(block.text, page)
    settings = read_settings(
        {}, db=str(tmp_path / "jobs.db"), files=str(tmp_path / "files"), systems="none", webhook_allow="127.0.0.0/8"
    )
    app = Jobwire(settings=settings)

    @app.job("greet")
    async def greet(name: str) -> dict[str, str]:
        return {"text": f"Hello, {name}"}

    async def story() -> None:
        came = asyncio.Event()

        async def receiver(scope: Any, receive: Any, send: Any) -> None:
            await page["receiver"](scope, receive, send)
            if page["taken"]:
                came.set()

        async with serve(receiver) as url, app.running():
            webhooks = app.open().services.webhooks
            owner = await app.open().services.owners.create_owner("default")
            _, secret = await webhooks.create(owner.id, f"{url}/hook")
            page["SECRET"] = secret.text
            submitted = await app.submit("greet", input={"name": "Ada"})
            async with asyncio.timeout(DEADLINE_S):
                await came.wait()
            [message] = page["taken"].values()
            assert (message["type"], message["data"]["id"]) == ("job.completed", submitted.id)
            async with httpx.AsyncClient() as client:
                headers = {"webhook-id": "msg_1", "webhook-timestamp": "1", "webhook-signature": "v1,AAAA"}
                forged = await client.post(f"{url}/hook", content=b"{}", headers=headers)
            assert forged.status_code == 400 and len(page["taken"]) == 1

    asyncio.run(story())
    app.close()


def test_the_page_names_every_event_and_the_waits_of_the_source() -> None:
    for event in Event:
        assert f"`{EVENT_TYPES[event]}`" in PAGE
    for word in STATE_WORDS.values():
        assert f"`{word}`" in PAGE
    row = re.search(r"after the one before \| at once \| (.*) \|", PAGE)
    assert row is not None
    units = {"s": 1, "min": 60, "h": 3_600}
    waits = [int(number) * units[unit] for number, unit in (cell.split() for cell in row[1].split(" | "))]
    assert tuple(waits) == RETRY_WAITS_S
