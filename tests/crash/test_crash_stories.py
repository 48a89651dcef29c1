"""G12: however a customer follows a job, and however often it is cut off, it is told all events without a gap."""

import asyncio
import os
import random

import httpx
import pytest
from served import Served, make_key
from story_recorders import Lists, Recorder, Stream, poll_versions

SEED = int(os.environ.get("JOBWIRE_SEED") or random.randrange(1 << 32))
RECORDERS: tuple[Recorder, ...] = (Stream(), Lists())
TOGETHER = 50
POLLERS = 6


@pytest.fixture
def start(tmp_path, ledger):
    """Start programs on one ledger; they end with the test."""
    started = []

    def begin(name, *command, **settings):
        words = command or ("serve", "crash_app:app", "--port", "0")
        started.append(Served(tmp_path, ledger, command=words, log=name, **settings))
        return started[-1].wait_ready()

    yield begin
    for served in started:
        served.close()


def follow_jobs(start, tmp_path, ledger, *, jobs):
    """Submit jobs to a server whose worker is another process, and follow each in every way at once."""
    server = start("server", JOBWIRE_WORKERS="0")
    key = make_key(tmp_path, ledger)
    start("worker", "worker", "crash_app:app", JOBWIRE_WORKERS="4")
    rng = random.Random(SEED)

    async def follow(client, room):
        async with room:
            made = await client.post("/v1/jobs", json={"kind": "moody", "input": {"failures": rng.randrange(4)}})
            assert made.status_code == 202, made.text
            job_id = made.json()["id"]
            told, versions = await asyncio.gather(
                asyncio.gather(*(recorder.record(client, job_id, rng) for recorder in RECORDERS)),
                poll_versions(client, job_id, rng),
            )
            truth = await Lists().record(client, job_id, random.Random(0))
            return job_id, told, versions, truth

    async def follow_all():
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=100)
        headers = {"Authorization": f"Bearer {key}"}
        async with httpx.AsyncClient(base_url=server.address, headers=headers, timeout=60, limits=limits) as client:
            room = asyncio.Semaphore(TOGETHER)
            return await asyncio.gather(*(follow(client, room) for _ in range(jobs)))

    for job_id, told, versions, truth in asyncio.run(follow_all()):
        for recorder, events in zip(RECORDERS, told, strict=True):
            assert events == truth, (recorder.name, job_id, SEED)
        # Each change of a job is one event: the versions have no gap.
        assert [event.version for event in truth] == list(range(1, len(truth) + 1)), (job_id, SEED)
        assert [event.no for event in truth] == sorted({event.no for event in truth})
        assert truth[0].event == "submitted" and truth[-1].event in ("completed", "failed")
        assert versions == sorted(set(versions)) and versions[-1] == len(truth), (job_id, SEED)


@pytest.mark.slow
def test_every_way_to_follow_a_job_tells_the_same_story(start, tmp_path, ledger):
    follow_jobs(start, tmp_path, ledger, jobs=12)


@pytest.mark.slow
def test_every_way_to_follow_a_thousand_jobs_tells_the_same_story(start, tmp_path, ledger):
    follow_jobs(start, tmp_path, ledger, jobs=1_000)


@pytest.mark.slow
def test_what_a_poller_sees_never_goes_back_however_many_servers_it_asks(start, tmp_path, ledger):
    servers = [start(f"server{number}", JOBWIRE_WORKERS="2") for number in range(2)]
    key = make_key(tmp_path, ledger)

    async def poll(clients, job_id, rng):
        """Ask one server or the other until the end."""
        seen = []
        while not seen or seen[-1][1] is None:
            answer = await rng.choice(clients).get(f"/v1/jobs/{job_id}")
            assert answer.status_code == 200, answer.text
            job = answer.json()
            seen.append((job["version"], job["finalized_at"]))
        return [version for version, _ in seen]

    async def poll_all():
        headers = {"Authorization": f"Bearer {key}"}
        clients = [httpx.AsyncClient(base_url=one.address, headers=headers, timeout=60) for one in servers]
        rng = random.Random(SEED)
        histories = []
        for _ in range(10):
            made = await clients[0].post("/v1/jobs", json={"kind": "moody", "input": {"failures": 3}})
            histories += await asyncio.gather(*(poll(clients, made.json()["id"], rng) for _ in range(POLLERS)))
        for client in clients:
            await client.aclose()
        return histories

    histories = asyncio.run(poll_all())
    assert all(history == sorted(history) for history in histories), SEED
    # Where each saw the end only, nothing was shown.
    assert any(len(set(history)) > 1 for history in histories)
