"""A final job is deleted with all that is kept of it; a live one, a stranger's and the rest of the ledger are not."""

import pytest
from store_ledger import BROKEN, DONE, FLAKY, WAIT_S, Ledger

from jobwire.domain.settlement import Lease
from jobwire.store.removing import remove_final

KEPT = ("job", "state", "concurrency", "step", "attempt_log", "idempotency")


def remove(ledger: Ledger, number: int, owner: int = 1) -> bool:
    return ledger.store.write(lambda tx: remove_final(tx, owner, number)).result(WAIT_S)


def rows_of(ledger: Ledger, number: int) -> dict[str, int]:
    def count(table: str) -> int:
        sql = f"SELECT count(*) FROM {table} WHERE number = :number"
        return int(ledger.store.read(lambda r: r.query(sql, number=number)).result(WAIT_S)[0][0])

    return {table: count(table) for table in KEPT}


def test_nothing_of_a_removed_job_is_left_and_its_idempotency_key_is_free(ledger: Ledger) -> None:
    job = ledger.new(idempotency_key="k", fingerprint="f", concurrency_key="c")
    (receipt,) = ledger.receive(job)
    claim = ledger.claim_one()
    assert ledger.store.save_step(Lease(claim.number, claim.fence), name="s", output="1").result(WAIT_S)
    assert ledger.settle(claim, BROKEN)
    assert all(rows_of(ledger, receipt.number).values())
    other = ledger.run_new(DONE, idempotency_key="o", fingerprint="f")
    before = rows_of(ledger, other)
    assert remove(ledger, receipt.number)
    assert not any(rows_of(ledger, receipt.number).values()) and rows_of(ledger, other) == before
    assert not remove(ledger, receipt.number)
    (again,) = ledger.receive(ledger.new(idempotency_key="k", fingerprint="g"))
    assert again.is_new and again.number > receipt.number


@pytest.mark.parametrize("life", ["waiting", "scheduled", "running", "cancelling", "retrying"])
def test_a_live_job_stays(ledger: Ledger, life: str) -> None:
    number = ledger.submit(run_at=ledger.clock.now + 50 if life == "scheduled" else None)
    if life in ("running", "cancelling"):
        ledger.claim_one()
    if life == "cancelling":
        ledger.cancel(number)
    if life == "retrying":
        ledger.run(FLAKY)
    assert ledger.row(number).phase == life
    assert not remove(ledger, number)
    assert ledger.row(number).phase == life


def test_a_strangers_job_stays(ledger: Ledger) -> None:
    number = ledger.run_new()
    assert not remove(ledger, number, owner=2)
    assert ledger.row(number).phase == "completed" and remove(ledger, number)
