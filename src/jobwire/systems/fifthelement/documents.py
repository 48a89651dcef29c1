"""The job document_processing: files and texts become text, metadata and chunks. extracting.py reads what is sent.

Each slice of a file is a step, so that a retry goes on behind the last one; a document is written with its chunks in
one transaction, and one that this very job has finished before is not touched again.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import msgspec

from jobwire.domain.errors import JobError
from jobwire.kinds.contract import Context, Kind
from jobwire.kinds.registry import make_kind
from jobwire.service.services import Services
from jobwire.store.contract import Reader, Transaction
from jobwire.systems.fifthelement.chunking import Chunk
from jobwire.systems.fifthelement.extracting import (
    LIMITS,
    CutRequest,
    ExtractReport,
    ExtractRequest,
    cut_file,
    extract_slice,
    refuse_long,
)
from jobwire.systems.fifthelement.ids import show_document_id
from jobwire.systems.fifthelement.records import (
    READY,
    DocumentRow,
    conclude_job,
    find_document,
    keep_text,
    link_job,
    require_document,
    require_repository,
)
from jobwire.systems.fifthelement.records_chunks import CutRow, fail_document, find_cut, put_cut
from jobwire.systems.fifthelement.settings import FifthelementSettings
from jobwire.systems.fifthelement.starting import DOCUMENT_PROCESSING, QUEUE
from jobwire.systems.fifthelement.texts import KeptText, put_text, read_text

DOCUMENTS_MAX: Final = 1_000
WARNINGS_MAX: Final = 100
FAILURES_MAX: Final = 100


class ProcessInput(msgspec.Struct, frozen=True, rename="camel"):
    """Which documents of a repository to process: one, several, or both together."""

    repository: str
    document: str | None = None
    documents: list[str] = []


class Slice(msgspec.Struct, frozen=True):
    """A step: what one call came to, and where its text is kept."""

    report: ExtractReport
    text: KeptText


@dataclass(slots=True)
class Extraction:
    """What was found in a file so far."""

    texts: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    facts: dict[str, str] = field(default_factory=dict)
    media_type: str | None = None
    pages: int = 1
    pages_done: int = 0
    chunks: list[Chunk] | None = None

    def add(self, report: ExtractReport, text: str) -> None:
        """Take in what the next call came to."""
        if not self.texts:
            titled = {"title": report.title} if report.title else {}
            self.facts, self.media_type, self.chunks = titled | report.facts, report.media_type, report.chunks
        self.texts.append(text)
        self.warnings += report.warnings
        self.pages, self.pages_done = report.pages, report.pages_done
        refuse_long(sum(map(len, self.texts)))


@dataclass(slots=True)
class Tally:
    """What the job has come to so far."""

    documents: int = 0
    pages: int = 0
    chunks: int = 0
    warnings: list[dict[str, str]] = field(default_factory=list)
    failures: list[dict[str, str]] = field(default_factory=list)

    def add(self, document: str, cut: CutRow) -> None:
        """Count a document that is done."""
        self.documents += 1
        self.pages += cut.pages
        self.chunks += cut.chunks
        self.warn(document, msgspec.json.decode(cut.warnings, type=list[str]))

    def warn(self, document: str, warnings: Sequence[str]) -> None:
        """Note what the customer should know of a document."""
        self.warnings += [{"documentId": show_document_id(document), "message": warning} for warning in warnings]

    def fail(self, document: str, error: JobError) -> None:
        """Count a document that cannot be processed."""
        shown = {"documentId": show_document_id(document), "code": error.code, "message": error.message}
        self.failures.append(shown)

    def to_result(self) -> dict[str, Any]:
        """The job's result."""
        return {
            "documentsProcessed": self.documents,
            "errors": len(self.failures),
            "pages": self.pages,
            "chunks": self.chunks,
            "warnings": self.warnings[:WARNINGS_MAX],
            "failures": self.failures[:FAILURES_MAX],
        }


