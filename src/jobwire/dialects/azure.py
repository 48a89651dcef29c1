"""The azure dialect: long-running operations as Microsoft's REST guidelines have them, for azure-core's pollers."""

from jobwire.dialects.sent import PageField, PageWords, Sent, Take
from jobwire.dialects.spec import ALL_PHASES, Carrier, Dialect, ErrorField, ErrorWord, Field, Route
from jobwire.domain.phases import FINAL_PHASES, Phase

_SUCCEEDED = frozenset({Phase.COMPLETED})
_FAILED = frozenset({Phase.FAILED, Phase.EXPIRED})
_VERSION = ("api-version",)

AZURE = Dialect(
    name="azure",
    title="Jobwire, as Azure operations",
    mount="/azure",
    credentials=(
        Carrier("Authorization", scheme="Bearer"),
        Carrier("api-key"),
        Carrier("Ocp-Apim-Subscription-Key"),
    ),
    challenge='Bearer realm="jobwire"',
    phases={
        Phase.SCHEDULED: "NotStarted",
        Phase.WAITING: "NotStarted",
        Phase.RETRYING: "Running",
        Phase.RUNNING: "Running",
        Phase.CANCELLING: "Running",
        Phase.COMPLETED: "Succeeded",
        Phase.FAILED: "Failed",
        Phase.EXPIRED: "Failed",
        Phase.CANCELLED: "Canceled",
    },
    retry_after_s=1,
    is_conditional=True,
    idempotency_header="Operation-Id",
    job=(
        Field("id", "id"),
        Field("kind", "kind"),
        Field("status", "word"),
        Field("createdDateTime", "created_at", "iso_ms"),
        Field("startedDateTime", "started_at", "iso_ms", omit_null=True),
        Field("finishedDateTime", "finalized_at", "iso_ms", when=FINAL_PHASES),
        Field("percentComplete", "progress.percent", when=ALL_PHASES - _SUCCEEDED),
        Field("percentComplete", value=100.0, when=_SUCCEEDED),
        Field("resourceLocation", template="{origin}{mount}/operations/{id}/result", when=_SUCCEEDED),
        Field("result", "output", when=_SUCCEEDED),
        Field("error.code", "error.code", when=_FAILED),
        Field("error.message", "error.message", when=_FAILED),
        Field("error.innererror", "error.details", when=_FAILED),
        Field("error.code", value="Canceled", when=frozenset({Phase.CANCELLED})),
        Field("error.message", value="The operation was canceled.", when=frozenset({Phase.CANCELLED})),
    ),
    error_headers={"x-ms-error-code": "word"},
    error_body=(
        ErrorField("error.code", "word"),
        ErrorField("error.message", "message"),
        ErrorField("error.innererror.errors", "errors", omit_null=True),
        ErrorField("error.innererror.details", "details", omit_null=True),
    ),
    errors={
        "invalid_request": ErrorWord(400, word="InvalidRequest"),
        "unauthorized": ErrorWord(401, word="Unauthorized"),
        "forbidden": ErrorWord(403, word="Forbidden"),
        "owner_suspended": ErrorWord(403, word="AccountSuspended"),
        "system_disabled": ErrorWord(403, word="Forbidden"),
        "not_found": ErrorWord(404, word="NotFound"),
        "method_not_allowed": ErrorWord(405, word="MethodNotAllowed"),
        "conflict": ErrorWord(409, word="Conflict"),
        "not_finished": ErrorWord(409, word="OperationNotFinished"),
        "job_failed": ErrorWord(409, word="OperationFailed"),
        "gone": ErrorWord(410, word="Gone"),
        "payload_too_large": ErrorWord(413, word="RequestTooLarge"),
        "unsupported_media_type": ErrorWord(415, word="UnsupportedMediaType"),
        "unprocessable": ErrorWord(400, word="OperationIdReused"),
        "rate_limited": ErrorWord(429, word="TooManyRequests"),
        "internal": ErrorWord(500, word="InternalServerError"),
        "unavailable": ErrorWord(503, word="ServiceUnavailable"),
    },
    routes=(
        Route(
            "POST", "/jobs/{kind}:run", "submit", scope="jobs:write", body="json", status=202,
            takes=(
                Take("kind", Sent("path", "kind")),
                Take("input", Sent("body", "input")),
                Take("queue", Sent("body", "queue")),
                Take("priority", Sent("body", "priority")),
                Take("tags", Sent("body", "tags")),
                Take("run_at", Sent("body", "startDateTime")),
                Take("deadline", Sent("body", "deadlineDateTime")),
            ),
            headers={
                "Operation-Location": "{origin}{mount}/operations/{id}",
                "Location": "{origin}{mount}/operations/{id}/result",
            },
            summary="Run a job of this kind",
        ),
        Route("GET", "/operations/{id}", "status", scope="jobs:read", summary="Read an operation"),
        Route(
            "GET", "/operations", "list", scope="jobs:read",
            page=PageWords(
                query={"limit": "top", "cursor": "skipToken", "kind": "kind", "phase": "status"},
                fields=(PageField("value", "jobs"), PageField("nextLink", "next_url", omit_null=True)),
                ignored=_VERSION,
            ),
            summary="List your operations, newest first",
        ),
        Route(
            "POST", "/operations/{id}:cancel", "cancel", scope="jobs:write", if_final="answer",
            summary="Cancel an operation",
        ),
        Route("DELETE", "/operations/{id}", "remove", scope="jobs:write", status=204, summary="Delete an operation"),
        Route("GET", "/operations/{id}/result", "result", scope="jobs:read", summary="Read a succeeded result"),
    ),
)  # fmt: skip
