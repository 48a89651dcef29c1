"""The grammar of a wire language: a dialect is one frozen table. render.py and http/ read it; native.py is one.

sent.py has the part about what callers send, check.py what makes a table contradict itself.
A dialect module holds data only: no function, branch or loop. What no table can say goes into at most three named
hooks, and a system's own resources are `endpoint` functions named by its routes.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from jobwire.dialects.notes import NO_NOTES, Notes
from jobwire.dialects.sent import NATIVE_PAGE, PageWords, Sent, Take
from jobwire.domain.ids import ID_PREFIX
from jobwire.domain.phases import FINAL_PHASES, Phase

ALL_PHASES = frozenset(Phase)
LIVE_PHASES = ALL_PHASES - FINAL_PHASES

JobSource = Literal[
    "id", "number", "kind", "queue", "priority", "word", "position", "blocked_by", "estimate",
    "attempt", "attempts_max", "version",
    "progress.percent", "progress.stage", "progress.done", "progress.total", "progress.message",
    "input", "output", "error", "error.code", "error.message", "error.retryable", "error.details",
    "rerun_of", "root_id", "tags", "created_at", "run_at", "started_at", "finalized_at", "deadline_at",
    "cancel_requested_at", "retry_after_s",
]  # fmt: skip
ErrorSource = Literal[
    "status",
    "reason",
    "code",
    "code_upper",
    "word",
    "message",
    "messages",
    "note",
    "errors",
    "details",
    "named_details",
    "retry_after_s",
    "request_id",
    "problem_type",
    "violated_policies",
]
CodecName = Literal["iso_us", "iso_ms", "iso_s", "epoch_ms", "epoch_s", "whole", "text", "upper"]
Action = Literal[
    "submit", "status", "events", "list", "cancel", "rerun", "remove", "result", "file", "me", "batch", "cancel_many",
    "rerun_many", "metrics",
    "create_webhook", "list_webhooks", "read_webhook", "change_webhook", "delete_webhook", "rotate_webhook",
    "rotate_webhook_secret", "test_webhook", "list_deliveries", "redeliver",
]  # fmt: skip
BodyRule = Literal["none", "json", "json_or_none", "batch", "upload"]
HookName = Literal["admit", "show_output", "show_error"]

Endpoint = Callable[[Any], Awaitable[Any]]
BeforeBody = Callable[[Any], Awaitable[None]]
"""A system's own resource: takes a `service.call.Call`, returns a `service.call.Reply`, raises RequestError."""

FindJob = Callable[[Any, str], Awaitable[int]]
"""Takes a `service.call.Call` and what names a job; returns the ledger's number, raises RequestError."""

BODY_BYTES_MAX = 1_048_576
WAIT_S_MAX = 60
BATCH_BYTES_MAX = 16_777_216


@dataclass(frozen=True, slots=True)
class Field:
    """One key of a job: where it stands (`path`, dotted for nesting), what it shows, how and when.

    A segment of the path that ends in `[]` is a list of one. One of these is shown: `source` (a stored value, through
    `codec`), `template` (text with `{mount}`, `{id}`, `{number}` and `{origin}`, scheme and host as the caller used
    them) or the constant `value`. The key exists in the phases of `when`; inside them a null is shown as null, or the
    key is left out with `omit_null`. The same path may stand twice with disjoint phases. Times are stored in Unix
    milliseconds, `plus_s` is added to them; `progress.percent` is a float, 0 before the first report. `part` is a
    dotted path inside `input`, `output` or `error.details`. `words` say what values are called: None is the word of a
    null, `*` that of every other value without one, which else is shown as it is.
    """

    path: str
    source: JobSource | None = None
    codec: CodecName | None = None
    when: frozenset[Phase] = ALL_PHASES
    omit_null: bool = False
    value: Any = None
    template: str | None = None
    part: str | None = None
    words: Mapping[Any, Any] | None = None
    plus_s: int = 0


@dataclass(frozen=True, slots=True)
class ErrorField:
    """One key of an error body: a value of the refused call, or the constant `value`.

    Sources: `status` number, `reason` phrase, `code` raised (`code_upper` in capitals), `word` and `note` of the
    table, `message`, `messages` (a list of texts when the call had faults: details["messages"], or the texts of
    details["errors"]; else the message), `errors` (list of {pointer, detail}), `details` (object), `named_details`
    (always an object: the details, and each fault's text under its place), `request_id`, `violated_policies` (the
    names of the limits that refused the call), `retry_after_s` (seconds to wait, or `value` where nobody knows) and
    `problem_type` (RFC 9457: the registered one where there are such, else about:blank).
    """

    path: str
    source: ErrorSource | None = None
    value: Any = None
    omit_null: bool = False


