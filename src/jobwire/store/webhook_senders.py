"""Who sends what waits for an owner's endpoints: one job of the ledger at a time; upkeep/sending.py is its work.

Portable SQL over a Transaction, for any engine. The row of webhook_sender names the job; whoever writes streams of
the owner or finds that none are left holds the row's lock meanwhile, so that nothing is forgotten in between: either
the job still sees what was written, or who wrote it sees that the job has gone and places another.
"""

import secrets
from collections.abc import Collection, Sequence
from typing import NamedTuple

import msgspec

from jobwire.domain.ids import RANDOM_BITS, make_key
from jobwire.domain.job import NewJob
from jobwire.domain.states import State
from jobwire.domain.webhooks import SENDER_KIND, SENDER_QUEUE, sender_of
from jobwire.store.contract import Reader, Transaction
from jobwire.store.removing import remove_rows
from jobwire.store.webhook_deliveries import Sending, Sent, Share, Stream, next_due, settle_sent, take_due

PLACED_MAX = 1_000
REMOVED_MAX = 1_000
_OWNERS_MAX = 2**62


class Customer(msgspec.Struct, frozen=True):
    """The input of a job that sends: whose endpoints it serves."""

    owner: int


class Desk(NamedTuple):
    """Which job sends for which owner, and the key that signs where there is no secret yet."""

    owner: int
    job: int
    key_id: str


class Exchanged(NamedTuple):
    """What is to be sent now, and how often the job had been called by then; `is_over` when it has no more to do."""

    taken: list[Sending]
    calls: int = 0
    is_over: bool = False


# to have a job at its time

_MISPLACED = """
SELECT w.owner, w.job, w.due_at, CASE WHEN s.state = :queued THEN 1 ELSE 0 END
  FROM webhook_sender AS w LEFT JOIN state AS s ON s.number = w.job
 WHERE w.owner BETWEEN :least AND :most
   AND (s.number IS NULL OR s.state >= :final OR (s.state = :queued AND s.run_at > w.due_at))
 ORDER BY w.owner LIMIT :limit
"""


def find_misplaced(reader: Reader, owners: Sequence[int] = ()) -> list[tuple[int, int, int, int]]:
    """Of these owners, or of all, those whose job has died or comes too late: owner, job, when it is wanted, and
    whether it waits."""
    least, most = (min(owners), max(owners)) if owners else (0, _OWNERS_MAX)
    states = {"queued": int(State.QUEUED), "final": int(State.COMPLETED)}
    rows = reader.query(_MISPLACED, least=least, most=most, limit=PLACED_MAX, **states)
    return [(owner, job, due_at, waits) for owner, job, due_at, waits in rows if not owners or owner in owners]


def place_senders(tx: Transaction, owners: Sequence[int] = ()) -> int:
    """Each of these owners, or of all, who was called has a job in time from now on; returns how many were placed."""
    locked = {(owner, job) for owner, job, *_ in find_misplaced(tx, owners) if _lock(tx, owner, job)}
    # Looked at again: until the row was locked, a job that waited may have begun to send.
    mine = [row for row in find_misplaced(tx, owners) if row[:2] in locked] if locked else []
    for owner, job, _, waits in mine:
        if waits:
            tx.cancel(sender_of(owner), [job])
    if mine:
        receipts = tx.submit([_make_job(tx, owner, due_at) for owner, _, due_at, _ in mine])
        for (owner, *_), receipt in zip(mine, receipts, strict=True):
            tx.execute("UPDATE webhook_sender SET job = :job WHERE owner = :owner", owner=owner, job=receipt.number)
    return len(mine)


def _lock(tx: Transaction, owner: int, job: int) -> bool:
    """Whether the job is still the one that is named, which it then stays until this transaction ends."""
    sql = "UPDATE webhook_sender SET job = job WHERE owner = :owner AND job = :job"
    return tx.execute(sql, owner=owner, job=job) == 1


def _make_job(tx: Transaction, owner: int, due_at: int) -> NewJob:
    return NewJob(
        key=make_key(tx.now, secrets.randbits(RANDOM_BITS)),
        owner=sender_of(owner),
        kind=SENDER_KIND,
        queue=SENDER_QUEUE,
        input=msgspec.json.encode(Customer(owner)).decode(),
        run_at=due_at if due_at > tx.now else None,
    )


# what that job does with the ledger


def exchange(
    tx: Transaction, desk: Desk, sent: Sequence[Sent], *, held: Collection[Stream], share: Share, after: str
) -> Exchanged:
    """Write what came of attempts and take what is due beside `held`; with nothing left to send, leave the desk.

    A share of nothing means that the job's turn is over. Whoever leaves with something left for later, or for now,
    is followed by another job at that time.
    """
    if not _lock(tx, desk.owner, desk.job):
        return Exchanged([], is_over=True)
    settle_sent(tx, sent)
    taken = []
    if share.limit > 0:
        taken = take_due(tx, desk.owner, held=held, share=share, key_id=desk.key_id, after=after)
    if taken or held:
        return Exchanged(taken, read_calls(tx, desk.owner))
    _leave(tx, desk.owner, next_due(tx, desk.owner) if share.limit > 0 else tx.now)
    return Exchanged([], is_over=True)


def read_calls(reader: Reader, owner: int) -> int:
    """How often the owner's job was called: more than before means that there is something new."""
    rows = reader.query("SELECT calls FROM webhook_sender WHERE owner = :owner", owner=owner)
    return int(rows[0][0]) if rows else 0


def _leave(tx: Transaction, owner: int, due_at: int | None) -> None:
    if due_at is None:
        tx.execute("DELETE FROM webhook_sender WHERE owner = :owner", owner=owner)
        return
    [receipt] = tx.submit([_make_job(tx, owner, due_at)])
    tx.execute(
        "UPDATE webhook_sender SET job = :job, due_at = :due_at WHERE owner = :owner",
        job=receipt.number,
        due_at=due_at,
        owner=owner,
    )


def prune_senders(tx: Transaction, before: int) -> int:
    """Delete up to REMOVED_MAX of these jobs that ended before that time; returns how many."""
    ended = tx.query(
        "SELECT j.number FROM job AS j JOIN state AS s ON s.number = j.number "
        "WHERE j.owner < 0 AND s.state >= :final AND s.finalized_at < :before LIMIT :limit",
        final=int(State.COMPLETED),
        before=before,
        limit=REMOVED_MAX,
    )
    remove_rows(tx, [number for (number,) in ended])
    return len(ended)
