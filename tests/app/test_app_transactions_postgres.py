"""The caller's own transaction on PostgreSQL: it holds up nobody, and what goes wrong is told or undone."""

import asyncio
import contextlib
import secrets
import threading

import psycopg
import pytest
import sqlalchemy
from own_ways import alchemy
from sqlalchemy.ext.asyncio import create_async_engine

from jobwire import Jobwire
from jobwire.domain.errors import RequestError
from postgres_server import is_left_out, new_ledger, server_address

pytestmark = pytest.mark.skipif(is_left_out(), reason="PostgreSQL is left out of this run")
DEADLINE_S = 20


@pytest.fixture
def app():
    made = Jobwire(db=new_ledger())

    @made.job("add")
    def add(a: int) -> int:
        return a

    made.open()
    yield made
    made.close()


@pytest.fixture
def connect():
    with contextlib.ExitStack() as opened:
        yield lambda **options: opened.enter_context(contextlib.closing(psycopg.connect(server_address(), **options)))


def look(app, sql):
    return app.open().store.read(lambda r: r.query(sql)).result(DEADLINE_S)


def count_jobs(app):
    return look(app, "SELECT count(*) FROM job")[0][0]


def test_an_open_transaction_holds_up_no_submission_of_the_same_owner(app, connect):
    """Neither plain ones nor those of other open transactions, in whatever order they take the queues."""
    one, two = connect(), connect()
    for connection in (one, two):
        connection.execute("SET deadlock_timeout = '10ms'")
    app.submit_sync("add", input={"a": 1}, connection=one, priority=1)
    app.submit_sync("add", input={"a": 2}, connection=two, priority=2)
    app.submit_sync("add", input={"a": 3}, connection=one, priority=2)
    app.submit_sync("add", input={"a": 4}, connection=two, priority=1)
    app.submit_sync("add", input={"a": 5}, priority=1)
    assert count_jobs(app) == 1
    one.commit()
    two.commit()
    turns = [turn for (turn,) in look(app, "SELECT turn FROM job WHERE priority = 1 ORDER BY input")]
    assert turns == [0, 1 << 20, 2 << 20]


def test_a_new_owner_of_an_open_transaction_holds_up_no_other_owner(app, connect):
    app.submit_sync("add", input={"a": 1}, connection=connect(), owner="ana")
    app.submit_sync("add", input={"a": 2}, owner="ana")
    app.submit_sync("add", input={"a": 3}, owner="ben")
    assert count_jobs(app) == 2


@pytest.mark.slow
def test_a_key_of_an_open_transaction_is_waited_for_and_refused_in_time(app, connect):
    """Whoever holds it may itself wait for this process: nothing waits for ever."""
    own = connect()
    app.submit_sync("add", input={"a": 1}, connection=own, unique_key="ana")
    plain = app.open().door.jobs.admit([app.open().door.jobs.build(1, "add", {"a": 2}, unique_key="ana")])
    app.submit_sync("add", input={"a": 3}, connection=own, owner="made while the other waits")
    with pytest.raises(RequestError, match="try again") as refused:
        plain.result(DEADLINE_S)
    assert refused.value.code == "unavailable"
    own.commit()
    assert not app.submit_sync("add", input={"a": 2}, unique_key="ana").is_new
    assert count_jobs(app) == 2


@pytest.mark.parametrize("key", ["unique_key", "idempotency_key"])
def test_of_two_transactions_with_one_key_the_second_finds_the_job_of_the_first(app, connect, key):
    one, two = connect(), connect()
    first = app.submit_sync("add", input={"a": 1}, connection=one, **{key: "k"})
    found = []
    second = threading.Thread(
        target=lambda: found.append(app.submit_sync("add", input={"a": 1}, connection=two, **{key: "k"}))
    )
    second.start()
    wait_until_blocked(two.info.backend_pid)
    one.commit()
    second.join(DEADLINE_S)
    two.commit()
    assert [(job.id, job.is_new) for job in found] == [(first.id, False)]
    assert count_jobs(app) == 1


def test_of_two_transactions_with_one_key_the_second_makes_it_if_the_first_is_undone(app, connect):
    one, two = connect(), connect()
    app.submit_sync("add", input={"a": 1}, connection=one, unique_key="k")
    found = []
    second = threading.Thread(
        target=lambda: found.append(app.submit_sync("add", input={"a": 1}, connection=two, unique_key="k"))
    )
    second.start()
    wait_until_blocked(two.info.backend_pid)
    one.rollback()
    second.join(DEADLINE_S)
    two.commit()
    assert found[0].is_new
    assert count_jobs(app) == 1


