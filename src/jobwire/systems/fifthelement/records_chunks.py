"""How documents are cut, and the vectors of their chunks, as portable SQL; store/vectors.py knows what a vector is.

Vectors always belong to the cut beside them: a document that is cut anew loses the old ones in the same transaction.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec

from jobwire.domain.errors import JobError
from jobwire.store.contract import Reader, Transaction
from jobwire.store.vectors import Search, Vectors
from jobwire.systems.fifthelement.chunking import Chunk
from jobwire.systems.fifthelement.records import FAILED, PROCESSING

DOCUMENT_HOOKS: Final = (
    "DELETE FROM fifthelement_cut WHERE owner = :owner AND document = :document",
    "DELETE FROM fifthelement_vector WHERE owner = :owner AND document = :document",
)
"""What goes with a document."""

_decode_offsets = msgspec.json.Decoder(list[Chunk]).decode


class CutRow(NamedTuple):
    """A document's cut as stored; `warnings` is JSON text."""

    document: str
    revision: int
    pages: int
    chunks: int
    offsets: str
    warnings: str

    @property
    def cut(self) -> list[Chunk]:
        """The chunks in order."""
        return _decode_offsets(self.offsets)


class MissingRow(NamedTuple):
    """A document some of whose chunks have no vector: its chunks, and how many of them have one."""

    document: str
    revision: int
    chunks: int
    embedded: int


class VectorRow(NamedTuple):
    """A chunk's vector (32-bit floats in a row, lowest byte first) and what was embedded by which model."""

    document: str
    place: int
    start: int
    end: int
    model: str
    vector: bytes


class Found(NamedTuple):
    """A chunk that is near to what was asked: `score` is the cosine of the angle between both, at most 1."""

    document: str
    start: int
    end: int
    score: float


def put_cut(
    tx: Transaction,
    owner: int,
    document: str,
    *,
    repository: str,
    revision: int,
    chunks: Sequence[Chunk],
    pages: int = 1,
    warnings: Sequence[str] = (),
) -> None:
    """Keep how a document is cut instead of what was known before, vectors included."""
    for statement in DOCUMENT_HOOKS:
        tx.execute(statement, owner=owner, document=document)
    tx.execute(
        "INSERT INTO fifthelement_cut (owner, document, repository, revision, pages, chunks, offsets, warnings)"
        " VALUES (:owner, :document, :repository, :revision, :pages, :chunks, :offsets, :warnings)",
        owner=owner,
        document=document,
        repository=repository,
        revision=revision,
        pages=pages,
        chunks=len(chunks),
        offsets=msgspec.json.encode(chunks).decode(),
        warnings=msgspec.json.encode(warnings).decode(),
    )


def find_cut(reader: Reader, owner: int, document: str) -> CutRow | None:
    """How the document is cut; None if it never was."""
    rows = reader.query(
        "SELECT document, revision, pages, chunks, offsets, warnings FROM fifthelement_cut"
        " WHERE owner = :owner AND document = :document",
        owner=owner,
        document=document,
    )
    return CutRow(*rows[0]) if rows else None


def fail_document(tx: Transaction, owner: int, document: str, *, job: int, error: JobError) -> None:
    """The document has failed in `job`, with the public part of `error`; nothing if another job has it now."""
    tx.execute(
        "UPDATE fifthelement_document SET status = :failed, error = :error, updated_at = :now"
        " WHERE owner = :owner AND id = :document AND job = :job AND status = :processing",
        failed=FAILED,
        error=msgspec.json.encode({"code": error.code, "message": error.message}).decode(),
        now=tx.now,
        owner=owner,
        document=document,
        job=job,
        processing=PROCESSING,
    )


# Text and cut of one revision: while a changed document is processed anew, its old offsets mean nothing.
_CURRENT: Final = (
    "fifthelement_cut c JOIN fifthelement_document d"
    " ON d.owner = c.owner AND d.id = c.document AND d.revision = c.revision"
)


def list_missing(reader: Reader, owner: int, repository: str, *, after: str, limit: int) -> list[MissingRow]:
    """The repository's documents behind `after`, some of whose chunks have no vector, in their order."""
    counted = (
        "(SELECT COUNT(*) FROM fifthelement_vector v WHERE v.owner = c.owner AND v.repository = c.repository"
        " AND v.document = c.document)"
    )
    rows = reader.query(
        f"SELECT c.document, c.revision, c.chunks, {counted} FROM {_CURRENT}"  # noqa: S608
        " WHERE c.owner = :owner AND c.repository = :repository AND c.document > :after"
        f" AND c.chunks > {counted} ORDER BY c.document LIMIT :limit",
        owner=owner,
        repository=repository,
        after=after,
        limit=limit,
    )
    return [MissingRow(*row) for row in rows]


