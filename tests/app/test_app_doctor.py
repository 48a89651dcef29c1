"""What `jobwire doctor` finds on a PostgreSQL ledger: each finding is provoked on a real server where that can be."""

import json
import secrets
import sys
from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from jobwire.cli import doctor_postgres
from jobwire.cli.doctor import examine
from jobwire.cli.findings import Finding
from jobwire.cli.main import main
from jobwire.cli.settings_advice import ADVICE
from jobwire.config import read_settings
from jobwire.domain.ids import make_key
from jobwire.domain.job import NewJob
from jobwire.store.contract import ClaimRequest
from jobwire.store.postgres import open_postgres
from jobwire.store.statements import load_migrations
from postgres_server import Server, is_left_out, new_ledger, start_server

pytestmark = pytest.mark.skipif(is_left_out(), reason="this run does without PostgreSQL")


@pytest.fixture
def address() -> str:
    """A ledger that nobody else uses."""
    made = new_ledger()
    open_postgres(made).close()
    return made


@pytest.fixture
def connection(address: str) -> Iterator[psycopg.Connection]:
    """Another program's connection to that ledger."""
    with closing(psycopg.connect(address, autocommit=True)) as opened:
        yield opened


@pytest.fixture
def role(connection: psycopg.Connection) -> Iterator[str]:
    """The name of a role without any rights."""
    name = f"doctor_{secrets.token_hex(4)}"
    connection.execute(f"CREATE ROLE {name} LOGIN")
    yield name
    connection.execute(f"DROP OWNED BY {name}")
    connection.execute(f"DROP ROLE {name}")


def findings_at(address: str) -> list[Finding]:
    return list(doctor_postgres.examine_postgres(address))


def find(findings: list[Finding], what: str) -> Finding:
    """The one finding about something."""
    (found,) = [finding for finding in findings if finding.what.startswith(what)]
    return found


def as_role(address: str, role: str) -> str:
    return make_conninfo(address, user=role)


def test_a_sound_ledger_has_no_problem(address: str) -> None:
    findings = findings_at(address)
    assert [str(finding) for finding in findings if finding.level == "problem"] == []
    newest = load_migrations("postgres")[-1][0]
    assert find(findings, "ledger version") == Finding(
        "ok", "ledger version", str(newest), f"this program's is {newest}", "its next start brings it there"
    )
    assert find(findings, "row-level security").value == "present"
    assert find(findings, "live workers").level == "note"


def test_every_finding_that_is_not_ok_says_what_to_do(address: str) -> None:
    told = [finding for finding in findings_at(address) if finding.level != "ok"]
    assert told
    assert [finding for finding in told if not finding.fix] == []


def test_a_database_without_a_ledger_is_no_problem() -> None:
    found = find(findings_at(new_ledger()), "there is no ledger")
    assert (found.level, "jobwire serve" in found.fix) == ("note", True)


def test_a_server_that_is_not_there_is_one_finding_without_the_password() -> None:
    (found,) = findings_at("postgresql://me:hunter2@127.0.0.1:1/jobs")
    assert found.level == "problem"
    assert "127.0.0.1:1" in str(found) and "hunter2" not in str(found)


def test_a_newer_ledger_is_a_problem(address: str, connection: psycopg.Connection) -> None:
    connection.execute("UPDATE ledger_version SET version = 9999")
    found = find(findings_at(address), "ledger version")
    assert (found.level, found.fix) == ("problem", "upgrade jobwire")


def test_a_transaction_that_holds_vacuum_back_is_named(address: str, connection: psycopg.Connection) -> None:
    connection.execute("SET application_name = 'nightly report'")
    connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
    connection.execute("SELECT count(*) FROM job")
    found = find(findings_at(address), "oldest open transaction")
    assert "nightly report" in found.value and "idle in transaction" in found.value
    assert str(connection.info.backend_pid) in found.value


@pytest.mark.parametrize(("age_s", "level"), [(60, "ok"), (61, "note"), (900, "note"), (901, "problem")])
def test_a_transaction_is_judged_by_its_age(age_s: int, level: str) -> None:
    assert doctor_postgres.judge_holders([("pid 7", age_s), ("pid 8", 0)]).level == level


