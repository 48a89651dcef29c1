"""Calls that were counted against limits, all processes together: portable SQL for any engine. Times are Unix us."""

from collections.abc import Sequence
from typing import NamedTuple

from jobwire.store.contract import Reader, Transaction


class Spent(NamedTuple):
    """What a process counted since it last said so.

    `left_us` is how long the count matters if it is the only one, `cost_us` by how much it prolongs one that matters
    already.
    """

    subject: str
    name: str
    left_us: int
    cost_us: int
    taken: int


class Told(NamedTuple):
    """What all processes together have counted: for how long it matters, and how many calls."""

    left_us: int
    taken: int


class OwnerLimit(NamedTuple):
    """An owner's own limit: calls in so many seconds; count_max 0 is no limit."""

    name: str
    count_max: int
    window_s: int


_SPEND = """
INSERT INTO rate AS r (subject, name, ends_us, taken) VALUES (:subject, :name, :ends_us, :taken)
ON CONFLICT (subject, name) DO UPDATE
   SET ends_us = CASE WHEN r.ends_us > :now_us THEN r.ends_us + :cost_us ELSE excluded.ends_us END,
       taken = CASE WHEN r.ends_us > :now_us THEN r.taken ELSE 0 END + excluded.taken
RETURNING ends_us, taken
"""


def spend(tx: Transaction, spent: Sequence[Spent]) -> dict[tuple[str, str], Told]:
    """Add what a process counted; returns what there is now, by subject and name."""
    now_us = tx.now * 1_000
    told = {}
    # In one order everywhere, so that two processes cannot wait for each other's rows.
    for subject, name, left_us, cost_us, taken in sorted(spent):
        [(ends_us, total)] = tx.query(
            _SPEND,
            subject=subject,
            name=name,
            ends_us=now_us + left_us,
            cost_us=cost_us,
            taken=taken,
            now_us=now_us,
        )
        told[subject, name] = Told(ends_us - now_us, total)
    return told


def forget_spent(tx: Transaction) -> None:
    """Forget what matters no more."""
    tx.execute("DELETE FROM rate WHERE ends_us <= :now_us", now_us=tx.now * 1_000)


def list_owner_limits(reader: Reader, owner: int) -> list[OwnerLimit]:
    """The owner's own limits."""
    rows = reader.query("SELECT name, count_max, window_s FROM owner_limit WHERE owner = :owner", owner=owner)
    return [OwnerLimit._make(row) for row in rows]


def set_owner_limit(tx: Transaction, owner: int, limit: OwnerLimit) -> None:
    """Give the owner a limit of its own."""
    tx.execute(
        "INSERT INTO owner_limit (owner, name, count_max, window_s) VALUES (:owner, :name, :count_max, :window_s) "
        "ON CONFLICT (owner, name) DO UPDATE SET count_max = excluded.count_max, window_s = excluded.window_s",
        owner=owner,
        **limit._asdict(),
    )


def drop_owner_limit(tx: Transaction, owner: int, name: str) -> None:
    """Let the plan of all hold for the owner again."""
    tx.execute("DELETE FROM owner_limit WHERE owner = :owner AND name = :name", owner=owner, name=name)
