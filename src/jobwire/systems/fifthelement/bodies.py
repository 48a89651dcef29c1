"""What clients send: bodies as types, pages and ids of paths and queries; RequestError names each wrong field."""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from jobwire.dialects.parse import refuse_faults
from jobwire.domain.errors import RequestError
from jobwire.kinds.faults import Fault
from jobwire.systems.fifthelement.ids import read_document_id, read_repository_id
from jobwire.systems.fifthelement.querying import FOUND_MAX, QUERY_CHARS_MAX

NAME_CHARS_MAX: Final = 200
TITLE_CHARS_MAX: Final = 500
METADATA_BYTES_MAX: Final = 65_536
RESULTS_DEFAULT: Final = 5
DOCUMENTS_DEFAULT: Final = 50
DOCUMENTS_MAX: Final = 200
START_MAX: Final = 10**9

Name = Annotated[str, Meta(min_length=1, max_length=NAME_CHARS_MAX)]
Title = Annotated[str, Meta(min_length=1, max_length=TITLE_CHARS_MAX)]


class RepositoryBody(msgspec.Struct, frozen=True, rename="camel"):
    """A new repository."""

    name: Name
    type: Literal["knowledge", "memory"] = "knowledge"
    vector_store: Name = "jobwire"
    batch_model: Name | None = None


class RepositoryChange(msgspec.Struct, frozen=True, rename="camel"):
    """What is to be different about a repository; what is left out stays."""

    name: Name | UnsetType = UNSET
    type: Literal["knowledge", "memory"] | UnsetType = UNSET
    vector_store: Name | UnsetType = UNSET
    batch_model: Name | UnsetType | None = UNSET


class DocumentBody(msgspec.Struct, frozen=True, rename="camel"):
    """A new document of a text."""

    title: Title
    content: str
    metadata: dict[str, Any] = msgspec.field(default_factory=dict)


class DocumentChange(msgspec.Struct, frozen=True, rename="camel"):
    """What is to be different about a document; what is left out stays."""

    title: Title | UnsetType = UNSET
    content: str | UnsetType = UNSET
    metadata: dict[str, Any] | UnsetType = UNSET


class QueryBody(msgspec.Struct, frozen=True, rename="camel"):
    """A question to a repository's documents."""

    query: Annotated[str, Meta(min_length=1, max_length=QUERY_CHARS_MAX)]
    limit: Annotated[int, Meta(ge=1, le=FOUND_MAX)] = RESULTS_DEFAULT


class ChatBody(msgspec.Struct, frozen=True, rename="camel"):
    """A message to an agent."""

    message: Annotated[str, Meta(min_length=1)]


class TokenBody(msgspec.Struct, frozen=True, rename="camel"):
    """A new API key of the caller."""

    name: Name


def clean_text(text: str) -> str:
    """The text without NUL characters, which PostgreSQL does not keep."""
    return text.replace("\0", "")


def check_metadata(metadata: Mapping[str, Any]) -> Mapping[str, Any]:
    """The metadata; RequestError where they are too large."""
    size_bytes = len(msgspec.json.encode(metadata))
    if size_bytes > METADATA_BYTES_MAX:
        detail = f"has {size_bytes} bytes as JSON, more than {METADATA_BYTES_MAX}; keep large values in the content"
        raise refuse_faults([Fault("/metadata", detail)])
    return metadata


def read_start_body(body: Any) -> dict[str, Any]:
    """The fields of a body that starts a job; none where there is no body."""
    if body is not None and not isinstance(body, dict):
        raise refuse_faults([Fault("", "send a JSON object")])
    if body and "repository" in body:
        raise refuse_faults([Fault("/repository", "the path names the repository; leave it out")])
    return dict(body or {})


def read_page(query: Mapping[str, str]) -> tuple[int, int]:
    """The start and limit of a list; RequestError naming both."""
    faults: list[Fault] = []
    start = _read_bounded("start", query.get("start", "0"), (0, START_MAX), faults=faults)
    limit = _read_bounded("limit", query.get("limit", str(DOCUMENTS_DEFAULT)), (1, DOCUMENTS_MAX), faults=faults)
    if faults:
        raise refuse_faults(faults)
    return start, limit


def _read_bounded(name: str, text: str, bounds: tuple[int, int], *, faults: list[Fault]) -> int:
    lowest, highest = bounds
    if text.isascii() and text.isdecimal() and len(text) <= len(str(highest)) and lowest <= int(text) <= highest:
        return int(text)
    faults.append(Fault(f"/{name}", f"must be a whole number from {lowest} to {highest}"))
    return lowest


def name_repository(params: Mapping[str, str]) -> str:
    """The repository a path names, as stored; RequestError for what is no id."""
    found = read_repository_id(params["repositoryId"])
    if found is None:
        raise RequestError(
            "invalid_request",
            "The parameter 'repositoryId' must be a UUID",
            details={"parameter": "repositoryId"},
        )
    return found


def name_document(params: Mapping[str, str]) -> str:
    """The document a path names, as stored; RequestError for what is no id."""
    found = read_document_id(params["documentId"])
    if found is None:
        raise RequestError(
            "invalid_request",
            "The parameter 'documentId' must be doc_ and 1 to 64 letters and digits, or a UUID",
            details={"parameter": "documentId"},
        )
    return found
