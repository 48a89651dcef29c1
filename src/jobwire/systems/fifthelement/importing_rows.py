"""A batch of documents-to-be becomes documents, in one transaction: added, changed or known already."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from jobwire.blobs.contract import Blobs
from jobwire.service.jobs import Jobs
from jobwire.store.contract import Transaction
from jobwire.systems.fifthelement import records
from jobwire.systems.fifthelement.ids import make_ids
from jobwire.systems.fifthelement.records import PROCESSING, READY
from jobwire.systems.fifthelement.starting import start_processing
from jobwire.systems.fifthelement.subjects import keep_repository
from jobwire.systems.fifthelement.table_documents import DocumentLine
from jobwire.systems.fifthelement.table_records import (
    ImportState,
    find_originals,
    find_rows,
    keep_import,
    read_import,
)
from jobwire.systems.fifthelement.texts import INLINE_BYTES_MAX, KeptText, put_text

_COLUMNS: Final = ("id", "title", "media_type", "text_blob", "content", "source_blob", "metadata", "content_sha256")


@dataclass(frozen=True, slots=True)
class Target:
    """Where documents go and for which job; with `processes` each is cut and made findable by a job of its own."""

    owner: int
    repository: str
    job: int
    processes: bool


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows in their order with their kept texts, taken from bytes `start` to `end` of the import's rows."""

    start: int
    end: int
    lines: Sequence[DocumentLine]
    texts: Sequence[KeptText | None]


def keep_texts(blobs: Blobs, lines: Sequence[DocumentLine]) -> list[KeptText | None]:
    """The texts of these rows, long ones kept in blobs; None for a file. Blocks."""
    return [_keep_text(blobs, line) for line in lines]


def _keep_text(blobs: Blobs, line: DocumentLine) -> KeptText | None:
    text, sha256 = line.content, line.content_sha256
    if text is None or sha256 is None:
        return None
    # A character has up to four bytes: what is surely short needs no counting.
    return KeptText(text, None, sha256) if len(text) * 4 <= INLINE_BYTES_MAX else put_text(blobs, text)


def keep_batch(tx: Transaction, jobs: Jobs, target: Target, batch: Batch) -> ImportState:
    """Keep a batch with how far the import has come; a batch that was kept before changes nothing.

    Raises JobError repository_gone, RequestError where the jobs of the documents are not admitted.
    """
    state = read_import(tx, target.owner, target.job)
    if state.kept_bytes != batch.start:
        return state
    keep_repository(tx, target.owner, target.repository)
    known = find_rows(tx, target.owner, target.repository, [line.row_key for line in batch.lines])
    originals = find_originals(
        tx,
        target.owner,
        target.repository,
        [line.document for line in batch.lines if line.document is not None and line.row_key not in known],
    )
    recognised: list[tuple[DocumentLine, str]] = []
    new: dict[str, tuple[DocumentLine, KeptText | None]] = {}
    changed = unchanged = 0
    for line, text in zip(batch.lines, batch.texts, strict=True):
        if line.row_key in new:
            unchanged += 1
        elif (found := known.get(line.row_key)) is not None:
            if found.row_hash == line.row_hash:
                unchanged += 1
            else:
                _change(tx, jobs, target, found.document, row=(line, text))
                changed += 1
        elif (original := originals.get(line.document or "")) is None:
            new[line.row_key] = (line, text)
        elif original.says(title=line.title, content_sha256=line.content_sha256, metadata=line.metadata):
            recognised.append((line, original.id))
            unchanged += 1
        else:
            _change(tx, jobs, target, original.id, row=(line, text))
            changed += 1
    _know(tx, target, recognised)
    _add(tx, jobs, target, list(new.values()))
    state = ImportState(batch.end, state.added + len(new), state.changed + changed, state.unchanged + unchanged)
    keep_import(tx, target.owner, target.job, state)
    return state


def _add(tx: Transaction, jobs: Jobs, target: Target, new: Sequence[tuple[DocumentLine, KeptText | None]]) -> None:
    # In ascending order, so that the documents of a file stand in its order.
    ids = make_ids(tx.now, len(new))
    documents = [
        (
            document, line.title, line.media_type, text.text_blob if text else None, text.content if text else None,
            line.blob, line.metadata, text.sha256 if text else None,
        )
        for document, (line, text) in zip(ids, new, strict=True)
    ]  # fmt: skip
    tx.insert(
        "fifthelement_document",
        _COLUMNS,
        documents,
        owner=target.owner,
        repository=target.repository,
        status=PROCESSING if target.processes else READY,
        revision=1,
        created_at=tx.now,
        updated_at=tx.now,
    )
    for document, _, _, text_blob, _, source_blob, *_ in documents:
        if text_blob or source_blob:
            records.hold_blobs(tx, document, source_blob, text_blob)
    _know(tx, target, [(line, document) for document, (line, _) in zip(ids, new, strict=True)])
    if target.processes:
        for document in ids:
            row = records.find_document(tx, target.owner, document)
            assert row is not None
            start_processing(tx, jobs, target.owner, row)


def _change(
    tx: Transaction, jobs: Jobs, target: Target, document: str, *, row: tuple[DocumentLine, KeptText | None]
) -> None:
    line, text = row
    known = records.find_document(tx, target.owner, document)
    assert known is not None, document
    # What was made of its old content goes: chunks, vectors, the row's key.
    for statement in records.DOCUMENT_HOOKS:
        tx.execute(statement, owner=target.owner, document=document)
    changed = records.change_document(
        tx,
        target.owner,
        known,
        title=line.title,
        metadata=msgspec.json.decode(line.metadata, type=dict[str, object]),
        text=text,
        source_blob=line.blob,
        media_type=line.media_type,
    )
    if target.processes:
        start_processing(tx, jobs, target.owner, changed)
    elif text is not None:
        records.keep_text(tx, target.owner, document, revision=changed.revision, text=text)
    _know(tx, target, [(line, document)])


def _know(tx: Transaction, target: Target, made: Sequence[tuple[DocumentLine, str]]) -> None:
    tx.insert(
        "fifthelement_row_key",
        ("row_key", "row_hash", "document"),
        [(line.row_key, line.row_hash, document) for line, document in made],
        owner=target.owner,
        repository=target.repository,
    )
