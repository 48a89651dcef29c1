"""A made-up vendor's dialect that uses every part of the grammar the native one leaves out."""

from jobwire.dialects.native import NATIVE
from jobwire.dialects.spec import (
    Carrier,
    Dialect,
    Envelope,
    ErrorField,
    ErrorWord,
    Field,
    JobReference,
    LimitHeaders,
    RateLimit,
    Route,
)
from jobwire.domain.phases import Phase

_PENDING = frozenset({Phase.SCHEDULED, Phase.WAITING, Phase.RETRYING})
_ACTIVE = frozenset({Phase.RUNNING, Phase.CANCELLING})
_DONE = frozenset({Phase.COMPLETED})
_BROKEN = frozenset({Phase.FAILED, Phase.CANCELLED, Phase.EXPIRED})

SHOP = Dialect(
    name="shop",
    title="Shop",
    mount="/shop/api",
    aliases=("/old",),
    credentials=(Carrier("Authorization", scheme="ApiKey"), Carrier("X-Api-Key"), Carrier("token", place="query")),
    several_credentials="first",
    kinds={"echo": "say_again"},
    phases={
        **dict.fromkeys(_PENDING, "pending"),
        **dict.fromkeys(_ACTIVE, "active"),
        Phase.COMPLETED: "done",
        **dict.fromkeys(_BROKEN, "failed"),
    },
    job=(
        Field("id", "number"),
        Field("type", "kind"),
        Field("status", "word"),
        Field("place", "position", when=frozenset({Phase.WAITING})),
        Field("place", when=_ACTIVE),
        Field("progress", "progress.percent", "whole"),
        Field("result.text", value="100 %", when=_DONE),
        Field("result.answer", "output", when=_DONE),
        Field("reason", "error.message", when=frozenset({Phase.FAILED}), omit_null=True),
        Field("createdAt", "created_at", "iso_s"),
        Field("startedAt", "started_at", "epoch_s", omit_null=True),
        Field("endedAt", "finalized_at", "epoch_ms"),
        Field("self", template="{mount}/job?id={number}"),
    ),
    job_reference=JobReference(
        place="query", style="number", missing="id is required", malformed="id must be a positive integer"
    ),
    envelope=Envelope("data", first={"success": True}, last={"error": None}),
    error_body=(
        ErrorField("data"),
        ErrorField("error.name", "word"),
        ErrorField("error.message", "message"),
        ErrorField("error.faults", "messages"),
        ErrorField("error.note", "note", omit_null=True),
    ),
    errors={
        **{code: ErrorWord(word.status, word=code.title()) for code, word in NATIVE.errors.items()},
        "invalid_request": ErrorWord(400, word="ValidationError"),
        "unauthorized": ErrorWord(401, "Unauthorized", word="UnauthorizedError", note="Invalid or missing token"),
        "unsupported_media_type": ErrorWord(400, word="ValidationError"),
        "credentials_missing": ErrorWord(401, "Token required", word="UnauthorizedError"),
        "sold_out": ErrorWord(409, word="SoldOut"),
    },
    limits=(RateLimit("minute", 5, 60), RateLimit("burst", 2, 1)),
    default_limits=("minute",),
    limit_headers=LimitHeaders(limit="X-Limit", remaining="X-Left", reset="X-Reset"),
    ignores_trailing_slash=True,
    routes=(
        Route("GET", "/job", "status", scope="jobs:read"),
        Route("POST", "/job", "submit", scope="jobs:write", body="json", limits=("minute", "burst")),
        Route("DELETE", "/job", "cancel", scope="jobs:write", limits=(), shape=(Field("cancelled", value=True),)),
        Route("GET", "/jobs", "list", scope="jobs:read", limits=()),
    ),
)
