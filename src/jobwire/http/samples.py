"""Examples for a description, made by what answers real calls: jobs rendered, refusals said, inputs checked."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from jobwire.dialects.render import Views
from jobwire.dialects.sources import Facts, show_job_id
from jobwire.dialects.spec import Dialect, IdForm, JobReference
from jobwire.domain.errors import RequestError
from jobwire.domain.estimate import Estimate
from jobwire.domain.job import JobRow
from jobwire.domain.phases import Phase
from jobwire.domain.states import Reason, State
from jobwire.http.errors import say_error
from jobwire.kinds.contract import Kind
from jobwire.kinds.schema import check_input, json_schema

SAMPLE_KEY = "34kfh7nprhs0a2d6p8j1q5vu4t"
SAMPLE_NUMBER = 1042
SAMPLE_REQUEST_ID = "req_4914624a9879_6"
_CREATED_AT = 1_900_000_000_123
_LENGTH_MAX = 3
_FACTS = Facts(
    position=3,
    rerun_of=None,
    root=SAMPLE_KEY,
    estimate=Estimate(12.0, 31.0, 15.0, 38.0),
    retry_after_s=13,
    input='{"rows":20}',
    origin="https://jobs.example",
)

_CHANGES: Mapping[Phase, Mapping[str, Any]] = {
    Phase.WAITING: {},
    Phase.RUNNING: {
        "state": State.RUNNING,
        "version": 2,
        "attempt": 1,
        "started_at": _CREATED_AT + 11_800,
        "progress": '{"percent":40.0,"stage":null,"done":8,"total":20,"message":null}',
    },
    Phase.COMPLETED: {
        "state": State.COMPLETED,
        "version": 3,
        "attempt": 1,
        "started_at": _CREATED_AT + 11_800,
        "finalized_at": _CREATED_AT + 15_200,
    },
    Phase.FAILED: {
        "state": State.FAILED,
        "reason": Reason.ERROR,
        "version": 3,
        "attempt": 1,
        "started_at": _CREATED_AT + 11_800,
        "finalized_at": _CREATED_AT + 12_900,
        "error": '{"code":"too_many_rows","message":"rows is 5000, the limit is 1000; ask for fewer",'
        '"retryable":false,"details":"{\\"limit\\":1000}"}',
    },
}


def sample_jobs(views: Views, kind: str, *, output: str | None = '{"rows":20}') -> dict[Phase, Any]:
    """A job of `kind` as these views show it, in four phases; phases a hook cannot show without its own data fail."""
    return {
        phase: msgspec.json.decode(views[phase].render(_sample_row(kind, phase, output), _FACTS))
        for phase in _CHANGES
    }


def _sample_row(kind: str, phase: Phase, output: str | None) -> JobRow:
    waits: dict[str, Any] = {
        "number": SAMPLE_NUMBER, "key": SAMPLE_KEY, "owner": 1, "kind": kind, "queue": "default", "priority": 5,
        "turn": 0, "attempts_max": 5, "tags": '["july"]', "created_at": _CREATED_AT, "state": State.QUEUED,
        "reason": Reason.NONE, "version": 1, "fence": 0, "attempt": 0,
    }  # fmt: skip
    nothing: dict[str, Any] = dict.fromkeys(JobRow._fields)
    changed = JobRow(**{**nothing, **waits, **_CHANGES[phase]})
    return changed._replace(output=output) if phase is Phase.COMPLETED else changed


def sample_name(reference: JobReference, ids: IdForm) -> Any:
    """What names the job of the samples in a call."""
    return SAMPLE_NUMBER if reference.style == "number" else show_job_id(ids, _sample_row("", Phase.WAITING, None))


def sample_refusal(dialect: Dialect, code: str) -> Any:
    """The body of a refusal with this code, as the dialect says it."""
    message = _MESSAGES.get(code, "What was wrong, and what to do about it.")
    error = RequestError(code, message, details=_DETAILS.get(code))
    return msgspec.json.decode(say_error(dialect, error, SAMPLE_REQUEST_ID).body)


_DETAILS: Mapping[str, Mapping[str, Any]] = {"rate_limited": {"violated_policies": ["read"]}}
_MESSAGES: Mapping[str, str] = {
    "invalid_request": "limit is 500; a page holds 1 to 100 jobs",
    "credentials_missing": "This call carries no credential.",
    "unauthorized": "the API key is not valid; check that it is complete, live and not expired",
    "forbidden": "This key lacks the scope jobs:write; use one that has it.",
    "not_found": "there is no such job; check the id and that it is your account's",
    "conflict": "the job is completed and can no longer be cancelled",
    "not_finished": "the job is running; its result comes when it has completed",
    "job_failed": "the job is failed and has no result",
    "rate_limited": "More than 60 calls in 60 s; try again in 12 s.",
    "backlog_full": "This account has 1000 unfinished jobs, as many as it may have; wait for some of them.",
    "unprocessable": "this idempotency key was used for a different submission; use a new key for a new job",
    "internal": "Something failed on our side. It was logged under this request id.",
}


def sample_input(kind: Kind) -> Any:
    """An input the kind takes, made from its schema; None when that is beyond this."""
    schema = json_schema(kind)
    value = _sample(schema, schema.get("$defs", {}), depth=0)
    try:
        check_input(kind, value)
    except RequestError:
        return None
    return value


def _sample(schema: Mapping[str, Any], definitions: Mapping[str, Any], *, depth: int) -> Any:
    if "$ref" in schema and depth < _LENGTH_MAX:
        return _sample(definitions[schema["$ref"].rpartition("/")[2]], definitions, depth=depth + 1)
    for key in ("const", "default"):
        if schema.get(key):
            return schema[key]
    for key in ("enum", "examples"):
        if schema.get(key):
            return schema[key][0]
    choices: Sequence[Mapping[str, Any]] = schema.get("anyOf") or schema.get("oneOf") or ()
    if choices:
        return _sample(choices[0], definitions, depth=depth)
    make = _SAMPLES.get(str(schema.get("type")))
    if make is not None:
        return make(schema)
    properties: Mapping[str, Any] = schema.get("properties", {})
    # What is not required says more in an example than it costs; what is nested deeper than that does not.
    return {
        name: _sample(child, definitions, depth=depth + 1)
        for name, child in properties.items()
        if name in schema.get("required", ()) or (depth <= 1 and child.get("default", 0) is not None)
    }


def _sample_text(schema: Mapping[str, Any]) -> str:
    match schema.get("format"):
        case "date-time":
            return "2031-03-04T05:06:07Z"
        case "date":
            return "2031-03-04"
        case _:
            return "text".ljust(schema.get("minLength", 0), "t")[: schema.get("maxLength", None)]


_SAMPLES: Mapping[str, Callable[[Mapping[str, Any]], Any]] = {
    "string": _sample_text,
    "integer": lambda schema: schema.get("minimum", 1),
    "number": lambda schema: schema.get("minimum", 1.5),
    "boolean": lambda schema: True,
    "null": lambda schema: None,
    "array": lambda schema: [],
}
