"""The job document_processing: files and texts become text, metadata and chunks. extracting.py reads what is sent.

Each slice of a file is a step, so that a retry goes on behind the last one; a document is written with its chunks in
one transaction, and one that this very job has finished before is not touched again.
"""

import asyncio
from collections.abc import Sequence
from functools import partial
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
)
from jobwire.systems.fifthelement.processed import WARNINGS_MAX, Extraction, Tally
from jobwire.systems.fifthelement.records import READY, DocumentRow, find_document, keep_text
from jobwire.systems.fifthelement.records_chunks import CutRow, fail_document, find_cut, put_cut
from jobwire.systems.fifthelement.settings import FifthelementSettings
from jobwire.systems.fifthelement.starting import DOCUMENT_PROCESSING, QUEUE
from jobwire.systems.fifthelement.subjects import conclude_job, keep_repository, link_job, require_document
from jobwire.systems.fifthelement.texts import KeptText, put_text, read_text

DOCUMENTS_MAX: Final = 1_000
ABREAST: Final = 4
"""Documents of a job that are worked on at once; child processes are as many as there are processors."""


class ProcessInput(msgspec.Struct, frozen=True, rename="camel"):
    """Which documents of a repository to process: one, several, or both together."""

    repository: str
    document: str | None = None
    documents: list[str] = []


class Slice(msgspec.Struct, frozen=True):
    """A step: what one call came to, and where its text is kept."""

    report: ExtractReport
    text: KeptText


