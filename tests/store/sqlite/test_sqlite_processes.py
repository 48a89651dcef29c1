"""Several processes on one file stay correct: each job is claimed once and nothing acknowledged is lost."""

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from store_ledger import DONE, WAIT_S, Ledger, decide

from jobwire.domain.states import State
from jobwire.store.contract import ClaimRequest, Wake
from jobwire.store.sqlite import open_sqlite
from jobwire.store.writer import GROUP_MAX
from manual_clock import ManualClock

SUBMITTER = """
import secrets, sys
from jobwire.domain.ids import make_key
from jobwire.domain.job import NewJob
from jobwire.store.sqlite import open_sqlite
store = open_sqlite(sys.argv[1])
print("ready", flush=True)
for line in sys.stdin:
    jobs = [NewJob(make_key(store.clock(), secrets.randbits(82)), 1, "convert", "q", "{}") for _ in range(int(line))]
    print(*[receipt.number for receipt in store.submit(jobs).result()], flush=True)
store.close()
"""
CLAIMER = """
import sys
from jobwire.domain.settlement import Lease, Settlement
from jobwire.domain.states import Event, Reason, State
from jobwire.store.contract import ClaimRequest
from jobwire.store.sqlite import open_sqlite
store, worker = open_sqlite(sys.argv[1]), sys.argv[2]
store.heartbeat(worker, lease_ms=600_000).result()
print("ready", flush=True)
sys.stdin.readline()
claims = store.settle([], ClaimRequest(worker, "q", 7)).result().claims
while claims:
    print(*[claim.number for claim in claims], flush=True)
    end = (Event.COMPLETED, State.COMPLETED, Reason.NONE)
    done = [Settlement(Lease(claim.number, claim.fence), *end, output="1") for claim in claims]
    settled = store.settle(done, ClaimRequest(worker, "q", 7)).result()
    assert len(settled.accepted) == len(claims)
    claims = settled.claims
store.close()
"""


