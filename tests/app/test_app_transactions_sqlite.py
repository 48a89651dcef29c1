"""The caller's own transaction on an SQLite ledger: which connection is refused, when, and what it is told."""

import contextlib
import os
import sqlite3
import subprocess
import sys

import apsw
import pytest
import sqlalchemy
from sqlalchemy.orm import Session, scoped_session, sessionmaker

from jobwire import Jobwire
from jobwire.config import SettingError
from jobwire.store.sqlite.own import OTHER_SQLITE_MIN

DEADLINE_S = 20


@pytest.fixture
def app(ledger):
    """An app whose ledger is there, and not open."""
    made = Jobwire()

    @made.job("add")
    def add(a: int) -> int:
        return a

    made.open()
    made.close()
    yield made
    made.close()


@pytest.fixture
def connection(app, ledger):
    opened = sqlite3.connect(ledger)
    yield opened
    opened.close()


def count_jobs(ledger):
    with contextlib.closing(sqlite3.connect(ledger)) as reader:
        return reader.execute("SELECT count(*) FROM job").fetchone()[0]


def test_a_block_of_the_connection_is_a_transaction(app, connection, ledger):
    with pytest.raises(ZeroDivisionError), connection:
        app.submit_sync("add", input={"a": 1}, connection=connection)
        raise ZeroDivisionError
    assert count_jobs(ledger) == 0
    with connection:
        app.submit_sync("add", input={"a": 1}, connection=connection)
    assert count_jobs(ledger) == 1


def test_rows_of_the_caller_s_liking_do_no_harm(app, connection, ledger):
    connection.row_factory = sqlite3.Row
    with connection:
        app.submit_sync("add", input={"a": 1}, connection=connection, unique_key="u")
        again = app.submit_sync("add", input={"a": 1}, connection=connection, unique_key="u")
    assert not again.is_new
    assert isinstance(connection.execute("SELECT 1").fetchone(), sqlite3.Row)


def test_the_other_sqlite_makes_no_checkpoints(app, connection):
    with connection:
        app.submit_sync("add", input={"a": 1}, connection=connection)
    assert connection.execute("PRAGMA wal_autocheckpoint").fetchone() == (0,)


def test_an_sqlite_without_the_operator_is_refused_by_its_version(app, connection, ledger):
    major, minor, patch = OTHER_SQLITE_MIN
    connection.create_function("sqlite_version", 0, lambda: f"{major}.{minor - 1}.9")
    with (
        pytest.raises(RuntimeError, match=rf"SQLite is {major}\.{minor - 1}\.9, the ledger needs 3\.38\.0"),
        connection,
    ):
        app.submit_sync("add", input={"a": 1}, connection=connection)
    connection.create_function("sqlite_version", 0, lambda: f"{major}.{minor}.{patch}")
    with connection:
        app.submit_sync("add", input={"a": 1}, connection=connection)
    assert count_jobs(ledger) == 1


def test_without_a_transaction_the_connection_is_refused(app, ledger):
    for connect in (lambda: sqlite3.connect(ledger, isolation_level=None), lambda: apsw.Connection(str(ledger))):
        with contextlib.closing(connect()) as opened, pytest.raises(RuntimeError, match="BEGIN IMMEDIATE"):
            app.submit_sync("add", input={"a": 1}, connection=opened)
    assert count_jobs(ledger) == 0


@pytest.mark.slow
def test_a_process_that_has_the_ledger_open_refuses_the_other_sqlite(app, connection, ledger):
    """Its close would delete the write-ahead log under the ledger, and its locks are none."""
    connection.close()
    app.open()
    memory = sqlite3.connect(":memory:")
    with contextlib.closing(memory), pytest.raises(ValueError, match="database is in memory"):
        app.submit_sync("add", input={"a": 1}, connection=memory)
    # In a copy of the process it can be shown without the danger: nothing writes there.
    program = f"""
import sqlite3
from jobwire import Jobwire
app = Jobwire()
@app.job("add")
def add(a: int) -> int: return a
app.open()
connection = sqlite3.connect({str(ledger)!r})
try:
    app.submit_sync("add", input={{"a": 1}}, connection=connection)
except RuntimeError as refused:
    print(refused)
"""
    app.close()
    ended = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ,
        timeout=DEADLINE_S,
        check=True,
        capture_output=True,
        text=True,
    )
    assert "this process has the ledger" in ended.stdout and "Use connect() of the app here" in ended.stdout


