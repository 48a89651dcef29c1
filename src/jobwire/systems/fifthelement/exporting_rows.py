"""What can be exported: a repository's documents, or its chunks with their vectors, page by page."""

from array import array
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol

from jobwire.blobs.contract import Blobs
from jobwire.store.contract import Reader
from jobwire.systems.fifthelement.ids import show_document_id
from jobwire.systems.fifthelement.records import DocumentRow, count_documents, list_documents_after
from jobwire.systems.fifthelement.table_documents import EXPORT_COLUMNS
from jobwire.systems.fifthelement.texts import read_text
from jobwire.tables.spec import Column

CHUNK_COLUMNS: Final = (
    Column("documentId"),
    Column("title"),
    Column("chunk", "integer"),
    Column("start", "integer"),
    Column("end", "integer"),
    Column("text"),
    Column("model"),
    Column("vector", "vector"),
)


class RowSource(Protocol):
    """Rows of one sort, walked through by their keys; `first` is the key before the first."""

    @property
    def name(self) -> str: ...

    @property
    def columns(self) -> Sequence[Column]: ...

    @property
    def first(self) -> Any: ...

    def count(self, reader: Reader, owner: int, repository: str) -> int:
        """How many rows there are."""

    def list_after(self, reader: Reader, *, owner: int, repository: str, after: Any, limit: int) -> list[Any]:
        """The rows behind a key, in their order."""

    def key(self, row: Any) -> Any:
        """The key of a row."""

    def document(self, row: Any) -> str:
        """The document a row is of; rows of one follow each other."""

    def is_short(self, row: Any) -> bool:
        """Whether the row's text stands in the row."""

    def show(self, row: Any, blobs: Blobs) -> list[Any]:
        """A value a column; blocks unless the row is short."""


class Documents:
    """Documents as the API shows them."""

    name = "documents"
    columns = EXPORT_COLUMNS
    first = ""

    def count(self, reader: Reader, owner: int, repository: str) -> int:
        """See RowSource.count."""
        return count_documents(reader, owner, repository)

    def list_after(self, reader: Reader, *, owner: int, repository: str, after: str, limit: int) -> list[DocumentRow]:
        """See RowSource.list_after."""
        return list_documents_after(reader, owner, repository, after=after, limit=limit)

    def key(self, row: DocumentRow) -> str:
        """See RowSource.key."""
        return row.id

    def document(self, row: DocumentRow) -> str:
        """See RowSource.document."""
        return row.id

    def is_short(self, row: DocumentRow) -> bool:
        """See RowSource.is_short."""
        return row.text_blob is None

    def show(self, row: DocumentRow, blobs: Blobs) -> list[Any]:
        """See RowSource.show."""
        return [
            show_document_id(row.id),
            row.title,
            row.content if row.text_blob is None else read_text(blobs, content=None, text_blob=row.text_blob),
            row.media_type,
            row.status,
            row.source_url,
            row.metadata,
            row.created_at,
            row.updated_at,
        ]


class ChunkRow(NamedTuple):
    """A chunk with its vector as stored: 32-bit floats in bytes on SQLite, in a list on PostgreSQL."""

    document: str
    place: int
    title: str
    start: int
    end: int
    model: str
    vector: bytes | list[float]
    text: str | None
    text_blob: str | None


class Chunks:
    """Chunks that have a vector, with the text they were cut from; none of documents that have changed since."""

    name = "chunks"
    columns = CHUNK_COLUMNS
    first = ("", -1)

    def count(self, reader: Reader, owner: int, repository: str) -> int:
        """See RowSource.count."""
        count = "SELECT COUNT(*) FROM fifthelement_vector WHERE owner = :owner AND repository = :repository"
        return int(reader.query(count, owner=owner, repository=repository)[0][0])

    def list_after(
        self, reader: Reader, *, owner: int, repository: str, after: tuple[str, int], limit: int
    ) -> list[ChunkRow]:
        """See RowSource.list_after."""
        rows = reader.query(
            "SELECT v.document, v.place, d.title, v.start_offset, v.end_offset, v.model, v.vector,"
            " substr(d.content, CAST(v.start_offset + 1 AS INTEGER), CAST(v.end_offset - v.start_offset AS INTEGER)),"
            " d.text_blob FROM fifthelement_vector v JOIN fifthelement_document d"
            " ON d.owner = v.owner AND d.id = v.document"
            # Of a document whose text has changed since, the offsets mean nothing.
            " JOIN fifthelement_cut c ON c.owner = v.owner AND c.document = v.document AND c.revision = d.revision"
            " WHERE v.owner = :owner AND v.repository = :repository"
            " AND (v.document > :document OR (v.document = :document AND v.place > :place))"
            " ORDER BY v.document, v.place LIMIT :limit",
            owner=owner,
            repository=repository,
            document=after[0],
            place=after[1],
            limit=limit,
        )
        return [ChunkRow(*row) for row in rows]

    def key(self, row: ChunkRow) -> tuple[str, int]:
        """See RowSource.key."""
        return row.document, row.place

    def document(self, row: ChunkRow) -> str:
        """See RowSource.document."""
        return row.document

    def is_short(self, row: ChunkRow) -> bool:
        """See RowSource.is_short."""
        return row.text_blob is None

    def show(self, row: ChunkRow, blobs: Blobs) -> list[Any]:
        """See RowSource.show."""
        text = row.text
        if row.text_blob is not None:
            text = read_text(blobs, content=None, text_blob=row.text_blob)[row.start : row.end]
        vector = array("f", row.vector).tolist() if isinstance(row.vector, bytes) else row.vector
        document = show_document_id(row.document)
        return [document, row.title, row.place, row.start, row.end, text, row.model, vector]


ROW_SOURCES: Final[Mapping[bool, RowSource]] = {False: Documents(), True: Chunks()}
"""By whether vectors are wanted."""
