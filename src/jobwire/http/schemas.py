"""JSON Schemas of what a dialect answers, read off its shapes; openapi.py puts them in place."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from jobwire.dialects.sent import PageField, PageWords
from jobwire.dialects.spec import ALL_PHASES, Dialect, ErrorField, Field
from jobwire.http.routing import Served

Schema = dict[str, Any]

_TEXT: Schema = {"type": "string"}
_WHOLE: Schema = {"type": "integer"}
_NUMBER: Schema = {"type": "number", "minimum": 0}
_OBJECT: Schema = {"type": "object"}
_NULLABLE = frozenset(
    {
        "run_at",
        "started_at",
        "finalized_at",
        "deadline_at",
        "cancel_requested_at",
        "rerun_of",
        "root_id",
        "position",
        "blocked_by",
        "estimate",
        "output",
        "error",
        "error.code",
        "error.message",
        "error.retryable",
    }
)
_PAGE_SOURCES: Mapping[str, Schema] = {"count": _WHOLE, "limit": _WHOLE, "has_more": {"type": "boolean"}}
_JOB_SOURCES: Mapping[str, Schema] = {
    "id": _TEXT, "rerun_of": _TEXT, "root_id": _TEXT, "kind": _TEXT, "queue": _TEXT,
    "number": _WHOLE, "priority": _WHOLE, "position": _WHOLE, "attempt": _WHOLE, "attempts_max": _WHOLE,
    "version": _WHOLE, "retry_after_s": _WHOLE,
    "blocked_by": {"type": "string", "enum": ["owner", "kind", "concurrency_key", "rate"]},
    "tags": {"type": "array", "items": _TEXT},
    "error.code": _TEXT, "error.message": _TEXT, "error.retryable": {"type": "boolean"},
    "error": {
        "type": "object",
        "properties": {
            "code": _TEXT, "message": _TEXT, "retryable": {"type": "boolean"},
            "details": {"type": ["object", "null"]},
        },
    },
    "estimate": {
        "type": "object",
        "properties": {
            "starts_in_p50_s": _NUMBER, "starts_in_p90_s": _NUMBER,
            "ends_in_p50_s": {"type": ["number", "null"]}, "ends_in_p90_s": {"type": ["number", "null"]},
        },
    },
    "progress.percent": {"type": "number", "minimum": 0, "maximum": 100},
}  # fmt: skip
_CODECS: Mapping[str | None, Schema] = {
    "iso_us": {"type": "string", "format": "date-time"},
    "iso_ms": {"type": "string", "format": "date-time"},
    "iso_s": {"type": "string", "format": "date-time"},
    "epoch_ms": _WHOLE,
    "epoch_s": _WHOLE,
    "whole": _WHOLE,
    "text": _TEXT,
    "upper": _TEXT,
}
_ERROR_SOURCES: Mapping[str | None, Schema] = {
    "status": _WHOLE, "reason": _TEXT, "code": _TEXT, "code_upper": _TEXT, "word": _TEXT, "note": _TEXT,
    "message": _TEXT, "request_id": _TEXT, "details": _OBJECT,
    "messages": {"oneOf": [_TEXT, {"type": "array", "items": _TEXT}]},
    "errors": {"type": "array", "items": {"type": "object", "properties": {"pointer": _TEXT, "detail": _TEXT}}},
}  # fmt: skip


def describe_types(types: Sequence[Any], ref_template: str) -> tuple[Mapping[int, Schema], dict[str, Schema]]:
    """The schema of each type by its id(), and the definitions they share."""
    schemas, definitions = msgspec.json.schema_components(types, ref_template=ref_template)
    return {id(one): schema for one, schema in zip(types, schemas, strict=True)}, definitions


def describe_success(dialect: Dialect, served: Served, refs: Mapping[int, Schema]) -> Schema:
    """The response object of a route's success."""
    route = served.route
    if route.action == "file":
        return {"description": "The bytes", "content": {"*/*": {}}}
    if route.status == 204:
        return {"description": route.summary or "Success"}
    schema: Schema = {}
    if route.response is not None:
        schema = refs[id(route.response)]
    elif route.action == "list":
        schema = _describe_page(dialect, route.page)
    elif route.action in ("submit", "status", "cancel", "rerun", "remove"):
        schema = describe_job(dialect, dialect.job if route.shape is None else route.shape)
    if served.envelope is not None:
        constants = {**served.envelope.first, **served.envelope.last}
        *above, key = served.envelope.key.split(".")
        schema = _object({**{name: {"const": value} for name, value in constants.items()}, key: schema})
        for name in reversed(above):
            schema = _object({name: schema})
    return {"description": route.summary or "Success", "content": {"application/json": {"schema": schema}}}


