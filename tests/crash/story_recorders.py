"""How a customer may follow a job: each recorder tells its events as one way of the API does, and is cut at random.

A further way (webhooks, say) is one more class with `name` and `record`.
"""

import asyncio
import json
import random
from typing import Any, NamedTuple, Protocol

import httpx

GIVE_UP_S = 120


class Told(NamedTuple):
    """One event as a customer was told it."""

    no: int
    event: str
    version: int
    at: str


class Recorder(Protocol):
    """Follows one job to its end."""

    name: str

    async def record(self, client: httpx.AsyncClient, job_id: str, rng: random.Random) -> list[Told]:
        """Every event in the order it was told."""


def read_told(no: int, data: dict[str, Any]) -> Told:
    return Told(no, data["event"], data["version"], data["at"])


class Stream:
    """Server-sent events; the connection is dropped after a random number of lines and taken up again."""

    name = "stream"

    async def record(self, client: httpx.AsyncClient, job_id: str, rng: random.Random) -> list[Told]:
        told: list[Told] = []
        async with asyncio.timeout(GIVE_UP_S):
            while not await self._follow(client, job_id, told, cut_after=rng.randrange(1, 16)):
                continue
        return told

    async def _follow(self, client: httpx.AsyncClient, job_id: str, told: list[Told], *, cut_after: int) -> bool:
        """Whether the end was seen."""
        seen = {"Last-Event-ID": str(told[-1].no)} if told else {}
        async with client.stream("GET", f"/v1/jobs/{job_id}/events", headers=seen) as answer:
            if answer.status_code == 204:
                return True
            assert answer.status_code == 200, await answer.aread()
            number, count = 0, 0
            async for line in answer.aiter_lines():
                name, _, value = line.partition(": ")
                if name == "id":
                    number = int(value)
                elif name == "data":
                    told.append(read_told(number, json.loads(value)))
                count += 1
                if count >= cut_after:
                    return False
        return False


class Lists:
    """Lists of the next events, each waited for; the call is given up after a random time and made again."""

    name = "lists"

    async def record(self, client: httpx.AsyncClient, job_id: str, rng: random.Random) -> list[Told]:
        told: list[Told] = []
        after, is_over = 0, False
        async with asyncio.timeout(GIVE_UP_S):
            while not is_over:
                try:
                    async with asyncio.timeout(rng.choice((0.02, 0.2, 10))):
                        answer = await client.get(
                            f"/v1/jobs/{job_id}/events",
                            params={"after": after, "wait": "5"},
                            headers={"Accept": "application/json"},
                        )
                except TimeoutError:
                    continue
                assert answer.status_code == 200, answer.text
                page = answer.json()
                told += [read_told(event["id"], event) for event in page["events"]]
                after, is_over = page["after"], page["is_over"]
        return told


async def poll_versions(client: httpx.AsyncClient, job_id: str, rng: random.Random) -> list[int]:
    """The versions a poller sees who waits for each change."""
    versions: list[int] = []
    etag, is_live = "", True
    async with asyncio.timeout(GIVE_UP_S):
        while is_live:
            seen = {"If-None-Match": etag} if etag else {}
            try:
                async with asyncio.timeout(rng.choice((0.02, 10))):
                    answer = await client.get(f"/v1/jobs/{job_id}", params={"wait": "5"}, headers=seen)
            except TimeoutError:
                continue
            etag = answer.headers["etag"]
            if answer.status_code == 200:
                job = answer.json()
                versions.append(job["version"])
                is_live = job["finalized_at"] is None
    return versions