@dataclass(frozen=True, slots=True)
class ErrorWord:
    """How a dialect says one code: HTTP status, the message (None passes ours through), a vendor word and a note."""

    status: int
    message: str | None = None
    word: str | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Envelope:
    """What is wrapped around a success body: `{**first, key: body, **last}`, in this order, below a dotted key."""

    key: str
    first: Mapping[str, Any] = field(default_factory=dict)
    last: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Carrier:
    """A place where a credential may travel: a header, with a scheme word (any case) if given, or a query field."""

    name: str
    place: Literal["header", "query"] = "header"
    scheme: str | None = None


@dataclass(frozen=True, slots=True)
class IdForm:
    """What a job's id looks like: `prefix`, then 26 characters, a UUID of the same bits, or the ledger's number.

    "hex" is that UUID without dashes; the dashed one without the prefix and the 26 characters name the job, too.
    "tail" are the last 12 hexadecimal digits of those bits, all random; only a reference's `find` can read them.
    """

    prefix: str = ID_PREFIX
    form: Literal["key", "uuid", "hex", "number", "tail"] = "key"


@dataclass(frozen=True, slots=True)
class JobReference:
    """How a caller names a job: a path, query or JSON body field holding the `id` or the ledger's `number`.

    `name` and `pattern` are as in Sent. A reference that is absent or malformed is refused with `code` and these
    messages; None means not_found. With `find` a system itself says which job of the caller a text names.
    """

    place: Literal["path", "query", "body"] = "path"
    name: str = "id"
    style: Literal["id", "number"] = "id"
    code: str = "invalid_request"
    missing: str | None = None
    malformed: str | None = None
    pattern: str | None = None
    find: FindJob | None = None


@dataclass(frozen=True, slots=True)
class RateLimit:
    """At most `count` calls in `window_s` seconds for one API key, counted under `name`.

    A key with the scope `tier:<name>` has the count that `tiers` gives it, one with `tier:<name>:<count>` that count.
    One that `flows` is a bucket of `count` calls that fills again evenly within `window_s`. `message` is what a
    refusal says where the dialect's word for it says nothing; None for the count and the window.
    """

    name: str
    count: int
    window_s: int
    tiers: Mapping[str, int] = field(default_factory=dict)
    flows: bool = False
    message: str | None = None


@dataclass(frozen=True, slots=True)
class Wait:
    """How a caller asks a route to wait for the job's end: seconds (`30`, `2.5`, `30s`) in a query or body field.

    More than `seconds_max` is refused, or with `is_capped` waits that long. With `prefers`, `Prefer: wait=N` asks the
    same, and gets no more than `seconds_max`; the field beats it. Who asks for nothing waits `seconds_default`.
    """

    name: str = "wait"
    place: Literal["query", "body"] = "query"
    prefers: bool = True
    seconds_max: int = WAIT_S_MAX
    seconds_default: int = 0
    is_capped: bool = False


@dataclass(frozen=True, slots=True)
class LimitHeaders:
    """The header names that tell a caller its limit; `reset` is in Unix seconds, or `counts_down` to 0.

    With `policy` there are two structured fields, as the IETF drafts them: the policy, and in `limit` what is left.
    """

    limit: str = "X-RateLimit-Limit"
    remaining: str = "X-RateLimit-Remaining"
    reset: str = "X-RateLimit-Reset"
    policy: str | None = None
    counts_down: bool = False


