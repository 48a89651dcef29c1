"""A workspace's repositories and documents, as portable SQL. subjects.py has what their jobs need of them.

Every function works inside the transaction or snapshot it is given, and the owner is in every WHERE.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import msgspec

from jobwire.store.contract import Reader, Transaction
from jobwire.store.files import hold_files, release_files
from jobwire.systems.fifthelement.ids import make_id
from jobwire.systems.fifthelement.texts import KeptText

PROCESSING: Final = "Processing"
READY: Final = "Ready"
FAILED: Final = "Failed"

DOCUMENT_HOOKS: tuple[str, ...] = ()
"""What goes with a document: statements on the other parts' tables, with `:owner` and `:document`."""

REPOSITORY_HOOKS: tuple[str, ...] = ()
"""What goes with a repository beside its documents: statements with `:owner` and `:repository`."""


class RepositoryRow(NamedTuple):
    """A repository as stored."""

    id: str
    name: str
    type: str
    vector_store: str
    batch_model: str | None
    created_at: int
    updated_at: int


class DocumentRow(NamedTuple):
    """A document as stored: `metadata` and `error` are JSON text, `revision` grows with every change of its content.

    Its text is `content`, or in the blob `text_blob`; both are None until a file's text was extracted.
    """

    id: str
    repository: str
    title: str
    media_type: str | None
    status: str
    text_blob: str | None
    content: str | None
    source_blob: str | None
    source_url: str | None
    metadata: str
    error: str | None
    content_sha256: str | None
    revision: int
    job: int | None
    created_at: int
    updated_at: int

    @property
    def fields(self) -> dict[str, Any]:
        """The metadata by name."""
        return msgspec.json.decode(self.metadata, type=dict[str, Any])


_REPOSITORY_COLUMNS = ", ".join(RepositoryRow._fields)
_REPOSITORY = f"SELECT {_REPOSITORY_COLUMNS} FROM fifthelement_repository WHERE owner = :owner "  # noqa: S608
_DOCUMENT_COLUMNS = ", ".join(DocumentRow._fields)
_DOCUMENT = f"SELECT {_DOCUMENT_COLUMNS} FROM fifthelement_document WHERE owner = :owner "  # noqa: S608


def find_repository(reader: Reader, owner: int, repository: str) -> RepositoryRow | None:
    """The owner's repository; None if absent or another owner's."""
    found = reader.query(_REPOSITORY + "AND id = :id", owner=owner, id=repository)
    return RepositoryRow(*found[0]) if found else None


def list_repositories(reader: Reader, owner: int, *, start: int, limit: int) -> list[RepositoryRow]:
    """A page of the owner's repositories, oldest first."""
    page = _REPOSITORY + "ORDER BY id LIMIT :limit OFFSET :start"
    return [RepositoryRow(*row) for row in reader.query(page, owner=owner, limit=limit, start=start)]


def count_repositories(reader: Reader, owner: int) -> int:
    """How many repositories the owner has."""
    return int(reader.query("SELECT COUNT(*) FROM fifthelement_repository WHERE owner = :owner", owner=owner)[0][0])


def add_repository(
    tx: Transaction,
    owner: int,
    *,
    name: str,
    type: str,  # noqa: A002 - the word of the API
    vector_store: str,
    batch_model: str | None,
) -> RepositoryRow:
    """A new, empty repository."""
    row = RepositoryRow(make_id(tx.now), name, type, vector_store, batch_model, tx.now, tx.now)
    tx.execute(
        "INSERT INTO fifthelement_repository"
        " (id, owner, name, type, vector_store, batch_model, created_at, updated_at)"
        " VALUES (:id, :owner, :name, :type, :vector_store, :batch_model, :created_at, :updated_at)",
        owner=owner,
        **row._asdict(),
    )
    return row


def change_repository(tx: Transaction, owner: int, row: RepositoryRow) -> RepositoryRow:
    """Keep what may change of a repository: name, type, vector store and model."""
    changed = row._replace(updated_at=tx.now)
    tx.execute(
        "UPDATE fifthelement_repository SET name = :name, type = :type, vector_store = :vector_store,"
        " batch_model = :batch_model, updated_at = :now WHERE owner = :owner AND id = :id",
        name=row.name,
        type=row.type,
        vector_store=row.vector_store,
        batch_model=row.batch_model,
        now=tx.now,
        owner=owner,
        id=row.id,
    )
    return changed


