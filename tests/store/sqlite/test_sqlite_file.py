"""What only a SQLite file can show: settings, migrations, plans, a full disk."""

import os
import re
from pathlib import Path

import apsw
import pytest
from store_ledger import DONE, WAIT_S, Ledger

from jobwire.domain.errors import RequestError
from jobwire.domain.states import State
from jobwire.store.contract import ClaimRequest
from jobwire.store.sqlite import SqliteStore, connect, engine, open_sqlite
from jobwire.store.sqlite.engine import SqliteTransaction, read_pragma
from jobwire.store.statements import load_migrations
from manual_clock import ManualClock

NEWEST = load_migrations("sqlite")[-1][0]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "jobwire.db"


def open_ledger(path: Path, clock: ManualClock) -> Ledger:
    return Ledger(open_sqlite(path, clock=clock), clock)


def test_the_writer_fsyncs_every_commit_into_a_write_ahead_log(path: Path, clock: ManualClock) -> None:
    ledger = open_ledger(path, clock)
    pragmas = {
        name: ledger.store.write(lambda tx, name=name: tx.query(f"PRAGMA {name}")[0][0]).result(WAIT_S)
        for name in ("journal_mode", "synchronous", "wal_autocheckpoint", "busy_timeout")
    }
    assert pragmas == {
        "journal_mode": "wal",
        "synchronous": 2,
        "wal_autocheckpoint": 0,
        "busy_timeout": engine.BUSY_MS,
    }
    ledger.close()


def test_a_reader_s_connection_cannot_write(path: Path, clock: ManualClock) -> None:
    ledger = open_ledger(path, clock)
    with pytest.raises(apsw.ReadOnlyError):
        ledger.query("DELETE FROM job")
    ledger.close()


def test_a_closed_ledger_is_one_file_that_sqlite_finds_sound(path: Path, clock: ManualClock) -> None:
    ledger = open_ledger(path, clock)
    ledger.row(ledger.submit())
    ledger.close()
    assert [entry.name for entry in path.parent.iterdir()] == ["jobwire.db"]
    plain = connect(str(path))
    assert plain.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    plain.close()


def test_an_old_sqlite_is_refused_with_the_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "SQLITE_VERSION_MIN", apsw.SQLITE_VERSION_NUMBER + 1)
    with pytest.raises(RuntimeError, match=r"3\.51\.3 or newer is needed, apsw brings 3\."):
        connect(":memory:")


def test_a_fresh_file_is_brought_to_the_newest_version_and_opening_it_again_changes_nothing(
    path: Path, clock: ManualClock
) -> None:
    open_ledger(path, clock).close()
    before = path.read_bytes()
    open_ledger(path, clock).close()
    assert path.read_bytes() == before
    assert read_pragma(connect(str(path)), "user_version") == NEWEST


def test_a_ledger_of_a_newer_program_is_refused_and_left_alone(path: Path, clock: ManualClock) -> None:
    open_ledger(path, clock).close()
    connection = connect(str(path))
    connection.execute(f"PRAGMA user_version = {NEWEST + 1}")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(RuntimeError, match=f"version {NEWEST + 1}, this program knows up to {NEWEST}; upgrade"):
        open_ledger(path, clock)
    assert path.read_bytes() == before


