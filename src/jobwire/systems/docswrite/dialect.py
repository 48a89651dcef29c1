"""docswrite on the wire, as data. routes_*.py have its resources, error_words.py its refusals."""

from jobwire.dialects.spec import (
    ALL_PHASES,
    Carrier,
    Dialect,
    Envelope,
    ErrorField,
    Field,
    IdForm,
    JobReference,
    LimitHeaders,
    RateLimit,
    Route,
)
from jobwire.domain.phases import Phase
from jobwire.systems.docswrite import described, routes_documents, routes_exports, routes_sites
from jobwire.systems.docswrite.error_words import ERRORS
from jobwire.systems.docswrite.exporting import DOCSWRITE_EXPORT
from jobwire.systems.docswrite.source import SOURCE_BYTES_MAX

BODY_BYTES_MAX = 256 * 1024

_COMPLETED = frozenset({Phase.COMPLETED})
_BEGUN = frozenset({Phase.RUNNING, Phase.CANCELLING, Phase.RETRYING})
_FAILED = frozenset({Phase.FAILED})
_CANCELLED = frozenset({Phase.CANCELLED})
_EXPIRED = frozenset({Phase.EXPIRED})
_STATUS, _CREATION = ("status",), ("creation",)
_LISTED = Envelope("data", first={"error": False, "message": "Your sites"})
_DONE = Envelope("data", first={"error": False, "message": "Done"})

DOCSWRITE = Dialect(
    name="docswrite",
    title="Docswrite API",
    mount="/api",
    credentials=(
        Carrier("x-access-token"),
        Carrier("Authorization", scheme="Bearer"),
        Carrier("x-api-key"),
        Carrier("token", place="query"),
    ),
    several_credentials="first",
    kinds={DOCSWRITE_EXPORT: "post"},
    ids=IdForm(prefix=routes_exports.JOB_PREFIX, form="tail"),
    phases={
        Phase.SCHEDULED: "delayed",
        Phase.RETRYING: "delayed",
        Phase.WAITING: "waiting",
        Phase.RUNNING: "active",
        Phase.CANCELLING: "active",
        Phase.COMPLETED: "completed",
        Phase.FAILED: "failed",
        Phase.CANCELLED: "failed",
        Phase.EXPIRED: "failed",
    },
    job=(
        Field("id", "id"),
        Field("state", "word"),
        Field("progress", "progress.percent", "whole", when=ALL_PHASES - _COMPLETED - _BEGUN, words={100: 99}),
        Field("progress", "progress.percent", "whole", when=_BEGUN, words={0: 1, 100: 99}),
        Field("progress", value=100, when=_COMPLETED),
        Field("returnValue", value={}, when=ALL_PHASES - _COMPLETED),
        Field("returnValue", "output", when=_COMPLETED),
        Field("failedReason", "error.message", when=_FAILED),
        Field("failedReason", value="Job was cancelled", when=_CANCELLED),
        Field("failedReason", value="Job was not started in time", when=_EXPIRED),
        Field("failedReason", when=ALL_PHASES - _FAILED - _CANCELLED - _EXPIRED),
        Field("timestamp", "created_at", "epoch_ms"),
        Field("processedOn", "started_at", "epoch_ms"),
        Field("finishedOn", "finalized_at", "epoch_ms"),
    ),
    job_reference=JobReference(
        place="body",
        name="jobId",
        missing="jobId is required",
        malformed="jobId must be a string",
        find=routes_exports.find_job_number,
    ),
    error_body=(
        ErrorField("error", value=True),
        ErrorField("message", "word"),
        ErrorField("details", "message"),
    ),
    errors=ERRORS,
    body_bytes_max=BODY_BYTES_MAX,
    limits=(RateLimit("creation", 200, 120, flows=True), RateLimit("status", 500, 60, flows=True)),
    default_limits=_STATUS,
    limit_headers=LimitHeaders("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset", counts_down=True),
    retry_after_s=1,
    routes=(
        Route(
            "POST", "/export", endpoint=routes_exports.post_export, scope="jobs:write", body="json", limits=_CREATION,
            request=described.ExportForm,
            envelope=Envelope("data", first={"error": False, "message": "Post added to queue"}),
            response=described.Queued, summary="Export a document to a WordPress site",
        ),
        Route(
            "POST", "/job/status", "status", scope="jobs:read", body="json",
            envelope=Envelope("data", first={"success": True}), request=described.StatusForm,
            notes=described.NAMED, summary="Read the state of a job",
        ),
        Route(
            "POST", "/documents", endpoint=routes_documents.post_document, scope="jobs:write", body="upload",
            limits=_CREATION, body_bytes_max=SOURCE_BYTES_MAX, envelope=_DONE, notes=described.UPLOADED,
            response=described.DocumentView, summary="Upload a document",
        ),
        Route(
            "PUT", "/documents/{id}", endpoint=routes_documents.put_document, scope="jobs:write", body="upload",
            limits=_CREATION, body_bytes_max=SOURCE_BYTES_MAX, envelope=_DONE, notes=described.UPLOADED,
            response=described.DocumentView, summary="Replace an uploaded document",
        ),
        Route(
            "DELETE", "/documents/{id}", endpoint=routes_documents.remove_document, scope="jobs:write",
            envelope=_DONE, response=described.Deleted, summary="Delete an uploaded document",
        ),
        Route(
            "GET", "/sites", endpoint=routes_sites.get_sites, scope="jobs:read", envelope=_LISTED,
            response=list[described.SiteView], summary="List your sites",
        ),
        Route(
            "POST", "/sites", endpoint=routes_sites.post_site, scope="jobs:write", body="json", limits=_CREATION,
            envelope=_DONE, request=routes_sites.SiteForm, response=described.SiteView,
            summary="Connect a WordPress site",
        ),
        Route(
            "DELETE", "/sites/{id}", endpoint=routes_sites.remove_site, scope="jobs:write", envelope=_DONE,
            response=described.Deleted, summary="Disconnect a site",
        ),
    ),
)  # fmt: skip