class Process:
    """A Python program on the same ledger file that answers line by line."""

    def __init__(self, program: str, *arguments: str) -> None:
        self.child = subprocess.Popen(
            [sys.executable, "-c", program, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self.child.stdout is not None and self.child.stdin is not None
        self.stdin, self.stdout = self.child.stdin, self.child.stdout
        assert self.stdout.readline() == "ready\n"

    def ask(self, line: str) -> list[int]:
        self.tell(line)
        return self.read()

    def tell(self, line: str) -> None:
        self.stdin.write(line + "\n")
        self.stdin.flush()

    def read(self) -> list[int]:
        return [int(word) for word in self.stdout.readline().split()]

    def finish(self) -> int:
        self.stdin.close()
        code = self.child.wait(WAIT_S)
        self.stdout.close()
        return code


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "jobwire.db"


@pytest.fixture
def pair(path: Path, clock: ManualClock) -> Iterator[tuple[Ledger, Ledger]]:
    """Two stores on one file: each has its own connections, as two processes would."""
    here, there = (Ledger(open_sqlite(path, clock=clock), clock) for _ in range(2))
    yield here, there
    here.check()
    here.close()
    there.close()


def test_what_one_store_commits_the_other_sees_at_once(pair: tuple[Ledger, Ledger]) -> None:
    here, there = pair
    number = here.submit(idempotency_key="k", fingerprint="f", unique_key="u")
    assert there.row(number) == here.row(number)
    assert there.receive(there.new(idempotency_key="k", fingerprint="f"))[0].number == number
    assert there.receive(there.new(unique_key="u"))[0].number == number
    assert there.cancel(number) is not None
    assert here.state(number) is State.CANCELLED
    assert there.submit() == number + 1


def test_a_parked_claim_hears_of_another_process_s_submission(pair: tuple[Ledger, Ledger]) -> None:
    here, there = pair
    parked = here.park()
    number = there.submit()
    assert [claim.number for claim in parked.result(WAIT_S)] == [number]


def test_a_parked_claim_hears_of_another_process_however_busy_its_own_is(pair: tuple[Ledger, Ledger]) -> None:
    here, there = pair
    parked = here.park()
    go_on = threading.Event()
    here.store.listen(lambda wake: go_on.wait(WAIT_S))
    # The writer stands still between two commits; its next groups are there before it looks again.
    here.submit(queue="elsewhere")
    number = there.submit()
    posted = [here.store.heartbeat("w1", lease_ms=20_000) for _ in range(3 * GROUP_MAX)]
    go_on.set()
    posted[-1].result(WAIT_S)
    assert [claim.number for claim in parked.result(0)] == [number]


def test_a_listener_hears_of_another_process_s_commit(pair: tuple[Ledger, Ledger]) -> None:
    here, there = pair
    heard: list[Wake] = []
    has_heard = threading.Event()

    def hear(wake: Wake) -> None:
        heard.append(wake)
        has_heard.set()

    here.store.listen(hear)
    there.submit()
    assert has_heard.wait(WAIT_S)
    assert heard[0].changed


def test_a_lease_is_guarded_by_its_fence_across_processes(pair: tuple[Ledger, Ledger]) -> None:
    here, there = pair
    number = here.submit()
    stale = here.claim_one(worker="lost")
    assert there.lose_worker() == 1
    current = there.claim_one(worker="w2")
    assert not here.settle(stale, DONE)
    assert there.settle(current, DONE)
    assert (1, "late") in there.attempts(number)


def test_two_stores_claim_each_job_once_and_settle_each_job_once(pair: tuple[Ledger, Ledger]) -> None:
    numbers = pair[0].submit_many(300)

    def work(ledger: Ledger) -> list[int]:
        worker = f"w{id(ledger)}"
        mine: list[int] = []
        while claims := ledger.claim(5, worker=worker):
            settled = ledger.settle_all(*[decide(claim, DONE) for claim in claims])
            assert len(settled.accepted) == len(claims)
            mine += settled.accepted
        return mine

    with ThreadPoolExecutor(2) as pool:
        done = [number for mine in pool.map(work, pair) for number in mine]
    assert sorted(done) == numbers


def test_many_stores_may_open_a_file_that_is_not_there_yet_at_once(path: Path, clock: ManualClock) -> None:
    with ThreadPoolExecutor(8) as pool:
        stores = list(pool.map(lambda _: open_sqlite(path, clock=clock), range(8)))
    ledgers = [Ledger(store, clock) for store in stores]
    assert [ledger.submit() for ledger in ledgers] == list(range(1, 9))
    for ledger in ledgers:
        ledger.close()


def test_a_real_second_process_wakes_a_parked_claim(path: Path, clock: ManualClock) -> None:
    ledger = Ledger(open_sqlite(path, clock=clock), clock)
    submitter = Process(SUBMITTER, str(path))
    parked = ledger.park(limit=3)
    numbers = submitter.ask("3")
    assert [claim.number for claim in parked.result(WAIT_S)] == numbers
    assert submitter.finish() == 0
    ledger.check()
    ledger.close()


@pytest.mark.slow
def test_real_processes_claim_and_settle_each_job_once(path: Path, clock: ManualClock) -> None:
    ledger = Ledger(open_sqlite(path, clock=clock), clock)
    numbers = ledger.submit_many(1_000)
    claimers = [Process(CLAIMER, str(path), f"w{n}") for n in range(3)]
    for claimer in claimers:
        claimer.tell("go")
    claimed: list[int] = []
    for claimer in claimers:
        while line := claimer.read():
            claimed += line
        assert claimer.finish() == 0
    assert sorted(claimed) == numbers
    assert ledger.query("SELECT state, count(*) FROM state GROUP BY state") == [(int(State.COMPLETED), 1_000)]
    ledger.check()
    ledger.close()


@pytest.mark.slow
def test_g1_nothing_a_killed_process_had_acknowledged_is_lost(path: Path, clock: ManualClock) -> None:
    acked: list[int] = []
    for round_number in range(12):
        submitter = Process(SUBMITTER, str(path))
        for _ in range(round_number * 3):
            acked += submitter.ask("2")
        for _ in range(20):
            submitter.tell("5")
        acked += submitter.read()
        submitter.child.send_signal(signal.SIGKILL)
        while line := submitter.read():
            acked += line
        assert submitter.finish() == -signal.SIGKILL
    ledger = Ledger(open_sqlite(path, clock=clock), clock)
    stored = {number for (number,) in ledger.query("SELECT number FROM job")}
    assert len(set(acked)) == len(acked)
    assert set(acked) <= stored
    assert ledger.query("PRAGMA integrity_check") == [("ok",)]
    assert {
        claim.number for claim in ledger.store.settle([], ClaimRequest("w", "q", 5_000)).result(WAIT_S).claims
    } == stored
    ledger.check()
    ledger.close()
