"""What the built-in actions tell their readers, one entry an action. A route adds its own by `Route.notes`."""

from collections.abc import Mapping
from typing import Any

from jobwire.dialects.notes import Notes, Parameter
from jobwire.dialects.parse import IDEMPOTENCY_KEY_CHARS_MAX, PAGE_DEFAULT, PAGE_MAX
from jobwire.kinds.registry import NAME_SHAPE
from jobwire.service.submission import TAG_CHARS_MAX

_TEXT: Mapping[str, Any] = {"type": "string"}
_WHOLE: Mapping[str, Any] = {"type": "integer"}
# No JSON Schema says "printable"; the format is a name for the rule that the sentence beside it tells.
PRINTABLE: Mapping[str, Any] = {"type": "string", "format": "printable", "minLength": 1}
# Spaces around a key are cut and quotes taken off.
KEY_SHAPE = f'^(?!""$)[!-~]([ -~]{{0,{IDEMPOTENCY_KEY_CHARS_MAX - 2}}}[!-~])?$'
_LIMIT_STATE = {
    "type": "object",
    "properties": {"name": _TEXT, "count": _WHOLE, "window_s": _WHOLE, "remaining": _WHOLE, "reset_at_s": _WHOLE},
}

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
            Parameter("phase", _TEXT, "Only jobs in this phase."),
            Parameter("tag", {**PRINTABLE, "maxLength": TAG_CHARS_MAX}, "Only jobs with this tag."),
            Parameter("created_after", {"type": "string", "format": "date-time"}, "Only jobs made after this time."),
            Parameter("cursor", {"type": "string", "format": "cursor"}, "next_cursor of the page before, as it was."),
            Parameter(
                "limit",
                {"type": "integer", "minimum": 1, "maximum": PAGE_MAX, "default": PAGE_DEFAULT},
                "How many jobs a page has at most.",
            ),
        ),
    ),
    "cancel": Notes(
        "A job that waits is cancelled at once; one that runs is asked to stop.", refusals=("not_found", "conflict")
    ),
    "rerun": Notes(
        "A new job with the final one's kind, input, queue, priority and tags.",
        refusals=("not_found", "conflict", "invalid_request", "backlog_full", "overloaded"),
        headers=(("Location", "Where the new job is read."),),
    ),
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