class DocumentWork:
    """Processes the documents of one house."""

    def __init__(self, services: Services) -> None:
        self._store = services.store
        self._blobs = services.blobs

    async def process(self, ctx: Context, wanted: ProcessInput) -> dict[str, Any]:
        """Extract the text of documents and cut it into chunks."""
        ids = list(dict.fromkeys(([wanted.document] if wanted.document else []) + wanted.documents))
        _check_count(len(ids))
        await ctx.write(partial(_link, owner=ctx.owner, job=ctx.number, repository=wanted.repository, ids=ids))
        tally = Tally(ids)
        await self._process_all(ctx, wanted.repository, tally)
        return tally.to_result()

    async def _process_all(self, ctx: Context, repository: str, tally: Tally) -> None:
        """A few documents at a time: while one is written, the next is read. The first error ends them all."""
        waiting = iter(tally.ids)

        async def work() -> None:
            for document in waiting:
                ctx.check_cancelled()
                await self._try_one(ctx, repository, document, tally=tally)
                if len(tally.failures) < len(tally.ids):  # else the job fails, and stays where it stood
                    tally.shares[document] = 1.0
                    ctx.progress(tally.percent)

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(ABREAST, len(tally.ids))):
                    group.create_task(work())
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None

    async def _try_one(self, ctx: Context, repository: str, document: str, *, tally: Tally) -> None:
        """What cannot be processed is noted; what may succeed later ends this attempt of the job."""
        try:
            await self._process_one(ctx, repository, document, tally=tally)
        except JobError as error:
            if error.retryable:
                raise
            await ctx.write(partial(fail_document, owner=ctx.owner, document=document, job=ctx.number, error=error))
            tally.failures[document] = error

    async def _process_one(self, ctx: Context, repository: str, document: str, *, tally: Tally) -> None:
        row, cut = await self._store.read(partial(_load, owner=ctx.owner, repository=repository, document=document))
        if cut is not None and row.status == READY and row.job == ctx.number and cut.revision == row.revision:
            tally.add(document, cut)
            return
        if row.source_blob is not None:
            found = await self._extract(ctx, row, tally=tally)
        else:
            found = Extraction([KeptText(row.content, row.text_blob, row.content_sha256 or "")])
        kept = found.parts[0] if len(found.parts) == 1 else await self._join(found.parts)
        chunks = found.chunks if found.chunks is not None else await self._cut(ctx, kept)
        if not chunks:
            raise JobError(
                "document_textless", "there is no text in the document; of scanned pages only pictures are there"
            )
        cut = await ctx.write(partial(_keep, owner=ctx.owner, row=row, found=found, text=kept, chunks=chunks))
        if cut is None:
            tally.documents += 1
            tally.warnings[document] = ["the document was changed meanwhile; another job has the new content"]
        else:
            tally.add(document, cut)

    async def _extract(self, ctx: Context, row: DocumentRow, *, tally: Tally) -> Extraction:
        """The text of a file, slice by slice."""
        found = Extraction()
        while not found.parts or found.pages_done < found.pages:
            ctx.check_cancelled()
            name = f"extract:{row.id}@{row.revision}:{found.pages_done}"
            kept = await ctx.step(name, partial(self._extract_slice, ctx, row, found.pages_done))
            part = msgspec.convert(kept, Slice)
            found.add(part.report, part.text)
            tally.shares[row.id] = found.pages_done / found.pages
            ctx.progress(tally.percent, message=f"page {found.pages_done} of {found.pages} of {row.title}")
        return found

    async def _extract_slice(self, ctx: Context, row: DocumentRow, first_page: int) -> Slice:
        assert row.source_blob is not None
        with ctx.scratch() as folder:
            into = folder / "text"
            request = ExtractRequest(
                source=str(await asyncio.to_thread(self._blobs.bring, row.source_blob, folder)),
                into=str(into),
                name=row.title,
                media_type=row.media_type,
                first_page=first_page,
            )
            report = await ctx.isolate(extract_slice, request, limits=LIMITS)
            text = await asyncio.to_thread(lambda: put_text(self._blobs, into.read_bytes().decode()))
        return Slice(report, text)

    async def _join(self, parts: Sequence[KeptText]) -> KeptText:
        def join() -> KeptText:
            texts = (read_text(self._blobs, content=part.content, text_blob=part.text_blob) for part in parts)
            return put_text(self._blobs, "\n\n".join(filter(None, texts)))

        return await asyncio.to_thread(join)

    async def _cut(self, ctx: Context, text: KeptText) -> list[Chunk]:
        """Cut a text in a child, too: who wrote it may have meant to keep a worker busy."""
        with ctx.scratch() as folder:
            source = folder / "text"
            if text.text_blob is not None:
                source = await asyncio.to_thread(self._blobs.bring, text.text_blob, folder)
            else:
                source.write_bytes((text.content or "").encode())
            chunks: list[Chunk] = await ctx.isolate(cut_file, CutRequest(str(source)), limits=LIMITS)
        return chunks


def _check_count(count: int) -> None:
    if not 1 <= count <= DOCUMENTS_MAX:
        raise JobError("invalid_input", f"a job processes 1 to {DOCUMENTS_MAX:,} documents, not {count:,}")


def _link(tx: Transaction, *, owner: int, job: int, repository: str, ids: Sequence[str]) -> None:
    keep_repository(tx, owner, repository)
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


def _keep(
    tx: Transaction, *, owner: int, row: DocumentRow, found: Extraction, text: KeptText, chunks: Sequence[Chunk]
) -> CutRow | None:
    """Write the text and its chunks together; None where the document has changed, JobError where it is gone.

    What comes to the same text and cut as before keeps its vectors.
    """
    before, known = require_document(tx, owner, row.id), find_cut(tx, owner, row.id)
    if not keep_text(
        tx, owner, row.id, revision=row.revision, text=text, media_type=found.media_type, metadata=found.facts
    ):
        return None
    is_same = known is not None and known.revision == row.revision and known.cut == list(chunks)
    if is_same and before.content_sha256 == text.sha256:
        return known
    put_cut(
        tx,
        owner,
        row.id,
        repository=row.repository,
        revision=row.revision,
        chunks=chunks,
        pages=found.pages,
        warnings=found.warnings[:WARNINGS_MAX],
    )
    return find_cut(tx, owner, row.id)


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
