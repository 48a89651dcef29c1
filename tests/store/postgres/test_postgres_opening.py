"""Opening a ledger on PostgreSQL: together, in vain, with an older program, without prepared statements."""

import sys
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import psycopg
import pytest
from store_ledger import DONE, Ledger

from jobwire.config import SettingError, read_settings
from jobwire.store.postgres import open_postgres
from jobwire.store.postgres.session import show_address
from jobwire.store.sqlite import read_clock
from jobwire.wiring import open_ledger
from manual_clock import ManualClock
from postgres_server import find_programs, server_address


def test_processes_that_open_a_new_ledger_together_make_it_once(address: str, clock: ManualClock) -> None:
    with ThreadPoolExecutor(8) as pool:
        stores = list(pool.map(lambda _: open_postgres(address, clock=clock), range(8)))
    numbers = [Ledger(store, clock).submit() for store in stores]
    for store in stores:
        store.close()
    assert sorted(numbers) == list(range(1, 9))


def test_an_older_program_refuses_a_newer_ledger_and_says_what_to_do(address: str, clock: ManualClock) -> None:
    open_postgres(address, clock=clock).close()
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute("UPDATE ledger_version SET version = 9999")
    with pytest.raises(RuntimeError, match=r"has version 9999, this program knows up to \d+; upgrade jobwire"):
        open_postgres(address, clock=clock)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"dbname": "no_such_database"}, "no_such_database"),
        ({"user": "no_such_user"}, "no_such_user"),
        ({"host": "/no/such/folder"}, "No such file"),
    ],
    ids=["database", "user", "host"],
)
def test_a_ledger_that_cannot_be_reached_is_one_sentence_without_the_password(
    change: dict[str, str], reason: str
) -> None:
    wrong = psycopg.conninfo.make_conninfo(server_address(), password="s3cret", **change)
    with pytest.raises(SettingError, match=reason) as refused:
        open_postgres(wrong)
    assert "s3cret" not in str(refused.value)
    assert "\n" not in str(refused.value)


def test_without_prepared_statements_everything_works_as_well(address: str, clock: ManualClock) -> None:
    store = open_postgres(address, clock=clock, can_prepare=False)
    ledger = Ledger(store, clock)
    numbers = ledger.submit_many(3)
    assert [ledger.run(DONE) for _ in numbers] == numbers
    prepared = store.write(lambda tx: tx.query("SELECT count(*) FROM pg_prepared_statements")).result(20)
    assert prepared == [(0,)]
    ledger.check()
    store.close()


def test_the_time_is_the_database_s_when_no_clock_is_given(address: str) -> None:
    store = open_postgres(address)
    now, shown = store.write(
        lambda tx: (tx.now, tx.query("SELECT extract(epoch FROM clock_timestamp()) * 1000")[0][0])
    ).result(20)
    store.close()
    assert 0 <= float(shown) - now < 10_000


def test_the_shown_address_has_no_password() -> None:
    shown = show_address("postgresql://house:s3cret@db.example:5433/jobs")
    assert shown == "postgresql://house@db.example:5433/jobs"
    assert urlsplit(shown).password is None


def test_without_psycopg_a_postgres_address_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("jobwire.store.postgres")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "psycopg", None)
    settings = read_settings({"JOBWIRE_DB": "postgresql://db.example/jobs"})
    with pytest.raises(SettingError, match=r"pip install 'jobwire\[postgresql\]'"):
        open_ledger(settings, read_clock)


def test_a_postgres_address_that_is_none_is_refused() -> None:
    with pytest.raises(SettingError, match="postgresql://user:password@host:port/database"):
        read_settings({"JOBWIRE_DB": "postgresql:jobs"})


@pytest.mark.parametrize("wanted", ["9", "no-such-server"])
def test_a_run_without_the_server_it_asks_for_fails_and_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, wanted: str
) -> None:
    monkeypatch.setenv("JOBWIRE_TEST_POSTGRES", wanted)
    with pytest.raises(RuntimeError, match=f"'{wanted}'.*pip install .* or to none to leave the engine out"):
        find_programs()
