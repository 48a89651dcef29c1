"""The writer when a commit fails at its very end: nothing was given out, nobody is forgotten, the order stays."""

from collections.abc import Iterator

import apsw
import pytest
from store_ledger import WAIT_S, Ledger

from jobwire.domain.errors import RequestError
from jobwire.domain.job import NewJob
from jobwire.store.contract import ClaimRequest
from jobwire.store.sqlite.engine import SqliteEngine
from jobwire.store.writer import Writer
from manual_clock import ManualClock


class FullAtCommit(SqliteEngine):
    """The real engine on a disk that is full when `fails_left` commits want to be written."""

    fails_left = 0

    def commit(self) -> None:
        if self.fails_left:
            self.fails_left -= 1
            raise apsw.FullError("database or disk is full")
        super().commit()


@pytest.fixture
def engine(clock: ManualClock) -> FullAtCommit:
    return FullAtCommit(":memory:", clock, {})


@pytest.fixture
def writer(engine: FullAtCommit) -> Iterator[Writer]:
    writer = Writer(lambda: engine, watches_others=False)
    yield writer
    writer.close()


def submit(writer: Writer, *jobs: NewJob) -> list[int]:
    return [receipt.number for receipt in writer.post(lambda tx: tx.submit(jobs)).result(WAIT_S)]


def test_claims_served_by_a_commit_that_failed_wait_on_in_their_order(
    writer: Writer, engine: FullAtCommit, clock: ManualClock
) -> None:
    new = Ledger(None, clock).new
    parked = [writer.park(ClaimRequest(f"w{n}", "q", 1)) for n in range(3)]
    submit(writer, new(queue="another"))
    engine.fails_left = 1
    with pytest.raises(RequestError, match="cannot be written"):
        submit(writer, new(), new(), new())
    assert not any(claim.is_done for claim in parked)
    numbers = submit(writer, new(), new(), new())
    assert [claim.result(WAIT_S)[0].number for claim in parked] == numbers


def test_a_claim_whose_own_commit_failed_is_served_with_the_next_commit_of_anyone(
    writer: Writer, engine: FullAtCommit, clock: ManualClock
) -> None:
    (number,) = submit(writer, Ledger(None, clock).new())
    engine.fails_left = 1_000
    parked = writer.park(ClaimRequest("w1", "q", 1))
    with pytest.raises(RequestError):
        writer.post(lambda tx: tx.retire("w2")).result(WAIT_S)
    engine.fails_left = 0
    writer.post(lambda tx: tx.retire("w2")).result(WAIT_S)
    assert parked.result(WAIT_S)[0].number == number


def test_a_disk_that_cannot_even_roll_back_closes_the_ledger_instead_of_hanging_its_callers(
    writer: Writer, engine: FullAtCommit, clock: ManualClock
) -> None:
    def fail() -> None:
        raise apsw.IOError("disk I/O error")

    parked = writer.park(ClaimRequest("w1", "q", 1))
    engine.fails_left, engine.rollback = 1, fail
    for _ in range(2):
        with pytest.raises(RequestError) as refused:
            submit(writer, Ledger(None, clock).new())
        assert refused.value.code == "unavailable"
    assert parked.result(WAIT_S) == []
