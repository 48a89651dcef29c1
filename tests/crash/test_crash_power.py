"""Power lost at a random write or fsync: nothing that was acknowledged is gone, nothing is half there.

JOBWIRE_CRASH_CUTS=10000 cuts more often, JOBWIRE_CRASH_SEED=… repeats the choices of a run.
"""

import os
import random
import secrets

import apsw
import pytest
from power import Disk

from jobwire.domain.ids import RANDOM_BITS, make_key
from jobwire.domain.job import NewJob
from jobwire.domain.outcome import Completed
from jobwire.domain.retry import RetryPolicy
from jobwire.domain.settlement import AttemptFacts, Lease, settle_outcome
from jobwire.store.contract import ClaimRequest
from jobwire.store.sqlite import engine, store

CUTS = int(os.environ.get("JOBWIRE_CRASH_CUTS", "300"))
SEED = int(os.environ.get("JOBWIRE_CRASH_SEED", "0")) or random.randrange(1 << 32)
WRITES_MAX = 2_000
FACTS = AttemptFacts(1, 5, 0, cancel_requested=False)


@pytest.fixture(autouse=True)
def frequent_checkpoints(monkeypatch):
    """The log is moved into the file all the time, so that cuts fall into that, too."""
    monkeypatch.setattr(store, "CHECKPOINT_INTERVAL_S", 0.001)
    monkeypatch.setattr(store, "CHECKPOINT_PAGES", 20)


class Told:
    """What callers were told before the power went."""

    def __init__(self):
        self.submitted, self.claimed, self.completed = set(), {}, set()


def live(ledger, disk, told):
    """Submit, claim and settle until the power goes; an answer counts that came before."""
    queue = ClaimRequest("w", "default", 2)

    def answer(pending):
        value = pending.result(10)
        return value if disk.picture is None else None

    while disk.picture is None:
        jobs = [NewJob(make_key(1, secrets.randbits(RANDOM_BITS)), 1, "k", "default", '{"a":1}') for _ in range(2)]
        told.submitted.update(receipt.key for receipt in answer(ledger.submit(jobs)) or ())
        claims = answer(ledger.claim(queue)) or ()
        told.claimed.update((claim.number, claim.fence) for claim in claims)
        settlements = [
            settle_outcome(
                Lease(claim.number, claim.fence), Completed('"x"'), facts=FACTS, policy=RetryPolicy(), jitter=0.0
            )
            for claim in claims
        ]
        settled = answer(ledger.settle(settlements))
        told.completed.update(settled.accepted if settled else ())


def cut_power(folder, choose):
    """One life and death of a ledger: what was told, and the folder with what survived."""
    (folder / "before").mkdir(parents=True)
    (folder / "after").mkdir()
    disk, told = Disk(choose, cut_at=choose.randrange(1, WRITES_MAX)), Told()
    try:
        opened = store.open_sqlite(folder / "before" / "jobs.db")
        try:
            live(opened, disk, told)
        finally:
            opened.close()
        disk.restore(folder / "after")
    finally:
        disk.close()
    return told, folder / "after" / "jobs.db"


def count_lost(told, path):
    """How much of what was told is not there; fails when the file is damaged."""
    (path.parent / "jobs.db-shm").unlink(missing_ok=True)
    connection = apsw.Connection(str(path))
    try:
        assert connection.execute("PRAGMA integrity_check").get == "ok"
        if not connection.execute("SELECT count(*) FROM sqlite_schema").get:
            return len(told.submitted)
        keys = {key for (key,) in connection.execute("SELECT key FROM job")}
        fences = dict(connection.execute("SELECT number, fence FROM state").fetchall())
        states = dict(connection.execute("SELECT number, state FROM state").fetchall())
        lost = len(told.submitted - keys)
        lost += sum(fences.get(number, 0) < fence for number, fence in told.claimed.items())
        return lost + sum(states.get(number) != 2 for number in told.completed)
    finally:
        connection.close()


@pytest.mark.slow
def test_a_power_cut_loses_nothing_that_was_acknowledged(tmp_path):
    choose = random.Random(SEED)
    acknowledged = 0
    for number in range(CUTS):
        told, path = cut_power(tmp_path / str(number), choose)
        assert count_lost(told, path) == 0, f"seed {SEED}, cut {number}"
        acknowledged += len(told.submitted) + len(told.completed)
        for file in path.parent.parent.rglob("jobs.db*"):
            file.unlink()
    print(f"\nseed {SEED}: {CUTS} power cuts, {acknowledged} acknowledged submissions and results, none lost")
    assert acknowledged > CUTS


@pytest.mark.slow
def test_the_disk_of_this_test_would_show_a_loss(tmp_path, monkeypatch):
    """The same with the setting that forgets the last fsync: some of what was acknowledged is gone."""
    connect = engine.connect

    def connect_carelessly(path, **options):
        connection = connect(path, **options)
        connection.execute("PRAGMA synchronous = NORMAL")
        return connection

    monkeypatch.setattr(engine, "connect", connect_carelessly)
    choose = random.Random(SEED)
    lost = 0
    for number in range(20):
        lost += count_lost(*cut_power(tmp_path / str(number), choose))
    assert lost > 0
