"""Submission through the caller's own connection: their commit makes the job, their rollback unmakes it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest
from store_ledger import WAIT_S, Ledger

from jobwire.domain.states import Event, State
from jobwire.store.callers import find_caller
from jobwire.store.contract import Transaction
from jobwire.store.sqlite import open_sqlite
from jobwire.store.sqlite.libraries import refuse_second_library
from manual_clock import ManualClock


@pytest.fixture
def file_ledger(tmp_path: Path, clock: ManualClock) -> Iterator[Ledger]:
    ledger = Ledger(open_sqlite(tmp_path / "jobwire.db", clock=clock), clock)
    ledger.store.write(lambda tx: tx.execute("CREATE TABLE listing (title TEXT)")).result(WAIT_S)
    yield ledger
    ledger.check()
    ledger.close()


@pytest.fixture
def connection(file_ledger: Ledger) -> Iterator[apsw.Connection]:
    opened = apsw.Connection(file_ledger.store.path)
    yield opened
    opened.close()


def write(ledger: Ledger, connection: object, work: Callable[[Transaction], Any]) -> Any:
    """Run the work in the connection's own transaction."""
    return find_caller(connection).run(lambda link: ledger.store.write_on(link, work))


def test_a_job_submitted_with_the_caller_s_rows_is_there_after_their_commit(
    file_ledger: Ledger, connection: apsw.Connection
) -> None:
    parked = file_ledger.park()
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("INSERT INTO listing VALUES ('flat')")
    (receipt,) = write(file_ledger, connection, lambda tx: tx.submit([file_ledger.new(idempotency_key="k")]))
    assert file_ledger.store.get(1, number=receipt.number).result(WAIT_S) is None
    connection.execute("COMMIT")
    assert [claim.number for claim in parked.result(WAIT_S)] == [receipt.number]
    assert file_ledger.query("SELECT title FROM listing") == [("flat",)]
    assert file_ledger.events(receipt.number) == [Event.SUBMITTED, Event.CLAIMED]
    (again,) = file_ledger.receive(file_ledger.new(idempotency_key="k"))
    assert (again.number, again.is_new, again.conflict) == (receipt.number, False, False)


def test_a_job_submitted_with_the_caller_s_rows_is_gone_after_their_rollback(
    file_ledger: Ledger, connection: apsw.Connection
) -> None:
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("INSERT INTO listing VALUES ('flat')")
    jobs = [file_ledger.new(unique_key="u"), file_ledger.new(), file_ledger.new(run_at=file_ledger.clock.now + 9)]
    assert len(write(file_ledger, connection, lambda tx: tx.submit(jobs))) == 3
    connection.execute("ROLLBACK")
    assert file_ledger.query("SELECT title FROM listing") == []
    assert file_ledger.query("SELECT count(*) FROM job") == [(0,)]
    assert file_ledger.receive(*jobs)[0].is_new


def test_the_caller_s_transaction_can_cancel_too(file_ledger: Ledger, connection: apsw.Connection) -> None:
    number = file_ledger.submit()
    for end, state in (("ROLLBACK", State.QUEUED), ("COMMIT", State.CANCELLED)):
        connection.execute("BEGIN IMMEDIATE")
        (reply,) = write(file_ledger, connection, lambda tx: tx.cancel(1, [number]))
        assert reply is not None and reply.changed
        connection.execute(end)
        assert file_ledger.state(number) is state


def test_a_final_hook_runs_in_the_caller_s_transaction(file_ledger: Ledger, connection: apsw.Connection) -> None:
    file_ledger.store.final_hooks["convert"] = lambda tx, job: tx.execute("INSERT INTO listing VALUES ('ended')")
    number = file_ledger.submit()
    connection.execute("BEGIN IMMEDIATE")
    write(file_ledger, connection, lambda tx: tx.cancel(1, [number]))
    connection.execute("COMMIT")
    assert file_ledger.query("SELECT title FROM listing") == [("ended",)]


def test_a_connection_without_an_open_transaction_is_refused(
    file_ledger: Ledger, connection: apsw.Connection
) -> None:
    with pytest.raises(RuntimeError, match="BEGIN IMMEDIATE"):
        write(file_ledger, connection, lambda tx: None)


def test_the_ledger_waits_for_the_caller_s_transaction_and_nothing_of_either_is_lost(
    file_ledger: Ledger, connection: apsw.Connection
) -> None:
    connection.execute("BEGIN IMMEDIATE")
    (mine,) = write(file_ledger, connection, lambda tx: tx.submit([file_ledger.new()]))
    waiting = [file_ledger.store.submit([file_ledger.new()]) for _ in range(5)]
    assert not any(answer.is_done for answer in waiting)
    connection.execute("COMMIT")
    acked = [mine.number, *[answer.result(WAIT_S)[0].number for answer in waiting]]
    assert [number for (number,) in file_ledger.query("SELECT number FROM job ORDER BY number")] == acked


def test_a_connection_of_the_standard_library_is_refused_because_its_locks_do_not_hold(
    file_ledger: Ledger, connection: apsw.Connection
) -> None:
    """Two SQLite libraries in one process: five acknowledged jobs of five were overwritten when this was allowed."""
    with pytest.raises(RuntimeError, match=r"through apsw, and Python's sqlite3 is a second SQLite"):
        refuse_second_library(file_ledger.store.path)


def test_what_fails_in_the_caller_s_transaction_undoes_itself_alone(
    file_ledger: Ledger, connection: apsw.Connection
) -> None:
    def fail(tx: Transaction) -> None:
        tx.submit([file_ledger.new(unique_key="u")])
        raise ZeroDivisionError

    with connection:
        connection.execute("INSERT INTO listing VALUES ('flat')")
        with pytest.raises(ZeroDivisionError):
            write(file_ledger, connection, fail)
        assert connection.in_transaction
    assert file_ledger.query("SELECT title FROM listing") == [("flat",)]
    assert file_ledger.query("SELECT count(*) FROM job") == [(0,)]


def test_a_read_before_the_first_write_does_not_lose_to_a_commit_in_between(
    file_ledger: Ledger, connection: apsw.Connection
) -> None:
    """A deferred transaction whose snapshot is old cannot write: no key is ever given out twice."""
    connection.execute("BEGIN")
    connection.execute("SELECT count(*) FROM job").fetchall()
    (first,) = file_ledger.receive(file_ledger.new(idempotency_key="k", fingerprint="f"))
    with pytest.raises(apsw.BusyError):
        write(file_ledger, connection, lambda tx: tx.submit([file_ledger.new(idempotency_key="k", fingerprint="f")]))
    connection.execute("ROLLBACK")
    assert file_ledger.query("SELECT number FROM job") == [(first.number,)]
