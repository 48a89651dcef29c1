"""What imports keep: row keys, how far they have come, and documents by the hundred, as portable SQL.

Every function works inside the transaction or snapshot it is given, and the owner is in every WHERE.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from jobwire.kinds.contract import FinalJob
from jobwire.store.contract import Reader, Transaction
from jobwire.systems.fifthelement.subjects import conclude_job

KEYS_A_STATEMENT: Final = 25
"""SQLite looks each parameter up by its name: a key costs more the more there are in a statement."""

DELETE_HOOKS: Final = ("DELETE FROM fifthelement_row_key WHERE owner = :owner AND document = :document",)


class KnownRow(NamedTuple):
    """A row that was imported before: what it said, and the document it made."""

    row_hash: str
    document: str


class ImportState(NamedTuple):
    """How far an import has come: `kept_bytes` of its rows, and what became of them."""

    kept_bytes: int = 0
    added: int = 0
    changed: int = 0
    unchanged: int = 0


def find_rows(reader: Reader, owner: int, repository: str, keys: Sequence[str]) -> dict[str, KnownRow]:
    """The rows of these keys that were imported before."""
    found: dict[str, KnownRow] = {}
    for start in range(0, len(keys), KEYS_A_STATEMENT):
        named = {f"k{place}": key for place, key in enumerate(keys[start : start + KEYS_A_STATEMENT])}
        rows = reader.query(_select_rows(len(named)), owner=owner, repository=repository, **named)
        found.update({key: KnownRow(row_hash, document) for key, row_hash, document in rows})
    return found


@lru_cache(maxsize=KEYS_A_STATEMENT)
def _select_rows(count: int) -> str:
    names = ", ".join(f":k{place}" for place in range(count))
    return (
        "SELECT row_key, row_hash, document FROM fifthelement_row_key"  # noqa: S608 - numbered names
        f" WHERE owner = :owner AND repository = :repository AND row_key IN ({names})"
    )


def read_import(reader: Reader, owner: int, job: int) -> ImportState:
    """How far the import has come."""
    found = reader.query(
        "SELECT kept_bytes, added, changed, unchanged FROM fifthelement_import WHERE owner = :owner AND job = :job",
        owner=owner,
        job=job,
    )
    return ImportState(*found[0]) if found else ImportState()


def keep_import(tx: Transaction, owner: int, job: int, state: ImportState) -> None:
    """Keep how far the import has come, in the transaction that brought it there."""
    tx.execute(
        "INSERT INTO fifthelement_import (owner, job, kept_bytes, added, changed, unchanged)"
        " VALUES (:owner, :job, :kept_bytes, :added, :changed, :unchanged) ON CONFLICT (owner, job) DO UPDATE SET"
        " kept_bytes = excluded.kept_bytes, added = excluded.added, changed = excluded.changed,"
        " unchanged = excluded.unchanged",
        owner=owner,
        job=job,
        **state._asdict(),
    )


def conclude_import(tx: Transaction, final: FinalJob) -> None:
    """An import has ended: how far it came is of no use any more."""
    conclude_job(tx, final)
    tx.execute(
        "DELETE FROM fifthelement_import WHERE owner = :owner AND job = :job", owner=final.owner, job=final.number
    )