def test_a_transaction_that_holds_nothing_back_is_not_named(address: str, connection: psycopg.Connection) -> None:
    connection.execute("SET application_name = 'idler'")
    connection.execute("BEGIN")
    connection.execute("SELECT 1")
    assert "idler" not in find(findings_at(address), "oldest open transaction").value


def test_a_slot_that_nobody_reads_is_named(address: str, connection: psycopg.Connection) -> None:
    name = f"slot_{secrets.token_hex(4)}"
    connection.execute("SELECT pg_create_physical_replication_slot(%s, true)", (name,))
    try:
        found = find(findings_at(address), f"replication slot {name}")
        assert (found.level, "unread" in found.value) == ("note", True)
        assert f"pg_drop_replication_slot('{name}')" in found.fix
    finally:
        connection.execute("SELECT pg_drop_replication_slot(%s)", (name,))


def test_a_slot_that_keeps_too_much_is_a_problem() -> None:
    (by_log,) = doctor_postgres.judge_slots([("s", True, doctor_postgres.SLOT_BYTES_MAX + 1, 0)])
    (by_rows,) = doctor_postgres.judge_slots([("s", True, 0, doctor_postgres.SLOT_XIDS_MAX + 1)])
    assert (by_log.level, by_rows.level) == ("problem", "problem")
    full = ("s", True, doctor_postgres.SLOT_BYTES_MAX, doctor_postgres.SLOT_XIDS_MAX)
    assert list(doctor_postgres.judge_slots([full])) == []


@pytest.mark.slow
def test_a_table_that_nobody_vacuums_is_named(address: str, connection: psycopg.Connection) -> None:
    connection.execute("ALTER TABLE ready SET (autovacuum_enabled = off)")
    rows = doctor_postgres.DEAD_ROWS_MAX + 1
    connection.execute(f"INSERT INTO ready SELECT 'q', 5, n, n FROM generate_series(1, {rows}) AS n")
    connection.execute("DELETE FROM ready")
    connection.execute("SELECT pg_stat_force_next_flush()")
    findings = findings_at(address)
    assert find(findings, "autovacuum of ready").level == "problem"
    worn = find(findings, "table ready")
    assert (worn.level, worn.value) == ("note", f"{rows:,} dead rows, 0 live")
    connection.execute("VACUUM ready")
    connection.execute("ALTER TABLE ready RESET (autovacuum_enabled)")
    connection.execute("SELECT pg_stat_force_next_flush()")
    assert find(findings_at(address), "tables").level == "ok"


def test_a_table_of_air_is_named() -> None:
    big = doctor_postgres.LOOSE_BYTES_MAX + 1
    full = big // doctor_postgres.LOOSE_BYTES_PER_ROW
    (loose,) = doctor_postgres.judge_tables([("state", 5, 0, big, False)])
    assert (loose.level, "VACUUM FULL state" in loose.fix) == ("note", True)
    (dense,) = doctor_postgres.judge_tables([("state", full + 1, 0, big, False)])
    assert dense.level == "ok"


@pytest.mark.parametrize(("dead", "level"), [(100_000, "ok"), (100_001, "note")])
def test_dead_rows_are_judged_by_their_number(dead: int, level: str) -> None:
    (found,) = doctor_postgres.judge_tables([("state", 5, dead, 0, False)])
    assert found.level == level


@pytest.mark.parametrize(("left", "level"), [(20, "ok"), (19, "note"), (5, "note"), (4, "problem")])
def test_connections_are_judged_by_the_tightest_limit(left: int, level: str) -> None:
    for places in ((100, 100 - left, -1, 0, -1, 0), (100, 0, left, 0, -1, 0), (100, 0, -1, 0, 50, 50 - left)):
        assert doctor_postgres.judge_connections(*places).level == level


@pytest.mark.parametrize(
    ("name", "value", "is_good"),
    [
        ("idle_in_transaction_session_timeout", "0", False),
        ("idle_in_transaction_session_timeout", "1", True),
        ("idle_in_transaction_session_timeout", "300000", True),
        ("idle_in_transaction_session_timeout", "300001", False),
        ("statement_timeout", "0", True),
        ("statement_timeout", "29999", False),
        ("statement_timeout", "30000", True),
        ("synchronous_commit", "remote_apply", True),
        ("synchronous_commit", "remote_write", False),
        ("synchronous_commit", "local", False),
    ],
)
def test_a_setting_is_judged_on_both_sides_of_its_bound(name: str, value: str, is_good: bool) -> None:
    (advice,) = [advice for advice in ADVICE if advice.name == name]
    assert advice.is_good(value) is is_good


