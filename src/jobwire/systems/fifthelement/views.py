"""What a client reads of repositories and documents: the vendor's JSON from stored rows."""

from typing import Any

import msgspec

from jobwire.dialects.codecs import iso_s
from jobwire.dialects.sources import show_job_id
from jobwire.domain.job import JobRow, Receipt
from jobwire.systems.fifthelement.ids import show_document_id, show_repository_id
from jobwire.systems.fifthelement.job_shape import IDS
from jobwire.systems.fifthelement.records import DocumentRow, RepositoryRow
from jobwire.systems.fifthelement.starting import KINDS


def moment(at: int) -> str:
    """A time as the vendor writes it: 2031-03-04T05:06:07Z."""
    return iso_s(at).strip('"')


def show_repository(row: RepositoryRow) -> dict[str, Any]:
    """A whole repository."""
    return {
        "id": show_repository_id(row.id),
        "name": row.name,
        "type": row.type,
        "vectorStore": row.vector_store,
        "batchModel": row.batch_model,
        "createdAt": moment(row.created_at),
        "updatedAt": moment(row.updated_at),
    }


def show_document(row: DocumentRow, *, text: str | None) -> dict[str, Any]:
    """A document; everything behind `updatedAt` is our own addition."""
    return {
        "id": show_document_id(row.id),
        "title": row.title,
        "content": text,
        "metadata": row.fields,
        "createdAt": moment(row.created_at),
        "updatedAt": moment(row.updated_at),
        "repositoryId": show_repository_id(row.repository),
        "status": row.status,
        "mediaType": row.media_type,
        "sourceUrl": row.source_url,
        "error": None if row.error is None else msgspec.json.decode(row.error),
    }


def show_started(receipt: Receipt, kind: str, *, created_at: int) -> dict[str, Any]:
    """A job that was just submitted."""
    return {
        "id": show_job_id(IDS, receipt),
        "type": KINDS[kind],
        "status": "pending",
        "createdAt": moment(created_at),
    }


def show_rerun(receipt: Receipt, origin: JobRow, *, created_at: int) -> dict[str, Any]:
    """A job that runs another one again: exactly these five keys."""
    started = show_started(receipt, origin.kind, created_at=created_at)
    return {
        "id": started["id"],
        "type": started["type"],
        "status": started["status"],
        "originalJobId": show_job_id(IDS, origin),
        "createdAt": started["createdAt"],
    }


def show_page(name: str, items: list[dict[str, Any]], *, total: int, start: int, limit: int) -> dict[str, Any]:
    """A page of a list."""
    return {name: items, "pagination": {"total": total, "start": start, "limit": limit}}
