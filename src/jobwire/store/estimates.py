"""What estimates and admission stand on: run times, slots, unfinished jobs. Portable SQL, for any engine."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from jobwire.domain.run_times import Tally
from jobwire.store.contract import Reader, Transaction

PERIOD_MS = 4 * 3_600_000
PERIODS_MAX = 42


class RunGroup(NamedTuple):
    """The runs that are tallied together: of a kind in a queue, those that completed (1) or ended otherwise (0)."""

    queue: str
    kind: str
    is_completed: int
    bucket: int


class RunRow(NamedTuple):
    """A stored tally."""

    period: int
    queue: str
    kind: str
    is_completed: int
    bucket: int
    runs: int
    total_us: int


def add_runs(tx: Transaction, tallies: Mapping[RunGroup, Tally]) -> None:
    """Add to the tallies of the present period."""
    # In one order everywhere, so that two workers cannot wait for each other's rows.
    for group, tally in sorted(tallies.items()):
        tx.execute(
            "INSERT INTO run_time AS t (period, queue, kind, is_completed, bucket, runs, total_us) "
            "VALUES (:period, :queue, :kind, :is_completed, :bucket, :runs, :total_us) "
            "ON CONFLICT (period, queue, kind, is_completed, bucket) "
            "DO UPDATE SET runs = t.runs + excluded.runs, total_us = t.total_us + excluded.total_us",
            period=tx.now // PERIOD_MS,
            **group._asdict(),
            **tally._asdict(),
        )


def read_runs(reader: Reader, first_period: int) -> list[RunRow]:
    """The tallies from that period on."""
    columns = ", ".join(RunRow._fields)
    sql = f"SELECT {columns} FROM run_time WHERE period >= :first"  # noqa: S608 - a tuple's own field names
    return [RunRow._make(row) for row in reader.query(sql, first=first_period)]


def set_slots(tx: Transaction, worker: str, slots: Mapping[str, int]) -> None:
    """Say how many jobs of each queue a worker runs at once; none when it leaves. Valid while its lease lives."""
    tx.execute("DELETE FROM worker_queue WHERE worker = :worker", worker=worker)
    for queue, count in slots.items():
        tx.execute(
            "INSERT INTO worker_queue (worker, queue, slots) VALUES (:worker, :queue, :slots)",
            worker=worker,
            queue=queue,
            slots=count,
        )


def read_slots(reader: Reader, now: int) -> dict[str, int]:
    """The slots of the live workers by queue."""
    rows = reader.query(
        "SELECT q.queue, CAST(sum(q.slots) AS BIGINT) FROM worker_queue AS q JOIN worker AS w ON w.id = q.worker "
        "WHERE w.expires_at > :now GROUP BY q.queue",
        now=now,
    )
    return {queue: int(slots) for queue, slots in rows}


def read_running(reader: Reader) -> dict[str, int]:
    """How many jobs of each queue are leased: as many rows as there are busy slots."""
    rows = reader.query(
        "SELECT j.queue, count(*) FROM lease AS l JOIN job AS j ON j.number = l.number GROUP BY j.queue"
    )
    return {queue: int(running) for queue, running in rows}


def add_backlog(tx: Transaction, owner: int, numbers: Sequence[int]) -> None:
    """Count an owner's jobs of these numbers, just submitted in this transaction, as unfinished."""
    # The owner's row is locked first: what others admit for the same owner is seen, or waits for this.
    tx.execute("UPDATE owner SET id = id WHERE id = :owner", owner=owner)
    tx.execute(
        "INSERT INTO backlog (owner, number) "
        "SELECT owner, number FROM job WHERE owner = :owner AND number BETWEEN :first AND :last "
        "ON CONFLICT (owner, number) DO NOTHING",
        owner=owner,
        first=min(numbers),
        last=max(numbers),
    )


def count_backlog(tx: Transaction, owner: int, *, above: int) -> int:
    """The owner's unfinished jobs; finished ones are only taken out when there seem to be more than `above`."""
    count = _count_backlog(tx, owner)
    if count > above:
        tx.execute(
            "DELETE FROM backlog WHERE owner = :owner AND NOT EXISTS "
            "(SELECT 1 FROM state WHERE state.number = backlog.number AND state.state < 2)",
            owner=owner,
        )
        count = _count_backlog(tx, owner)
    return count


def _count_backlog(tx: Transaction, owner: int) -> int:
    return int(tx.query("SELECT count(*) FROM backlog WHERE owner = :owner", owner=owner)[0][0])


def prune_estimates(tx: Transaction) -> None:
    """Delete the periods that are over a week old, the slots of workers that are gone, and finished jobs' backlog."""
    tx.execute("DELETE FROM run_time WHERE period <= :last", last=tx.now // PERIOD_MS - PERIODS_MAX)
    tx.execute("DELETE FROM worker_queue WHERE worker NOT IN (SELECT id FROM worker)")
    tx.execute(
        "DELETE FROM backlog WHERE NOT EXISTS "
        "(SELECT 1 FROM state WHERE state.number = backlog.number AND state.state < 2)"
    )
