"""What calls take, as types for the API's description, made from fields.py; validation.py checks what is sent."""

from functools import reduce
from operator import or_
from typing import Annotated, Any, Literal, assert_never

from msgspec import UNSET, Meta, Struct, UnsetType, defstruct

from jobwire.dialects.notes import Notes, Parameter
from jobwire.systems.rentix.fields import (
    AGENT_FIELDS,
    CLIENT_STATUSES,
    EXTERNAL_ID_CHARS_MAX,
    ID_MAX,
    LISTING_FIELDS,
    NAME_CHARS_MAX,
    PHOTOS_MAX,
    Choice,
    Number,
    Point,
    Rule,
    Text,
)
from jobwire.systems.rentix.queries import OFFSET_MAX, PAGE_DEFAULT, PAGE_MAX
from jobwire.systems.rentix.routes_bulk import OPERATIONS_MAX
from jobwire.systems.rentix.routes_media import UPLOAD_BYTES_MAX, UPLOAD_TYPES

Id = Annotated[int, Meta(ge=1, le=ID_MAX)]
ExternalId = Annotated[str, Meta(min_length=1, max_length=EXTERNAL_ID_CHARS_MAX)]


class Coordinates(Struct):
    """A place in degrees."""

    lat: Annotated[float, Meta(ge=-90, le=90)]
    lng: Annotated[float, Meta(ge=-180, le=180)]


class Photo(Struct, rename="camel"):
    """A picture to import, or by its externalFileId one that was imported before."""

    url: str
    external_file_id: ExternalId | UnsetType | None = UNSET


class Link(Struct, rename="camel"):
    """Your own id for the thing in the path."""

    external_id: ExternalId


class MediaImport(Struct, rename="camel"):
    """A picture to import from a URL."""

    url: str
    external_id: ExternalId | UnsetType | None = UNSET


class MediaUpload(Struct, rename="camel"):
    """A file that will be sent."""

    file_name: Annotated[str, Meta(max_length=NAME_CHARS_MAX)]
    content_type: Literal[UPLOAD_TYPES]  # type: ignore[valid-type]
    size: Annotated[int, Meta(ge=1, le=UPLOAD_BYTES_MAX)]
    external_id: ExternalId | UnsetType | None = UNSET


class BulkOperation(Struct, rename="camel"):
    """One operation; beside `op` it has the fields that the single call takes."""

    op: Literal["upsert", "link", "unlink", "delete", "validate"]
    id: Id | UnsetType | None = UNSET
    external_id: ExternalId | UnsetType | None = UNSET


class Bulk(Struct):
    """Operations that are run one after the other, each for itself."""

    operations: Annotated[list[BulkOperation], Meta(min_length=1, max_length=OPERATIONS_MAX)]


def _type_of(rule: Rule) -> Any:
    match rule:
        case Text():
            return Annotated[str, Meta(max_length=rule.chars_max)]
        case Number():
            return Annotated[float, Meta(ge=rule.lowest, le=rule.highest)]
        case Choice():
            return Literal[rule.words]
        case Point():
            return Coordinates
        case _:
            assert_never(rule)


def _optional(**types: Any) -> list[tuple[str, Any, Any]]:
    return [(name, reduce(or_, (type_, UnsetType, None)), UNSET) for name, type_ in types.items()]


_IDENTITY = _optional(id=Id, externalId=ExternalId)

Listing = defstruct(
    "Listing",
    [
        *_IDENTITY,
        *_optional(
            announcementStatus=Literal[CLIENT_STATUSES],
            **{name: _type_of(rule) for name, rule in LISTING_FIELDS.items()},
            files=Annotated[list[Photo], Meta(max_length=PHOTOS_MAX)],
            fileIds=list[Id],
            userId=Id,
        ),
    ],
    namespace={"__doc__": "A listing, named by exactly one of id and externalId; what is left out stays as it is."},
)
User = defstruct(
    "User",
    [*_IDENTITY, *_optional(**{name: _type_of(rule) for name, rule in AGENT_FIELDS.items()})],
    namespace={"__doc__": "A user, named by exactly one of id and externalId; what is left out stays as it is."},
)

PAGED = Notes(
    parameters=(
        Parameter("limit", {"type": "integer", "minimum": 1, "maximum": PAGE_MAX, "default": PAGE_DEFAULT}),
        Parameter("offset", {"type": "integer", "minimum": 0, "maximum": OFFSET_MAX, "default": 0}),
    )
)
BULK = Notes(also=((422, "No operation has succeeded."),))
CONTEXT = Notes(
    parameters=tuple(
        Parameter(name, {"type": "string", "enum": list(rule.words)}, is_required=True)
        for name in ("announcementType", "propertyType")
        if isinstance(rule := LISTING_FIELDS[name], Choice)
    )
)
