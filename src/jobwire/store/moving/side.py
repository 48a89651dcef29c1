"""What a move asks of an engine, on either side of it: moving.py of each engine answers."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from jobwire.store.moving.lines import Column, Tally

# Each engine has its own way to count, to say where a queue stands and to keep sums; these are carried over by value
# (Registers), made anew (cell), or end with the processes that wrote them (worker, worker_queue, rate).
NOT_COPIED = frozenset(
    {"cell", "cell_delta", "commit_mark", "counter", "event_inbox", "lane", "lane_mark", "ledger_version", "worker"}
    | {"worker_queue", "rate"}
)

MARKS = ("moved_to", "moved_from")
"""The rows of `ledger` that say where it went and where it came from; they stay with their ledger."""


class Registers(NamedTuple):
    """The greatest numbers given so far, and the turn each (queue, priority) serves."""

    job: int
    owner: int
    event: int
    lanes: frozenset[tuple[str, int, int]]


class Table(NamedTuple):
    """A table that is copied row by row, with the columns both sides have."""

    name: str
    columns: Sequence[Column]

    @property
    def content(self) -> str:
        """What of it is copied, as the SQL after FROM."""
        if self.name != "ledger":
            return f'"{self.name}"'
        marks = ", ".join(f"'{mark}'" for mark in MARKS)
        return f"(SELECT * FROM ledger WHERE name NOT IN ({marks})) AS content"  # noqa: S608 - our own names


class Side(Protocol):
    """One connection to a ledger, at an address without its password; `failures` are what its driver raises."""

    address: str
    failures: tuple[type[Exception], ...]

    def begin_read(self) -> None:
        """Open one snapshot for everything that follows."""

    def begin_write(self, *, is_target: bool = False) -> None:
        """Open one transaction for everything that follows; who would make a ledger in the target waits meanwhile."""

    def commit(self) -> None:
        """End the transaction and keep what it did."""

    def rollback(self) -> None:
        """End the transaction, if there is one, as if it had never been."""

    def close(self) -> None:
        """Close the connection; an open transaction is rolled back."""

    def query(self, sql: str, /, **params: Any) -> list[tuple[Any, ...]]:
        """All rows of a portable statement, its parameters named `:name`; none if it has no rows."""

    def has_ledger(self) -> bool:
        """Whether there are tables of a ledger."""

    def bring_forward(self) -> None:
        """Make the ledger's tables or bring them to this program's version, in the transaction if one is open."""

    def prepare_source(self) -> None:
        """Bring what the engine keeps outside the copied tables into them, in an open transaction."""

    def find_tables(self) -> Mapping[str, Sequence[Column]]:
        """Every table with its columns."""

    def read_lines(self, table: Table) -> Iterator[str]:
        """The rows of a table as lines, without holding them all."""

    def load_lines(self, table: Table, chunks: Iterable[list[bytes]]) -> None:
        """Replace the rows of a table by those of the lines."""

    def sum_lines(self, table: Table) -> Tally:
        """How many rows a table has, and the sum of their lines' hashes."""

    def read_registers(self) -> Registers:
        """See Registers."""

    def write_registers(self, registers: Registers) -> None:
        """See Registers."""

    def read_clock(self) -> int:
        """Unix milliseconds, as leases on this ledger are measured."""

    def finish_load(self, tables: Sequence[Table]) -> None:
        """What the engine wants done when the rows are there."""

    def seal(self, tables: Sequence[str], reason: str) -> None:
        """Let the database itself refuse, with `reason`, every change of these tables, whoever has it open."""

    def unseal(self, tables: Sequence[str]) -> None:
        """Undo `seal`."""
