"""Jobwire inside another web application."""

import asyncio
import os
import select
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from app_tasks import app as jobs
from host_app import make_host

DEADLINE_S = 20
HERE = Path(__file__).parent


def make_key(owner="acme"):
    async def make():
        owners = jobs.open().services.owners
        await owners.create_owner(owner)
        return (await owners.create_key(owner)).key

    return asyncio.run(make())


@pytest.fixture
def key(ledger):
    made = make_key()
    yield made
    jobs.close()


def with_host(key, work):
    """Run `work(client)` against the host application, its lifespan running."""

    async def run():
        host = make_host()
        transport = httpx.ASGITransport(host)
        headers = {"Authorization": f"Bearer {key}"}
        client = httpx.AsyncClient(transport=transport, base_url="http://host.test", headers=headers)
        async with asyncio.timeout(DEADLINE_S), host.router.lifespan_context(host), client:
            return await work(client)

    return asyncio.run(run())


async def poll(client, url):
    """The job when it is final; asks as often as the answers say."""
    moved = asyncio.Event()
    loop = asyncio.get_running_loop()
    end = jobs.open().store.listen(lambda _: loop.call_soon_threadsafe(moved.set))
    try:
        while True:
            moved.clear()
            answer = await client.get(url)
            assert answer.status_code == 200, answer.text
            if answer.json()["phase"] in ("completed", "failed", "cancelled", "expired"):
                return answer.json()
            await moved.wait()
    finally:
        end()


async def submit(client, kind, **given):
    answer = await client.post("/work/v1/jobs", json={"kind": kind, "input": given})
    assert answer.status_code == 202, answer.text
    return answer


def test_a_job_is_submitted_and_polled_below_the_prefix(key):
    async def work(client):
        answer = await submit(client, "count_words", text="to be or not")
        return await poll(client, f"/work/v1/jobs/{answer.json()['id']}")

    final = with_host(key, work)
    assert (final["phase"], final["result"]) == ("completed", {"words": 4, "longest": "not"})


def test_the_links_of_an_answer_lead_below_the_prefix(key):
    async def work(client):
        answer = await submit(client, "count_words", text="to be or not")
        links = [answer.headers["location"], *answer.json()["links"].values()]
        return [(await client.get(link)).status_code for link in links], links

    statuses, links = with_host(key, work)
    assert 404 not in statuses, links
    assert all("/work/v1/jobs/job_" in link for link in links)


@pytest.mark.slow
def test_a_job_in_a_child_process_works_there_too(key):
    async def work(client):
        answer = await submit(client, "double", value=21)
        return await poll(client, f"/work/v1/jobs/{answer.json()['id']}")

    assert with_host(key, work)["result"] == 42


@pytest.mark.slow
def test_the_hosts_own_routes_are_untouched(key):
    async def work(client):
        return (await client.get("/hello")).text, (await client.get("/v1/jobs")).status_code

    text, status = with_host(key, work)
    assert text.startswith("hello from")
    assert status == 404


def test_without_a_key_nothing_is_told(key):
    async def work(client):
        client.headers.pop("Authorization")
        return (await client.get("/work/v1/jobs")).status_code

    assert with_host(key, work) == 401


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_is_the_hosts_and_ends_it(ledger, number):
    """`running()` must not take the host server's signals away from it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = ["-m", "uvicorn", "--factory", "host_app:make_host", "--port", str(port)]
    process = subprocess.Popen(
        [sys.executable, *command], env={**os.environ, "PYTHONPATH": str(HERE)}, stderr=subprocess.PIPE, text=True
    )
    try:
        until, never = time.monotonic() + DEADLINE_S, select.poll()
        while True:
            try:
                assert httpx.get(f"http://127.0.0.1:{port}/hello").status_code == 200
                break
            except httpx.TransportError:
                assert process.poll() is None and time.monotonic() < until
                never.poll(20)
        process.send_signal(number)
        _, said = process.communicate(timeout=DEADLINE_S)
        assert "Application shutdown complete" in said
        assert "Traceback" not in said
    finally:
        process.kill()
        process.wait()