def test_a_snapshot_that_cannot_see_the_other_s_key_is_told_to_begin_again(app, connect):
    own = connect()
    own.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    own.execute("SELECT 1 FROM pg_class LIMIT 1")
    app.submit_sync("add", input={"a": 1}, unique_key="k")
    with pytest.raises(RequestError, match="run your transaction again"):
        app.submit_sync("add", input={"a": 1}, connection=own, unique_key="k")
    own.rollback()
    assert not app.submit_sync("add", input={"a": 1}, connection=own, unique_key="k").is_new


def wait_until_blocked(pid):
    """Until the server process's statement waits for a lock."""
    waits = "SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = %s"
    with contextlib.closing(psycopg.connect(server_address(), autocommit=True)) as watcher:
        for _ in range(DEADLINE_S * 100):
            if watcher.execute(waits, [pid]).fetchone()[0]:
                return
            watcher.execute("SELECT pg_sleep(0.01)")
    raise AssertionError("the statement never waited")


def test_the_caller_s_settings_are_as_they_were(app, connect):
    own = connect(row_factory=psycopg.rows.dict_row)
    own.execute("SET search_path = pg_temp, public")
    app.submit_sync("add", input={"a": 1}, connection=own)
    assert own.execute("SHOW search_path").fetchone() == {"search_path": "pg_temp, public"}
    with pytest.raises(RequestError):
        app.submit_sync("add", input={"a": "x"}, connection=own)
    assert own.execute("SHOW search_path").fetchone() == {"search_path": "pg_temp, public"}
    own.commit()
    assert own.execute("SHOW search_path").fetchone() == {"search_path": "pg_temp, public"}


def test_tables_of_the_caller_s_do_not_take_the_ledger_s_place(app, connect):
    own = connect()
    for table in ("job", "state", "ready", "owner", "event_inbox", "ledger"):
        own.execute(f"CREATE TEMPORARY TABLE {table} (x text)")
    app.submit_sync("add", input={"a": 1}, connection=own, owner="new")
    own.commit()
    assert count_jobs(app) == 1


