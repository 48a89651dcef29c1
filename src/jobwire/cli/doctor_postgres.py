"""What the doctor asks a PostgreSQL ledger: the server, its settings, who is in the way, what is worn.

It only reads, but for eleven empty messages in the server's log that tell how long a commit takes. The questions are
in store/postgres/sql/doctor.sql; settings_advice.py judges the server's settings.
"""

import re
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo

from jobwire.cli.findings import NO_UPKEEP, Finding, Level, grade, judge_move, judge_people
from jobwire.cli.settings_advice import judge_settings
from jobwire.store.postgres.session import CONNECT_TIMEOUT_S, explain_refusal, show_address
from jobwire.store.statements import load_migrations, load_statements

SERVER_VERSION_MIN, SERVER_VERSION_TESTED = 150_000, 18
CONNECTIONS_PER_PROCESS = 5
CONNECTIONS_LEFT_MIN = 4 * CONNECTIONS_PER_PROCESS
CLOCK_DIFFERENCE_MS_MAX = 1_000
HOLD_S_NOTE, HOLD_S_MAX = 60, 900
SLOT_XIDS_MAX = 10_000_000
SLOT_BYTES_MAX = 1_000_000_000
DEAD_ROWS_MAX = 100_000
LOOSE_BYTES_MAX = 256_000_000
LOOSE_BYTES_PER_ROW = 4_096
XIDS_NOTE, XIDS_MAX = 500_000_000, 1_200_000_000
COMMIT_MS_SLOW = 20.0
EVENT_WAIT_S_MAX = 60
COUNT_MAX = 100_000
SQL = load_statements("postgres", "doctor")

_NEAR = re.compile(r"/.*|localhost|127(\.\d+){3}|::1")

Row = tuple[Any, ...]


def examine_postgres(dsn: str) -> Iterator[Finding]:
    """Every check of the ledger at `dsn` in turn."""
    address = show_address(dsn)
    try:
        conninfo = make_conninfo(dsn, connect_timeout=CONNECT_TIMEOUT_S, application_name="jobwire doctor")
        connection = psycopg.connect(conninfo, autocommit=True, prepare_threshold=None)
    except psycopg.Error as error:
        yield Finding("problem", explain_refusal(dsn, error), fix="check --db and JOBWIRE_DB")
        return
    try:
        with connection:
            yield from _Examination(connection, address).run()
    except psycopg.Error as error:
        what = error.diag.message_primary or str(error).strip()
        yield Finding("problem", f"{address} refused a question", what, fix="is it a ledger of this version?")


