"""Finds a repository's chunks by meaning: the question is embedded as the chunks were, the nearest are shown."""

import asyncio
from functools import partial
from typing import Any, Final

from jobwire.domain.errors import JobError, RequestError
from jobwire.service.services import Services
from jobwire.store.contract import Reader
from jobwire.store.vectors import Vectors, open_vectors
from jobwire.systems.fifthelement.embedding import refuse_mixing
from jobwire.systems.fifthelement.embedding_models import choose_model
from jobwire.systems.fifthelement.records import DocumentRow, find_document, find_repository
from jobwire.systems.fifthelement.records_chunks import Found, find_model, find_nearest
from jobwire.systems.fifthelement.settings import FifthelementSettings
from jobwire.systems.fifthelement.texts import read_text

QUERY_CHARS_MAX: Final = 2_000
FOUND_MAX: Final = 50


async def query(services: Services, owner: int, repository: str, *, text: str, limit: int) -> list[dict[str, Any]]:
    """The chunks nearest to `text`, best first: documentId (stored form), title, text, start, end and score.

    Empty while the repository has no vectors. Raises RequestError: invalid_request over QUERY_CHARS_MAX characters
    or FOUND_MAX chunks, repository_not_found, conflict where the vectors are of another model, unavailable.
    """
    _check(text, limit)
    store = services.store
    row = await store.read(lambda reader: find_repository(reader, owner, repository))
    if row is None:
        raise RequestError("repository_not_found", "Repository not found")
    if await store.read(lambda reader: find_model(reader, owner, repository)) is None:
        return []
    try:
        model = choose_model(FifthelementSettings(services.settings), row.batch_model)
        model_id = await model.read_id()
        await store.read(lambda reader: refuse_mixing(reader, owner, repository, model=model_id))
        vector = await model.embed_question(text)
    except JobError as error:
        code = "unavailable" if error.retryable else "conflict"
        raise RequestError(code, error.message, details=error.details) from error
    look = partial(_look, owner=owner, repository=repository, vectors=open_vectors(store), vector=vector, limit=limit)
    found = await asyncio.to_thread(lambda: store.read(look).result())
    return await asyncio.to_thread(lambda: [_show(services, chunk, document) for chunk, document in found])


def _check(text: str, limit: int) -> None:
    if not text.strip() or len(text) > QUERY_CHARS_MAX:
        raise RequestError(
            "invalid_request", f"the query has {len(text):,} characters; it must have 1 to {QUERY_CHARS_MAX:,}"
        )
    if not 1 <= limit <= FOUND_MAX:
        raise RequestError("invalid_request", f"limit is {limit}; it must be 1 to {FOUND_MAX}")


def _look(
    reader: Reader, *, owner: int, repository: str, vectors: Vectors, vector: bytes, limit: int
) -> list[tuple[Found, DocumentRow]]:
    """The chunks with their documents, in one snapshot: offsets and text belong together."""
    chunks = find_nearest(reader, owner, repository, vectors=vectors, vector=vector, limit=limit)
    documents = {name: find_document(reader, owner, name) for name in {chunk.document for chunk in chunks}}
    return [(chunk, row) for chunk in chunks if (row := documents[chunk.document]) is not None]


def _show(services: Services, chunk: Found, document: DocumentRow) -> dict[str, Any]:
    text = read_text(services.blobs, content=document.content, text_blob=document.text_blob)
    return {
        "documentId": document.id,
        "title": document.title,
        "text": text[chunk.start : chunk.end],
        "start": chunk.start,
        "end": chunk.end,
        "score": round(chunk.score, 6),
    }
