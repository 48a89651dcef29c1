"""What the built-in actions tell their readers, one entry an action. A route adds its own by `Route.notes`."""

from collections.abc import Mapping
from typing import Any

from jobwire.dialects.notes import Notes, Parameter
from jobwire.dialects.parse import IDEMPOTENCY_KEY_CHARS_MAX, PAGE_DEFAULT, PAGE_MAX, START_MAX
from jobwire.http.batch import NDJSON
from jobwire.kinds.registry import NAME_SHAPE
from jobwire.service.submission import TAG_CHARS_MAX

_TEXT: Mapping[str, Any] = {"type": "string"}
_WHOLE: Mapping[str, Any] = {"type": "integer"}
# Its words are the dialect's.
PHASE_SCHEMA: Mapping[str, Any] = {"type": "string", "format": "phase"}
# No JSON Schema says "printable"; the format is a name for the rule that the sentence beside it tells.
PRINTABLE: Mapping[str, Any] = {"type": "string", "format": "printable", "minLength": 1}
# Spaces around a key are cut and quotes taken off.
KEY_SHAPE = f'^(?!""$)[!-~]([ -~]{{0,{IDEMPOTENCY_KEY_CHARS_MAX - 2}}}[!-~])?$'
_LIMIT_STATE = {
    "type": "object",
    "properties": {"name": _TEXT, "count": _WHOLE, "window_s": _WHOLE, "remaining": _WHOLE, "reset_at_s": _WHOLE},
}

_TIME: Mapping[str, Any] = {"type": "string", "format": "date-time"}
_PAGE = (
    Parameter("cursor", {"type": "string", "format": "cursor"}, "next_cursor of the page before, as it was."),
    Parameter(
        "limit",
        {"type": "integer", "minimum": 1, "maximum": PAGE_MAX, "default": PAGE_DEFAULT},
        "How many a page has at most.",
    ),
)

ACTION_NOTES: Mapping[str, Notes] = {
    "submit": Notes(
        "The job is on disk when this answers. Location says where to poll, Retry-After when. A field that is not "
        "known is refused.",
        refusals=("unprocessable", "backlog_full", "overloaded"),
        headers=(("Location", "Where the job is read."),),
        is_repeatable=True,
    ),
    "status": Notes("A failed job is a successful call: look at its phase.", refusals=("not_found",)),
    "list": Notes(
        "An unknown query field is refused here: a filter that is not known would show other jobs than were meant.",
        parameters=(
            Parameter("kind", {"type": "string", "pattern": f"^{NAME_SHAPE.pattern}$"}, "Only jobs of this kind."),
            Parameter("phase", PHASE_SCHEMA, "Only jobs in this phase."),
            Parameter("tag", {**PRINTABLE, "maxLength": TAG_CHARS_MAX}, "Only jobs with this tag."),
            Parameter("queue", {"type": "string", "pattern": f"^{NAME_SHAPE.pattern}$"}, "Only jobs of this queue."),
            Parameter("created_after", _TIME, "Only jobs made after this time."),
            Parameter("created_before", _TIME, "Only jobs made before this time."),
            Parameter(
                "start",
                {"type": "integer", "minimum": 0, "maximum": START_MAX, "default": 0},
                "How many of the newest to leave out.",
            ),
            *_PAGE,
        ),
    ),
    "cancel": Notes(
        "A job that waits is cancelled at once; one that runs is asked to stop.", refusals=("not_found", "conflict")
    ),
    "remove": Notes("The job, its result and its input are gone then.", refusals=("not_found", "conflict")),
    "rerun": Notes(
        "A new job with the final one's kind, input, queue, priority and tags.",
        refusals=("not_found", "conflict", "invalid_request", "unprocessable", "backlog_full", "overloaded"),
        headers=(("Location", "Where the new job is read."),),
        is_body_optional=True,
        is_repeatable=True,
    ),
    "events": Notes(
        "Server-sent events with the log's numbers as their ids; the stream ends after the final event. With "
        "Accept: application/json the events so far come as a list.",
        parameters=(
            Parameter(
                "after", {"type": "integer", "minimum": 0, "maximum": 10**18 - 1}, "Only events after this number."
            ),
            Parameter(
                "Last-Event-ID",
                {"type": "string", "format": "event-id"},
                "The same, as browsers send it when they connect again.",
                place="header",
            ),
        ),
        refusals=("not_found", "unavailable"),
        media_type="text/event-stream",
    ),
    "batch": Notes(
        "The results stand in the order of the jobs; a bad one costs no other, unless atomic is true.",
        parameters=(Parameter("atomic", {"type": "boolean", "default": False}, "All of the jobs or none."),),
        bodies=((NDJSON[0], {"type": "string", "description": "One job a line."}),),
        refusals=("unprocessable", "backlog_full", "overloaded"),
        is_repeatable=True,
    ),
    "cancel_many": Notes("At most 1,000 jobs in a call; go on with next_cursor until it is null."),
    "rerun_many": Notes(
        "At most 1,000 jobs in a call; go on with next_cursor until it is null.",
        refusals=("unprocessable", "backlog_full", "overloaded"),
        is_repeatable=True,
    ),
    "metrics": Notes("In the text format of Prometheus.", media_type="text/plain"),
    "create_webhook": Notes("The secret is shown this once.", refusals=("conflict",)),
    "list_webhooks": Notes(
        parameters=(
            Parameter("source", {"type": "string", "enum": ["registered", "submission"]}, "Only those made so."),
            *_PAGE,
        ),
    ),
    "read_webhook": Notes(refusals=("not_found",)),
    "change_webhook": Notes("What is left out stays as it is.", refusals=("not_found", "conflict")),
    "delete_webhook": Notes(refusals=("not_found",)),
    "rotate_webhook": Notes(
        "Messages are signed with both secrets until the old one ends.", refusals=("not_found", "conflict")
    ),
    "rotate_webhook_secret": Notes("The secret signs for the URLs of submissions; both sign until the old one ends."),
    "test_webhook": Notes(refusals=("not_found", "conflict")),
    "list_deliveries": Notes(
        parameters=(
            Parameter("state", {"type": "string", "enum": ["pending", "delivered", "given_up"]}, "Only those."),
            *_PAGE,
        ),
        refusals=("not_found",),
    ),
    "redeliver": Notes("Sent again with the same webhook-id.", refusals=("not_found",)),
    "result": Notes(
        "What the handler returned, without anything around it.", refusals=("not_found", "not_finished", "job_failed")
    ),
    "file": Notes(
        "The link stands in a job's result and is good for an hour; there is nothing to put together by hand.",
        parameters=tuple(Parameter(name, _TEXT, is_required=True) for name in ("type", "exp", "sig")),
        refusals=("forbidden", "not_found", "gone"),
        media_type="*/*",
    ),
    "me": Notes(
        answer={
            "type": "object",
            "properties": {
                "owner": _TEXT,
                "key_id": _TEXT,
                "scopes": {"type": "array", "items": _TEXT},
                "limits": {"type": "array", "items": _LIMIT_STATE},
            },
            "required": ["owner", "key_id", "scopes", "limits"],
        },
    ),
}  # fmt: skip
