"""Lost connections: what was not committed is run again, what was acknowledged stands, nobody is forgotten."""

from collections.abc import Iterator
from threading import Event

import psycopg
import pytest
from store_ledger import DONE, WAIT_S, Ledger

from jobwire.domain.errors import RequestError
from jobwire.store.postgres import PostgresStore, doorbell, engine, open_postgres
from jobwire.store.postgres.doorbell import Doorbell
from jobwire.store.postgres.session import Session
from manual_clock import ManualClock
from postgres_server import Server, start_server


def cut(address: str, pid: int) -> None:
    """End a connection as a failover or an administrator would."""
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,))


def pid_of(tx: object) -> int:
    return int(tx.query("SELECT pg_backend_pid()")[0][0])


def test_a_group_whose_connection_is_cut_is_run_again_and_comes_once(ledger: Ledger, address: str) -> None:
    runs: list[int] = []

    def work(tx: object) -> int:
        number = tx.submit([ledger.new()])[0].number
        runs.append(number)
        if len(runs) == 1:
            cut(address, pid_of(tx))
            tx.query("SELECT 1")
        return number

    number = ledger.store.write(work).result(WAIT_S)
    assert len(runs) == 2
    assert ledger.query("SELECT number FROM job") == [(number,)]


def test_work_that_swallows_the_loss_is_run_again_all_the_same(ledger: Ledger, address: str) -> None:
    runs: list[int] = []

    def work(tx: object) -> int:
        runs.append(1)
        tx.submit([ledger.new()])
        if len(runs) == 1:
            cut(address, pid_of(tx))
            for _ in range(2):
                with pytest.raises(psycopg.Error):
                    tx.query("SELECT 1")
        return len(runs)

    assert ledger.store.write(work).result(WAIT_S) == 2
    assert ledger.query("SELECT count(*) FROM job") == [(1,)]


def test_neighbours_of_a_write_whose_connection_was_cut_are_answered_once(ledger: Ledger, address: str) -> None:
    stands_still, go_on = Event(), Event()
    cuts: list[int] = []

    def hold(tx: object) -> None:
        stands_still.set()
        assert go_on.wait(WAIT_S)

    def break_off(tx: object) -> None:
        if not cuts:
            cuts.append(pid_of(tx))
            cut(address, cuts[0])

    ledger.store.write(hold)
    assert stands_still.wait(WAIT_S)
    before = [ledger.store.submit([ledger.new()]) for _ in range(3)]
    broken = ledger.store.write(break_off)
    after = [ledger.store.submit([ledger.new()]) for _ in range(3)]
    go_on.set()
    numbers = [answer.result(WAIT_S)[0].number for answer in (*before, *after)]
    assert broken.result(WAIT_S) is None
    assert sorted(number for (number,) in ledger.query("SELECT number FROM job")) == sorted(numbers)


def test_a_parked_claim_survives_its_connection(ledger: Ledger, address: str, store: PostgresStore) -> None:
    parked = ledger.park()
    cut(address, store.write(pid_of).result(WAIT_S))
    number = ledger.submit()
    assert [claim.number for claim in parked.result(WAIT_S)] == [number]


def test_reads_go_on_after_their_connections_were_cut(ledger: Ledger, address: str) -> None:
    number = ledger.submit()
    ledger.row(number)
    pids = {ledger.query("SELECT pg_backend_pid()")[0][0] for _ in range(8)}
    for pid in pids:
        cut(address, pid)
    assert ledger.query("SELECT number FROM job") == [(number,)]
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            "WHERE application_name = 'jobwire' AND query LIKE '%%r.key%%'"
        )
    assert ledger.row(number).number == number


@pytest.fixture
def server() -> Iterator[Server]:
    server = start_server()
    yield server
    server.stop()


@pytest.mark.slow
def test_while_the_server_is_away_calls_are_refused_in_time_and_parked_claims_wait_on(
    server: Server, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "OUTAGE_S", 0.2)
    store = open_postgres(server.address(), clock=clock)
    ledger = Ledger(store, clock)
    kept = ledger.submit()
    ledger.run(DONE)
    parked = ledger.park()
    server.kill()
    for _ in range(2):
        with pytest.raises(RequestError) as refused:
            ledger.submit()
        assert (refused.value.code, refused.value.retry_after_s) == ("unavailable", 1)
    with pytest.raises(RequestError, match="cannot be read"):
        ledger.row(kept)
    server.start()
    while True:
        try:
            number = ledger.submit()
            break
        except RequestError as refusal:
            assert refusal.code == "unavailable"
    assert [claim.number for claim in parked.result(WAIT_S)] == [number]
    ledger.check()
    store.close()


@pytest.mark.slow
def test_a_restart_shorter_than_the_patience_is_not_noticed_by_callers(server: Server, clock: ManualClock) -> None:
    store = open_postgres(server.address(), clock=clock)
    ledger = Ledger(store, clock)
    parked = ledger.park()
    server.kill()
    posted = [store.submit([ledger.new()]) for _ in range(20)]
    server.start()
    numbers = [answer.result(WAIT_S)[0].number for answer in posted]
    assert [claim.number for claim in parked.result(WAIT_S)] == numbers[:1]
    assert len(set(numbers)) == 20
    ledger.check()
    store.close()


@pytest.mark.slow
def test_a_store_closes_in_time_although_the_server_is_away(server: Server, clock: ManualClock) -> None:
    store = open_postgres(server.address(), clock=clock)
    ledger = Ledger(store, clock)
    parked = ledger.park()
    server.kill()
    posted = store.submit([ledger.new()])
    store.close()
    with pytest.raises(RequestError):
        posted.result(0)
    assert parked.result(0) == []


def test_the_doorbell_outlives_whatever_goes_wrong_in_it_and_says_so_once(
    ledger: Ledger, other: Ledger, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(doorbell, "RECONNECT_S", 0.01)
    serve, failures, is_past = Doorbell._serve, iter(range(4)), Event()

    def fail(bell: Doorbell, session: Session, channel: str) -> None:
        if bell is ledger.store._doorbell:
            if next(failures, None) is not None:
                raise ZeroDivisionError("out of order")
            is_past.set()
        serve(bell, session, channel)

    monkeypatch.setattr(Doorbell, "_serve", fail)
    assert is_past.wait(WAIT_S)
    parked = ledger.park()
    number = other.submit()
    assert [claim.number for claim in parked.result(WAIT_S)] == [number]
    assert [record.message for record in caplog.records] == ["the doorbell begins again: out of order"]
    assert "ZeroDivisionError" in caplog.text


def test_the_doorbell_waits_longer_after_each_error_in_a_row_but_not_for_a_database_that_is_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bell = Doorbell.__new__(Doorbell)
    waits: list[float] = []
    monkeypatch.setattr(bell, "_is_closed", False, raising=False)
    monkeypatch.setattr(bell, "_wait", lambda session, timeout_s: waits.append(timeout_s))
    for failures in range(1, 9):
        bell._recover(ZeroDivisionError(), failures)
    bell._recover(psycopg.OperationalError(), 9)
    assert waits == [0.5, 1, 2, 4, 8, doorbell.RECONNECT_MAX_S, doorbell.RECONNECT_MAX_S, 10, 0.5]
