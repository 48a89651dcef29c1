"""Five APIs of the market as tables, nothing else: the grammar is judged by what it takes to say them."""

from jobwire.dialects.native import NATIVE
from jobwire.dialects.sent import PageField, PageWords, Sent, Take
from jobwire.dialects.spec import (
    ALL_PHASES,
    LIVE_PHASES,
    Carrier,
    Dialect,
    Envelope,
    ErrorField,
    ErrorWord,
    Field,
    IdForm,
    JobReference,
    Route,
)
from jobwire.domain.phases import FINAL_PHASES, Phase

_BEARER = (Carrier("Authorization", scheme="Bearer"),)
_WAITING = (Phase.SCHEDULED, Phase.WAITING)
_COMPLETED = frozenset({Phase.COMPLETED})
_FAILED = frozenset({Phase.FAILED})
_CANCELLED = frozenset({Phase.CANCELLED})
_EXPIRED = frozenset({Phase.EXPIRED})
_CANCELLING = frozenset({Phase.CANCELLING})
_DAY_S = 24 * 3_600

OPENAI = Dialect(
    name="openai",
    mount="/openai/v1",
    credentials=_BEARER,
    ids=IdForm("batch_"),
    kinds={"batch": "batch"},
    phases={
        **dict.fromkeys(_WAITING, "validating"),
        Phase.RETRYING: "in_progress",
        Phase.RUNNING: "in_progress",
        Phase.CANCELLING: "cancelling",
        Phase.COMPLETED: "completed",
        Phase.FAILED: "failed",
        Phase.CANCELLED: "cancelled",
        Phase.EXPIRED: "expired",
    },
    job=(
        Field("id", "id"),
        Field("object", value="batch"),
        Field("endpoint", "input", part="endpoint"),
        Field("errors", when=ALL_PHASES - _FAILED),
        Field("errors.object", value="list", when=_FAILED),
        Field("errors.data[].code", "error.code", when=_FAILED),
        Field("errors.data[].message", "error.message", when=_FAILED),
        Field("errors.data[].param", "error.details", part="param", when=_FAILED),
        Field("errors.data[].line", "error.details", part="line", when=_FAILED),
        Field("input_file_id", "input", part="input_file_id"),
        Field("completion_window", "input", part="completion_window"),
        Field("status", "word"),
        Field("output_file_id", "output", part="output_file_id"),
        Field("error_file_id", "output", part="error_file_id"),
        Field("created_at", "created_at", "epoch_s"),
        Field("in_progress_at", "started_at", "epoch_s"),
        Field("expires_at", "created_at", "epoch_s", plus_s=_DAY_S),
        Field("finalizing_at"),
        Field("completed_at", "finalized_at", "epoch_s", when=_COMPLETED),
        Field("completed_at", when=ALL_PHASES - _COMPLETED),
        Field("failed_at", "finalized_at", "epoch_s", when=_FAILED),
        Field("failed_at", when=ALL_PHASES - _FAILED),
        Field("expired_at", "finalized_at", "epoch_s", when=_EXPIRED),
        Field("expired_at", when=ALL_PHASES - _EXPIRED),
        Field("cancelling_at", "cancel_requested_at", "epoch_s"),
        Field("cancelled_at", "finalized_at", "epoch_s", when=_CANCELLED),
        Field("cancelled_at", when=ALL_PHASES - _CANCELLED),
        Field("request_counts.total", "progress.total", words={None: 0}),
        Field("request_counts.completed", "progress.done", words={None: 0}),
        Field("request_counts.failed", "output", part="failed", words={None: 0}),
        Field("metadata", "input", part="metadata"),
    ),
    error_body=(
        ErrorField("error.message", "message"),
        ErrorField("error.type", value="invalid_request_error"),
        ErrorField("error.param"),
        ErrorField("error.code", "code"),
    ),
    errors=NATIVE.errors,
    routes=(
        Route(
            "POST", "/batches", "submit", body="json",
            takes=(Take("kind", value="batch"), Take("input", Sent("body"))),
        ),
        Route("GET", "/batches/{batch_id}", "status", job=JobReference(name="batch_id")),
        Route("POST", "/batches/{batch_id}/cancel", "cancel", job=JobReference(name="batch_id")),
        Route(
            "GET", "/batches", "list",
            page=PageWords(
                query={"limit": "limit", "cursor": "after"},
                cursor="id",
                fields=(
                    PageField("object", value="list"),
                    PageField("data", "jobs"),
                    PageField("first_id", "first_id"),
                    PageField("last_id", "last_id"),
                    PageField("has_more", "has_more"),
                ),
            ),
        ),
    ),
)  # fmt: skip