def delete_repository(tx: Transaction, owner: int, repository: str) -> None:
    """Remove the repository with everything in it, and cancel the jobs that work on it."""
    _cancel_jobs(tx, owner, "repository", repository)
    hold_repository(tx, owner, repository)
    # Those that were taken up by another process while this one waited for its hold.
    _cancel_jobs(tx, owner, "repository", repository)
    documents = tx.query(
        "SELECT id FROM fifthelement_document WHERE owner = :owner AND repository = :repository",
        owner=owner,
        repository=repository,
    )
    for (document,) in documents:
        release_files(tx, _holder(document))
        _run_hooks(tx, DOCUMENT_HOOKS, owner=owner, document=document)
    _run_hooks(tx, REPOSITORY_HOOKS, owner=owner, repository=repository)
    tx.execute(
        "DELETE FROM fifthelement_document WHERE owner = :owner AND repository = :repository",
        owner=owner,
        repository=repository,
    )
    tx.execute(
        "DELETE FROM fifthelement_repository WHERE owner = :owner AND id = :repository",
        owner=owner,
        repository=repository,
    )


def find_document(reader: Reader, owner: int, document: str, *, repository: str | None = None) -> DocumentRow | None:
    """The owner's document; None if absent, another owner's, or not of the `repository` named."""
    found = reader.query(_DOCUMENT + "AND id = :id", owner=owner, id=document)
    row = DocumentRow(*found[0]) if found else None
    return row if row is not None and repository in (None, row.repository) else None


def list_documents(reader: Reader, owner: int, repository: str, *, start: int, limit: int) -> list[DocumentRow]:
    """A page of the repository's documents, oldest first."""
    page = _DOCUMENT + "AND repository = :repository ORDER BY id LIMIT :limit OFFSET :start"
    found = reader.query(page, owner=owner, repository=repository, limit=limit, start=start)
    return [DocumentRow(*row) for row in found]


def list_documents_after(
    reader: Reader, owner: int, repository: str, *, after: str = "", limit: int = 100
) -> list[DocumentRow]:
    """The repository's documents behind the one named, in their order: how a job walks through any number of them."""
    page = _DOCUMENT + "AND repository = :repository AND id > :after ORDER BY id LIMIT :limit"
    found = reader.query(page, owner=owner, repository=repository, after=after, limit=limit)
    return [DocumentRow(*row) for row in found]


def count_documents(reader: Reader, owner: int, repository: str) -> int:
    """How many documents the repository has."""
    count = "SELECT COUNT(*) FROM fifthelement_document WHERE owner = :owner AND repository = :repository"
    return int(reader.query(count, owner=owner, repository=repository)[0][0])