class DocumentWork:
    """Processes the documents of one house."""

    def __init__(self, services: Services) -> None:
        self._store = services.store
        self._blobs = services.blobs

    async def process(self, ctx: Context, wanted: ProcessInput) -> dict[str, Any]:
        """Extract the text of documents and cut it into chunks."""
        ids = list(dict.fromkeys(([wanted.document] if wanted.document else []) + wanted.documents))
        _check_count(len(ids))
        await self._store.read(lambda reader: require_repository(reader, ctx.owner, wanted.repository))
        await ctx.write(partial(_link, owner=ctx.owner, job=ctx.number, repository=wanted.repository, ids=ids))
        tally = Tally()
        for place, document in enumerate(ids):
            ctx.check_cancelled()
            try:
                await self._process_one(ctx, wanted.repository, document, share=(place, len(ids)), tally=tally)
            except JobError as error:
                if error.retryable:
                    raise
                await ctx.write(
                    partial(fail_document, owner=ctx.owner, document=document, job=ctx.number, error=error)
                )
                if len(ids) == 1:
                    raise
                tally.fail(document, error)
        if len(tally.failures) == len(ids):
            raise _explain_all_failed(tally)
        return tally.to_result()

    async def _process_one(
        self, ctx: Context, repository: str, document: str, *, share: tuple[int, int], tally: Tally
    ) -> None:
        row, cut = await self._store.read(partial(_load, owner=ctx.owner, repository=repository, document=document))
        if cut is not None and row.status == READY and row.job == ctx.number and cut.revision == row.revision:
            tally.add(document, cut)
            return
        found = await (self._extract(ctx, row, share) if row.source_blob is not None else self._read(row))
        text = "\n\n".join(filter(None, found.texts))
        if not text.strip():
            raise JobError(
                "document_textless", "there is no text in the document; of scanned pages only pictures are there"
            )
        kept = await asyncio.to_thread(put_text, self._blobs, text)
        if found.chunks is None:
            found.chunks = await self._cut(ctx, text, kept)
        cut = await ctx.write(partial(_keep, owner=ctx.owner, row=row, found=found, text=kept))
        if cut is None:
            tally.documents += 1
            tally.warn(document, ["the document was changed meanwhile; another job has the new content"])
        else:
            tally.add(document, cut)

    async def _read(self, row: DocumentRow) -> Extraction:
        text = await asyncio.to_thread(read_text, self._blobs, content=row.content, text_blob=row.text_blob)
        refuse_long(len(text))
        return Extraction([text])

    async def _extract(self, ctx: Context, row: DocumentRow, share: tuple[int, int]) -> Extraction:
        """The text of a file, slice by slice."""
        found = Extraction()
        while not found.texts or found.pages_done < found.pages:
            ctx.check_cancelled()
            name = f"extract:{row.id}@{row.revision}:{found.pages_done}"
            kept = await ctx.step(name, partial(self._extract_slice, ctx, row, found.pages_done))
            part = msgspec.convert(kept, Slice)
            text = await asyncio.to_thread(
                read_text, self._blobs, content=part.text.content, text_blob=part.text.text_blob
            )
            found.add(part.report, text)
            place, total = share
            ctx.progress(
                min(99.0, 100 * (place + found.pages_done / found.pages) / total),
                message=f"page {found.pages_done} of {found.pages} of {row.title}",
            )
        return found

    async def _extract_slice(self, ctx: Context, row: DocumentRow, first_page: int) -> Slice:
        assert row.source_blob is not None
        with TemporaryDirectory(prefix="jobwire-document-") as folder:
            into = Path(folder) / "text"
            request = ExtractRequest(
                source=str(self._blobs.path_of(row.source_blob)),
                into=str(into),
                name=row.title,
                media_type=row.media_type,
                first_page=first_page,
            )
            report = await ctx.isolate(extract_slice, request, limits=LIMITS)
            text = await asyncio.to_thread(lambda: put_text(self._blobs, into.read_bytes().decode()))
        return Slice(report, text)

    async def _cut(self, ctx: Context, text: str, kept: KeptText) -> list[Chunk]:
        """Cut a text in a child, too: who wrote it may have meant to keep a worker busy."""
        if kept.text_blob is not None:
            return await self._cut_file(ctx, self._blobs.path_of(kept.text_blob))
        with TemporaryDirectory(prefix="jobwire-document-") as folder:
            source = Path(folder) / "text"
            source.write_bytes(text.encode())
            return await self._cut_file(ctx, source)

    async def _cut_file(self, ctx: Context, source: Path) -> list[Chunk]:
        chunks: list[Chunk] = await ctx.isolate(cut_file, CutRequest(str(source)), limits=LIMITS)
        return chunks


def _check_count(count: int) -> None:
    if not 1 <= count <= DOCUMENTS_MAX:
        raise JobError("invalid_input", f"a job processes 1 to {DOCUMENTS_MAX:,} documents, not {count:,}")


def _link(tx: Transaction, *, owner: int, job: int, repository: str, ids: Sequence[str]) -> None:
    if len(ids) > 1:
        # Of several documents one may be deleted without the others' work being cancelled with it.
        link_job(tx, owner, job, repository=repository, document=None)
    for document in ids:
        row = find_document(tx, owner, document, repository=repository)
        if row is not None and not (row.status == READY and row.job == job):
            link_job(tx, owner, job, repository=repository, document=document)


def _load(reader: Reader, *, owner: int, repository: str, document: str) -> tuple[DocumentRow, CutRow | None]:
    row = require_document(reader, owner, document)
    if row.repository != repository:
        raise JobError("document_gone", "The document was deleted before the job was done")
    return row, find_cut(reader, owner, document)


def _keep(tx: Transaction, *, owner: int, row: DocumentRow, found: Extraction, text: KeptText) -> CutRow | None:
    """Write the text and its chunks together; None where the document has changed, JobError where it is gone."""
    require_document(tx, owner, row.id)
    if not keep_text(
        tx, owner, row.id, revision=row.revision, text=text, media_type=found.media_type, metadata=found.facts
    ):
        return None
    put_cut(
        tx,
        owner,
        row.id,
        repository=row.repository,
        revision=row.revision,
        chunks=found.chunks or (),
        pages=found.pages,
        warnings=found.warnings[:WARNINGS_MAX],
    )
    return find_cut(tx, owner, row.id)


def _explain_all_failed(tally: Tally) -> JobError:
    codes = {failure["code"] for failure in tally.failures}
    return JobError(
        codes.pop() if len(codes) == 1 else "documents_failed",
        f"None of the {len(tally.failures)} documents could be processed; the first: {tally.failures[0]['message']}",
        details={"failures": tally.failures[:FAILURES_MAX]},
    )


def make_kinds(services: Services, settings: FifthelementSettings) -> Sequence[Kind]:
    """The kind of this part, bound to one house."""
    work = DocumentWork(services)
    return (
        make_kind(
            work.process,
            name=DOCUMENT_PROCESSING,
            queue=QUEUE,
            attempts=settings.attempts_max,
            timeout="30m",
            retry=settings.retry,
            on_final=conclude_job,
        ),
    )
