"""Fifty customers repeat one submission while the server is killed and started again: it becomes one job."""

import random
import select
import threading
import time

import httpx
import pytest
from served import make_key

pytestmark = pytest.mark.slow

CLIENTS = 50
ROUNDS = 3
PATIENCE_S = 60
SEED = random.randrange(1 << 32)
BODY = {"kind": "quick", "input": {"a": 1}}


class Crowd:
    """Clients that send the same submission, with the same key, until each has an answer."""

    def __init__(self, api_key, idempotency_key):
        self.address = ""
        self.answers = []
        self.failures = 0
        self._headers = {"Authorization": f"Bearer {api_key}", "Idempotency-Key": idempotency_key}
        self._start = threading.Barrier(CLIENTS + 1)
        self._threads = [threading.Thread(target=self._insist, daemon=True) for _ in range(CLIENTS)]
        for thread in self._threads:
            thread.start()

    def begin(self, address):
        self.address = address
        self._start.wait(PATIENCE_S)

    def _insist(self):
        self._start.wait(PATIENCE_S)
        until, never = time.monotonic() + PATIENCE_S, select.poll()
        while time.monotonic() < until:
            try:
                answer = httpx.post(f"{self.address}/v1/jobs", json=BODY, headers=self._headers, timeout=10)
            except httpx.HTTPError:
                self.failures += 1
                never.poll(10)
                continue
            if answer.status_code == 503:
                never.poll(10)
                continue
            self.answers.append(answer)
            return

    def join(self):
        for thread in self._threads:
            thread.join(PATIENCE_S)


def test_one_key_from_fifty_clients_is_one_job_through_a_kill(serve, tmp_path, ledger):
    print(f"\nseed {SEED}")
    choose, api_key = random.Random(SEED), make_key(tmp_path, ledger)
    served, never = serve(), select.poll()
    made, failures = set(), 0
    for turn in range(ROUNDS):
        crowd = Crowd(api_key, f"order-{turn}")
        crowd.begin(served.address)
        never.poll(choose.random() * 150)
        served.kill()
        served = serve()
        crowd.address = served.address
        crowd.join()
        assert len(crowd.answers) == CLIENTS
        assert {answer.status_code for answer in crowd.answers} == {202}
        ids = {answer.json()["id"] for answer in crowd.answers}
        assert len(ids) == 1, ids
        first = [answer for answer in crowd.answers if "idempotency-replayed" not in answer.headers]
        # None, where the answer to the one that made it was lost with the server.
        assert len(first) <= 1
        made |= ids
        failures += crowd.failures
    assert len(made) == ROUNDS
    assert ledger.query("SELECT count(*) FROM job") == ledger.query("SELECT count(*) FROM state") == [(ROUNDS,)]
    with served.client(api_key) as client:
        other = client.post("/v1/jobs", json={**BODY, "priority": 1}, headers={"Idempotency-Key": "order-0"})
        assert other.status_code == 422
    print(f"  {ROUNDS} kills, {ROUNDS * CLIENTS} answers, {failures} connections lost, {len(made)} jobs")
