"""The Python API: declare kinds, submit from loops, threads and inside one's own transaction."""

import asyncio
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import apsw
import pytest

from jobwire import JobError, Jobwire
from jobwire.domain.errors import RequestError
from jobwire.domain.phases import FINAL_PHASES, Phase
from jobwire.store.contract import JobFilter

DEADLINE_S = 20


def add(a: int, b: int = 1) -> int:
    """The sum."""
    return a + b


@pytest.fixture
def app(ledger):
    made = Jobwire()
    made.job("add", queue="sums")(add)
    yield made
    made.close()


def jobs_of(app, owner="default"):
    """The owner's jobs, newest first."""
    house = app.open()
    number = next((row.id for row in asyncio.run(house.services.owners.list_owners()) if row.name == owner), 0)
    return house.store.find(number, JobFilter()).result()


async def run_all(app):
    """Run the worker until every job is final."""
    moved = asyncio.Event()
    loop = asyncio.get_running_loop()
    store = app.open().store
    end = store.listen(lambda _: loop.call_soon_threadsafe(moved.set))
    try:
        async with asyncio.timeout(DEADLINE_S), app.running():
            while True:
                moved.clear()
                if not await store.read(lambda r: r.query("SELECT 1 FROM state WHERE state < 2")):
                    return
                await moved.wait()
    finally:
        end()


def test_a_job_is_submitted_and_worked(app):
    submitted = app.submit_sync("add", input={"a": 2})
    asyncio.run(run_all(app))
    (row,) = jobs_of(app)
    assert (submitted.id, submitted.number, submitted.is_new) == (f"job_{row.key}", row.number, True)
    assert (row.phase, row.output, row.queue) == (Phase.COMPLETED, "3", "sums")


def test_a_kind_is_named_by_its_function(app):
    app.submit_sync(add, input={"a": 2})
    assert jobs_of(app)[0].kind == "add"


def test_a_function_that_is_no_job_is_refused(app):
    with pytest.raises(RequestError, match="is not a job of this app"):
        app.submit_sync(len, input={})


def test_submissions_of_a_loop_and_many_at_once(app):
    async def submit():
        one = await app.submit("add", input={"a": 1}, owner="acme")
        many = await app.submit_many("add", [{"a": n} for n in range(5)], owner="acme", tags=["batch"])
        return [one, *many]

    submitted = asyncio.run(submit())
    rows = jobs_of(app, "acme")
    assert [f"job_{row.key}" for row in reversed(rows)] == [one.id for one in submitted]
    assert [row.tags for row in reversed(rows)] == [None] + ['["batch"]'] * 5


def test_many_are_submitted_together_or_not_at_all(app):
    with pytest.raises(RequestError):
        asyncio.run(app.submit_many("add", [{"a": 1}, {"a": "one"}]))
    assert jobs_of(app) == []


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"kind": "ad"}, "did you mean 'add'"),
        ({"input": {"a": "x"}}, "/a"),
        ({"input": {}}, "required field is missing"),
        ({"input": {"a": 1, "c": 2}}, "unknown field 'c'"),
        ({"priority": 10}, "priority"),
        ({"queue": "nobody"}, "queue"),
    ],
)
def test_a_wrong_submission_says_what_is_wrong(app, given, said):
    options = {"kind": "add", "input": {"a": 1}, **given}
    with pytest.raises(RequestError) as refused:
        app.submit_sync(options.pop("kind"), **options)
    assert refused.value.code == "invalid_request"
    assert said in refused.value.message
    assert jobs_of(app) == []


def test_a_repetition_with_the_same_idempotency_key_is_the_same_job(app):
    first = app.submit_sync("add", input={"a": 1}, idempotency_key="order-1")
    again = app.submit_sync("add", input={"a": 1}, idempotency_key="order-1")
    assert (again.id, again.number, again.is_new) == (first.id, first.number, False)
    with pytest.raises(RequestError) as refused:
        app.submit_sync("add", input={"a": 2}, idempotency_key="order-1")
    assert refused.value.code == "unprocessable"


@pytest.mark.parametrize("delay", [60, 60.0, timedelta(minutes=1)])
def test_a_delay_says_when_the_job_may_start(app, delay):
    app.submit_sync("add", input={"a": 1}, delay=delay)
    (row,) = jobs_of(app)
    assert row.phase is Phase.SCHEDULED
    assert 59_000 < row.run_at - row.created_at <= 61_000


def test_a_moment_says_when_the_job_may_start(app):
    moment = datetime.now(UTC) + timedelta(hours=1)
    app.submit_sync("add", input={"a": 1}, run_at=moment, deadline_at=moment + timedelta(hours=1))
    (row,) = jobs_of(app)
    at = int(moment.timestamp() * 1000)
    assert (row.run_at, row.deadline_at) == (at, at + 3_600_000)


def test_a_closed_app_opens_its_ledger_again(app):
    app.submit_sync("add", input={"a": 1})
    app.close()
    app.submit_sync("add", input={"a": 2})
    assert len(jobs_of(app)) == 2


