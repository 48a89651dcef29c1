"""What imports keep: row keys, how far they have come, and documents by the hundred, as portable SQL.

Every function works inside the transaction or snapshot it is given, and the owner is in every WHERE.
"""

from collections.abc import Sequence
from hashlib import sha256
from typing import Final, NamedTuple

import msgspec

from jobwire.kinds.contract import FinalJob
from jobwire.store.contract import Reader, Transaction
from jobwire.systems.fifthelement.subjects import conclude_job

_NOTHING: Final = sha256(b"").hexdigest()
_decode: Final = msgspec.json.Decoder().decode

DELETE_HOOKS: Final = ("DELETE FROM fifthelement_row_key WHERE owner = :owner AND document = :document",)


class KnownRow(NamedTuple):
    """A row that was imported before: what it said, and the document it made."""

    row_hash: str
    document: str


class Original(NamedTuple):
    """A document that a row of an export may tell of, as it is now."""

    id: str
    title: str
    content_sha256: str | None
    metadata: str

    def says(self, *, title: str, content_sha256: str | None, metadata: str) -> bool:
        """Whether it has these; no text at all is the empty one."""
        if (self.title, self.content_sha256 or _NOTHING) != (title, content_sha256 or _NOTHING):
            return False
        return bool(self.metadata == metadata or _decode(self.metadata) == _decode(metadata))


class ImportState(NamedTuple):
    """How far an import has come: `kept_bytes` of its rows, and what became of them."""

    kept_bytes: int = 0
    added: int = 0
    changed: int = 0
    unchanged: int = 0


def find_rows(tx: Transaction, owner: int, repository: str, keys: Sequence[str]) -> dict[str, KnownRow]:
    """The rows of these keys that were imported before."""
    columns = ("row_key", "row_hash", "document")
    rows = tx.find("fifthelement_row_key", columns, "row_key", keys, owner=owner, repository=repository)
    return {key: KnownRow(row_hash, document) for key, row_hash, document in rows}


def find_originals(tx: Transaction, owner: int, repository: str, documents: Sequence[str]) -> dict[str, Original]:
    """Those of the documents that are in the repository."""
    columns = ("id", "title", "content_sha256", "metadata")
    rows = tx.find("fifthelement_document", columns, "id", documents, owner=owner, repository=repository)
    return {row[0]: Original(*row) for row in rows}


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
