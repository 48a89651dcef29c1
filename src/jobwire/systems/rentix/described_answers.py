"""What calls answer, as types for the API's description; views.py and the routes write it."""

from typing import Any

from msgspec import UNSET, Struct, UnsetType

Known = dict[str, Any]


class Saved(Struct, rename="camel"):
    """What became of an upsert: exactly one of `created` and `updated` is there."""

    id: int
    external_id: str | None
    created: bool | UnsetType = UNSET
    updated: bool | UnsetType = UNSET


class SavedListing(Saved, rename="camel", kw_only=True):
    """A saved listing; `jobId` is null where nothing runs for it."""

    status: str
    public_url: str
    job_id: int | None


class ListingView(Struct, rename="camel"):
    """A listing; `processing` is what its last publication found out."""

    id: int
    external_id: str | None
    public_url: str
    created_at: str | None
    updated_at: str | None
    last_synced_at: str | None
    form_data: Known
    user: Known | None
    files: list[Known]
    processing: Known | None


class UserView(Struct, rename="camel"):
    """A user."""

    id: int
    external_id: str | None
    name: str | None
    phone: str | None
    role: str | None
    created_at: str | None
    updated_at: str | None


class ListingPage(Struct):
    """A page of listings, newest first."""

    items: list[ListingView]
    total: int
    limit: int
    offset: int


class UserPage(Struct):
    """A page of users, oldest first."""

    items: list[UserView]
    total: int
    limit: int
    offset: int


class Linked(Struct, rename="camel"):
    """What is bound to your id now."""

    id: int
    external_id: str | None
    linked: bool


class Unlinked(Struct, rename="camel"):
    """What was bound to this id of yours."""

    id: int
    external_id: str | None
    unlinked: bool


class BulkSummary(Struct):
    """How many operations there were, and how they ended."""

    total: int
    succeeded: int
    failed: int


class BulkAnswer(Struct):
    """One result an operation, in their order: the answer of the single call, or its error."""

    summary: BulkSummary
    results: list[Known]


class ImportedMedia(Struct, rename="camel"):
    """A file that is being imported."""

    media_id: int
    status: str
    external_id: str | None
    job_id: int | None


class AnnouncedMedia(Struct, rename="camel"):
    """Where to PUT the bytes, without a key, until when."""

    media_id: int
    upload_url: str
    expires_at: str


class ReceivedMedia(Struct, rename="camel"):
    """How much has come."""

    media_id: int
    size: int


class CompletedMedia(Struct, rename="camel"):
    """The job that optimises a file; null where it has ended."""

    media_id: int
    status: str
    job_id: int | None


class MediaView(Struct, rename="camel"):
    """A file and its variants."""

    id: int
    external_id: str | None
    size: int | None
    content_type: str | None
    optimization: str
    blurhash: str | None
    original_url: str | None
    variants: list[Known]
    processing: Known


class Deleted(Struct):
    """It is gone."""

    deleted: bool


class AgencyView(Struct, rename="camel"):
    """The agency of the key, and what is left of its limits."""

    id: int
    name: str
    status: str
    is_crm_enabled: bool
    limits: Known


class BaseSchema(Struct, rename="camel"):
    """The fields of any listing."""

    fields: list[Known]
    announcement_status: list[str]
    property_secondary_types: dict[str, list[str]]
    files: Known


class ContextualSchema(Struct, rename="camel"):
    """The fields of one sort of listing."""

    announcement_type: str
    property_type: str
    fields: list[Known]