@dataclass(frozen=True, slots=True)
class Route:
    """One method on one path template (`/listings/{id}`, relative to the mount; a literal segment beats a parameter).

    A parameter's segment may end in literal text (`/jobs/{id}:cancel`). `only` leaves calls in which nothing is
    found there to the next route of the same method and path. Either a built-in `action` or the system's own
    `endpoint`. `scope` is what the key must have; an `is_open` route asks for no key (its endpoint checks its own
    signature; `call.principal.owner` is then 0). `body` "json" is decoded, "json_or_none" may be empty, "batch" may
    also be lines of JSON, "upload" is spooled to a file, "none" is ignored; `before_body` may refuse a call of which
    nothing but its head was read. `limits` names the limits that count
    this call, the last one being shown in the headers (None: the dialect's). `shape` and `envelope` override the
    dialect's here. `status` is that of an action's success; an endpoint's Reply has its own. `wait` lets callers of
    submit, status and cancel wait for the end. `request` and `response` are types for OpenAPI, `notes` the rest of
    what it tells.

    `takes` say where a submission's fields are sent (empty: the body is a `dialects.parse.Submission`); a key of
    the body that none of them and not `ignored` names is refused. `headers` of a new job are templates as in Field
    (None: a `Location` where the job is read). `if_final` "answer" makes a cancel that comes too late a success
    that shows the job. `page` has the words of a list.
    """

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
    path: str
    action: Action | None = None
    endpoint: Endpoint | None = None
    scope: str | None = None
    is_open: bool = False
    body: BodyRule = "none"
    body_bytes_max: int | None = None
    before_body: BeforeBody | None = None
    status: int = 200
    limits: tuple[str, ...] | None = None
    job: JobReference | None = None
    wait: Wait | None = None
    shape: tuple[Field, ...] | None = None
    envelope: Envelope | None = None
    only: Sent | None = None
    takes: tuple[Take, ...] = ()
    ignored: tuple[str, ...] = ()
    headers: Mapping[str, str] | None = None
    if_final: Literal["refuse", "answer"] = "refuse"
    page: PageWords = NATIVE_PAGE
    request: Any = None
    response: Any = None
    summary: str = ""
    notes: Notes = NO_NOTES


@dataclass(frozen=True, slots=True)
class Dialect:
    """A wire language. `phases` gives each phase its word and is total; `errors` has every code of CODES, and more
    where its system raises codes of its own.

    `kinds` maps the kinds this dialect shows to their words; other jobs are not found in it (None: every kind under
    its own name). With `tells_others` a job of another owner is refused as forbidden instead of not_found.
    `several_credentials` refuses a call that carries two, or takes the first carrier in order.
    `content_types` None takes a body of any type. `is_conditional` gives status reads an ETag and 304;
    `retry_after_s` is the least time until pollers of a live job come back: they are told so, or to come later where
    the estimate says so. `error_headers` go out with every refusal. A repeated submission is known by the header
    `idempotency_header`, or by its `natural_key`: the body's field (dotted for nesting) that names it in the vendor's
    own words. `documentation` is a path outside the mount where the dialect's page stands, too. Hooks:
    `admit(principal, headers, services) -> principal`, awaited after authentication for calls that carry
    `identity_header` (without one: for all), `show_output(output) -> output` for the source `output`,
    `show_error(status, body) -> body`.
    """

    name: str
    mount: str
    credentials: tuple[Carrier, ...]
    phases: Mapping[Phase, str]
    job: tuple[Field, ...]
    error_body: tuple[ErrorField, ...]
    errors: Mapping[str, ErrorWord]
    routes: tuple[Route, ...]
    title: str = ""
    aliases: tuple[str, ...] = ()
    kinds: Mapping[str, str] | None = None
    ids: IdForm = IdForm()
    job_reference: JobReference = JobReference()
    tells_others: bool = False
    envelope: Envelope | None = None
    several_credentials: Literal["refuse", "first"] = "refuse"
    challenge: str | None = None
    error_content_type: str = "application/json; charset=utf-8"
    error_headers: Mapping[str, ErrorSource] = field(default_factory=dict)
    content_types: tuple[str, ...] | None = ("application/json",)
    body_bytes_max: int = BODY_BYTES_MAX
    limits: tuple[RateLimit, ...] = ()
    default_limits: tuple[str, ...] = ()
    limit_headers: LimitHeaders | None = LimitHeaders()
    retry_after_s: int | None = None
    is_conditional: bool = False
    ignores_trailing_slash: bool = False
    idempotency_header: str | None = None
    natural_key: str | None = None
    identity_header: str | None = None
    documentation: str | None = None
    hooks: Mapping[HookName, Callable[..., Any]] = field(default_factory=dict)


CODES = (
    "invalid_request", "unauthorized", "forbidden", "owner_suspended", "system_disabled", "not_found", "conflict",
    "not_finished", "gone", "payload_too_large", "unsupported_media_type", "unprocessable", "rate_limited",
    "unavailable", "method_not_allowed", "internal",
)  # fmt: skip

REFINED_CODES: Mapping[str, str] = {
    "credentials_missing": "unauthorized",
    "credentials_conflict": "invalid_request",
    "malformed_json": "invalid_request",
    "no_route": "not_found",
    "job_failed": "conflict",
    "idempotency_conflict": "unprocessable",
    "backlog_full": "rate_limited",
    "overloaded": "unavailable",
}
"""Finer codes that a dialect may word apart; without its own word each is said like the code on the right."""
