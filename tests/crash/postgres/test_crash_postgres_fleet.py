"""Four `jobwire serve` and four `jobwire worker` on one PostgreSQL run the demo's listings, and each of them dies.

JOBWIRE_CRASH_FLEET_KILLS=40 kills each of them five times, JOBWIRE_CRASH_SEED=… repeats the choices of a run (not its
timing).
"""

import itertools
import json
import os
import random
import select
import threading
import time

import httpx
import pytest
from crash_house import check
from PIL import Image
from served import Served, make_key

from jobwire.cli import demo_server
from jobwire.cli.demo_story import PHOTOS, make_listings
from jobwire.domain.states import State
from jobwire.systems.rentix.fields import ACTIVE, PUBLISH_FAILED

pytestmark = pytest.mark.slow

KILLS = int(os.environ.get("JOBWIRE_CRASH_FLEET_KILLS", "8"))
SEED = int(os.environ.get("JOBWIRE_CRASH_SEED", "0")) or random.randrange(1 << 32)
SERVERS, WORKERS = 4, 4
AGENCIES = ("Codru", "Nistru", "Prut")
PHOTO_PIXELS_MAX = 320
PAUSE_S = 0.3
PAUSE_BETWEEN_KILLS_MS_MAX = 1_000
NEVER = select.poll()

SETTINGS = {
    "JOBWIRE_LEASE_MS": "3000",
    "JOBWIRE_WORKERS": "1",
    "JOBWIRE_SYSTEMS": "rentix",
    "JOBWIRE_FETCH_ALLOW": "127.0.0.0/8",
    "JOBWIRE_LOG": "error",
    "RENTIX_APERTIUM": "off",
    "RENTIX_RETRY_FIRST_MS": "50",
}


class Fleet:
    """The processes, each by its name; who dies is started again."""

    def __init__(self, folder, ledger):
        self._folder, self._ledger = folder, ledger
        self.processes = {}
        for number in range(SERVERS):
            self.start(f"serve-{number}")
        for number in range(WORKERS):
            self.start(f"worker-{number}")

    def start(self, name):
        command = ("serve", "--port", "0") if name.startswith("serve") else ("worker",)
        self.processes[name] = Served(self._folder, self._ledger, command=command, log=name, **SETTINGS)

    def kill(self, name):
        """Kill it with everything it has started, and start it again."""
        self.processes[name].close()
        self.start(name)

    def addresses(self):
        return [served.address for served in list(self.processes.values()) if served.address]

    def wait_ready(self):
        for served in self.processes.values():
            served.wait_ready()

    def close(self):
        for served in self.processes.values():
            served.close()


class Agency:
    """One customer that publishes the demo's listings one after the other, each until a server has taken it."""

    def __init__(self, fleet, key, name, photos):
        self.jobs, self.lost_answers, self.failure = {}, 0, None
        self._fleet, self._key, self._name, self._photos = fleet, key, name, photos
        self._choose = random.Random(f"{SEED}/{name}")
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self):
        try:
            for number in itertools.count():
                for listing in make_listings(self._photos):
                    if self._is_over.is_set():
                        return
                    self._publish({**listing, "externalId": f"{self._name}-{number}-{listing['externalId']}"})
        except Exception as failure:
            self.failure = failure

    def _publish(self, listing):
        while not self._is_over.is_set():
            address = self._choose.choice(self._fleet.addresses())
            headers = {"Authorization": f"ApiKey {self._key}"}
            try:
                answer = httpx.put(f"{address}/api/v1/listings", json=listing, headers=headers, timeout=20)
            except httpx.HTTPError:
                self.lost_answers += 1
                continue
            if answer.status_code == 503:
                continue
            assert answer.status_code == 200, answer.text
            # Null when an answer was lost: the listing that is there already is being published.
            if answer.json()["jobId"] is not None:
                self.jobs[answer.json()["jobId"]] = listing["externalId"]
            self._is_over.wait(PAUSE_S)
            return

    def stop(self):
        self._is_over.set()
        self._thread.join(60)


@pytest.fixture
def photos(tmp_path):
    """The photos of the demo, smaller."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for path in PHOTOS.glob("*.jpg"):
        with Image.open(path) as image:
            image.thumbnail((PHOTO_PIXELS_MAX, PHOTO_PIXELS_MAX))
            image.save(folder / path.name)
    with demo_server.serve_folder(folder) as address:
        yield address


@pytest.fixture
def fleet(tmp_path, ledger):
    opened = Fleet(tmp_path, ledger)
    try:
        opened.wait_ready()
        yield opened
    finally:
        opened.close()


@pytest.fixture
def agencies(fleet, photos, tmp_path, ledger):
    opened = [Agency(fleet, make_key(tmp_path, ledger, name), name, photos) for name in AGENCIES]
    yield opened
    for agency in opened:
        agency.stop()


def test_whoever_of_the_fleet_dies_every_listing_is_published_once(fleet, house, agencies):
    choose = random.Random(SEED)
    print(f"\nseed {SEED}, {KILLS} kills among {SERVERS} servers and {WORKERS} workers")
    begun_at = time.monotonic()
    house.wait_for(lambda: all(agency.jobs for agency in agencies), within_s=60, what="listings are taken")
    victims = []
    for _ in range(KILLS):
        NEVER.poll(choose.random() * PAUSE_BETWEEN_KILLS_MS_MAX)
        # Nobody twice before everybody once.
        victims = victims or choose.sample(sorted(fleet.processes), len(fleet.processes))
        name = victims.pop()
        fleet.kill(name)
        fleet.processes[name].wait_ready()
    for agency in agencies:
        agency.stop()
        assert agency.failure is None
    house.wait_for_all_final(90)
    accepted = {job: name for agency in agencies for job, name in agency.jobs.items()}
    assert check(house) >= len(accepted) >= 3 * len(AGENCIES)
    states = dict(house.query("SELECT number, state FROM state"))
    assert accepted.keys() <= states.keys()
    for (error,) in house.query(f"SELECT error FROM state WHERE state <> {int(State.COMPLETED)}"):
        # Three workers in a row have died with it.
        assert json.loads(error)["code"] == "worker_lost"
    # The listings themselves, which change in the commits that end their jobs: each once, and as its job ended.
    listings = house.query("SELECT external_id, status FROM rentix_listing")
    assert len(listings) == len(dict(listings))
    for job, name in accepted.items():
        assert dict(listings)[name] == (ACTIVE if states[job] == State.COMPLETED else PUBLISH_FAILED), (job, name)
    unfound = house.query(f"SELECT count(*) FROM rentix_listing WHERE status = '{ACTIVE}' AND finding IS NULL")
    assert unfound == [(0,)]
    completed = list(states.values()).count(State.COMPLETED)
    unheard = sum(agency.lost_answers for agency in agencies)
    print(
        f"  {KILLS} kills, {len(accepted)} listings accepted ({unheard} answers lost with a server), {completed} "
        f"jobs completed, {len(states) - completed} given up after three deaths, {time.monotonic() - begun_at:.0f} s"
    )
