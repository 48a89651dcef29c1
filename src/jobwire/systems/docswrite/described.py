"""What calls take, as types for the API's description; fields.py and read_wish check what is sent."""

from itertools import groupby
from typing import Any

from msgspec import UNSET, Struct, UnsetType, defstruct

from jobwire.dialects.notes import Notes, Parameter
from jobwire.systems.docswrite.fields import DEFAULTS, FIELDS
from jobwire.systems.docswrite.routes_documents import NAME_CHARS_MAX
from jobwire.systems.docswrite.routes_exports import QUEUE_TYPES


class StatusForm(Struct):
    """Names a job."""

    jobId: str  # noqa: N815 - the vendor's word
    queueType: str | UnsetType | None = UNSET  # noqa: N815


def _type_of(name: str) -> Any:
    # A flag may be said in words, too.
    return bool | str | UnsetType | None if isinstance(DEFAULTS.get(name), bool) else str | UnsetType | None


def _describe_group(group: str, names: list[str]) -> list[tuple[str, Any, Any]]:
    fields = [(name, _type_of(name), UNSET) for name in names]
    if not group:
        return fields
    return [(group, defstruct(group, fields) | UnsetType | None, UNSET)]


def _describe_fields() -> list[tuple[str, Any, Any]]:
    grouped = groupby(sorted(FIELDS, key=lambda name: FIELDS[name].group), key=lambda name: FIELDS[name].group)
    return [one for group, names in grouped for one in _describe_group(group, list(names))]


ExportForm = defstruct(
    "ExportForm",
    [(name, str | UnsetType | None, UNSET) for name in ("google_docs_url", "document_id", "site")]
    + _describe_fields(),
    namespace={"__doc__": "What to export, google_docs_url or document_id, where to, and what is said of the post."},
)

UPLOADED = Notes(
    parameters=(
        Parameter(
            "name",
            {"type": "string", "minLength": 1, "maxLength": NAME_CHARS_MAX},
            "The file's name; its ending says what it is.",
            is_required=True,
        ),
    )
)
NAMED = Notes(text=f"queueType is one of {', '.join(QUEUE_TYPES)}.")


class SiteView(Struct):
    """A connected site; its password is never shown."""

    id: str
    name: str
    url: str
    username: str
    default: bool
    createdAt: int  # noqa: N815


class DocumentView(Struct):
    """An uploaded document; its id is for exports."""

    document_id: str
    name: str
    format: str
    size: int
    createdAt: int  # noqa: N815
    updatedAt: int  # noqa: N815


class Deleted(Struct):
    """It is gone."""

    deleted: bool


class Queued(Struct):
    """What was asked for, as it was sent, and the job that does it."""

    jobId: str  # noqa: N815