REPLICATE = Dialect(
    name="replicate",
    mount="/replicate/v1",
    credentials=(*_BEARER, Carrier("Authorization", scheme="Token")),
    ids=IdForm(""),
    kinds={"hello": "5c7d5dc6dd8bf75c1acaa8565735e7986bc5b66206b55cca93cb72c9bf15ccaa"},
    phases={
        **dict.fromkeys(_WAITING, "starting"),
        Phase.RETRYING: "starting",
        Phase.RUNNING: "processing",
        Phase.CANCELLING: "processing",
        Phase.COMPLETED: "succeeded",
        Phase.FAILED: "failed",
        Phase.CANCELLED: "canceled",
        Phase.EXPIRED: "failed",
    },
    job=(
        Field("id", "id"),
        Field("model", value="replicate/hello-world"),
        Field("version", "kind"),
        Field("input", "input"),
        Field("logs", value=""),
        Field("output", "output"),
        Field("data_removed", value=False),
        Field("error", "error.message"),
        Field("status", "word"),
        Field("created_at", "created_at", "iso_us"),
        Field("started_at", "started_at", "iso_us"),
        Field("completed_at", "finalized_at", "iso_us"),
        Field("urls.cancel", template="{origin}{mount}/predictions/{id}/cancel"),
        Field("urls.get", template="{origin}{mount}/predictions/{id}"),
    ),
    error_body=(ErrorField("detail", "message"), ErrorField("status", "status"), ErrorField("title", "reason")),
    errors=NATIVE.errors,
    routes=(
        Route(
            "POST", "/predictions", "submit", body="json", status=201, ignored=("stream",),
            takes=(Take("kind", Sent("body", "version")), Take("input", Sent("body", "input"))),
        ),
        Route("GET", "/predictions/{id}", "status"),
        Route("POST", "/predictions/{id}/cancel", "cancel"),
        Route(
            "GET", "/predictions", "list",
            page=PageWords(
                query={"limit": "limit", "cursor": "cursor"},
                fields=(PageField("previous"), PageField("next", "next_url"), PageField("results", "jobs")),
            ),
        ),
    ),
)  # fmt: skip

FIRECRAWL = Dialect(
    name="firecrawl",
    mount="/firecrawl/v1",
    credentials=_BEARER,
    ids=IdForm("", "uuid"),
    kinds={"crawl": "crawl"},
    phases={
        **dict.fromkeys(LIVE_PHASES, "scraping"),
        Phase.COMPLETED: "completed",
        Phase.FAILED: "failed",
        Phase.CANCELLED: "cancelled",
        Phase.EXPIRED: "failed",
    },
    job=(
        Field("status", "word"),
        Field("total", "progress.total", words={None: 0}),
        Field("completed", "progress.done", words={None: 0}),
        Field("creditsUsed", "progress.done", words={None: 0}),
        Field("expiresAt", "created_at", "iso_ms", plus_s=_DAY_S),
        Field("error", "error.message", when=_FAILED | _EXPIRED),
        Field("next"),
        Field("data", value=[], when=ALL_PHASES - _COMPLETED),
        Field("data", "output", part="data", when=_COMPLETED),
    ),
    error_body=(ErrorField("success", value=False), ErrorField("error", "message")),
    errors={**NATIVE.errors, "backlog_full": ErrorWord(402)},
    routes=(
        Route(
            "POST", "/crawl", "submit", body="json",
            takes=(Take("kind", value="crawl"), Take("input", Sent("body"))),
            shape=(
                Field("success", value=True),
                Field("id", "id"),
                Field("url", template="{origin}{mount}/crawl/{id}"),
            ),
        ),
        Route("GET", "/crawl/{id}", "status"),
        Route("DELETE", "/crawl/{id}", "cancel", shape=(Field("status", value="cancelled"),)),
    ),
)  # fmt: skip

APIFY = Dialect(
    name="apify",
    mount="/apify/v2",
    credentials=(*_BEARER, Carrier("token", place="query")),
    several_credentials="first",
    ids=IdForm(""),
    kinds={"actor": "mTD6bTz2HCjSQHeBn"},
    content_types=None,
    phases={
        **dict.fromkeys(_WAITING, "READY"),
        Phase.RETRYING: "RUNNING",
        Phase.RUNNING: "RUNNING",
        Phase.CANCELLING: "ABORTING",
        Phase.COMPLETED: "SUCCEEDED",
        Phase.FAILED: "FAILED",
        Phase.CANCELLED: "ABORTED",
        Phase.EXPIRED: "TIMED-OUT",
    },
    job=(
        Field("id", "id"),
        Field("actId", "kind"),
        Field("startedAt", "created_at", "iso_ms"),
        Field("finishedAt", "finalized_at", "iso_ms"),
        Field("status", "word"),
        Field("statusMessage", "progress.message", when=ALL_PHASES - _FAILED),
        Field("statusMessage", "error.message", when=_FAILED),
        Field("isStatusMessageTerminal", value=False, when=LIVE_PHASES),
        Field("isStatusMessageTerminal", value=True, when=FINAL_PHASES),
        Field("meta.origin", value="API"),
        Field("exitCode", when=ALL_PHASES - _COMPLETED - _FAILED),
        Field("exitCode", value=0, when=_COMPLETED),
        Field("exitCode", value=1, when=_FAILED),
        Field("defaultDatasetId", "output", part="defaultDatasetId"),
    ),
    job_reference=JobReference(name="runId"),
    envelope=Envelope("data"),
    error_body=(ErrorField("error.type", "word"), ErrorField("error.message", "message")),
    errors={
        **{code: ErrorWord(word.status, word=code.replace("_", "-")) for code, word in NATIVE.errors.items()},
        "not_found": ErrorWord(404, "Actor run was not found", word="record-not-found"),
        "credentials_missing": ErrorWord(401, word="token-not-provided"),
    },
    routes=(
        Route(
            "POST", "/acts/{actorId}/runs", "submit", body="json_or_none", status=201,
            takes=(Take("kind", Sent("path", "actorId")), Take("input", Sent("body"), value={})),
        ),
        Route("GET", "/actor-runs/{runId}", "status"),
        Route("POST", "/actor-runs/{runId}/abort", "cancel", if_final="answer"),
        Route("POST", "/actor-runs/{runId}/resurrect", "rerun"),
        Route("DELETE", "/actor-runs/{runId}", "remove", status=204),
    ),
)  # fmt: skip

