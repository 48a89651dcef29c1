"""What can be exported: a repository's documents, or its chunks with their vectors, page by page."""

from array import array
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final, NamedTuple, Protocol

import msgspec

from jobwire.blobs.contract import Blobs
from jobwire.store.contract import Reader
from jobwire.systems.fifthelement.ids import DOCUMENT_PREFIX, show_document_id
from jobwire.systems.fifthelement.records import count_documents
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


class Walk(msgspec.Struct):
    """How far a table was read: the key behind which it goes on, rows and documents so far, the last document."""

    after: Any
    rows: int = 0
    documents: int = 0
    document: str = ""
    is_over: bool = False


class RowSource(Protocol):
    """Rows of one sort, walked through by their keys for one export; `first` is the key before the first."""

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

    def go_on(self, walk: Walk, rows: Sequence[Any]) -> None:
        """Count these rows, the next after those the walk has seen."""

    def is_short(self, row: Any) -> bool:
        """Whether the row's text is there already."""

    def show(self, row: Any, blobs: Blobs) -> Sequence[Any]:
        """A value a column; blocks unless the row is short."""


_DOCUMENTS: Final = (
    f"SELECT '{DOCUMENT_PREFIX}' || id, title, content, media_type, status, source_url, metadata,"  # noqa: S608 - a constant
    " created_at, updated_at, text_blob FROM fifthelement_document"
    " WHERE owner = :owner AND repository = :repository AND id > :after ORDER BY id LIMIT :limit"
)
"""The exported columns in their order: a row is shown as it comes, 1 µs sooner than from a whole DocumentRow."""


class Documents:
    """Documents as the API shows them."""

    name = "documents"
    columns = EXPORT_COLUMNS
    first = ""

    def count(self, reader: Reader, owner: int, repository: str) -> int:
        """See RowSource.count."""
        return count_documents(reader, owner, repository)

    def list_after(
        self, reader: Reader, *, owner: int, repository: str, after: str, limit: int
    ) -> list[tuple[Any, ...]]:
        """See RowSource.list_after."""
        return reader.query(_DOCUMENTS, owner=owner, repository=repository, after=after, limit=limit)

    def go_on(self, walk: Walk, rows: Sequence[tuple[Any, ...]]) -> None:
        """See RowSource.go_on."""
        walk.rows += len(rows)
        walk.documents += len(rows)
        walk.after = walk.document = rows[-1][0].removeprefix(DOCUMENT_PREFIX)

    def is_short(self, row: tuple[Any, ...]) -> bool:
        """See RowSource.is_short."""
        return row[-1] is None

    def show(self, row: tuple[Any, ...], blobs: Blobs) -> Sequence[Any]:
        """See RowSource.show."""
        shown = row[:-1]
        if row[-1] is not None:
            shown = (*shown[:2], read_text(blobs, content=None, text_blob=row[-1]), *shown[3:])
        return shown


class ChunkRow(NamedTuple):
    """A chunk with its vector as stored: 32-bit floats in bytes on SQLite, in a list on PostgreSQL."""

    document: str
    place: int
    title: str
    start: int
    end: int
    model: str
    vector: bytes | list[float]
    text_blob: str | None
    revision: int
    text: str | None = None


class Chunks:
    """Chunks that have a vector, with the text they were cut from; none of documents that have changed since.

    A document's text is read once, for all of its chunks.
    """

    name = "chunks"
    columns = CHUNK_COLUMNS
    first = ("", -1)

    def __init__(self) -> None:
        self._known: Any = None
        self._text = ""

    def count(self, reader: Reader, owner: int, repository: str) -> int:
        """See RowSource.count."""
        count = "SELECT COUNT(*) FROM fifthelement_vector WHERE owner = :owner AND repository = :repository"
        return int(reader.query(count, owner=owner, repository=repository)[0][0])

    def list_after(
        self, reader: Reader, *, owner: int, repository: str, after: Sequence[Any], limit: int
    ) -> list[ChunkRow]:
        """See RowSource.list_after."""
        found = reader.query(
            "SELECT v.document, v.place, d.title, v.start_offset, v.end_offset, v.model, v.vector, d.text_blob,"
            " d.revision FROM fifthelement_vector v JOIN fifthelement_document d"
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
        rows = [ChunkRow(*row) for row in found]
        return [row if row.text_blob else self._cut(row, partial(read_content, reader, owner, row)) for row in rows]

    def go_on(self, walk: Walk, rows: Sequence[ChunkRow]) -> None:
        """See RowSource.go_on."""
        for row in rows:
            walk.documents += row.document != walk.document
            walk.document = row.document
        walk.rows += len(rows)
        walk.after = (rows[-1].document, rows[-1].place)

    def is_short(self, row: ChunkRow) -> bool:
        """See RowSource.is_short."""
        return row.text is not None or self._known == row.text_blob

    def show(self, row: ChunkRow, blobs: Blobs) -> Sequence[Any]:
        """See RowSource.show."""
        if row.text is None:
            row = self._cut(row, partial(read_text, blobs, content=None, text_blob=row.text_blob))
        vector = array("f", row.vector).tolist() if isinstance(row.vector, bytes) else row.vector
        document = show_document_id(row.document)
        return [document, row.title, row.place, row.start, row.end, row.text, row.model, vector]

    def _cut(self, row: ChunkRow, read: Callable[[], str]) -> ChunkRow:
        name = row.text_blob or (row.document, row.revision)
        if name != self._known:
            self._text, self._known = read(), name
        return row._replace(text=self._text[row.start : row.end])


def read_content(reader: Reader, owner: int, row: ChunkRow) -> str:
    """The text of a chunk's document, which stands in its row."""
    select = "SELECT content FROM fifthelement_document WHERE owner = :owner AND id = :id"
    return str(reader.query(select, owner=owner, id=row.document)[0][0] or "")


ROW_SOURCES: Final[Mapping[bool, Callable[[], RowSource]]] = {False: Documents, True: Chunks}
"""By whether vectors are wanted."""