class _Examination:
    """One connection to the ledger and what is asked through it."""

    def __init__(self, connection: psycopg.Connection[Row], address: str) -> None:
        self._connection = connection
        self._address = address

    def run(self) -> Iterator[Finding]:
        (number, version, role, database, schema, is_standby, pid, is_superuser, sees_all) = self._row("identity")
        yield judge_version(number, version)
        yield Finding("ok", "ledger", f"{self._address} as {role}, schema {schema}")
        if is_standby:
            yield Finding(
                "problem", "this server is a standby", fix="add target_session_attrs=read-write to the address"
            )
            return
        yield from self._judge_link(pid)
        settings: dict[str, str] = dict(self._rows("settings"))
        yield from judge_settings(settings, database)
        yield from self._judge_standbys(settings["synchronous_standby_names"], sees_all=sees_all)
        yield judge_clock(*self._compare_clocks())
        yield judge_connections(*self._row("connections"))
        yield judge_wraparound(*self._row("wraparound"))
        if not sees_all:
            yield Finding(
                "note",
                f"{role} sees its own sessions only",
                fix=f'GRANT pg_monitor TO "{role}" to have the rest checked',
            )
        yield judge_holders(self._rows("holders"))
        yield from judge_slots(self._rows("slots"))
        yield from self._judge_ledger(role, is_superuser=is_superuser)

    def _rows(self, name: str) -> list[Row]:
        return self._connection.execute(SQL[name].encode()).fetchall()

    def _row(self, name: str) -> Row:
        return self._rows(name)[0]

    def _judge_link(self, pid: int) -> Iterator[Finding]:
        info = self._connection.info
        if info.backend_pid != pid:
            yield Finding(
                "note",
                "a pooler stands before the server",
                limit="no doorbell is heard through it: work is found by polling",
                fix="set JOBWIRE_PG_PREPARE=0 if it is a pgbouncer before 1.21, or name the server itself",
            )
        yield from judge_encryption(info.host, is_encrypted=bool(self._connection.pgconn.ssl_in_use))

    def _judge_standbys(self, names: str, *, sees_all: bool) -> Iterator[Finding]:
        if names and not sees_all:
            # Neither is a commit timed: it might wait for ever.
            yield Finding(
                "note", "synchronous standby", names, "not to be seen by this role", "GRANT pg_monitor to it"
            )
            return
        awaited, connected = self._row("standbys")
        yield judge_standbys(names, awaited, connected)
        if names and not awaited:
            return
        trip, commit = self._time("clock"), self._time("flush")
        yield Finding(
            grade(commit, note_above=COMMIT_MS_SLOW),
            "a commit takes",
            f"{commit:.2f} ms, of which {trip:.2f} ms is the way there and back",
            f"slow above {COMMIT_MS_SLOW:g} ms",
            "look at the server's disk and at the way to it and to its synchronous standby",
        )

    def _time(self, name: str) -> float:
        taken = []
        for _ in range(11):
            start = time.perf_counter()
            self._rows(name)
            taken.append(time.perf_counter() - start)
        return sorted(taken)[5] * 1000

    def _compare_clocks(self) -> tuple[float, float]:
        before = time.time()
        (server,) = self._row("clock")
        after = time.time()
        return (before + after) * 500 - server, (after - before) * 500

    def _judge_ledger(self, role: str, *, is_superuser: bool) -> Iterator[Finding]:
        (may_create,) = self._row("may_create")
        if not may_create:
            yield Finding(
                "problem",
                f"{role} may create no tables in its schema",
                fix="GRANT CREATE, USAGE ON SCHEMA … TO that role",
            )
        (has_ledger,) = self._row("has_ledger")
        if not has_ledger:
            yield Finding("note", "there is no ledger in this database yet", fix="the first `jobwire serve` makes it")
            return
        yield judge_ledger_version(self._row("version")[0])
        for (moved_to,) in self._rows("moved_to"):
            yield judge_move(self._address, moved_to)
        if is_superuser:
            yield Finding("note", f"{role} is a superuser", fix="give Jobwire a role of its own")
        yield self._judge_wall()
        yield from judge_tables(self._rows("tables"))
        running, waiting, scheduled, kept = self._row("jobs")
        shown = [
            f"{count:,}" if count <= COUNT_MAX else f"over {COUNT_MAX:,}" for count in (running, waiting, scheduled)
        ]
        yield Finding(
            "ok", "jobs", f"{shown[0]} running, {shown[1]} ready, {shown[2]} scheduled, about {kept:,} kept"
        )
        workers, stuck, wait_s, deltas, keys = self._row("upkeep")
        yield judge_folding(wait_s, deltas)
        yield from judge_people(workers, stuck, keys)

    def _judge_wall(self) -> Finding:
        policies, is_on, is_member = self._row("wall")
        what = "row-level security between owners"
        fix = "build it as docs/operating/postgresql.md says"
        if policies < 2 or not is_on or not is_member:
            return Finding("note", what, "absent", "statements alone part the owners", fix)
        with self._connection.transaction(force_rollback=True):
            self._connection.execute(SQL["enter_wall"].encode())
            (is_open,) = self._row("behind_wall")
        if is_open:
            return Finding(
                "problem", what, "a role without an owner sees jobs", fix="look for policies that are not Jobwire's"
            )
        return Finding("ok", what, "present")


