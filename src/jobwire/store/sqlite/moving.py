# ruff: noqa: S608 - the names in statements come from the ledgers' own catalogs
"""A move's side on SQLite; ../moving/move.py moves."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import apsw

from jobwire.config import SettingError
from jobwire.store.moving.lines import Column, Tally, line_sql, split_line
from jobwire.store.moving.side import Registers, Table
from jobwire.store.moving.vectors import write_vector
from jobwire.store.sqlite.engine import connect, migrate, read_clock
from jobwire.store.statements import load_migrations

VECTOR_TYPE = "REAL[]"
VECTOR_SQL = "vector_line({})"


class SqliteSide:
    """See Side. A file that is not there is made only for a target."""

    failures: tuple[type[Exception], ...] = (apsw.Error,)

    def __init__(self, path: str, *, is_source: bool) -> None:
        if path == ":memory:":
            raise SettingError("a ledger in memory cannot be moved: it is gone with its process; name a file")
        if is_source and not Path(path).exists():
            raise SettingError(f"there is no ledger at {path}; name the file that JOBWIRE_DB named so far")
        self._path = Path(path).resolve()
        self._is_new = not self._path.exists()
        self.address = f"sqlite:{self._path}"
        try:
            self._connection = connect(path)
            self._connection.create_scalar_function("vector_line", _write_line, 1, deterministic=True)
        except apsw.Error as error:
            raise SettingError(f"the ledger {path} cannot be opened: {error}; check the path") from error

    def begin_read(self) -> None:
        """See Side."""
        self._connection.execute("BEGIN")

    def begin_write(self, *, is_target: bool = False) -> None:
        """See Side."""
        self._connection.execute("BEGIN IMMEDIATE")

    def commit(self) -> None:
        """See Side."""
        self._connection.execute("COMMIT")

    def rollback(self) -> None:
        """See Side."""
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    def close(self) -> None:
        """See Side: a file that was made for nothing goes again."""
        is_left_over = self._is_new and not self.has_ledger()
        self._connection.close()
        if is_left_over:
            self._path.unlink(missing_ok=True)

    def query(self, sql: str, /, **params: Any) -> list[tuple[Any, ...]]:
        """See Side."""
        return list(self._connection.execute(sql, params))

    def has_ledger(self) -> bool:
        """See Side."""
        return self._connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'ledger'").fetchone() is not None

    def bring_forward(self) -> None:
        """See Side."""
        if not self._connection.in_transaction:
            migrate(self._connection)
            return
        for version, script in load_migrations("sqlite"):
            self._connection.execute(script)
            self._connection.execute(f"PRAGMA user_version = {version}")

    def prepare_source(self) -> None:
        """See Side."""

    def find_tables(self) -> Mapping[str, Sequence[Column]]:
        """See Side."""
        tables: dict[str, list[Column]] = {}
        for table, column, kind in self.query(
            "SELECT m.name, c.name, c.type FROM sqlite_master AS m, pragma_table_info(m.name) AS c "
            "WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite~_%' ESCAPE '~' ORDER BY m.name, c.cid"
        ):
            tables.setdefault(table, []).append(Column(column, kind == "TEXT", kind == VECTOR_TYPE))
        return tables

    def read_lines(self, table: Table) -> Iterator[str]:
        """See Side: in the order of the file."""
        for (line,) in self._connection.execute(
            f"SELECT {line_sql(table.columns, vector_sql=VECTOR_SQL)} FROM {table.content}"
        ):
            # PostgreSQL's texts know no NUL.
            yield line.replace("\0", "\ufffd") if "\0" in line else line

    def load_lines(self, table: Table, chunks: Iterable[list[bytes]]) -> None:
        """See Side."""
        names = ", ".join(f'"{column.name}"' for column in table.columns)
        places = ", ".join("?" for _ in table.columns)
        self._connection.execute(f'DELETE FROM "{table.name}"')
        for chunk in chunks:
            rows = [split_line(line.decode(), table.columns) for line in chunk]
            self._connection.executemany(f'INSERT INTO "{table.name}" ({names}) VALUES ({places})', rows)

    def sum_lines(self, table: Table) -> Tally:
        """See Side."""
        tally = Tally()
        for _ in tally.take(self.read_lines(table)):
            continue
        return tally

    def read_registers(self) -> Registers:
        """See Side."""
        counters = dict(self.query("SELECT name, value FROM counter"))
        event = dict(self.query("SELECT name, seq FROM sqlite_sequence")).get("event", 0)
        lanes = frozenset(self.query("SELECT queue, priority, now_turn FROM lane"))
        return Registers(counters["job"], counters["owner"], event, lanes)

    def write_registers(self, registers: Registers) -> None:
        """See Side."""
        self._connection.execute(
            "UPDATE counter SET value = CASE name WHEN 'job' THEN ? ELSE ? END", (registers.job, registers.owner)
        )
        self._connection.execute("DELETE FROM sqlite_sequence WHERE name = 'event'")
        self._connection.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('event', ?)", (registers.event,))
        self._connection.executemany("INSERT INTO lane (queue, priority, now_turn) VALUES (?, ?, ?)", registers.lanes)

    def read_clock(self) -> int:
        """See Side."""
        return read_clock()

    def finish_load(self, tables: Sequence[Table]) -> None:
        """See Side."""

    def seal(self, tables: Sequence[str], reason: str) -> None:
        """See Side."""
        said = reason.replace("'", "''")
        for table in tables:
            for change in ("INSERT", "UPDATE", "DELETE"):
                self._connection.execute(
                    f'CREATE TRIGGER "sealed_{table}_{change}" BEFORE {change} ON "{table}" '
                    f"BEGIN SELECT RAISE(ABORT, '{said}'); END"
                )

    def unseal(self, tables: Sequence[str]) -> None:
        """See Side."""
        for table in tables:
            for change in ("INSERT", "UPDATE", "DELETE"):
                self._connection.execute(f'DROP TRIGGER IF EXISTS "sealed_{table}_{change}"')


def _write_line(*values: Any) -> str | None:
    return None if values[0] is None else write_vector(values[0])
