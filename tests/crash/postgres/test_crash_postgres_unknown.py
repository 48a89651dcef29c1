"""The server dies while a COMMIT is on its way: whatever became of it, the answer says what is in the ledger."""

import threading

import psycopg
import pytest
from crash_ledgers import WAIT_S
from crash_roles import new_job

from jobwire.domain.errors import RequestError
from jobwire.store.postgres import engine, open_postgres
from jobwire.store.postgres.session import Session

# More than a server hands out between the last flush and its death.
NUMBERS = 200


class Gate:
    """Holds one COMMIT before or after the server has it, while the test does something to the server."""

    def __init__(self, monkeypatch, moment):
        self._moment = moment
        self._to_come = 0
        self._has_commit = False
        self.reached, self.may_go_on = threading.Event(), threading.Event()
        real_send, real_take, gate = Session.send, Session._take_results, self

        def send(session, sql, *rest, **named):
            gate._has_commit = gate._has_commit or sql == "COMMIT"
            return real_send(session, sql, *rest, **named)

        monkeypatch.setattr(Session, "send", send)
        monkeypatch.setattr(Session, "_take_results", lambda session: gate.pass_on(real_take, session))

    def arm(self, *, skipping=0):
        """Hold the COMMIT after so many."""
        self._to_come = skipping + 1

    def pass_on(self, real, session):
        is_commit, self._has_commit = self._has_commit, False
        if not self._to_come or not is_commit:
            return real(session)
        self._to_come -= 1
        if self._to_come:
            return real(session)
        if self._moment == "after":
            real(session)
        self.reached.set()
        assert self.may_go_on.wait(WAIT_S)
        if self._moment == "before":
            return real(session)
        # The server is gone, and with it the answer.
        raise psycopg.OperationalError("the server is gone")


@pytest.fixture
def store(ledger):
    opened = open_postgres(ledger.address)
    yield opened
    opened.close()


def burn_numbers(ledger):
    """Commit many transactions of others, which take the numbers that a crash has set free."""
    with psycopg.connect(ledger.address, autocommit=True) as connection:
        for _ in range(NUMBERS):
            connection.execute("SELECT pg_current_xact_id()")


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_commit_that_met_a_crash_is_answered_as_it_came_out(server, ledger, store, monkeypatch, moment):
    gate = Gate(monkeypatch, moment)
    before = ledger.query("SELECT value FROM counter WHERE name = 'owner'")[0][0]
    gate.arm()

    def work(tx):
        tx.execute("UPDATE counter SET value = value + 1 WHERE name = 'owner'")
        return tx.submit([new_job("quick", 1, "once")])

    pending = store.write(work)
    assert gate.reached.wait(WAIT_S)
    server.kill()
    server.start()
    burn_numbers(ledger)
    gate.may_go_on.set()
    (receipt,) = pending.result(WAIT_S)
    assert ledger.query("SELECT key FROM job") == [(receipt.key,)]
    assert ledger.query("SELECT value FROM counter WHERE name = 'owner'") == [(before + 1,)]


def test_writes_whose_outcome_nobody_can_tell_are_refused_and_not_run_again(server, ledger, store, monkeypatch):
    monkeypatch.setattr(engine, "OUTAGE_S", 0.2)
    gate, runs, has_begun, may_end = Gate(monkeypatch, "after"), [], threading.Event(), threading.Event()

    def hold_the_writer(tx):
        has_begun.set()
        assert may_end.wait(WAIT_S)

    def work(tx):
        runs.append(tx.now)
        tx.execute("UPDATE counter SET value = value + 1 WHERE name = 'owner'")

    holding = store.write(hold_the_writer)
    assert has_begun.wait(WAIT_S)
    # Both in the group after that one.
    together = [store.write(work), store.write(work)]
    before = ledger.query("SELECT value FROM counter WHERE name = 'owner'")[0][0]
    gate.arm(skipping=1)
    may_end.set()
    holding.result(WAIT_S)
    assert gate.reached.wait(WAIT_S)
    server.kill()
    gate.may_go_on.set()
    for pending in together:
        with pytest.raises(RequestError, match="look whether it is there"):
            pending.result(WAIT_S)
    assert len(runs) == 2
    server.start()
    assert ledger.query("SELECT value FROM counter WHERE name = 'owner'") == [(before + 2,)]
    store.write(work).result(WAIT_S)
