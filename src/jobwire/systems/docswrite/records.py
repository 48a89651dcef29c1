"""Documents, posts and ids of docswrite, as portable SQL; records_sites.py has the sites.

Every function works inside the transaction or snapshot it is given, and the owner is in every WHERE.
"""

from typing import Final, NamedTuple

from jobwire.store.contract import Reader, Transaction
from jobwire.store.files import hold_files, name_job, release_files
from jobwire.systems.docswrite.ids import is_id, make_id
from jobwire.systems.docswrite.source import Form

_LOOKED_AT: Final = 4


class DocumentRow(NamedTuple):
    """An uploaded document: its id and name, its form, the address of its file and when it came."""

    id: str
    name: str
    form: Form
    sha256: str
    size_bytes: int
    created_at: int
    updated_at: int


class NewDocument(NamedTuple):
    """The file of a document that was just kept."""

    name: str
    form: Form
    sha256: str
    size_bytes: int


_DOCUMENT = f"SELECT {', '.join(DocumentRow._fields)} FROM docswrite_document "  # noqa: S608 - our own names


def find_document(reader: Reader, owner: int, document: str) -> DocumentRow | None:
    """The owner's document; None if absent or another owner's."""
    if not is_id(document, "doc-"):
        return None
    found = reader.query(_DOCUMENT + "WHERE owner = :owner AND id = :id", owner=owner, id=document)
    return DocumentRow(*found[0]) if found else None


def add_document(tx: Transaction, owner: int, new: NewDocument) -> DocumentRow:
    """A new document, which holds its file."""
    row = DocumentRow(make_id("doc-"), *new, tx.now, tx.now)
    tx.execute(
        "INSERT INTO docswrite_document (id, owner, name, form, sha256, size_bytes, created_at, updated_at)"
        " VALUES (:id, :owner, :name, :form, :sha256, :size_bytes, :created_at, :updated_at)",
        owner=owner,
        **row._asdict(),
    )
    hold_files(tx, _name_document(row.id), files=[row.sha256])
    return row


def replace_document(tx: Transaction, owner: int, document: str, new: NewDocument) -> DocumentRow | None:
    """The document with other content; None if there is none."""
    if not is_id(document, "doc-"):
        return None
    changed = tx.execute(
        "UPDATE docswrite_document SET name = :name, form = :form, sha256 = :sha256, size_bytes = :size_bytes,"
        " updated_at = :now WHERE owner = :owner AND id = :id",
        id=document,
        owner=owner,
        now=tx.now,
        **new._asdict(),
    )
    if not changed:
        return None
    release_files(tx, _name_document(document))
    hold_files(tx, _name_document(document), files=[new.sha256])
    return find_document(tx, owner, document)


def delete_document(tx: Transaction, owner: int, document: str) -> bool:
    """Forget the document and let its file go; False if there was none."""
    if not is_id(document, "doc-"):
        return False
    deleted = tx.execute("DELETE FROM docswrite_document WHERE owner = :owner AND id = :id", owner=owner, id=document)
    if deleted:
        release_files(tx, _name_document(document))
    return bool(deleted)


def take_document(tx: Transaction, owner: int, document: str, *, job: int) -> DocumentRow | None:
    """The document as it is now; the job holds its file from here on, whatever becomes of the document."""
    row = find_document(tx, owner, document)
    if row is not None:
        hold_files(tx, name_job(job), files=[row.sha256])
    return row


def _name_document(document: str) -> str:
    return f"docswrite:document:{document}"


class PostPlace(NamedTuple):
    """Where the post of a document is: whose it is, the root of its site, the document's mark, post or page."""

    owner: int
    root: str
    mark: str
    kind: str


def find_post(reader: Reader, place: PostPlace) -> int | None:
    """The post that is known to be there."""
    found = reader.query(
        "SELECT post FROM docswrite_post WHERE owner = :owner AND root = :root AND mark = :mark AND kind = :kind",
        **place._asdict(),
    )
    return int(found[0][0]) if found else None


def keep_post(tx: Transaction, place: PostPlace, *, post: int) -> None:
    """The post is the one that is there from now on."""
    tx.execute(
        "INSERT INTO docswrite_post (owner, root, mark, kind, post) VALUES (:owner, :root, :mark, :kind, :post)"
        " ON CONFLICT (owner, root, mark, kind) DO UPDATE SET post = excluded.post",
        post=post,
        **place._asdict(),
    )


def find_job(reader: Reader, id_: str) -> tuple[int, int] | None:
    """Whose job has this id on the wire, and its number."""
    if not is_id(id_, "job-"):
        return None
    found = reader.query("SELECT owner, job FROM docswrite_job WHERE id = :id", id=id_)
    return (int(found[0][0]), int(found[0][1])) if found else None


def keep_job(tx: Transaction, id_: str, *, owner: int, job: int) -> None:
    """The job has this id on the wire; a few ids of jobs that are long gone are forgotten on the way."""
    tx.execute(
        "INSERT INTO docswrite_job (id, owner, job, seen_at) VALUES (:id, :owner, :job, :now)",
        id=id_,
        owner=owner,
        job=job,
        now=tx.now,
    )
    looked_at = tx.query("SELECT id, job FROM docswrite_job ORDER BY seen_at, id LIMIT :limit", limit=_LOOKED_AT)
    for old, number in looked_at:
        if tx.query("SELECT 1 FROM job WHERE number = :number", number=number):
            tx.execute("UPDATE docswrite_job SET seen_at = :now WHERE id = :id", now=tx.now, id=old)
        else:
            tx.execute("DELETE FROM docswrite_job WHERE id = :id", id=old)
