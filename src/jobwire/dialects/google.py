"""The google dialect: google.longrunning operations over REST (AIP-151), for google-api-core's clients."""

from jobwire.dialects.sent import PageField, PageWords, Sent, Take
from jobwire.dialects.spec import (
    ALL_PHASES,
    LIVE_PHASES,
    WAIT_S_MAX,
    Carrier,
    Dialect,
    ErrorField,
    ErrorWord,
    Field,
    Route,
    Wait,
)
from jobwire.domain.phases import FINAL_PHASES, Phase

_COMPLETED = frozenset({Phase.COMPLETED})
_FAILED = frozenset({Phase.FAILED})
_CANCELLED = frozenset({Phase.CANCELLED})
_EXPIRED = frozenset({Phase.EXPIRED})
_TYPE = "type.googleapis.com/"
_PARENT = "/locations/global/operations"
# Numbers of google.rpc.Code; anything a handler calls by its own name is UNKNOWN to a generic client.
_RPC_CODES = {
    "invalid_input": 3, "url_invalid": 3, "photo_type_unsupported": 3,
    "timeout": 4, "child_timeout": 4, "fetch_timeout": 4,
    "url_forbidden": 7, "child_memory": 8, "child_cpu": 8,
    "internal_error": 13, "output_invalid": 13, "child_crashed": 13,
    "worker_lost": 14, "child_died": 14, "fetch_unreachable": 14, "fetch_refused": 14,
    "*": 2,
}  # fmt: skip

GOOGLE = Dialect(
    name="google",
    title="Jobwire, as google.longrunning operations",
    mount="/google/v1",
    credentials=(Carrier("Authorization", scheme="Bearer"), Carrier("X-Goog-Api-Key")),
    challenge='Bearer realm="jobwire"',
    phases={
        Phase.SCHEDULED: "PENDING",
        Phase.WAITING: "PENDING",
        Phase.RETRYING: "RUNNING",
        Phase.RUNNING: "RUNNING",
        Phase.CANCELLING: "CANCELLING",
        Phase.COMPLETED: "SUCCEEDED",
        Phase.FAILED: "FAILED",
        Phase.EXPIRED: "FAILED",
        Phase.CANCELLED: "CANCELLED",
    },
    retry_after_s=1,
    idempotency_header="Idempotency-Key",
    job=(
        Field("name", template="locations/global/operations/{id}"),
        Field("metadata.@type", value=f"{_TYPE}google.protobuf.Struct"),
        Field("metadata.value.kind", "kind"),
        Field("metadata.value.state", "word"),
        Field("metadata.value.progressPercent", "progress.percent", when=ALL_PHASES - _COMPLETED),
        Field("metadata.value.progressPercent", value=100.0, when=_COMPLETED),
        Field("metadata.value.stage", "progress.stage"),
        Field("metadata.value.createTime", "created_at", "iso_ms"),
        Field("metadata.value.startTime", "started_at", "iso_ms"),
        Field("metadata.value.endTime", "finalized_at", "iso_ms"),
        Field("done", value=False, when=LIVE_PHASES),
        Field("done", value=True, when=FINAL_PHASES),
        Field("response.@type", value=f"{_TYPE}google.protobuf.Value", when=_COMPLETED),
        Field("response.value", "output", when=_COMPLETED),
        Field("error.code", "error.code", words=_RPC_CODES, when=_FAILED),
        Field("error.code", value=4, when=_EXPIRED),
        Field("error.code", value=1, when=_CANCELLED),
        Field("error.message", "error.message", when=_FAILED | _EXPIRED),
        Field("error.message", value="The operation was cancelled.", when=_CANCELLED),
        Field("error.details[].@type", value=f"{_TYPE}google.rpc.ErrorInfo", when=_FAILED | _EXPIRED),
        Field("error.details[].reason", "error.code", "upper", when=_FAILED | _EXPIRED),
        Field("error.details[].domain", value="jobwire", when=_FAILED | _EXPIRED),
    ),
    error_body=(
        ErrorField("error.code", "status"),
        ErrorField("error.message", "message"),
        ErrorField("error.status", "word"),
        ErrorField("error.details[].@type", value=f"{_TYPE}google.rpc.ErrorInfo"),
        ErrorField("error.details[].reason", "code_upper"),
        ErrorField("error.details[].domain", value="jobwire"),
    ),
    errors={
        "invalid_request": ErrorWord(400, word="INVALID_ARGUMENT"),
        "unauthorized": ErrorWord(401, word="UNAUTHENTICATED"),
        "forbidden": ErrorWord(403, word="PERMISSION_DENIED"),
        "owner_suspended": ErrorWord(403, word="PERMISSION_DENIED"),
        "system_disabled": ErrorWord(403, word="PERMISSION_DENIED"),
        "not_found": ErrorWord(404, word="NOT_FOUND"),
        "method_not_allowed": ErrorWord(405, word="UNIMPLEMENTED"),
        "conflict": ErrorWord(400, word="FAILED_PRECONDITION"),
        "not_finished": ErrorWord(400, word="FAILED_PRECONDITION"),
        "gone": ErrorWord(404, word="NOT_FOUND"),
        "payload_too_large": ErrorWord(413, word="INVALID_ARGUMENT"),
        "unsupported_media_type": ErrorWord(415, word="INVALID_ARGUMENT"),
        "unprocessable": ErrorWord(409, word="ALREADY_EXISTS"),
        "rate_limited": ErrorWord(429, word="RESOURCE_EXHAUSTED"),
        "internal": ErrorWord(500, word="INTERNAL"),
        "unavailable": ErrorWord(503, word="UNAVAILABLE"),
    },
    routes=(
        Route(
            "POST", "/jobs/{kind}:run", "submit", scope="jobs:write", body="json", headers={},
            takes=(
                Take("kind", Sent("path", "kind")),
                Take("input", Sent("body", "input")),
                Take("queue", Sent("body", "queue")),
                Take("priority", Sent("body", "priority")),
                Take("tags", Sent("body", "tags")),
                Take("run_at", Sent("body", "startTime")),
                Take("deadline", Sent("body", "deadlineTime")),
                Take("idempotency_key", Sent("body", "requestId")),
            ),
            summary="Run a job of this kind",
        ),
        Route("GET", f"{_PARENT}/{{id}}", "status", scope="jobs:read", summary="Get an operation"),
        Route(
            "GET", _PARENT, "list", scope="jobs:read",
            page=PageWords(
                query={"limit": "pageSize", "cursor": "pageToken"},
                fields=(PageField("operations", "jobs"), PageField("nextPageToken", "next_cursor", omit_null=True)),
                ignored=("$alt", "alt", "prettyPrint"),
                caps_limit=True,
            ),
            summary="List your operations, newest first",
        ),
        Route(
            "POST", f"{_PARENT}/{{id}}:wait", "status", scope="jobs:read", body="json_or_none",
            wait=Wait("timeout", "body", prefers=False, seconds_default=WAIT_S_MAX, is_capped=True),
            summary="Wait for an operation's end",
        ),
        Route(
            "POST", f"{_PARENT}/{{id}}:cancel", "cancel", scope="jobs:write", if_final="answer", shape=(),
            summary="Ask an operation to stop",
        ),
        Route("DELETE", f"{_PARENT}/{{id}}", "remove", scope="jobs:write", shape=(), summary="Delete an operation"),
    ),
)  # fmt: skip
