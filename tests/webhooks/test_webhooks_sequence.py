"""G12: what a receiver gets of each job is the event log's sequence, whoever fails, cuts or is killed meanwhile."""

import asyncio
import random
import threading
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import hook_app
import pytest
from hook_processes import kill, start_worker, stop
from webhook_receiver import OK, Answer, Receiver, Request

from house_engines import address_in
from jobwire.config import read_settings
from jobwire.domain.ids import show_id
from jobwire.domain.job import JobFilter
from jobwire.domain.states import Event
from jobwire.domain.webhooks import EVENT_TYPES, sender_of
from jobwire.wiring import House, open_house

Sequences = Mapping[str, Sequence[tuple[int, int, str]]]
END_S = 240


def read_log(house: House, numbers: Sequence[int]) -> Sequences:
    """The event log's own sequence of each job: number, version and type."""
    sequences = {}
    for number in numbers:
        [(key,)] = house.store.read(
            lambda r, n=number: r.query("SELECT key FROM job WHERE number = :n", n=n)
        ).result()  # type: ignore[misc]
        rows = house.store.events(0, number=number).result(20)
        sequences[show_id(key)] = [(row.no, row.version, EVENT_TYPES[Event(row.event)]) for row in rows]
    return sequences


def read_received(receiver: Receiver) -> Sequences:
    """What the receiver took, each webhook-id once, in the order in which it first came."""
    sequences: dict[str, list[tuple[int, int, str]]] = defaultdict(list)
    known: set[str] = set()
    for request in receiver.taken:
        if request.id not in known:
            known.add(request.id)
            data = request.message["data"]
            sequences[data["id"]].append((data["event_no"], data["version"], request.message["type"]))
    return sequences


class FailingAtRandom:
    """A receiver's mood: it refuses, cuts the line before or after it took the message, or takes it.

    It never fails one message twice in a row: a second failure is tried again after five minutes.
    """

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._lock = threading.Lock()
        self._failed: set[str] = set()
        self.failures = 0

    def __call__(self, request: Request) -> Answer:
        with self._lock:
            if request.id in self._failed or self._rng.random() > 0.1:
                return OK
            self._failed.add(request.id)
            self.failures += 1
            return self._rng.choice([Answer(500), Answer(302), Answer(0, cuts=True), Answer(200, cuts=True)])


def tell_story(tmp_path: Path, rng: random.Random, *, jobs: int, kills: int) -> None:
    mood = FailingAtRandom(rng)
    receiver = Receiver(mood)
    address = address_in(tmp_path)
    settings = read_settings(
        {}, db=address, files=str(tmp_path / "files"), systems="none", webhook_allow="127.0.0.0/8", workers=0
    )
    house = open_house(settings, hook_app.app.kinds)
    worker = start_worker(tmp_path, address)
    try:

        async def submit() -> list[int]:
            owner = (await house.services.owners.create_owner("ada")).id
            await house.services.webhooks.create(owner, receiver.url, events=["*"])
            numbers = []
            for n in range(jobs):
                numbers.append((await house.services.jobs.submit(owner, "mixed", {"n": n})).number)
            return numbers

        numbers = asyncio.run(submit())
        for _ in range(kills):
            receiver.wait_for_requests(len(receiver.requests) + 5 + rng.randrange(20))
            kill(worker)
            worker = start_worker(tmp_path, address)

        def is_complete() -> bool:
            final = ("job.completed", "job.failed")
            return len({r.message["data"]["id"] for r in receiver.taken if r.message["type"] in final}) == jobs

        receiver.wait_until(is_complete, END_S)
        assert read_received(receiver) == read_log(house, numbers)
        assert mood.failures > 0
    finally:
        stop(worker)
        house.close()
        receiver.close()


@pytest.mark.slow
def test_a_failing_receiver_gets_each_jobs_events_as_the_log_has_them(tmp_path: Path, rng: random.Random) -> None:
    tell_story(tmp_path, rng, jobs=40, kills=0)


@pytest.mark.slow
def test_nothing_is_lost_when_the_sender_is_killed_in_between(tmp_path: Path, rng: random.Random) -> None:
    tell_story(tmp_path, rng, jobs=40, kills=4)


@pytest.mark.slow
def test_a_thousand_jobs_come_as_the_log_has_them(tmp_path: Path, rng: random.Random) -> None:
    tell_story(tmp_path, rng, jobs=1_000, kills=2)


@pytest.mark.slow
def test_what_a_killed_sender_was_sending_is_sent_by_its_job_when_that_is_rescued(tmp_path: Path) -> None:
    gate = threading.Event()
    receiver = Receiver(lambda _: OK if gate.wait(END_S) else Answer(500))
    address = address_in(tmp_path)
    settings = read_settings(
        {}, db=address, files=str(tmp_path / "files"), systems="none", webhook_allow="127.0.0.0/8", workers=0
    )
    house = open_house(settings)
    worker = start_worker(tmp_path, address)
    try:

        async def ask() -> str:
            owner = (await house.services.owners.create_owner("ada")).id
            shown, _ = await house.services.webhooks.create(owner, receiver.url)
            return await house.services.webhooks.send_test(owner, shown.endpoint.id)

        message = asyncio.run(ask())
        receiver.wait_for_requests(1)
        kill(worker)
        gate.set()
        worker = start_worker(tmp_path, address)
        receiver.wait_until(lambda: len(receiver.taken) == 2, END_S)
        assert {request.id for request in receiver.requests} == {message}
        [row] = house.store.find(sender_of(1), JobFilter()).result(20)
        assert row.fence > 1
    finally:
        gate.set()
        stop(worker)
        house.close()
        receiver.close()