def judge_version(number: int, version: str) -> Finding:
    """The server's version."""
    level: Level = (
        "problem" if number < SERVER_VERSION_MIN else grade(number // 10_000, note_above=SERVER_VERSION_TESTED)
    )
    limit = f"{SERVER_VERSION_MIN // 10_000} to {SERVER_VERSION_TESTED} are tested"
    return Finding(level, "PostgreSQL", version, limit, "use one of these")


def judge_encryption(host: str, *, is_encrypted: bool) -> Iterator[Finding]:
    """Whether others can read along on the way to `host`: a name, an address, or the folder of a socket."""
    if not is_encrypted and not _NEAR.fullmatch(host):
        fix = "add sslmode=verify-full to the address"
        yield Finding("note", f"the connection to {host} is not encrypted", fix=fix)


def judge_ledger_version(version: int) -> Finding:
    """The version of the ledger's tables against this program's."""
    newest = load_migrations("postgres")[-1][0]
    if version > newest:
        return Finding("problem", "ledger version", str(version), f"this program knows {newest}", "upgrade jobwire")
    level: Level = "ok" if version == newest else "note"
    return Finding(
        level, "ledger version", str(version), f"this program's is {newest}", "its next start brings it there"
    )


def judge_standbys(names: str, awaited: int, connected: int) -> Finding:
    """What G1 means here."""
    what = "synchronous standby"
    if not names:
        return Finding(
            "note",
            what,
            f"none; {connected} that nobody waits for",
            "G1 survives crashes of this node, not its loss",
            "name one in synchronous_standby_names (docs/operating/postgresql.md)",
        )
    if not awaited:
        return Finding("problem", what, f"{names} is not connected", "every commit waits for it", "start the standby")
    return Finding("ok", what, f"{awaited} of {connected} connected", f"synchronous_standby_names = {names}")


def judge_clock(difference_ms: float, uncertainty_ms: float) -> Finding:
    """This machine's clock against the server's, whose time the ledger has."""
    level = grade(abs(difference_ms) - uncertainty_ms, note_above=CLOCK_DIFFERENCE_MS_MAX)
    value = f"{abs(difference_ms):.0f} ms {'ahead of' if difference_ms > 0 else 'behind'} the server's"
    return Finding(
        level,
        "this machine's clock",
        value,
        f"at most {CLOCK_DIFFERENCE_MS_MAX} ms",
        "synchronise both (chrony, ntpd)",
    )


def judge_connections(
    places: int, taken: int, role_places: int, role_taken: int, database_places: int, database_taken: int
) -> Finding:
    """How many more connections the server gives this role."""
    left = [places - taken]
    left += [role_places - role_taken] if role_places >= 0 else []
    left += [database_places - database_taken] if database_places >= 0 else []
    return Finding(
        grade(-min(left), note_above=-CONNECTIONS_LEFT_MIN, problem_above=-CONNECTIONS_PER_PROCESS),
        "connections left",
        f"{max(0, min(left))} of {places}",
        f"a process takes {CONNECTIONS_PER_PROCESS}",
        "raise max_connections or the limit of the role or database, or put a pooler before the server",
    )


def judge_wraparound(xids: int, multixacts: int) -> Finding:
    """How many transactions the oldest row has not been frozen for; at 2.1 billion the server stops writing."""
    age = max(xids, multixacts)
    return Finding(
        grade(age, note_above=XIDS_NOTE, problem_above=XIDS_MAX),
        "transactions since the oldest freeze",
        f"{age:,}",
        f"at most {XIDS_NOTE:,}",
        "something keeps autovacuum from freezing: see the transactions and slots named here, then VACUUM FREEZE",
    )


def judge_holders(rows: Sequence[Row]) -> Finding:
    """The oldest transaction that keeps vacuum from cleaning up."""
    who, age_s = rows[0] if rows else ("none", 0)
    return Finding(
        grade(age_s, note_above=HOLD_S_NOTE, problem_above=HOLD_S_MAX),
        "oldest open transaction",
        f"{age_s:,} s, {who}" if rows else "none",
        f"at most {HOLD_S_NOTE} s",
        "end it: pg_terminate_backend(pid), or ROLLBACK PREPARED; until then vacuum removes nothing newer",
    )


def judge_slots(rows: Iterable[Row]) -> Iterator[Finding]:
    """Replication slots that keep log or rows which nobody fetches."""
    for name, is_active, kept_bytes, xids in rows:
        if kept_bytes > SLOT_BYTES_MAX or xids > SLOT_XIDS_MAX or not is_active:
            level: Level = "problem" if kept_bytes > SLOT_BYTES_MAX or xids > SLOT_XIDS_MAX else "note"
            yield Finding(
                level,
                f"replication slot {name}",
                f"{'active' if is_active else 'unread'}, keeps {kept_bytes / 1e6:,.0f} MB of log and {xids:,} xids",
                f"at most {SLOT_BYTES_MAX / 1e6:,.0f} MB",
                f"start its reader, or SELECT pg_drop_replication_slot('{name}'); set max_slot_wal_keep_size",
            )


def judge_tables(rows: Sequence[Row]) -> Iterator[Finding]:
    """Whether vacuum keeps up with the tables that change most."""
    worn = False
    for name, live, dead, size, is_left_out in rows:
        if is_left_out:
            worn = True
            yield Finding(
                "problem", f"autovacuum of {name}", "off", "on", f"ALTER TABLE {name} RESET (autovacuum_enabled)"
            )
        if dead > max(DEAD_ROWS_MAX, live):
            worn = True
            yield Finding(
                "note",
                f"table {name}",
                f"{dead:,} dead rows, {live:,} live",
                f"at most {DEAD_ROWS_MAX:,}",
                f"see the oldest transaction and the slots above; then VACUUM {name}",
            )
        elif size > max(LOOSE_BYTES_MAX, LOOSE_BYTES_PER_ROW * (live + dead)) and name not in ("job", "event"):
            worn = True
            yield Finding(
                "note",
                f"table {name}",
                f"{size / 1e6:,.0f} MB for {live:,} rows",
                f"{LOOSE_BYTES_PER_ROW} bytes a row",
                f"in a quiet minute: VACUUM FULL {name}",
            )
    if not worn:
        total = sum(row[3] for row in rows)
        yield Finding("ok", "tables", f"{total / 1e6:,.1f} MB, {sum(row[2] for row in rows):,} dead rows")


def judge_folding(wait_s: int, deltas: int) -> Finding:
    """Whether what commits append is folded: counters into cells, events into the log."""
    is_late = wait_s > EVENT_WAIT_S_MAX or deltas > COUNT_MAX
    return Finding(
        "problem" if is_late else "ok",
        "to be folded",
        f"{deltas:,} counters, events of {wait_s:,} s",
        f"at most {COUNT_MAX:,} and {EVENT_WAIT_S_MAX} s",
        NO_UPKEEP,
    )