def test_the_ledger_is_not_opened_beside_a_connection_of_the_other_sqlite(app, connection, ledger):
    with connection:
        app.submit_sync("add", input={"a": 1}, connection=connection)
    for open_it in (app.open, lambda: app.submit_sync("add", input={"a": 2}), app.connect):
        with pytest.raises(RuntimeError, match="Close that connection first"):
            open_it()
    connection.close()
    assert app.submit_sync("add", input={"a": 2}).number == 2


def test_a_pool_is_let_go_by_its_engine_s_dispose(app, ledger):
    engine = sqlalchemy.create_engine(f"sqlite:///{ledger}")
    with Session(engine) as session:
        app.submit_sync("add", input={"a": 1}, connection=session)
        session.commit()
    with pytest.raises(RuntimeError, match=r"dispose\(\)"):
        app.open()
    engine.dispose()
    app.open()


def test_sessions_of_one_s_own_making_are_sessions(app, ledger):
    engine = sqlalchemy.create_engine(f"sqlite:///{ledger}")

    class OwnSession(Session):
        pass

    sessions = scoped_session(sessionmaker(engine, class_=OwnSession))
    app.submit_sync("add", input={"a": 1}, connection=sessions)
    sessions.commit()
    app.submit_sync("add", input={"a": 1}, connection=sessions())
    sessions.commit()
    sessions.remove()
    engine.dispose()
    assert count_jobs(ledger) == 2


@pytest.mark.parametrize("connect", [sqlite3.connect, lambda path: apsw.Connection(str(path))])
def test_a_connection_to_another_file_is_refused(app, connect, tmp_path, ledger):
    other = connect(tmp_path / "other.db")
    other.execute(f"ATTACH '{ledger}' AS jobs")
    other.execute("BEGIN")
    with contextlib.closing(other), pytest.raises(ValueError, match=r"other\.db, the ledger is .*jobs\.db"):
        app.submit_sync("add", input={"a": 1}, connection=other)


def test_the_same_file_under_another_name_is_the_ledger(app, tmp_path, ledger):
    (tmp_path / "link.db").symlink_to(ledger)
    with contextlib.closing(sqlite3.connect(tmp_path / "link.db")) as connection, connection:
        app.submit_sync("add", input={"a": 1}, connection=connection)
    assert count_jobs(ledger) == 1


def test_a_ledger_that_nobody_has_made_yet_is_not_made_here(app, connection, tmp_path):
    elsewhere = Jobwire(db=str(tmp_path / "new.db"))
    with pytest.raises(ValueError, match=r"there is no ledger at .*new\.db yet"):
        elsewhere.submit_sync("add", input={"a": 1}, connection=connection)
    assert not (tmp_path / "new.db").exists()


@pytest.mark.parametrize(("move", "said"), [(1, "upgrade jobwire"), (-1, "jobwire serve")])
def test_a_ledger_of_another_version_is_refused(app, connection, move, said):
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    connection.execute(f"PRAGMA user_version = {version + move}")
    with pytest.raises(RuntimeError, match=f"the ledger has version {version + move}, .*{said}"), connection:
        app.submit_sync("add", input={"a": 1}, connection=connection)


def test_a_ledger_that_was_moved_away_takes_no_more_jobs(app, connection, ledger):
    mark = '{"id": "1", "address": "postgresql://db/jobs", "at": 0}'
    with connection:
        connection.execute("INSERT INTO ledger (name, value) VALUES ('moved_to', ?)", (mark,))
    with pytest.raises(SettingError, match="was moved to postgresql://db/jobs"), connection:
        app.submit_sync("add", input={"a": 1}, connection=connection)
    assert count_jobs(ledger) == 0


def test_what_is_no_connection_is_refused(app, ledger):
    engine = sqlalchemy.create_engine(f"sqlite:///{ledger}")
    with contextlib.closing(sqlite3.connect(ledger)) as connection:
        for thing in (object(), "jobs.db", engine, connection.cursor()):
            with pytest.raises(TypeError, match=r"give an apsw\.Connection, sqlite3\.Connection, psycopg"):
                app.submit_sync("add", input={"a": 1}, connection=thing)


def test_an_app_that_only_submits_there_still_knows_its_kinds(app, connection):
    with pytest.raises(Exception, match="did you mean 'add'"), connection:
        app.submit_sync("ad", input={"a": 1}, connection=connection)
    with pytest.raises(RuntimeError, match="before the first submit"):
        app.job("late")(lambda a: a)
