# ruff: noqa: S608 - the names in statements come from the ledgers' own catalogs
"""A move's side on PostgreSQL: COPY in, one statement a table to sum it up there. ../moving/move.py moves."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import psycopg

from jobwire.config import SettingError
from jobwire.store.moving.lines import HASH_BYTES, NULL, Column, Tally, line_sql
from jobwire.store.moving.side import Registers, Table
from jobwire.store.moving.vectors import show_array
from jobwire.store.postgres.migrate import MIGRATION_LOCK, migrate
from jobwire.store.postgres.ring import begin_load, end_load, make_room
from jobwire.store.postgres.session import Session, explain_refusal, show_address
from jobwire.store.statements import load_statements

# Nothing that the server cuts short for others may end a move, and backslashes in texts are backslashes.
SETTINGS = """
SET LOCAL statement_timeout = 0;
SET LOCAL lock_timeout = 0;
SET LOCAL idle_in_transaction_session_timeout = 0;
SET LOCAL standard_conforming_strings = on
"""

VECTOR_SQL = "encode(array_send({}), 'hex')"


class PostgresSide:
    """See Side. Two schemas of one database are two addresses."""

    failures: tuple[type[Exception], ...] = (psycopg.Error,)

    def __init__(self, dsn: str) -> None:
        try:
            self._session = Session(dsn, can_prepare=False, has_wall=False)
        except psycopg.Error as error:
            raise SettingError(explain_refusal(dsn, error)) from error
        self._connection = self._session.connection
        schema = self.query("SELECT current_schema()")[0][0]
        self.address = show_address(dsn) + ("" if schema == "public" else f" (schema {schema})")

    def begin_read(self) -> None:
        """See Side."""
        self._session.execute_script(f"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; {SETTINGS}")

    def begin_write(self, *, is_target: bool = False) -> None:
        """See Side."""
        self._session.execute_script(f"BEGIN; {SETTINGS}")
        if is_target:
            # The lock of those who make tables; one for all schemas of a database, so a source must not ask for it.
            self._session.execute_script(f"SELECT pg_advisory_xact_lock({MIGRATION_LOCK})")

    def commit(self) -> None:
        """See Side."""
        self._session.execute_script("COMMIT")

    def rollback(self) -> None:
        """See Side."""
        if not self._session.is_lost:
            self._connection.rollback()

    def close(self) -> None:
        """See Side."""
        self._session.close()

    def query(self, sql: str, /, **params: Any) -> list[tuple[Any, ...]]:
        """See Side."""
        cursor = self._session.execute_portable(sql, params)
        return cursor.fetchall() if cursor.description else []

    def has_ledger(self) -> bool:
        """See Side."""
        return self.query("SELECT to_regclass('ledger') IS NOT NULL") == [(True,)]

    def bring_forward(self) -> None:
        """See Side."""
        migrate(self._session)

    def prepare_source(self) -> None:
        """See Side: the log takes what is in its inbox."""
        while self.query("SELECT 1 FROM event_inbox LIMIT 1"):
            self._session.execute(load_statements("postgres", "events")["sequence"])

    def find_tables(self) -> Mapping[str, Sequence[Column]]:
        """See Side."""
        tables: dict[str, list[Column]] = {}
        for table, column, is_text, is_vector in self.query(
            "SELECT c.relname, a.attname, a.atttypid = 'text'::regtype, a.atttypid = 'real[]'::regtype "
            "FROM pg_class AS c "
            "JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped "
            "WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p') "
            "AND NOT c.relispartition ORDER BY c.relname, a.attnum"
        ):
            tables.setdefault(table, []).append(Column(column, is_text, is_vector))
        return tables

    def read_lines(self, table: Table) -> Iterator[str]:
        """See Side."""
        sql = f"SELECT {line_sql(table.columns, vector_sql=VECTOR_SQL)} FROM {table.content}"
        for (line,) in self._connection.cursor().stream(sql.encode()):
            yield line

    def load_lines(self, table: Table, chunks: Iterable[list[bytes]]) -> None:
        """See Side: frozen, because nobody can see the table yet; so no vacuum has to write it once more."""
        if table.name == "event":
            self._copy(begin_load(self._session), table, chunks)
            end_load(self._session)
            return
        self._session.execute_script(f'TRUNCATE "{table.name}"')
        self._copy(table.name, table, chunks)

    def _copy(self, name: str, table: Table, chunks: Iterable[list[bytes]]) -> None:
        columns = ", ".join(f'"{column.name}"' for column in table.columns)
        command = f'COPY "{name}" ({columns}) FROM STDIN (FREEZE)'
        with self._connection.cursor().copy(command.encode()) as copy:
            for chunk in chunks:
                copy.write(b"\n".join(_show_vectors(chunk, table.columns)) + b"\n")

    def sum_lines(self, table: Table) -> Tally:
        """See Side."""
        digits = f"encode(substr(sha256(convert_to(line, 'UTF8')), 1, {HASH_BYTES}), 'hex')"
        rows = self.query(
            f"SELECT count(*), coalesce(sum(('x' || {digits})::bit({8 * HASH_BYTES})::bigint), 0) "
            f"FROM (SELECT {line_sql(table.columns, vector_sql=VECTOR_SQL)} AS line FROM {table.content}) AS lines"
        )
        return Tally(rows[0][0], int(rows[0][1]))

    def read_registers(self) -> Registers:
        """See Side."""
        job, event = (
            self.query(f"SELECT CASE WHEN is_called THEN last_value ELSE last_value - 1 END FROM {sequence}")[0][0]
            for sequence in ("job_number", "event_no")
        )
        owner = self.query("SELECT value FROM counter WHERE name = 'owner'")[0][0]
        lanes = self.query("SELECT queue, priority, max(turn) FROM lane_mark GROUP BY queue, priority")
        return Registers(job, owner, event, frozenset(lanes))

    def write_registers(self, registers: Registers) -> None:
        """See Side."""
        for sequence, last in (("job_number", registers.job), ("event_no", registers.event)):
            self.query("SELECT setval(:sequence, greatest(:last, 1), :last > 0)", sequence=sequence, last=last)
        make_room(self._session, registers.event + 1)
        self.query("UPDATE counter SET value = :value WHERE name = 'owner'", value=registers.owner)
        for queue, priority, turn in registers.lanes:
            self.query(
                "INSERT INTO lane_mark (queue, priority, turn) VALUES (:queue, :priority, :turn)",
                queue=queue,
                priority=priority,
                turn=turn,
            )

    def read_clock(self) -> int:
        """See Side."""
        return int(self.query("SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint")[0][0])

    def finish_load(self, tables: Sequence[Table]) -> None:
        """See Side: the planner knows the tables from the first statement on."""
        self._session.execute_script("ANALYZE " + ", ".join(f'"{table.name}"' for table in tables))

    def seal(self, tables: Sequence[str], reason: str) -> None:
        """See Side."""
        said = reason.replace("'", "''").replace("%", "%%")
        self._session.execute_script(
            "CREATE FUNCTION refuse_sealed() RETURNS trigger LANGUAGE plpgsql AS "
            f"$seal$ BEGIN RAISE EXCEPTION '{said}'; END $seal$"
        )
        for table in tables:
            self._session.execute_script(
                f'CREATE TRIGGER sealed BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON "{table}" '
                "FOR EACH STATEMENT EXECUTE FUNCTION refuse_sealed()"
            )

    def unseal(self, tables: Sequence[str]) -> None:
        """See Side."""
        self._session.execute_script("DROP FUNCTION IF EXISTS refuse_sealed() CASCADE")


def _show_vectors(lines: list[bytes], columns: Sequence[Column]) -> Iterable[bytes]:
    """The lines with their vectors in the words of COPY."""
    places = [place for place, column in enumerate(columns) if column.is_vector]
    if not places:
        return lines
    return (_show_line(line.decode(), places) for line in lines)


def _show_line(line: str, places: list[int]) -> bytes:
    fields = line.split("\t")
    for place in places:
        fields[place] = fields[place] if fields[place] == NULL else show_array(fields[place])
    return "\t".join(fields).encode()