def test_a_migration_that_fails_leaves_the_ledger_as_it_was(
    path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_ledger(path, clock).close()
    broken = (*load_migrations("sqlite"), (NEWEST + 1, "CREATE TABLE extra (a); INSERT INTO nowhere VALUES (1);"))
    monkeypatch.setattr(engine, "load_migrations", lambda name: broken)
    with pytest.raises(apsw.SQLError, match="nowhere"):
        open_ledger(path, clock)
    monkeypatch.undo()
    ledger = open_ledger(path, clock)
    assert ledger.query("SELECT name FROM sqlite_master WHERE name = 'extra'") == []
    assert ledger.state(ledger.submit()) is State.QUEUED
    ledger.close()


@pytest.mark.parametrize("content", [b"this is not a database, but it is long enough to be read as one" * 20])
def test_a_file_that_is_no_ledger_is_refused_and_left_alone(path: Path, clock: ManualClock, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(apsw.NotADBError):
        open_ledger(path, clock)
    assert path.read_bytes() == content


def fill_disk(ledger: Ledger) -> list[int]:
    """Let the file grow no further and submit until the ledger refuses; returns the acknowledged jobs."""

    def stop_growth(tx: object) -> None:
        pages = tx.query("PRAGMA page_count")[0][0]
        tx.query(f"PRAGMA max_page_count = {pages + 20}")

    ledger.store.write(stop_growth).result(WAIT_S)
    acked: list[int] = []
    with pytest.raises(RequestError) as refused:
        for _ in range(200):
            acked += ledger.submit_many(5, input='"' + "x" * 2_000 + '"')
    assert (refused.value.code, refused.value.retry_after_s) == ("unavailable", 1)
    return acked


def test_a_full_disk_refuses_submissions_keeps_reading_and_goes_on_when_there_is_room(
    path: Path, clock: ManualClock
) -> None:
    ledger = open_ledger(path, clock)
    first = ledger.submit()
    acked = fill_disk(ledger)
    assert acked
    assert ledger.state(first) is State.QUEUED
    assert ledger.query("SELECT count(*) FROM job") == [(len(acked) + 1,)]
    group = [ledger.store.submit([ledger.new(input='"' + "x" * 9_000 + '"')]) for _ in range(20)]
    for answer in group:
        with pytest.raises(RequestError, match="cannot be written"):
            answer.result(WAIT_S)
    ledger.store.write(lambda tx: tx.query("PRAGMA max_page_count = 1000000")).result(WAIT_S)
    acked += [first, *ledger.submit_many(3)]
    assert sorted(number for (number,) in ledger.query("SELECT number FROM job")) == sorted(acked)
    assert ledger.query("PRAGMA integrity_check") == [("ok",)]
    ledger.check()
    ledger.close()


def test_a_parked_claim_that_a_full_disk_put_off_is_served_when_there_is_room(path: Path, clock: ManualClock) -> None:
    ledger = open_ledger(path, clock)
    ledger.beat()
    acked = fill_disk(ledger)
    # Nothing fits: the claim's own commit fails, too.
    ledger.store.write(lambda tx: tx.query("PRAGMA max_page_count = 1")).result(WAIT_S)
    page_filler = '"' + "x" * 100_000 + '"'
    parked = ledger.store.claim(ClaimRequest("w1", "q", 1))
    with pytest.raises(RequestError):
        ledger.submit(input=page_filler)
    ledger.store.write(lambda tx: tx.query("PRAGMA max_page_count = 1000000")).result(WAIT_S)
    ledger.beat()
    assert parked.result(WAIT_S)[0].number == acked[0]
    ledger.close()


def test_a_claim_that_comes_while_another_process_holds_the_ledger_is_not_forgotten(
    path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "BUSY_MS", 50)
    ledger = open_ledger(path, clock)
    number = ledger.submit()
    ledger.beat()
    other = connect(str(path))
    other.execute("BEGIN IMMEDIATE")
    parked = ledger.store.claim(ClaimRequest("w1", "q", 1))
    with pytest.raises(RequestError) as refused:
        ledger.submit()
    assert refused.value.code == "unavailable"
    other.execute("ROLLBACK")
    other.close()
    ledger.beat()
    assert parked.result(WAIT_S)[0].number == number
    ledger.close()


# The plan of each hot statement walks an index: nothing of it grows with the number of jobs.
SQL = SqliteTransaction.sql
HOT = {
    "submit": SQL.submit,
    "claim": SQL.claim,
    "settle": SQL.settle,
    "heartbeat": {name: SQL.heartbeat[name] for name in ("renew", "progressed", "progress", "retire")},
    "cancel": SQL.cancel,
    "promote": SQL.promote,
    "get": {name: sql for name, sql in SQL.get.items() if name != "position"},
    "events": {name: SQL.events[name] for name in ("log_new", "log", "tail", "last_at")},
}
BIG_TABLES = (
    "job", "state", "ready", "due", "live", "idempotency", "event", "attempt_log", "step", "owner_lane", "lane",
    "deadline", "owner", "api_key",
)  # fmt: skip


@pytest.mark.parametrize(
    ("method", "name"), [(method, name) for method, statements in HOT.items() for name in statements]
)
def test_no_hot_statement_scans_a_table_that_grows(path: Path, clock: ManualClock, method: str, name: str) -> None:
    ledger = open_ledger(path, clock)
    connection = connect(str(path))
    sql = HOT[method][name]
    names = sqlite3_parameters(sql)
    plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", dict.fromkeys(names, 1))]
    scans = [
        step
        for step in plan
        if step.startswith("SCAN") and any(step.split()[1] in aliases(sql, table) for table in BIG_TABLES)
    ]
    allowed = ALLOWED_SCANS.get((method, name), ())
    assert [step for step in scans if not any(step.startswith(start) for start in allowed)] == [], plan
    connection.close()
    ledger.close()


# A walk along an index that stops at the first rows.
ALLOWED_SCANS = {("events", "last_at"): ("SCAN event",)}


def sqlite3_parameters(sql: str) -> set[str]:
    return set(re.findall(r":([a-z_]+)", sql))


def aliases(sql: str, table: str) -> set[str]:
    """The names a table goes by in a statement."""
    return {table, *re.findall(rf"\b{table} AS ([a-z]+)", sql)}


def test_a_ledger_closes_every_file_it_opened(path: Path, clock: ManualClock) -> None:
    def open_files() -> list[str]:
        links = [Path(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd")]
        return [os.readlink(link) for link in links if link.is_symlink() and str(path) in os.readlink(link)]

    ledger = open_ledger(path, clock)
    ledger.row(ledger.submit())
    ledger.run(DONE)
    assert open_files()
    ledger.close()
    assert open_files() == []
    assert isinstance(ledger.store, SqliteStore)
