"""apidatatools on the wire, as data. routes_tools.py makes a route of each tool, error_words.py has its refusals."""

from dataclasses import replace

from jobwire.dialects.spec import Carrier, Dialect, ErrorField, Field, IdForm, JobReference, RateLimit, Route
from jobwire.domain.phases import FINAL_PHASES, Phase
from jobwire.systems.apidatatools import described, routes_downloads, routes_uploads
from jobwire.systems.apidatatools.error_words import ERRORS
from jobwire.systems.apidatatools.fields import MOUNT, RETRY_AFTER_S
from jobwire.systems.apidatatools.routes_tools import KINDS, TOOL_ROUTES

_QUEUED = frozenset({Phase.SCHEDULED, Phase.WAITING, Phase.RETRYING})
_NEW = frozenset({Phase.SCHEDULED, Phase.WAITING})
_RUN = frozenset({Phase.RETRYING, Phase.RUNNING, Phase.CANCELLING})
_LIVE = _QUEUED | _RUN
_MISSING, _MALFORMED = "job_id is required", "job_id is invalid"
_NO_JOB = JobReference("query", "job_id", code="invalid_job_id", missing=_MISSING, malformed=_MALFORMED)
_STATUS = ("status",)

APIDATATOOLS = Dialect(
    name="apidatatools",
    title="API Data Tools",
    mount=MOUNT,
    credentials=(Carrier("x-api-key"),),
    several_credentials="first",
    kinds=KINDS,
    ids=IdForm("", "uuid"),
    phases={
        Phase.SCHEDULED: "queued",
        Phase.WAITING: "queued",
        Phase.RETRYING: "queued",
        Phase.RUNNING: "processing",
        Phase.CANCELLING: "processing",
        Phase.COMPLETED: "success",
        Phase.FAILED: "failed",
        Phase.CANCELLED: "failed",
        Phase.EXPIRED: "failed",
    },
    job=(
        Field("job_id", "id"),
        Field("status", "word"),
        Field("created_at", "created_at", "epoch_s"),
        Field("updated_at", "created_at", "epoch_s", when=_NEW),
        Field("updated_at", "started_at", "epoch_s", when=_RUN),
        Field("updated_at", "finalized_at", "epoch_s", when=FINAL_PHASES),
        Field("message", value="Your job is being processed.", when=_LIVE),
        Field("retry_after", "retry_after_s", when=_LIVE),
        Field("result", "output", when=frozenset({Phase.COMPLETED})),
        Field("error.code", "error.code", "upper", when=frozenset({Phase.FAILED})),
        Field("error.message", "error.message", when=frozenset({Phase.FAILED})),
        Field("error.details", "error.details", when=frozenset({Phase.FAILED}), words={None: {}}),
        Field("error.code", value="CANCELLED", when=frozenset({Phase.CANCELLED})),
        Field("error.message", value="The job was cancelled.", when=frozenset({Phase.CANCELLED})),
        Field("error.details", value={}, when=frozenset({Phase.CANCELLED})),
        Field("error.code", value="EXPIRED", when=frozenset({Phase.EXPIRED})),
        Field("error.message", value="The job was not started in time.", when=frozenset({Phase.EXPIRED})),
        Field("error.details", value={}, when=frozenset({Phase.EXPIRED})),
    ),
    job_reference=JobReference(
        name="job_id", code="invalid_job_id", missing=_MISSING, malformed=_MALFORMED
    ),
    tells_others=True,
    error_body=(
        ErrorField("status", value="error"),
        ErrorField("error", "word"),
        ErrorField("details", "details", omit_null=True),
        ErrorField("details.message", "message"),
    ),
    errors=ERRORS,
    content_types=None,
    limits=(
        RateLimit("status", 120, 60, message="Too many status requests. Please slow down."),
        RateLimit("tools", 60, 60, message="Too many tool calls. Please slow down."),
        RateLimit("uploads", 10, 60, message="Too many upload requests. Please slow down."),
    ),
    default_limits=_STATUS,
    limit_headers=None,
    retry_after_s=RETRY_AFTER_S,
    ignores_trailing_slash=True,
    routes=(
        Route("GET", "/jobs/{job_id}", "status", scope="jobs:read", summary="Read the state of a job"),
        Route("GET", "/status-api/{job_id}", "status", scope="jobs:read", summary="Read the state of a job"),
        Route("GET", "/jobs", "status", scope="jobs:read", job=_NO_JOB, summary="Read the state of a job"),
        Route("GET", "/status-api", "status", scope="jobs:read", job=_NO_JOB, summary="Read the state of a job"),
        *TOOL_ROUTES,
        Route(
            "POST", "/upload-api", scope="jobs:write",
            endpoint=routes_uploads.announce_upload, body="json", limits=("uploads",),
            request=described.UploadForm, response=described.Announced, summary="Announce an upload",
        ),
        Route(
            "POST", "/storage/{upload}", endpoint=routes_uploads.receive_upload, is_open=True, body="upload",
            before_body=routes_uploads.admit_upload, body_bytes_max=routes_uploads.FORM_BYTES_MAX, limits=(),
            notes=described.SENT, summary="Send the form with the file",
        ),
        Route(
            "GET", "/downloads/{name}", endpoint=routes_downloads.get_download, is_open=True, limits=(),
            notes=described.FETCHED, summary="Fetch a result",
        ),
    ),
)  # fmt: skip

# The documented clients poll again at once, or fail, on a body without these two.
FRIENDLY = replace(
    APIDATATOOLS,
    error_body=(
        *APIDATATOOLS.error_body,
        ErrorField("message", "message"),
        ErrorField("retry_after", "retry_after_s", value=RETRY_AFTER_S),
    ),
)