def test_a_connection_that_commits_each_statement_is_refused(app, connect):
    with pytest.raises(RuntimeError, match="no open transaction"):
        app.submit_sync("add", input={"a": 1}, connection=connect(autocommit=True))
    engine = sqlalchemy.create_engine(alchemy(server_address()), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection, pytest.raises(RuntimeError, match="no open transaction"):
        app.submit_sync("add", input={"a": 1}, connection=connection)
    engine.dispose()
    assert count_jobs(app) == 0


def test_a_connection_in_a_block_of_its_own_is_in_a_transaction(app, connect):
    own = connect(autocommit=True)
    with own.transaction():
        app.submit_sync("add", input={"a": 1}, connection=own)
        with contextlib.suppress(ZeroDivisionError), own.transaction():
            app.submit_sync("add", input={"a": 2}, connection=own)
            raise ZeroDivisionError
        assert count_jobs(app) == 0
    assert look(app, "SELECT input FROM job") == [('{"a":1}',)]


@pytest.mark.slow
def test_a_connection_to_another_database_is_refused_and_its_transaction_goes_on(app, connect):
    admin = connect(autocommit=True)
    name = f"elsewhere_{secrets.token_hex(4)}"
    admin.execute(f"CREATE DATABASE {name}")
    own = psycopg.connect(server_address(), dbname=name)
    with contextlib.closing(own):
        own.execute("CREATE TABLE purchase (n int)")
        with pytest.raises(ValueError, match="another database than the ledger's"):
            app.submit_sync("add", input={"a": 1}, connection=own)
        own.execute("INSERT INTO purchase VALUES (1)")
        own.commit()
        assert own.execute("SELECT n FROM purchase").fetchone() == (1,)
    admin.execute(f"DROP DATABASE {name}")


def test_another_ledger_under_the_same_name_is_refused(app, connect):
    """A copy of the schema elsewhere has its own secret and its own tables."""
    (schema,) = look(app, "SELECT current_schema()")[0]
    admin = connect(autocommit=True)
    name = f"twin_{secrets.token_hex(4)}"
    admin.execute(f"CREATE DATABASE {name}")
    with contextlib.closing(psycopg.connect(server_address(), dbname=name)) as own:
        own.execute(f"CREATE SCHEMA {schema}")
        own.execute(f"CREATE TABLE {schema}.job (number bigint)")
        own.execute(f"CREATE TABLE {schema}.ledger (name text, value text)")
        with pytest.raises(ValueError, match="another database than the ledger's"):
            app.submit_sync("add", input={"a": 1}, connection=own)
    admin.execute(f"DROP DATABASE {name}")


def test_a_pipeline_is_refused(app, connect):
    own = connect()
    with own.pipeline(), pytest.raises(RuntimeError, match="outside of pipeline"):
        app.submit_sync("add", input={"a": 1}, connection=own)
    app.submit_sync("add", input={"a": 1}, connection=own)


def test_an_sqlite_connection_is_refused_where_the_ledger_is_on_postgresql(app):
    engine = sqlalchemy.create_engine("sqlite://")
    with (
        engine.connect() as connection,
        pytest.raises(TypeError, match=r"is to sqlite .*, the ledger is on postgresql"),
    ):
        app.submit_sync("add", input={"a": 1}, connection=connection)
    engine.dispose()
    with pytest.raises(RequestError, match="connect with psycopg or SQLAlchemy"):
        app.connect()


def test_an_asynchronous_connection_is_awaited(app):
    async def submit():
        async with await psycopg.AsyncConnection.connect(server_address()) as own:
            with pytest.raises(TypeError, match=r"await app\.submit"):
                app.submit_sync("add", input={"a": 1}, connection=own)
            await app.submit("add", input={"a": 1}, connection=own)

    asyncio.run(submit())
    assert count_jobs(app) == 1


def test_a_synchronous_connection_may_be_given_in_a_coroutine(app, connect):
    own = connect()
    asyncio.run(app.submit("add", input={"a": 1}, connection=own))
    own.commit()
    assert count_jobs(app) == 1


@pytest.mark.parametrize("library", ["psycopg", "sqlalchemy"])
def test_a_cancelled_submission_leaves_nothing_and_the_connection_to_its_owner(app, connect, library):
    """Cancelled while it waits for another's key: nothing of it runs on when the caller goes on."""
    holder = connect()
    app.submit_sync("add", input={"a": 1}, connection=holder, unique_key="k")

    async def cancel_waiting(own, pid):
        waiting = asyncio.create_task(app.submit("add", input={"a": 2}, connection=own, unique_key="k"))
        await asyncio.to_thread(wait_until_blocked, pid)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    async def with_psycopg():
        async with await psycopg.AsyncConnection.connect(server_address()) as own:
            await cancel_waiting(own, own.info.backend_pid)
            await own.execute("CREATE TEMPORARY TABLE purchase (n int)")
            await app.submit("add", input={"a": 3}, connection=own)
            await own.commit()

    async def with_sqlalchemy():
        engine = create_async_engine(alchemy(server_address()))
        async with engine.connect() as own:
            pid = (await own.execute(sqlalchemy.text("SELECT pg_backend_pid()"))).scalar()
            await cancel_waiting(own, pid)
        # SQLAlchemy gives up a connection whose statement was cancelled.
        async with engine.begin() as own:
            await app.submit("add", input={"a": 3}, connection=own)
        await engine.dispose()

    asyncio.run(with_psycopg() if library == "psycopg" else with_sqlalchemy())
    holder.rollback()
    assert look(app, "SELECT input FROM job") == [('{"a":3}',)]


def test_many_tasks_submit_at_once_each_on_its_own_connection(app):
    """More than a pool of threads would hold, all waiting for the key of one of them."""

    async def run():
        async with contextlib.AsyncExitStack() as stack:
            owns = [
                await stack.enter_async_context(await psycopg.AsyncConnection.connect(server_address()))
                for _ in range(40)
            ]

            async def one(n, own):
                job = await app.submit("add", input={"a": 0}, connection=own, unique_key="one for all")
                await app.submit("add", input={"a": n}, connection=own)
                await own.commit()
                return job.id

            async with asyncio.timeout(DEADLINE_S):
                return await asyncio.gather(*(one(n, own) for n, own in enumerate(owns, 1)))

    assert len(set(asyncio.run(run()))) == 1
    assert count_jobs(app) == 41