def count_chunks(reader: Reader, owner: int, repository: str) -> tuple[int, int]:
    """How many chunks the repository has, and how many vectors."""
    cut = reader.query(
        f"SELECT CAST(COALESCE(SUM(c.chunks), 0) AS BIGINT) FROM {_CURRENT}"  # noqa: S608
        " WHERE c.owner = :owner AND c.repository = :repository",
        owner=owner,
        repository=repository,
    )
    count = "SELECT COUNT(*) FROM fifthelement_vector WHERE owner = :owner AND repository = :repository"
    return int(cut[0][0]), int(reader.query(count, owner=owner, repository=repository)[0][0])


def list_embedded(reader: Reader, owner: int, document: str) -> set[int]:
    """The places of the document's chunks that have a vector."""
    places = "SELECT place FROM fifthelement_vector WHERE owner = :owner AND document = :document"
    return {int(place) for (place,) in reader.query(places, owner=owner, document=document)}


def find_model(reader: Reader, owner: int, repository: str) -> str | None:
    """The model whose vectors the repository has; None while it has none."""
    model = "SELECT model FROM fifthelement_vector WHERE owner = :owner AND repository = :repository LIMIT 1"
    rows = reader.query(model, owner=owner, repository=repository)
    return str(rows[0][0]) if rows else None


def delete_vectors(tx: Transaction, owner: int, repository: str) -> None:
    """Forget every vector of the repository."""
    tx.execute(
        "DELETE FROM fifthelement_vector WHERE owner = :owner AND repository = :repository",
        owner=owner,
        repository=repository,
    )


_PUT_VECTOR: Final = (
    "INSERT INTO fifthelement_vector"  # noqa: S608
    " (owner, repository, document, place, start_offset, end_offset, model, vector)"
    " SELECT c.owner, c.repository, c.document, :place, :first, :last, :model, :vector"
    f" FROM {_CURRENT} WHERE c.owner = :owner AND c.repository = :repository"
    " AND c.document = :document AND c.revision = :revision"
    " ON CONFLICT (owner, repository, document, place) DO NOTHING"
)


def put_vectors(
    tx: Transaction, owner: int, repository: str, *, vectors: Vectors, rows: Sequence[tuple[VectorRow, int]]
) -> int:
    """Keep vectors, each with the revision it was made of; those of documents that have changed since are left out.

    A chunk that has a vector keeps it. Returns how many were kept.
    """
    kept = 0
    for row, revision in rows:
        kept += tx.execute(
            _PUT_VECTOR,
            owner=owner,
            repository=repository,
            document=row.document,
            revision=revision,
            place=row.place,
            first=row.start,
            last=row.end,
            model=row.model,
            vector=vectors.encode(row.vector),
        )
    return kept


def list_vectors(
    reader: Reader, owner: int, repository: str, *, vectors: Vectors, after: tuple[str, int] = ("", -1), limit: int
) -> list[VectorRow]:
    """The repository's vectors behind a (document, place), in that order: how an export walks through all of them."""
    rows = reader.query(
        "SELECT document, place, start_offset, end_offset, model, vector FROM fifthelement_vector"
        " WHERE owner = :owner AND repository = :repository"
        " AND (document > :document OR (document = :document AND place > :place))"
        " ORDER BY document, place LIMIT :limit",
        owner=owner,
        repository=repository,
        document=after[0],
        place=after[1],
        limit=limit,
    )
    return [VectorRow._make((*row[:5], vectors.decode(row[5]))) for row in rows]


def find_nearest(
    reader: Reader, owner: int, repository: str, *, vectors: Vectors, vector: bytes, limit: int
) -> list[Found]:
    """The chunks whose vectors are nearest to `vector`, best first, of documents whose text is current."""
    search = Search(
        columns="v.document, v.start_offset, v.end_offset",
        source="fifthelement_vector v JOIN fifthelement_cut c ON c.owner = v.owner AND c.document = v.document"
        " JOIN fifthelement_document d ON d.owner = v.owner AND d.id = v.document AND d.revision = c.revision"
        " WHERE v.owner = :owner AND v.repository = :repository",
        column="v.vector",
        key="v.document, v.place",
        to=vector,
        limit=limit,
        named={"owner": owner, "repository": repository},
    )
    return [Found._make((*row, score)) for row, score in vectors.rank(reader, search)]