@pytest.mark.parametrize(
    ("host", "is_encrypted", "is_told"),
    [
        ("db.internal", False, True),
        ("db.internal", True, False),
        ("127.0.0.1", False, False),
        ("localhost", False, False),
        ("/run/postgresql", False, False),
        ("localhost.attacker.example", False, True),
        ("127.example", False, True),
    ],
)
def test_a_connection_that_others_can_read_is_told(host: str, is_encrypted: bool, is_told: bool) -> None:
    found = doctor_postgres.judge_encryption(host, is_encrypted=is_encrypted)
    assert [finding.fix for finding in found] == ["add sslmode=verify-full to the address"] * is_told


def test_a_role_that_has_few_connections_left_is_told(
    address: str, connection: psycopg.Connection, role: str
) -> None:
    connection.execute(f"ALTER ROLE {role} CONNECTION LIMIT 6")
    found = find(findings_at(as_role(address, role)), "connections left")
    # One of the six is the doctor's own.
    assert (found.level, found.value.split(" ")[0]) == ("note", "5")
    connection.execute(f"ALTER ROLE {role} CONNECTION LIMIT 5")
    assert find(findings_at(as_role(address, role)), "connections left").level == "problem"


def test_what_a_role_may_not_do_is_told(address: str, connection: psycopg.Connection, role: str) -> None:
    schema = connection.execute("SELECT current_schema()").fetchone()[0]  # type: ignore[index]
    connection.execute(f"GRANT USAGE ON SCHEMA {schema} TO {role}")
    connection.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {role}")
    findings = findings_at(as_role(address, role))
    assert find(findings, f"{role} may create no tables").level == "problem"
    assert "pg_monitor" in find(findings, f"{role} sees its own sessions only").fix
    wall = find(findings, "row-level security")
    assert (wall.level, wall.value) == ("note", "absent")
    assert [finding for finding in findings if "superuser" in finding.what] == []


def test_settings_of_a_role_are_judged(address: str, connection: psycopg.Connection, role: str) -> None:
    for setting in ("synchronous_commit = off", "statement_timeout = '5s'", "default_transaction_read_only = on"):
        connection.execute(f"ALTER ROLE {role} SET {setting}")
    connection.execute(f"ALTER ROLE {role} SET idle_in_transaction_session_timeout = '1min'")
    findings = findings_at(as_role(address, role))
    assert find(findings, "synchronous_commit").level == "problem"
    assert "G1" in find(findings, "synchronous_commit").limit
    assert find(findings, "statement_timeout").value == "5000"
    assert find(findings, "default_transaction_read_only").level == "problem"
    assert "idle_in_transaction_session_timeout 60000" in find(findings, "settings").value


def test_a_hole_in_the_wall_is_a_problem(address: str, connection: psycopg.Connection) -> None:
    store = open_postgres(address)
    store.submit([NewJob(key=make_key(1, 1), owner=1, kind="k", queue="q", input="{}")]).result(10)
    store.close()
    assert find(findings_at(address), "row-level security").level == "ok"
    connection.execute("CREATE POLICY hole ON job FOR SELECT TO jobwire_customer USING (true)")
    assert find(findings_at(address), "row-level security").level == "problem"


def test_jobs_that_nobody_rescues_are_counted(address: str, connection: psycopg.Connection) -> None:
    store = open_postgres(address)
    store.submit([NewJob(key=make_key(1, 1), owner=1, kind="k", queue="q", input="{}")]).result(10)
    assert len(store.claim(ClaimRequest("gone", "q", 1)).result(10)) == 1
    store.close()
    findings = findings_at(address)
    assert find(findings, "1 jobs wait for a rescue").level == "problem"
    assert find(findings, "jobs").value.startswith("1 running, 0 ready, 0 scheduled")


@pytest.mark.parametrize(
    ("wait_s", "deltas", "level"),
    [
        (doctor_postgres.EVENT_WAIT_S_MAX, doctor_postgres.COUNT_MAX, "ok"),
        (doctor_postgres.EVENT_WAIT_S_MAX + 1, 0, "problem"),
        (0, doctor_postgres.COUNT_MAX + 1, "problem"),
    ],
)
def test_what_is_not_folded_is_told(wait_s: int, deltas: int, level: str) -> None:
    assert doctor_postgres.judge_folding(wait_s, deltas).level == level


