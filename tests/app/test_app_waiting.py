"""Limits on waiting in the Python API: the longest wait of a submission or a kind, and the backlog of an account."""

import asyncio

import pytest

from jobwire import Jobwire
from jobwire.config import read_settings
from jobwire.domain.errors import RequestError
from jobwire.domain.run_times import Tally, bucket_of
from jobwire.store.estimates import RunGroup, add_runs, set_slots


def add(a: int, b: int = 1) -> int:
    """The sum."""
    return a + b


@pytest.fixture
def app(ledger):
    made = Jobwire(settings=read_settings(db=str(ledger), systems="none"))
    made.job("add")(add)
    made.job("urgent", max_wait="5s")(add)
    yield made
    made.close()


@pytest.fixture
def capped(ledger):
    made = Jobwire(settings=read_settings({"JOBWIRE_OWNER_BACKLOG_MAX": "3"}, db=str(ledger), systems="none"))
    made.job("add")(add)
    yield made
    made.close()


def make_busy(app):
    """A worker whose one slot does a job of a minute at a time, and one that waits."""
    store = app.open().store

    def tell(tx):
        set_slots(tx, "w", {"default": 1})
        add_runs(tx, {RunGroup("default", "add", 1, bucket_of(60_000)): Tally(10, 600_000_000)})

    store.heartbeat("w", lease_ms=600_000).result()
    store.write(tell).result()
    for _ in range(2):
        app.submit_sync("add", input={"a": 1})


def count_jobs(app):
    return app.open().store.read(lambda r: r.query("SELECT count(*) FROM job")[0][0]).result()


def test_a_submission_names_its_longest_wait(app):
    make_busy(app)
    with pytest.raises(RequestError, match=r"wait about .* longer than its max_wait of 30 s") as caught:
        app.submit_sync("add", input={"a": 1}, max_wait="30s")
    assert caught.value.code == "overloaded"
    with pytest.raises(RequestError, match=r"max_wait of 0\.5 s"):
        asyncio.run(app.submit("add", input={"a": 1}, max_wait=0.5))
    assert count_jobs(app) == 2
    assert app.submit_sync("add", input={"a": 1}, max_wait="10m").is_new


def test_a_kind_has_a_longest_wait_for_submissions_that_name_none(app):
    make_busy(app)
    with pytest.raises(RequestError, match="max_wait of 5 s"):
        app.submit_sync("urgent", input={"a": 1})
    assert app.submit_sync("urgent", input={"a": 1}, max_wait="10m").is_new


def test_a_kind_is_not_declared_with_a_longest_wait_that_is_none(app):
    with pytest.raises(ValueError, match="max_wait of kind 'late' is 'soon'"):
        Jobwire().job("late", max_wait="soon")(add)


def test_many_are_admitted_together_or_not_at_all(capped):
    with pytest.raises(RequestError, match="0 unfinished jobs and may have 3") as caught:
        asyncio.run(capped.submit_many("add", [{"a": n} for n in range(4)]))
    assert caught.value.code == "backlog_full"
    assert count_jobs(capped) == 0
    assert len(asyncio.run(capped.submit_many("add", [{"a": n} for n in range(3)]))) == 3
    assert capped.submit_sync("add", input={"a": 1}, owner="other").is_new


def test_a_refusal_leaves_the_rest_of_the_callers_transaction(capped, sqlite_file):
    connection = capped.connect()
    connection.execute("CREATE TABLE purchase (id INTEGER PRIMARY KEY)")
    with connection:
        for number in range(5):
            connection.execute("INSERT INTO purchase VALUES (?)", (number,))
            try:
                capped.submit_sync("add", input={"a": number}, connection=connection)
            except RequestError as refusal:
                assert refusal.code == "backlog_full"
    assert connection.execute("SELECT count(*) FROM purchase").get == 5
    assert count_jobs(capped) == 3
    connection.close()
