"""The job batch_embedding: chunks become vectors, a batch at a time. embedding_models.py has who makes them.

Every batch is written as soon as it is there; what has its vector is not embedded again, whoever dies when.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import msgspec

from jobwire.domain.errors import JobError
from jobwire.kinds.contract import Context, Kind
from jobwire.kinds.registry import make_kind
from jobwire.service.services import Services
from jobwire.store.contract import Reader, Transaction
from jobwire.store.vectors import open_vectors
from jobwire.systems.fifthelement.chunking import Chunk
from jobwire.systems.fifthelement.embedding_models import Model, choose_model
from jobwire.systems.fifthelement.records import RepositoryRow, find_document
from jobwire.systems.fifthelement.records_chunks import (
    MissingRow,
    VectorRow,
    count_chunks,
    delete_vectors,
    find_cut,
    find_model,
    list_embedded,
    list_missing,
    put_vectors,
)
from jobwire.systems.fifthelement.settings import FifthelementSettings
from jobwire.systems.fifthelement.starting import BATCH_EMBEDDING, QUEUE
from jobwire.systems.fifthelement.subjects import conclude_job, keep_repository, require_repository, take_up
from jobwire.systems.fifthelement.texts import read_text

PAGE_DOCUMENTS: Final = 100


class EmbedBody(msgspec.Struct, frozen=True, rename="camel"):
    """How to embed: `replace` forgets all vectors of the repository first, for another model."""

    replace: bool = False


class EmbedInput(EmbedBody, frozen=True, rename="camel", kw_only=True):
    """Which repository's chunks to embed, and how."""

    repository: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """A chunk without a vector, and its text."""

    document: str
    revision: int
    place: int
    chunk: Chunk
    text: str


class EmbeddingWork:
    """Embeds the chunks of one house's repositories."""

    def __init__(self, services: Services, settings: FifthelementSettings) -> None:
        self._store = services.store
        self._blobs = services.blobs
        self._settings = settings
        self._vectors = open_vectors(services.store)

    async def embed(self, ctx: Context, wanted: EmbedInput) -> dict[str, Any]:
        """Make vectors of a repository's chunks."""
        repository = await self._store.read(lambda reader: require_repository(reader, ctx.owner, wanted.repository))
        model = choose_model(self._settings, repository.batch_model)
        model_id = await model.read_id()
        await ctx.write(partial(take_up, owner=ctx.owner, job=ctx.number, repository=repository.id))
        if wanted.replace:
            await ctx.step("replace", lambda: self._replace(ctx, repository))
        total, done = await self._store.read(partial(_begin, owner=ctx.owner, repository=repository, model=model_id))
        made = 0
        documents: set[str] = set()
        async for batch in self._list_batches(ctx, repository, model.batch):
            ctx.check_cancelled()
            made += await self._embed_batch(ctx, repository, model, batch=batch)
            documents.update(waiting.document for waiting in batch)
            ctx.progress(done=min(done + made, total), total=total, message=f"{made} chunks embedded")
        _, chunks = await self._store.read(partial(_count, owner=ctx.owner, repository=repository))
        return {
            "documentsProcessed": len(documents),
            "errors": 0,
            "chunksEmbedded": made,
            "chunks": chunks,
            "model": model_id,
        }

    async def _replace(self, ctx: Context, repository: RepositoryRow) -> bool:
        await ctx.write(partial(delete_vectors, owner=ctx.owner, repository=repository.id))
        return True

    async def _list_batches(self, ctx: Context, repository: RepositoryRow, size: int) -> AsyncIterator[list[Waiting]]:
        """What has no vector yet, across documents: most have fewer chunks than a batch takes."""
        batch: list[Waiting] = []
        after = ""
        while page := await self._store.read(
            partial(list_missing, owner=ctx.owner, repository=repository.id, after=after, limit=PAGE_DOCUMENTS)
        ):
            for missing in page:
                batch += await self._list_waiting(ctx.owner, missing)
                while len(batch) >= size:
                    yield batch[:size]
                    batch = batch[size:]
            after = page[-1].document
        if batch:
            yield batch

    async def _list_waiting(self, owner: int, missing: MissingRow) -> list[Waiting]:
        def look(reader: Reader) -> tuple[Any, Any, set[int]]:
            row, cut = find_document(reader, owner, missing.document), find_cut(reader, owner, missing.document)
            return row, cut, list_embedded(reader, owner, missing.document)

        row, cut, embedded = await self._store.read(look)
        if row is None or cut is None or not row.revision == cut.revision == missing.revision:
            return []
        text = await asyncio.to_thread(read_text, self._blobs, content=row.content, text_blob=row.text_blob)
        return [
            Waiting(row.id, row.revision, place, chunk, text[chunk.start : chunk.end])
            for place, chunk in enumerate(cut.cut)
            if place not in embedded
        ]

    async def _embed_batch(
        self, ctx: Context, repository: RepositoryRow, model: Model, *, batch: Sequence[Waiting]
    ) -> int:
        made = await model.embed_passages(ctx, [waiting.text for waiting in batch])
        model_id = await model.read_id()
        rows = [
            (VectorRow(w.document, w.place, w.chunk.start, w.chunk.end, model_id, vector), w.revision)
            for w, vector in zip(batch, made, strict=True)
        ]

        def keep(tx: Transaction) -> int:
            keep_repository(tx, ctx.owner, repository.id)
            refuse_mixing(tx, ctx.owner, repository.id, model=model_id)
            return put_vectors(tx, ctx.owner, repository.id, vectors=self._vectors, rows=rows)

        kept: int = await ctx.write(keep)
        return kept


def refuse_mixing(reader: Reader, owner: int, repository: str, *, model: str) -> None:
    """JobError embedding_model_mixed if the repository has vectors of another model."""
    there = find_model(reader, owner, repository)
    if there is not None and there != model:
        raise JobError(
            "embedding_model_mixed",
            f"The repository's vectors are of the model {there}, and {model} was asked for: they cannot be compared. "
            "Embed everything anew with `replace`, or set batchModel back",
            details={"found": there, "asked": model},
        )


def _begin(reader: Reader, *, owner: int, repository: RepositoryRow, model: str) -> tuple[int, int]:
    refuse_mixing(reader, owner, repository.id, model=model)
    return _count(reader, owner=owner, repository=repository)


def _count(reader: Reader, *, owner: int, repository: RepositoryRow) -> tuple[int, int]:
    require_repository(reader, owner, repository.id)
    return count_chunks(reader, owner, repository.id)


def make_kinds(services: Services, settings: FifthelementSettings) -> Sequence[Kind]:
    """The kind of this part, bound to one house."""
    work = EmbeddingWork(services, settings)
    return (
        make_kind(
            work.embed,
            name=BATCH_EMBEDDING,
            queue=QUEUE,
            attempts=settings.attempts_max,
            timeout="6h",
            retry=settings.retry,
            on_final=conclude_job,
        ),
    )
