"""What a job works on: held while it writes, noted so that its deletion cancels the job. starting.py starts jobs."""

from jobwire.domain.errors import JobError
from jobwire.kinds.contract import FinalJob
from jobwire.store.contract import Reader, Transaction
from jobwire.systems.fifthelement.records import (
    FAILED,
    PROCESSING,
    DocumentRow,
    RepositoryRow,
    find_document,
    find_repository,
    hold_repository,
    write_json,
)


def take_up(tx: Transaction, *, owner: int, job: int, repository: str) -> None:
    """Begin a job on a repository, whose deletion cancels it from now on; JobError repository_gone."""
    keep_repository(tx, owner, repository)
    link_job(tx, owner, job, repository=repository, document=None)


def keep_repository(tx: Transaction, owner: int, repository: str) -> None:
    """Hold the repository a job works on; JobError repository_gone where it was deleted meanwhile."""
    if not hold_repository(tx, owner, repository):
        raise _explain_gone()


def require_repository(reader: Reader, owner: int, repository: str) -> RepositoryRow:
    """The repository a job works on; JobError repository_gone where it was deleted meanwhile."""
    row = find_repository(reader, owner, repository)
    if row is None:
        raise _explain_gone()
    return row


def require_document(reader: Reader, owner: int, document: str) -> DocumentRow:
    """The document a job works on; JobError document_gone where it was deleted meanwhile."""
    row = find_document(reader, owner, document)
    if row is None:
        raise JobError("document_gone", "The document was deleted before the job was done")
    return row


def _explain_gone() -> JobError:
    return JobError("repository_gone", "The repository was deleted before the job was done")


def link_job(tx: Transaction, owner: int, job: int, *, repository: str, document: str | None) -> None:
    """Note what a job works on, so that deleting that cancels it; a document shows the job from now on.

    A handler calls it for itself, too: a rerun is a job that nobody has noted yet.
    """
    tx.execute(
        "INSERT INTO fifthelement_job (owner, job, repository, document)"
        " VALUES (:owner, :job, :repository, :document) ON CONFLICT (owner, job) DO NOTHING",
        owner=owner,
        job=job,
        repository=repository,
        document=document,
    )
    if document is not None:
        tx.execute(
            "UPDATE fifthelement_document SET job = :job, status = :status, error = NULL"
            " WHERE owner = :owner AND id = :id AND (job IS NULL OR job <= :job)",
            job=job,
            status=PROCESSING,
            owner=owner,
            id=document,
        )


def conclude_job(tx: Transaction, final: FinalJob) -> None:
    """A job has ended (every kind's `on_final`): a document that it leaves unprocessed has failed."""
    tx.execute(
        "DELETE FROM fifthelement_job WHERE owner = :owner AND job = :job", owner=final.owner, job=final.number
    )
    if not final.completed:
        tx.execute(
            "UPDATE fifthelement_document SET status = :failed, error = :error"
            " WHERE owner = :owner AND job = :job AND status = :processing",
            failed=FAILED,
            error=write_json({"message": final.error_message or "The processing was cancelled"}),
            owner=final.owner,
            job=final.number,
            processing=PROCESSING,
        )
