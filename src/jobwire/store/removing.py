"""Deletes a final job before its time, with all that is kept of it; the event log keeps that there was one."""

from collections.abc import Iterable

from jobwire.domain.states import State
from jobwire.store.contract import Transaction
from jobwire.store.files import name_job, release_files

_TABLES = ("job", "state", "concurrency", "step", "attempt_log")


def remove_final(tx: Transaction, owner: int, number: int) -> bool:
    """Deletes the owner's job if it is final; its idempotency key is free again. False if nothing was deleted."""
    found = tx.query(
        "SELECT state.state FROM job JOIN state ON state.number = job.number"
        " WHERE job.number = :number AND job.owner = :owner AND state.state >= :final",
        number=number,
        owner=owner,
        final=int(State.COMPLETED),
    )
    if not found:
        return False
    remove_rows(tx, [number])
    release_files(tx, name_job(number))
    tx.execute("DELETE FROM idempotency WHERE owner = :owner AND number = :number", owner=owner, number=number)
    return True


def remove_rows(tx: Transaction, numbers: Iterable[int]) -> None:
    """Deletes these final jobs, which hold no files and have no keys."""
    for number in numbers:
        for table in _TABLES:
            tx.execute(f"DELETE FROM {table} WHERE number = :number", number=number)  # noqa: S608 - names of ours
