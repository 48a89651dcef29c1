"""rentix on the wire, as data. routes_*.py have its resources, error_words.py its refusals."""

from jobwire.dialects.spec import (
    Carrier,
    Dialect,
    ErrorField,
    Field,
    JobReference,
    RateLimit,
    Route,
)
from jobwire.domain.phases import FINAL_PHASES, Phase
from jobwire.systems.rentix import described, routes_agency, routes_bulk, routes_listings, routes_media, routes_users
from jobwire.systems.rentix import described_answers as answers
from jobwire.systems.rentix.error_words import ERRORS
from jobwire.systems.rentix.fields import MOUNT
from jobwire.systems.rentix.media import MEDIA_OPTIMIZE
from jobwire.systems.rentix.upsert import ANNOUNCEMENT_FINALIZE

BODY_BYTES_MAX = 512 * 1024

_PENDING = frozenset({Phase.SCHEDULED, Phase.WAITING})
_PROCESSING = frozenset({Phase.RUNNING, Phase.CANCELLING})
_WITH_ERROR = frozenset({Phase.RETRYING, Phase.FAILED})

_ANY, _BULK = ("minute",), ("minute", "bulk")

RENTIX = Dialect(
    name="rentix",
    title="Rentix CRM API",
    mount=MOUNT,
    aliases=("",),
    credentials=(Carrier("Authorization", scheme="ApiKey"), Carrier("X-API-Key")),
    several_credentials="refuse",
    kinds={ANNOUNCEMENT_FINALIZE: ANNOUNCEMENT_FINALIZE, MEDIA_OPTIMIZE: MEDIA_OPTIMIZE},
    phases={
        Phase.SCHEDULED: "pending",
        Phase.WAITING: "pending",
        Phase.RETRYING: "failed_retryable",
        Phase.RUNNING: "processing",
        Phase.CANCELLING: "processing",
        Phase.COMPLETED: "completed",
        Phase.FAILED: "failed",
        Phase.CANCELLED: "failed",
        Phase.EXPIRED: "failed",
    },
    job=(
        Field("id", "number"),
        Field("type", "kind"),
        Field("status", "word"),
        Field("queuePosition", "position", when=_PENDING),
        Field("queuePosition", when=_PROCESSING),
        Field("resultData", "output", when=frozenset({Phase.COMPLETED})),
        Field("publicErrorMessage", "error.message", when=_WITH_ERROR),
        Field("publicErrorMessage", value="Operation was cancelled", when=frozenset({Phase.CANCELLED})),
        Field("publicErrorMessage", value="Operation was not started in time", when=frozenset({Phase.EXPIRED})),
        Field("isRetryable", "error.retryable", when=frozenset({Phase.FAILED})),
        Field("isRetryable", value=True, when=frozenset({Phase.RETRYING, Phase.EXPIRED})),
        Field("isRetryable", value=False, when=frozenset({Phase.CANCELLED})),
        Field("createdAt", "created_at", "iso_ms"),
        Field("completedAt", "finalized_at", "iso_ms", when=FINAL_PHASES),
    ),
    job_reference=JobReference(
        place="query",
        name="id",
        style="number",
        missing="id is required",
        malformed="id must be a positive integer",
    ),
    error_body=(
        ErrorField("statusCode", "status"),
        ErrorField("message", "messages"),
        ErrorField("error", "reason"),
    ),
    errors=ERRORS,
    body_bytes_max=BODY_BYTES_MAX,
    limits=(RateLimit("minute", 300, 60), RateLimit("bulk", 30, 60)),
    default_limits=_ANY,
    retry_after_s=1,
    routes=(
        Route("GET", "/job/status", "status", scope="jobs:read", summary="Read the state of a job"),
        Route(
            "PUT", "/listings", scope="jobs:write",
            endpoint=routes_listings.put_listing, body="json", request=described.Listing,
            response=answers.SavedListing, summary="Save a listing",
        ),
        Route(
            "GET", "/listings", scope="jobs:read", endpoint=routes_listings.get_listings, notes=described.PAGED,
            response=answers.ListingPage, summary="List the listings",
        ),
        Route(
            "POST", "/listings/bulk", scope="jobs:write",
            endpoint=routes_bulk.post_listings, body="json", limits=_BULK,
            request=described.Bulk, response=answers.BulkAnswer, notes=described.BULK,
            summary="Run up to 100 operations on listings",
        ),
        Route(
            "GET", "/listings/{id}", scope="jobs:read",
            endpoint=routes_listings.get_listing, response=answers.ListingView,
            summary="Read a listing",
        ),
        Route(
            "GET", "/listings/external/{externalId}", scope="jobs:read",
            endpoint=routes_listings.get_listing_by_external_id,
            response=answers.ListingView, summary="Read a listing by your own id",
        ),
        Route(
            "POST", "/listings/{id}/link", scope="jobs:write", endpoint=routes_listings.LINKS.post_link, body="json",
            request=described.Link, response=answers.Linked, summary="Bind your id",
        ),
        Route(
            "DELETE", "/listings/{id}/link", scope="jobs:write",
            endpoint=routes_listings.LINKS.delete_link, response=answers.Unlinked,
            summary="Unbind your id",
        ),
        Route(
            "POST", "/media/upload-from-url", scope="jobs:write", endpoint=routes_media.import_media, body="json",
            request=described.MediaImport, response=answers.ImportedMedia, summary="Import a picture",
        ),
        Route(
            "POST", "/media/signed-url", scope="jobs:write", endpoint=routes_media.sign_upload, body="json",
            request=described.MediaUpload, response=answers.AnnouncedMedia, summary="Announce an upload",
        ),
        Route(
            "PUT", "/media/{id}/upload", endpoint=routes_media.receive_upload, is_open=True, body="upload",
            before_body=routes_media.admit_upload, body_bytes_max=routes_media.UPLOAD_BYTES_MAX,
            response=answers.ReceivedMedia, summary="Send the bytes of an announced upload",
        ),
        Route(
            "POST", "/media/{id}/complete", scope="jobs:write",
            endpoint=routes_media.complete_upload, response=answers.CompletedMedia,
            summary="Optimise an upload",
        ),
        Route(
            "GET", "/media/{id}", scope="jobs:read",
            endpoint=routes_media.get_media, response=answers.MediaView, summary="Read a file",
        ),
        Route(
            "DELETE", "/media/{id}", scope="jobs:write", endpoint=routes_media.remove_media, response=answers.Deleted,
            summary="Delete a file",
        ),
        Route(
            "GET", "/media/external/{externalId}", scope="jobs:read", endpoint=routes_media.get_media_by_external_id,
            response=answers.MediaView, summary="Read a file by your own id",
        ),
        Route(
            "DELETE", "/media/external/{externalId}", scope="jobs:write",
            endpoint=routes_media.remove_media_by_external_id,
            response=answers.Deleted, summary="Delete a file by your own id",
        ),
        Route(
            "PUT", "/users", scope="jobs:write", endpoint=routes_users.put_user, body="json", request=described.User,
            response=answers.Saved, summary="Save a user",
        ),
        Route(
            "POST", "/users/bulk", scope="jobs:write",
            endpoint=routes_bulk.post_users, body="json", limits=_BULK, request=described.Bulk,
            response=answers.BulkAnswer, notes=described.BULK, summary="Run up to 100 operations on users",
        ),
        Route(
            "GET", "/users", scope="jobs:read",
            endpoint=routes_users.get_users, notes=described.PAGED, response=answers.UserPage,
            summary="List the users",
        ),
        Route(
            "GET", "/users/{id}", scope="jobs:read",
            endpoint=routes_users.get_user, response=answers.UserView, summary="Read a user",
        ),
        Route(
            "GET", "/users/external/{externalId}", scope="jobs:read", endpoint=routes_users.get_user_by_external_id,
            response=answers.UserView, summary="Read a user by your own id",
        ),
        Route(
            "POST", "/users/{id}/link", scope="jobs:write",
            endpoint=routes_users.LINKS.post_link, body="json", request=described.Link,
            response=answers.Linked, summary="Bind your id",
        ),
        Route(
            "DELETE", "/users/{id}/link", scope="jobs:write",
            endpoint=routes_users.LINKS.delete_link, response=answers.Unlinked,
            summary="Unbind your id",
        ),
        Route(
            "GET", "/agency", scope="jobs:read", endpoint=routes_agency.get_agency, response=answers.AgencyView,
            summary="Read your agency and its limits",
        ),
        Route(
            "GET", "/reference/schema/base", scope="jobs:read",
            endpoint=routes_agency.get_base_schema, response=answers.BaseSchema,
            summary="Read the fields of a listing",
        ),
        Route(
            "GET", "/reference/schema/contextual", scope="jobs:read", endpoint=routes_agency.get_contextual_schema,
            notes=described.CONTEXT, response=answers.ContextualSchema,
            summary="Read the fields of one sort of listing",
        ),
    ),
)  # fmt: skip
