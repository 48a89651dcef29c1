"""Polls of fifthelement go the short way, except those that say for whom they call or name no job for sure."""

import asyncio
from typing import Any

import pytest
from fifthelement_house import MOUNT, Client


def poll(client: Client, name: str, **headers: str) -> Any:
    """What the short way answers; None where it leaves the call to the long one."""
    house = client.running.house
    sent = {"authorization": f"Bearer {client.key}", **headers}
    scope = {
        "type": "http",
        "method": "GET",
        "path": f"{MOUNT}/jobs/{name}",
        "raw_path": f"{MOUNT}/jobs/{name}".encode(),
        "query_string": b"",
        "headers": [(header.encode(), value.encode()) for header, value in sent.items()],
        "scheme": "http",
        "server": ("x", 80),
    }

    async def ask() -> Any:
        await house.services.owners.authenticate(client.key)
        return await house.build_app().status_reader.answer(scope)

    return asyncio.run(ask())


def test_a_poll_goes_the_short_way_and_gives_the_same(waiting: Client) -> None:
    job = waiting.start_processing()
    answer = poll(waiting, job)
    assert answer is not None and answer.body == waiting.get(f"/jobs/{job}").content
    assert any(name == b"x-ratelimit-remaining" for name, _ in answer.headers)


def test_a_poll_for_somebody_goes_the_long_way(waiting: Client) -> None:
    job = waiting.start_processing()
    assert poll(waiting, job, **{"x-user-identifier": "ana@example.org"}) is None


@pytest.mark.parametrize("form", ["job_abc123", "{jobId}", "x{job}"])
def test_a_poll_that_names_no_job_goes_the_long_way(waiting: Client, form: str) -> None:
    assert poll(waiting, form.replace("{job}", waiting.start_processing())) is None
