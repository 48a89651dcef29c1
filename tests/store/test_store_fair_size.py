"""G10 at size: newcomers beside an owner with 100,000 jobs waiting, or as many as JOBWIRE_G10_BACKLOG says."""

import os

import pytest
from store_engines import Engine
from store_ledger import DONE, WAIT_S, Ledger, decide

from manual_clock import ManualClock

BACKLOG = int(os.environ.get("JOBWIRE_G10_BACKLOG", "100000"))
BATCH = 10_000
NEWCOMERS = 100


@pytest.mark.slow
def test_g10_newcomers_start_within_one_round_beside_an_owner_with_a_long_backlog(
    durable_engine: Engine, tmp_path, clock: ManualClock
) -> None:
    ledger = Ledger(durable_engine.open(durable_engine.address(tmp_path), clock), clock)
    flood, newcomers = 1, list(range(2, 2 + NEWCOMERS))
    for _ in range(BACKLOG // BATCH):
        ledger.submit_many(BATCH, owner=flood)
    for _ in range(10):
        ledger.settle_all(*[decide(claim, DONE) for claim in ledger.claim(100)])
    for owner in newcomers:
        ledger.submit_many(3, owner=owner)
    last = ledger.query("SELECT max(number) FROM job WHERE owner = :owner", owner=newcomers[-1])[0][0]
    rounds = [ledger.claim(NEWCOMERS + 1) for _ in range(3)]
    for served in rounds:
        assert sorted(claim.owner for claim in served) == [flood, *newcomers]
    assert last in {claim.number for claim in rounds[-1]}
    waiting = ledger.query("SELECT count(*) FROM ready")[0][0]
    assert waiting == BACKLOG - 1_000 - 3
    newest = ledger.query("SELECT max(number) FROM job WHERE owner = :owner", owner=flood)[0][0]
    assert ledger.position(newest, owner=flood) == waiting - 1
    assert {claim.owner for claim in ledger.claim(10)} == {flood}
    ledger.store.fold().result(WAIT_S)
    ledger.close()
