"""PostgreSQL itself ended under load and started again: whoever works with it goes on by itself, nothing is lost.

JOBWIRE_CRASH_SERVER_KILLS=50 kills it more often, JOBWIRE_CRASH_SEED=… repeats the choices of a run (not its timing).
"""

import os
import random
import select
import signal
import threading
import time

import httpx
import pytest
from crash_house import check
from served import Served, make_key

from jobwire.domain.ids import show_id
from postgres_server import Server

pytestmark = pytest.mark.slow

KILLS = int(os.environ.get("JOBWIRE_CRASH_SERVER_KILLS", "5"))
SEED = int(os.environ.get("JOBWIRE_CRASH_SEED", "0")) or random.randrange(1 << 32)
PAUSE_MS_MAX = 400
PROGRESS = 10
CLIENTS = 3
NEVER = select.poll()

ROSTER = (
    ("work", {"lease_ms": 2_000}),
    ("work", {"lease_ms": 2_000, "has_children": True}),
    ("produce", {}),
    ("produce", {"kinds": ["quick", "isolated", "keeps"], "pause_s": 0.05}),
)


class Clients:
    """Clients of the HTTP API that submit each job under a key of its own until it is accepted."""

    def __init__(self, served, key):
        self.accepted, self.refused, self.failures = [], [], []
        self._is_over = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(served.client(key), number)) for number in range(CLIENTS)
        ]
        for thread in self._threads:
            thread.start()

    def _run(self, client, number):
        try:
            with client:
                count = 0
                while not self._is_over.wait(0.01):
                    body, named = {"kind": "quick", "input": {"a": count}}, {"Idempotency-Key": f"{number}-{count}"}
                    answer = client.post("/v1/jobs", json=body, headers=named)
                    if answer.status_code == 503:
                        self.refused.append(answer.json())
                        continue
                    assert answer.status_code == 202, answer.text
                    self.accepted.append(answer.json()["id"])
                    count += 1
        except (AssertionError, httpx.HTTPError) as failure:
            self.failures.append(failure)

    def stop(self):
        self._is_over.set()
        for thread in self._threads:
            thread.join(60)
            assert not thread.is_alive()
        assert self.failures == []


@pytest.fixture
def served(tmp_path, ledger):
    opened = Served(tmp_path, ledger, JOBWIRE_WORKERS="4", JOBWIRE_LEASE_MS="2000", JOBWIRE_SYSTEMS="none")
    yield opened.wait_ready()
    opened.close()


@pytest.mark.parametrize("end", [Server.kill, Server.quit], ids=["killed", "shut down at once"])
def test_a_killed_server_loses_nothing_and_everybody_goes_on_when_it_is_back(
    server, house, served, tmp_path, ledger, end
):
    choose = random.Random(SEED)
    print(f"\nseed {SEED}, {KILLS} times the server is ended: {end.__name__}")
    alive = [house.start(role, **order) for role, order in ROSTER]
    clients = Clients(served, make_key(tmp_path, ledger))
    slowest_ms = 0.0
    for _ in range(KILLS):
        slowest_ms = max(slowest_ms, wait_for_progress(house, clients))
        NEVER.poll(choose.random() * PAUSE_MS_MAX)
        end(server)
        server.start()
    slowest_ms = max(slowest_ms, wait_for_progress(house, clients))
    clients.stop()
    for process in alive[2:]:
        process.send(signal.SIGTERM)
        assert process.wait(), house.errors()
    # Nobody was started again: these are the workers of the beginning.
    assert all(process.is_alive() for process in alive[:2]), house.errors()
    assert served.process.poll() is None, served.text()
    house.wait_for_all_final(120)
    jobs = check(house)
    there = {show_id(key) for (key,) in house.query("SELECT key FROM job")}
    assert set(clients.accepted) <= there
    assert len(set(clients.accepted)) == len(clients.accepted)
    print(
        f"  {KILLS} kills, {jobs} jobs, acknowledged: {len(house.acks())} submissions by the store, "
        f"{len(clients.accepted)} by HTTP ({len(clients.refused)} answered 503 before), {len(house.completions())} "
        f"results: none lost; all at work again after {slowest_ms:.0f} ms at most"
    )


def wait_for_progress(house, clients):
    """Until submissions are accepted on both ways and jobs are run; the milliseconds that took."""
    begun_at = time.monotonic()
    counts = (house.acks, lambda: clients.accepted, house.completions)
    enough = [len(count()) + PROGRESS for count in counts]
    house.wait_for(
        lambda: all(len(count()) >= least for count, least in zip(counts, enough, strict=True)),
        within_s=60,
        what=f"work goes on; {clients.failures}",
    )
    return (time.monotonic() - begun_at) * 1000
