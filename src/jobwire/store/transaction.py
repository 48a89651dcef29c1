"""An open transaction on any engine: its connection, its time, its SQL, and what its commit will have to wake.

submitting.py, leasing.py, settling.py and waiting.py say what each write of the contract does in it; operations.py
puts them together; an engine brings its SQL and may do a step in fewer statements.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, ClassVar, Protocol, TypeVar

import msgspec

from jobwire.domain.errors import RequestError
from jobwire.domain.outcome import PublicError
from jobwire.domain.states import Event
from jobwire.kinds.contract import FinalJob
from jobwire.store.statements import SqlTexts

T = TypeVar("T")
FinalHook = Callable[[Any, FinalJob], None]

_encode = msgspec.json.Encoder().encode
decode_numbers = msgspec.json.Decoder(list[int]).decode


class Connection(Protocol):
    """What a transaction needs of a driver's connection."""

    def execute(self, sql: str, parameters: Any = ..., /) -> Any:
        """Run one statement; the cursor iterates over its rows."""


class Statements:
    """Runs statements on `connection`.

    Batches travel as one JSON parameter a statement and come back as one JSON row, because each row fetched is a
    chance to lose the interpreter's lock: 47k jobs/s drained with one row a batch, a third less with a row a job.
    """

    sql: ClassVar[SqlTexts]
    each: ClassVar[str] = "jsonb_each"
    """What makes rows of the elements of a JSON array."""

    def __init__(self, connection: Connection, now: int, final_hooks: Mapping[str, FinalHook]) -> None:
        self.connection = connection
        self.now = now
        self.final_hooks = final_hooks
        self.ready_queues: set[str] = set()
        self.unfinished_queues: set[str] = set()
        self.has_changes = False

    def query(self, sql: str, /, **params: Any) -> list[tuple[Any, ...]]:
        """All rows of a SELECT."""
        return list(self.connection.execute(sql, params))

    def execute(self, sql: str, /, **params: Any) -> int:
        """Run a statement; returns the number of rows it changed."""
        self.connection.execute(sql, params).fetchall()
        return int(self._one("SELECT changes()")[0])

    def insert(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], /, **shared: Any) -> None:
        """See Transaction.insert."""
        if rows:
            self._run(_insert(table, tuple(columns), tuple(shared), self.each), rows_=encode_json(rows), **shared)

    def find(
        self, table: str, columns: Sequence[str], key: str, values: Sequence[str], /, **shared: Any
    ) -> list[tuple[Any, ...]]:
        """See Transaction.find."""
        select = _find(table, tuple(columns), key, tuple(shared), self.each)
        return self.query(select, values_=encode_json(values), **shared) if values else []

    def attempt(self, work: Callable[[], T]) -> tuple[T | None, Exception | None]:
        """See Transaction.attempt."""
        self.finish()
        self._run("SAVEPOINT part")
        try:
            value = work()
        except Exception as error:
            self._undo_part()
            return None, error
        self._run("RELEASE SAVEPOINT part")
        return value, None

    def _undo_part(self) -> None:
        self._run("ROLLBACK TO SAVEPOINT part")
        self._run("RELEASE SAVEPOINT part")

    def finish(self) -> None:
        """Writes what is written once for the whole transaction; before its commit."""

    def _run(self, sql: str, **params: Any) -> None:
        self.connection.execute(sql, params)

    def _one(self, sql: str, **params: Any) -> Any:
        return self.connection.execute(sql, params).fetchone()

    def _log(self, event: Event, numbers: str) -> None:
        self._run(self.sql.events["log"], now=self.now, event=int(event), numbers=numbers)
        self.has_changes = True


@lru_cache
def _insert(table: str, columns: tuple[str, ...], shared: tuple[str, ...], each: str) -> str:
    values = [*(f":{name}" for name in shared), *(f"value ->> {place}" for place in range(len(columns)))]
    names = ", ".join((*shared, *columns))
    return f"INSERT INTO {table} ({names}) SELECT {', '.join(values)} FROM {each}(:rows_)"  # noqa: S608


@lru_cache
def _find(table: str, columns: tuple[str, ...], key: str, shared: tuple[str, ...], each: str) -> str:
    names = ", ".join(f"t.{name}" for name in columns)
    same = "".join(f" AND t.{name} = :{name}" for name in shared)
    # CROSS JOIN: the values lead, each to its place in the index.
    return f"SELECT {names} FROM {each}(:values_) AS given CROSS JOIN {table} AS t WHERE t.{key} = given.value{same}"  # noqa: S608


def encode_json(value: Any) -> str:
    """The JSON text of a batch."""
    return _encode(value).decode()


def encode_error(error: PublicError) -> str:
    """The public error as the ledger keeps it: JSON with code, message, retryable and details (JSON text or null)."""
    return encode_json(error)


def refuse_closed() -> RequestError:
    """What a caller of a closed store is told."""
    return RequestError("unavailable", "The ledger is closed; send the request again in a moment.", retry_after_s=1)
