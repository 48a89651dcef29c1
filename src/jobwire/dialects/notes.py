"""What a route tells its readers beyond its table entry; http/openapi.py puts it into a dialect's description."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Parameter:
    """A query field or header that a call takes; `schema` is JSON Schema."""

    name: str
    schema: Mapping[str, Any]
    text: str = ""
    place: Literal["query", "header"] = "query"
    is_required: bool = False


@dataclass(frozen=True, slots=True)
class Notes:
    """`text` in plain sentences; codes a call may be refused with; the answer's schema, media type and headers.

    `headers` are those of the success with their sentences, `bodies` further media types of the request with their
    schemas, `also` further statuses that answer like the success, with their sentences. An `is_repeatable` call takes
    the dialect's idempotency header. The notes of a built-in action (http/action_notes.py) and those of a route are
    told together; `answer` and `media_type` of the route win.
    """

    text: str = ""
    parameters: tuple[Parameter, ...] = ()
    refusals: tuple[str, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    bodies: tuple[tuple[str, Mapping[str, Any]], ...] = ()
    is_body_optional: bool = False
    is_repeatable: bool = False
    answer: Mapping[str, Any] | None = None
    also: tuple[tuple[int, str], ...] = ()
    media_type: str | None = None


NO_NOTES = Notes()


def join_notes(first: Notes, second: Notes) -> Notes:
    """Both together; what only one can say, the second says."""
    return Notes(
        text=" ".join(filter(None, (first.text, second.text))),
        parameters=(*first.parameters, *second.parameters),
        refusals=(*first.refusals, *second.refusals),
        headers=(*first.headers, *second.headers),
        bodies=(*first.bodies, *second.bodies),
        is_body_optional=first.is_body_optional or second.is_body_optional,
        is_repeatable=first.is_repeatable or second.is_repeatable,
        also=(*first.also, *second.also),
        answer=first.answer if second.answer is None else second.answer,
        media_type=second.media_type or first.media_type,
    )
