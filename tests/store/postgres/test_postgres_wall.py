"""The second wall: customers' reads see the rows of the owners they name, whatever the statement forgets."""

import pytest
from store_ledger import WAIT_S, Ledger

from jobwire.domain.job import JobFilter
from jobwire.store.postgres.reader import SQL
from jobwire.store.statements import load_statements


def test_g11_a_statement_that_forgets_the_owner_sees_nothing_of_others(ledger: Ledger) -> None:
    mine, theirs = ledger.submit(owner=1), ledger.submit(owner=2)
    assert ledger.store.has_wall

    def look(reader: object) -> list[list[int]]:
        session = reader.session
        with session.connection.transaction():
            session.execute(SQL.get["enter_wall"], {"owners": "1"})
            return [
                [row[0] for row in session.execute(f"SELECT number FROM {table} ORDER BY number")]
                for table in ("job", "state")
            ]

    assert ledger.store.read(lambda reader: None).result(WAIT_S) is None
    assert ledger.store._read(look).result(WAIT_S) == [[mine], [mine]]
    assert ledger.query("SELECT number FROM job ORDER BY number") == [(mine,), (theirs,)]


@pytest.mark.parametrize("owners", ["", "3"])
def test_g11_behind_the_wall_nothing_is_seen_without_the_owner_s_name(ledger: Ledger, owners: str) -> None:
    ledger.submit_many(3)

    def look(reader: object) -> int:
        with reader.session.connection.transaction():
            reader.session.execute(SQL.get["enter_wall"], {"owners": owners})
            return reader.session.execute(
                "SELECT (SELECT count(*) FROM job) + (SELECT count(*) FROM state)"
            ).fetchone()[0]

    assert ledger.store._read(look).result(WAIT_S) == 0


@pytest.mark.parametrize("statement", ["by_keys", "by_numbers"])
def test_g11_a_poll_whose_guard_is_gone_still_gives_no_other_owner_s_job(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, statement: str
) -> None:
    job = ledger.new(owner=2)
    (receipt,) = ledger.receive(job)
    texts = load_statements("postgres", "get")
    broken = texts[statement].replace(" AND j.owner = r.owner", "")
    assert broken != texts[statement]
    monkeypatch.setitem(texts, statement, broken)
    asked = {"key": job.key} if statement == "by_keys" else {"number": receipt.number}
    assert ledger.store.get(1, **asked).result(WAIT_S) is None
    assert ledger.store.get(2, **asked).result(WAIT_S) is not None


def test_g11_a_list_whose_guard_is_gone_still_shows_no_other_owner_s_job(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = ledger.submit(owner=1)
    ledger.submit(owner=2)
    texts = load_statements("postgres", "get")
    monkeypatch.setitem(texts, "find", texts["find"].replace("j.owner = :owner", ":owner IS NOT NULL"))
    assert [row.number for row in ledger.store.find(1, JobFilter()).result(WAIT_S)] == [mine]


def test_behind_the_wall_nothing_can_be_written(ledger: Ledger) -> None:
    ledger.submit()

    def write(reader: object) -> None:
        with reader.session.connection.transaction():
            reader.session.execute(SQL.get["enter_wall"], {"owners": "1"})
            reader.session.execute("DELETE FROM job")

    with pytest.raises(Exception, match="cannot be read"):
        ledger.store._read(write).result(WAIT_S)
    assert ledger.query("SELECT count(*) FROM job") == [(1,)]