_ERROR_CODES = {"timeout": "TIMEOUT", "forbidden": "ACCESS_DENIED", "*": "INTERNAL_SERVER_ERROR"}
_RUN_QUERY = r'(?s)\bbulkOperationRunQuery\s*\(\s*query:\s*"""(.*?)"""'

SHOPIFY = Dialect(
    name="shopify",
    mount="/shopify/admin/api/2026-01",
    credentials=(Carrier("X-Shopify-Access-Token"),),
    ids=IdForm("gid://shopify/BulkOperation/", "number"),
    kinds={"export": "QUERY"},
    phases={
        **dict.fromkeys(_WAITING, "CREATED"),
        Phase.RETRYING: "RUNNING",
        Phase.RUNNING: "RUNNING",
        Phase.CANCELLING: "CANCELING",
        Phase.COMPLETED: "COMPLETED",
        Phase.FAILED: "FAILED",
        Phase.CANCELLED: "CANCELED",
        Phase.EXPIRED: "EXPIRED",
    },
    job=(
        Field("id", "id"),
        Field("status", "word"),
        Field("errorCode", "error.code", words=_ERROR_CODES),
        Field("createdAt", "created_at", "iso_s"),
        Field("completedAt", "finalized_at", "iso_s", when=_COMPLETED),
        Field("completedAt", when=ALL_PHASES - _COMPLETED),
        Field("objectCount", "progress.done", "text", words={None: "0"}),
        Field("fileSize", "output", "text", part="fileSize"),
        Field("url", "output", part="url"),
        Field("partialDataUrl", "error.details", part="partialDataUrl"),
        Field("query", "input", part="query"),
        Field("type", "kind"),
    ),
    error_body=(ErrorField("errors[].message", "message"), ErrorField("errors[].extensions.code", "code_upper")),
    # A GraphQL call that was understood is a 200, whatever becomes of it.
    errors={
        **NATIVE.errors,
        **dict.fromkeys(("not_found", "conflict", "rate_limited"), ErrorWord(200)),
        "no_route": ErrorWord(404),
    },
    routes=(
        Route(
            "POST", "/graphql.json", "submit", body="json", headers={}, ignored=("variables", "operationName"),
            only=Sent("body", "query", r"\bbulkOperationRunQuery\b"),
            takes=(
                Take("kind", value="QUERY"),
                Take("input.query", Sent("body", "query", _RUN_QUERY)),
            ),
            envelope=Envelope("data.bulkOperationRunQuery.bulkOperation", last={"userErrors": []}),
        ),
        Route(
            "POST", "/graphql.json", "cancel", body="json",
            only=Sent("body", "query", r"\bbulkOperationCancel\b"),
            job=JobReference("body", "query", pattern=r'\bbulkOperationCancel\s*\(\s*id:\s*"([^"]+)"'),
            envelope=Envelope("data.bulkOperationCancel.bulkOperation", last={"userErrors": []}),
        ),
        Route(
            "POST", "/graphql.json", "status", body="json",
            only=Sent("body", "query", r"\bnode\s*\(\s*id:\s*\$id"),
            job=JobReference("body", "variables.id"),
            envelope=Envelope("data.node"),
        ),
        Route(
            "POST", "/graphql.json", "status", body="json",
            only=Sent("body", "query", r"\bnode\s*\("),
            job=JobReference("body", "query", pattern=r'\bnode\s*\(\s*id:\s*"([^"]+)"'),
            envelope=Envelope("data.node"),
        ),
    ),
)  # fmt: skip

MARKET = (OPENAI, REPLICATE, FIRECRAWL, APIFY, SHOPIFY)