@pytest.mark.parametrize(
    ("number", "level"), [(140_011, "problem"), (150_000, "ok"), (170_010, "ok"), (180_004, "ok"), (190_000, "note")]
)
def test_a_server_is_judged_by_its_version(number: int, level: str) -> None:
    assert doctor_postgres.judge_version(number, "?").level == level


@pytest.mark.parametrize(
    ("difference_ms", "uncertainty_ms", "level"), [(1_001, 1, "ok"), (-1_002, 1, "note"), (1_002, 500, "ok")]
)
def test_clocks_that_differ_are_told(difference_ms: float, uncertainty_ms: float, level: str) -> None:
    assert doctor_postgres.judge_clock(difference_ms, uncertainty_ms).level == level


@pytest.mark.parametrize(
    ("xids", "level"),
    [(500_000_000, "ok"), (500_000_001, "note"), (1_200_000_000, "note"), (1_200_000_001, "problem")],
)
def test_the_way_to_the_wraparound_is_measured(xids: int, level: str) -> None:
    assert doctor_postgres.judge_wraparound(xids, 0).level == level
    assert doctor_postgres.judge_wraparound(0, xids).level == level


@pytest.fixture(scope="module")
def careless() -> Iterator[Server]:
    """A server that keeps no promise and waits for a standby that is not there."""
    server = start_server(
        "fsync=off",
        "full_page_writes=off",
        "autovacuum=off",
        "track_counts=off",
        "synchronous_standby_names=nobody",
    )
    yield server
    server.stop()


@pytest.mark.slow
def test_a_careless_server_is_told_its_faults(careless: Server) -> None:
    findings = findings_at(careless.address())
    for name in ("fsync", "full_page_writes", "autovacuum", "track_counts"):
        found = find(findings, name)
        assert (found.level, found.value, found.fix) == (
            "problem",
            "off",
            f"ALTER SYSTEM RESET {name}; SELECT pg_reload_conf()",
        )
    assert find(findings, "synchronous standby").level == "problem"
    assert [finding for finding in findings if finding.what == "a commit takes"] == []


@pytest.mark.slow
def test_a_role_that_may_not_see_standbys_is_told_so_and_does_not_wait_for_them(careless: Server) -> None:
    with closing(psycopg.connect(careless.address(), autocommit=True)) as connection:
        connection.execute("SET synchronous_commit = local")
        connection.execute("CREATE ROLE blind LOGIN")
    found = find(findings_at(as_role(careless.address(), "blind")), "synchronous standby")
    assert (found.level, found.value) == ("note", "nobody")


@pytest.mark.slow
def test_a_database_of_another_encoding_is_refused(careless: Server) -> None:
    with closing(psycopg.connect(careless.address(), autocommit=True)) as connection:
        connection.execute("SET synchronous_commit = local")
        connection.execute("CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    found = find(findings_at(careless.address("latin")), "server_encoding")
    assert (found.level, found.value) == ("problem", "LATIN1")


def test_without_a_standby_g1_is_said_to_end_with_the_node() -> None:
    assert doctor_postgres.judge_standbys("", 0, 1).level == "note"
    assert "not its loss" in doctor_postgres.judge_standbys("", 0, 0).limit
    assert doctor_postgres.judge_standbys("s1", 1, 2).level == "ok"


def test_the_command_prints_and_counts(
    address: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for words, code in (((), 0), (("--json",), 0)):
        monkeypatch.setattr(sys, "argv", ["jobwire", "doctor", "--db", address, *words])
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == code
    printed = capsys.readouterr().out.splitlines()
    shown = [json.loads(line) for line in printed if line.startswith("{")]
    assert {finding["level"] for finding in shown} == {"ok", "note"}
    assert len(printed) == 2 * len(shown)


def test_psycopg_is_asked_for_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "jobwire.cli.doctor_postgres", raising=False)
    monkeypatch.setitem(sys.modules, "psycopg", None)
    findings = examine(read_settings({}, db="postgresql://x/y"))
    (found,) = [finding for finding in findings if finding.level == "problem"]
    assert "pip install 'jobwire[postgresql]'" in found.fix