def _describe_page(dialect: Dialect, page: PageWords) -> Schema:
    jobs = {"type": "array", "items": describe_job(dialect, dialect.job)}
    always = frozenset(item.path for item in page.fields if not item.omit_null)

    def describe(item: PageField) -> Schema:
        if item.source is None:
            return {"const": item.value}
        return jobs if item.source == "jobs" else _PAGE_SOURCES.get(item.source, {"type": ["string", "null"]})

    return _assemble(page.fields, describe, always)


def describe_job(dialect: Dialect, shape: Sequence[Field]) -> Schema:
    """The schema of a job; required is what it has in every phase."""
    return _assemble(shape, lambda item: _describe_field(dialect, item), _always_there(shape))


def describe_error(dialect: Dialect) -> Schema:
    """The schema of every refusal."""
    always = frozenset(item.path for item in dialect.error_body if not item.omit_null)
    return _assemble(dialect.error_body, _describe_error_field, always)


def _always_there(shape: Iterable[Field]) -> frozenset[str]:
    phases: dict[str, frozenset[Any]] = {}
    for item in shape:
        if not item.omit_null:
            phases[item.path] = phases.get(item.path, frozenset()) | item.when
    return frozenset(path for path, when in phases.items() if when == ALL_PHASES)


def _describe_field(dialect: Dialect, item: Field) -> Schema:
    if item.template is not None:
        return _TEXT
    if item.source is None:
        return {"const": item.value}
    if item.words is not None or item.part is not None:
        return {}
    if item.source == "word":
        return {"type": "string", "enum": list(dict.fromkeys(dialect.phases.values()))}
    schema = _CODECS.get(item.codec) or _JOB_SOURCES.get(item.source, {})
    if item.source in _NULLABLE and not item.omit_null and schema:
        return {"oneOf": [schema, {"type": "null"}]}
    return schema


def _describe_error_field(item: ErrorField) -> Schema:
    return {"const": item.value} if item.source is None else _ERROR_SOURCES[item.source]


def _assemble(items: Sequence[Any], describe: Any, always: frozenset[str]) -> Schema:
    root = _object({})
    made: list[Schema] = []
    for item in items:
        *parents, end = item.path.split(".")
        node = root
        for parent in parents:
            node = _descend(node, parent, made)
        leaf, schema = end.removesuffix("[]"), describe(item)
        if end.endswith("[]"):
            schema = {"type": "array", "items": schema}
        earlier = node["properties"].get(leaf)
        node["properties"][leaf] = schema if earlier in (None, schema) else _either(earlier, schema)
        if item.path in always and leaf not in node["required"]:
            node["required"].append(leaf)
    return root


def _descend(node: Schema, key: str, made: list[Schema]) -> Schema:
    """The object below a key, of those made for this shape; the key may be something else in another phase."""
    name = key.removesuffix("[]")
    earlier = node["properties"].get(name)
    for choice in () if earlier is None else earlier.get("anyOf", [earlier]):
        below: Schema = choice.get("items", choice)
        if any(one is below for one in made):
            return below
    below = _object({})
    made.append(below)
    schema = {"type": "array", "items": below} if key.endswith("[]") else below
    node["properties"][name] = schema if earlier is None else _either(earlier, schema)
    return below


def _either(earlier: Schema, schema: Schema) -> Schema:
    """One of both; a path that stands several times in a shape has one schema for each."""
    choices = earlier.get("anyOf", [earlier])
    return {"anyOf": choices if schema in choices else [*choices, schema]}


def _object(properties: dict[str, Schema]) -> Schema:
    return {"type": "object", "properties": properties, "required": []}
