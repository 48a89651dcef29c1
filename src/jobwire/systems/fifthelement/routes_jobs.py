"""Starts and repeats jobs over HTTP; reading, listing and cancelling them are the dialect's built-in actions."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from jobwire.dialects.parse import read_reference
from jobwire.domain.errors import RequestError
from jobwire.domain.job import JobRow, Receipt
from jobwire.domain.phases import FINAL_PHASES, Phase
from jobwire.service.call import Call, Reply
from jobwire.store.contract import Transaction
from jobwire.store.files import hold_files, name_job
from jobwire.systems.fifthelement.bodies import name_repository, read_start_body
from jobwire.systems.fifthelement.import_queries import name_source, names_file, read_import_query
from jobwire.systems.fifthelement.job_shape import IDS, REFERENCE
from jobwire.systems.fifthelement.routes_documents import keep_upload
from jobwire.systems.fifthelement.routes_repositories import expect_repository
from jobwire.systems.fifthelement.starting import (
    BATCH_EMBEDDING,
    EXPORT,
    IMPORT,
    KINDS,
    WEB_CRAWLING,
    start_job,
)
from jobwire.systems.fifthelement.subjects import link_job
from jobwire.systems.fifthelement.views import show_rerun, show_started

IMPORT_BYTES_MAX: Final = 536_870_912
RERUN_PHASES: Final = frozenset({Phase.COMPLETED, Phase.FAILED, Phase.EXPIRED})


class _Subject(msgspec.Struct, frozen=True):
    """What the input of every kind says it works on."""

    repository: str
    document: str | None = None


async def post_crawl(call: Call) -> Reply:
    """Crawl a site into a repository."""
    return await _start(call, WEB_CRAWLING, read_start_body(call.body))


async def post_regenerate(call: Call) -> Reply:
    """Embed a repository's documents."""
    return await _start(call, BATCH_EMBEDDING, read_start_body(call.body))


async def post_export(call: Call) -> Reply:
    """Export a repository to a file."""
    return await _start(call, EXPORT, read_start_body(call.body))


async def post_import(call: Call) -> Reply:
    """Import the rows of a file into a repository: the body is its bytes; `url` or `source` says where else."""
    wanted, files = read_import_query(call.query), list[str]()
    is_body_sent = call.upload is not None and call.upload.stat().st_size > 0
    if not names_file(wanted, is_body_sent=is_body_sent):
        files = [await keep_upload(call)]
        wanted["source"] = name_source(call.services.links, files[0])
    return await _start(call, IMPORT, wanted, files=files)


async def post_rerun(call: Call) -> Reply:
    """Run a job that has completed or failed again, as a new job with the same input."""
    services, owner = call.services, call.principal.owner
    origin = await _find_job(call)
    if origin.phase not in FINAL_PHASES:
        raise RequestError("conflict", "Job is still active")
    if origin.phase not in RERUN_PHASES:
        raise RequestError("conflict", "A cancelled job cannot be run again; start a new one")
    job = await services.jobs.build_rerun(owner, origin)
    subject = msgspec.json.decode(job.input, type=_Subject)

    def submit(tx: Transaction) -> tuple[Receipt, int]:
        (receipt,) = services.jobs.admit_in(tx, [job])
        link_job(tx, owner, receipt.number, repository=subject.repository, document=subject.document)
        return receipt, tx.now

    receipt, created_at = await services.store.write(submit)
    return Reply(show_rerun(receipt, origin, created_at=created_at))


async def _find_job(call: Call) -> JobRow:
    name = read_reference(REFERENCE, params=call.params, query=call.query, body=None, ids=IDS)
    row = await call.services.jobs.read(call.principal.owner, key=name.key, number=name.number)
    if row.kind not in KINDS:
        raise RequestError("not_found", "Job not found")
    return row


async def _start(call: Call, kind: str, wanted: dict[str, Any], *, files: Sequence[str] = ()) -> Reply:
    """Start a job that needs these kept files."""
    owner, repository = call.principal.owner, name_repository(call.params)

    def start(tx: Transaction) -> tuple[Receipt, int]:
        expect_repository(tx, owner, repository)
        receipt = start_job(tx, call.services.jobs, owner, kind, wanted, repository=repository)
        hold_files(tx, name_job(receipt.number), files=files)
        return receipt, tx.now

    receipt, created_at = await call.services.store.write(start)
    return Reply(show_started(receipt, kind, created_at=created_at))
