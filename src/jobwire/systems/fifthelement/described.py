"""What calls answer, as types for the API's description; views.py and the routes write it."""

from typing import Any

from msgspec import Struct

from jobwire.dialects.notes import Notes, Parameter
from jobwire.systems.fifthelement.bodies import DOCUMENTS_DEFAULT, DOCUMENTS_MAX, START_MAX, TITLE_CHARS_MAX
from jobwire.tables.spec import CONTENT_TYPES


class Deleted(Struct):
    """It is gone."""

    deleted: bool


class Repository(Struct, rename="camel"):
    """A repository."""

    id: str
    name: str
    type: str
    vector_store: str
    batch_model: str | None
    created_at: str
    updated_at: str


class Document(Struct, rename="camel"):
    """A document; its content is null in a list where the text is long."""

    id: str
    title: str
    content: str | None
    metadata: dict[str, Any]
    created_at: str
    updated_at: str
    repository_id: str
    status: str
    media_type: str | None
    source_url: str | None
    error: dict[str, Any] | None


class SavedDocument(Document, rename="camel"):
    """A document with the job that processes it, if one does."""

    job_id: str | None


class Pagination(Struct):
    """Where a page stands among all."""

    total: int
    start: int
    limit: int


class Repositories(Struct):
    """A page of repositories."""

    repositories: list[Repository]
    pagination: Pagination


class Documents(Struct):
    """A page of documents."""

    documents: list[Document]
    pagination: Pagination


class Started(Struct, rename="camel"):
    """A job that was just submitted."""

    id: str
    type: str
    status: str
    created_at: str


class RunAgain(Started, rename="camel"):
    """A job that runs another one again."""

    original_job_id: str


class Passage(Struct, rename="camel"):
    """A part of a document's text."""

    document_id: str
    title: str
    text: str
    start: int
    end: int
    score: float


class Passages(Struct):
    """The nearest passages, best first."""

    results: list[Passage]


class Token(Struct, rename="camel"):
    """A key that was made here."""

    id: str
    name: str
    created_at: str


class NewToken(Token, rename="camel"):
    """A new key, which is shown this once."""

    token: str


class Tokens(Struct):
    """The keys that were made here."""

    tokens: list[Token]


PAGED = Notes(
    parameters=(
        Parameter("start", {"type": "integer", "minimum": 0, "maximum": START_MAX, "default": 0}),
        Parameter("limit", {"type": "integer", "minimum": 1, "maximum": DOCUMENTS_MAX, "default": DOCUMENTS_DEFAULT}),
    )
)
_TITLE = {"type": "string", "minLength": 1, "maxLength": TITLE_CHARS_MAX}
UPLOADED = Notes(
    parameters=(
        Parameter("name", _TITLE, "The file's name; its ending says what it is."),
        Parameter("title", _TITLE, "The document's title, if it is not the file's name."),
    )
)

_TEXT = {"type": "string"}
IMPORTED = Notes(
    parameters=(
        Parameter("url", _TEXT, "Fetch the file from there, instead of the body."),
        Parameter("source", _TEXT, "The downloadUrl of an export here, instead of the body."),
        Parameter("mode", {"enum": ["valid", "all"], "default": "valid"}, "`all` imports none where any row is bad."),
        Parameter("title", _TEXT, "The column of the title; else `title`, else the first."),
        Parameter("content", _TEXT, "The column of the text; else `content`, else all, a line each."),
        Parameter("key", _TEXT, "The column that tells which row this is; else the whole row."),
        Parameter("types", _TEXT, "Types of columns, as price:number,built:date."),
        Parameter("process", {"type": "boolean", "default": True}, "Start document_processing for each document."),
        Parameter("format", {"enum": sorted(CONTENT_TYPES)}, "The file's format, if it is not to be found out."),
        Parameter("encoding", _TEXT, "The file's encoding, if it is not to be found out."),
        Parameter("delimiter", _TEXT, "The character between fields of CSV, if it is not to be found out."),
        Parameter("sheet", _TEXT, "The sheet of an XLSX file, if it is not the first."),
    ),
    is_body_optional=True,
)

CHAT = Notes("No agents run here, so that every one of them is not found.", refusals=("agent_not_found",))