def add_document(
    tx: Transaction,
    owner: int,
    repository: str,
    *,
    title: str,
    text: KeptText | None = None,
    source_blob: str | None = None,
    media_type: str | None = None,
    source_url: str | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> DocumentRow:
    """A new document that is still to be processed: of a kept text, or of a file's bytes."""
    row = DocumentRow(
        id=make_id(tx.now),
        repository=repository,
        title=title,
        media_type=media_type,
        status=PROCESSING,
        text_blob=text.text_blob if text else None,
        content=text.content if text else None,
        source_blob=source_blob,
        source_url=source_url,
        metadata=write_json(metadata or {}),
        error=None,
        content_sha256=text.sha256 if text else None,
        revision=1,
        job=None,
        created_at=tx.now,
        updated_at=tx.now,
    )
    names = ", ".join(f":{name}" for name in DocumentRow._fields)
    tx.execute(
        f"INSERT INTO fifthelement_document (owner, {_DOCUMENT_COLUMNS}) VALUES (:owner, {names})",  # noqa: S608
        owner=owner,
        **row._asdict(),
    )
    hold_blobs(tx, row.id, row.source_blob, row.text_blob)
    return row


def hold_blobs(tx: Transaction, document: str, *blobs: str | None) -> None:
    """The document needs these kept files."""
    if files := [blob for blob in blobs if blob is not None]:
        hold_files(tx, _holder(document), files=files)


def _holder(document: str) -> str:
    return f"fifthelement:document:{document}"


def change_document(
    tx: Transaction,
    owner: int,
    row: DocumentRow,
    *,
    title: str,
    metadata: Mapping[str, Any],
    text: KeptText | None = None,
    source_blob: str | None = None,
    media_type: str | None = None,
) -> DocumentRow:
    """Give the document another title, metadata and, with `text` or `source_blob`, another content.

    With another content the revision grows, so that a job that works on what was before notices.
    """
    changed = row._replace(title=title, metadata=write_json(metadata), updated_at=tx.now)
    if text is not None or source_blob is not None:
        changed = changed._replace(
            status=PROCESSING,
            error=None,
            revision=row.revision + 1,
            media_type=media_type,
            text_blob=text.text_blob if text else None,
            content=text.content if text else None,
            content_sha256=text.sha256 if text else None,
            source_blob=source_blob,
        )
    _update_document(tx, owner, changed)
    return changed


def keep_text(
    tx: Transaction,
    owner: int,
    document: str,
    *,
    revision: int,
    text: KeptText,
    media_type: str | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> bool:
    """The document is ready, with this text; False, and nothing is written, if it is gone or has changed meanwhile.

    What was found in the file stands in the metadata where the client has said nothing under that name.
    """
    row = find_document(tx, owner, document)
    if row is None or row.revision != revision:
        return False
    ready = row._replace(
        status=READY,
        text_blob=text.text_blob,
        content=text.content,
        content_sha256=text.sha256,
        media_type=media_type or row.media_type,
        metadata=write_json({**(metadata or {}), **row.fields}),
        error=None,
        updated_at=tx.now,
    )
    _update_document(tx, owner, ready)
    return True


def cancel_document_jobs(tx: Transaction, owner: int, document: str) -> None:
    """Cancel the jobs that work on the document as it was."""
    _cancel_jobs(tx, owner, "document", document)


def delete_document(tx: Transaction, owner: int, document: str) -> None:
    """Remove the document with what was made of it, and cancel the jobs that work on it."""
    cancel_document_jobs(tx, owner, document)
    release_files(tx, _holder(document))
    _run_hooks(tx, DOCUMENT_HOOKS, owner=owner, document=document)
    tx.execute("DELETE FROM fifthelement_document WHERE owner = :owner AND id = :id", owner=owner, id=document)


def hold_repository(tx: Transaction, owner: int, repository: str) -> bool:
    """Let nobody else write to the repository or delete it until this transaction ends; False if it is gone."""
    hold = "UPDATE fifthelement_repository SET name = name WHERE owner = :owner AND id = :repository"
    return tx.execute(hold, owner=owner, repository=repository) == 1


def _update_document(tx: Transaction, owner: int, row: DocumentRow) -> None:
    changing = ", ".join(f"{name} = :{name}" for name in DocumentRow._fields if name != "id")
    tx.execute(
        f"UPDATE fifthelement_document SET {changing} WHERE owner = :owner AND id = :id",  # noqa: S608
        owner=owner,
        **row._asdict(),
    )
    release_files(tx, _holder(row.id))
    hold_blobs(tx, row.id, row.source_blob, row.text_blob)


def _cancel_jobs(tx: Transaction, owner: int, column: str, subject: str) -> None:
    live = tx.query(
        f"SELECT job FROM fifthelement_job WHERE owner = :owner AND {column} = :subject",  # noqa: S608
        owner=owner,
        subject=subject,
    )
    if live:
        tx.cancel(owner, [int(job) for (job,) in live])


def _run_hooks(tx: Transaction, hooks: tuple[str, ...], **named: Any) -> None:
    for statement in hooks:
        tx.execute(statement, **named)


def write_json(value: Mapping[str, Any]) -> str:
    """An object as its column keeps it."""
    return msgspec.json.encode(value).decode()
