"""Starts the jobs of this system: inside the transaction that changes what they work on."""

from collections.abc import Mapping
from typing import Any, Final

from jobwire.domain.job import Receipt
from jobwire.service.jobs import Jobs
from jobwire.store.contract import Transaction
from jobwire.systems.fifthelement.records import DocumentRow
from jobwire.systems.fifthelement.subjects import link_job

QUEUE: Final = "fifthelement"

DOCUMENT_PROCESSING: Final = "document_processing"
WEB_CRAWLING: Final = "web_crawling"
BATCH_EMBEDDING: Final = "batch_embedding"
EXPORT: Final = "fifthelement_export"
IMPORT: Final = "fifthelement_import"

KINDS: Final[Mapping[str, str]] = {
    DOCUMENT_PROCESSING: "document_processing",
    WEB_CRAWLING: "web_crawling",
    BATCH_EMBEDDING: "batch_embedding",
    EXPORT: "export",
    IMPORT: "import",
}
"""The kinds of this system with their words on the wire."""


def start_job(
    tx: Transaction,
    jobs: Jobs,
    owner: int,
    kind: str,
    wanted: Mapping[str, Any],
    *,
    repository: str,
    document: str | None = None,
) -> Receipt:
    """Submit a job that works on a repository, or on one of its documents; RequestError as `Jobs.admit_in`."""
    (receipt,) = jobs.admit_in(tx, [jobs.build(owner, kind, {"repository": repository, **wanted})])
    link_job(tx, owner, receipt.number, repository=repository, document=document)
    return receipt


def start_processing(tx: Transaction, jobs: Jobs, owner: int, row: DocumentRow) -> Receipt:
    """Submit the job that extracts and cuts a document as it is when the job runs."""
    return start_job(
        tx, jobs, owner, DOCUMENT_PROCESSING, {"document": row.id}, repository=row.repository, document=row.id
    )