def test_a_kind_is_declared_before_the_ledger_is_opened(app):
    app.submit_sync("add", input={"a": 1})
    with pytest.raises(RuntimeError, match="before the first submit"):
        app.job("late")(add)


def test_two_kinds_of_one_name_are_refused(app):
    app.job("add")(add)
    with pytest.raises(ValueError, match="'add' already"):
        app.open()


def test_a_hook_runs_inside_the_transaction_that_ends_the_job(ledger):
    app = Jobwire()

    def keep(tx, job):
        tx.execute("INSERT INTO ledger VALUES ('end-' || :n, :o)", n=job.number, o=job.output or job.error_message)

    @app.job("add", on_final=keep)
    async def add_or_refuse(a: int) -> int:
        if a < 0:
            raise JobError("negative", "a is negative.")
        return a

    app.submit_sync("add", input={"a": 5})
    app.submit_sync("add", input={"a": -5})
    asyncio.run(run_all(app))
    rows = app.open().store.read(lambda r: r.query("SELECT value FROM ledger WHERE name LIKE 'end-%' ORDER BY name"))
    assert rows.result() == [("5",), ("a is negative.",)]
    app.close()


# inside one's own transaction


@pytest.fixture
def connection(app, sqlite_file):
    made = app.connect()
    made.execute("CREATE TABLE purchase (id INTEGER PRIMARY KEY)")
    yield made
    made.close()


def test_a_job_is_part_of_the_callers_transaction_and_comes_with_its_commit(app, connection):
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("INSERT INTO purchase VALUES (1)")
    submitted = app.submit_sync("add", input={"a": 1}, owner="shop", connection=connection)
    assert jobs_of(app, "shop") == []
    connection.execute("COMMIT")
    (row,) = jobs_of(app, "shop")
    assert (f"job_{row.key}", row.phase) == (submitted.id, Phase.WAITING)


def test_a_job_is_gone_with_the_callers_rollback(app, connection):
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("INSERT INTO purchase VALUES (1)")
    app.submit_sync("add", input={"a": 1}, owner="shop", connection=connection)
    connection.execute("ROLLBACK")
    assert jobs_of(app, "shop") == []
    assert connection.execute("SELECT count(*) FROM purchase").fetchone() == (0,)
    # The owner's number was rolled back, too, and must not be remembered.
    app.submit_sync("add", input={"a": 1}, owner="other")
    app.submit_sync("add", input={"a": 1}, owner="shop")
    assert [len(jobs_of(app, name)) for name in ("other", "shop")] == [1, 1]


def test_a_block_of_the_connection_is_a_transaction(app, connection):
    with pytest.raises(ZeroDivisionError), connection:
        app.submit_sync("add", input={"a": 1}, connection=connection)
        raise ZeroDivisionError
    assert jobs_of(app) == []
    with connection:
        app.submit_sync("add", input={"a": 1}, connection=connection)
    assert len(jobs_of(app)) == 1


def test_a_waiting_worker_sees_the_commit_of_the_callers_transaction(app, connection):
    async def look():
        async with asyncio.timeout(DEADLINE_S), app.running():
            with connection:
                number = app.submit_sync("add", input={"a": 1}, connection=connection).number
            store = app.open().store
            moved = asyncio.Event()
            loop = asyncio.get_running_loop()
            end = store.listen(lambda _: loop.call_soon_threadsafe(moved.set))
            while (row := store.get(1, number=number).result()).phase not in FINAL_PHASES:
                await moved.wait()
                moved.clear()
            end()
            return row

    assert asyncio.run(look()).output == "2"


def test_a_connection_without_a_transaction_is_refused(app, connection):
    with pytest.raises(RuntimeError, match="BEGIN IMMEDIATE"):
        app.submit_sync("add", input={"a": 1}, connection=connection)
    assert jobs_of(app) == []


@pytest.mark.slow
def test_a_connection_of_the_callers_loses_nothing_when_it_is_closed(sqlite_file):
    """Everything acknowledged after the caller's connection was closed is there for the next process."""
    program = """
import os
from jobwire import Jobwire
app = Jobwire()
@app.job("add")
def add(a: int) -> int: return a
app.submit_sync("add", input={"a": 1})
connection = app.connect()
with connection:
    app.submit_sync("add", input={"a": 2}, connection=connection)
connection.close()
for number in range(5):
    app.submit_sync("add", input={"a": number})
os._exit(9)
"""
    ended = subprocess.run([sys.executable, "-c", program], env=os.environ, timeout=DEADLINE_S, check=False)
    assert ended.returncode == 9
    reader = apsw.Connection(str(sqlite_file))
    assert reader.execute("SELECT count(*) FROM job").fetchone() == (7,)
    assert reader.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    reader.close()


def test_a_ledger_in_memory_has_no_second_connection(sqlite_file):
    app = Jobwire(db=":memory:")
    with pytest.raises(RequestError, match="name a file"):
        app.connect()
    app.close()
