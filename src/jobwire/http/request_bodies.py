"""The bodies that calls take, for a description: typed ones, those a vendor's words make submissions of, waits.

schemas.py has the schemas of types, openapi.py puts the bodies in place.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from jobwire.dialects.notes import Notes
from jobwire.dialects.parse import IDEMPOTENCY_KEY_CHARS_MAX, Submission
from jobwire.dialects.sent import Take
from jobwire.dialects.spec import Dialect, Route, Wait
from jobwire.http.action_notes import KEY_SHAPE
from jobwire.http.field_texts import SUBMISSION_TEXTS
from jobwire.http.samples import sample_input
from jobwire.http.schemas import (
    REF_TEMPLATE,
    Schema,
    assemble,
    describe_types,
    find_kinds,
    tell_fields,
)
from jobwire.http.site import Site
from jobwire.kinds.registry import Registry
from jobwire.kinds.schema import input_schemas

KEY_SCHEMA: Schema = {"type": "string", "minLength": 1, "maxLength": IDEMPOTENCY_KEY_CHARS_MAX, "pattern": KEY_SHAPE}


class _Taken(NamedTuple):
    """A field of a body and its schema."""

    path: str
    schema: Schema


def describe_body(site: Site, route: Route, notes: Notes, *, refs: Mapping[int, Any]) -> dict[str, Any]:
    """What a call takes, by media type."""
    further = {media_type: {"schema": schema} for media_type, schema in notes.bodies}
    if route.body == "upload":
        return {"application/octet-stream": {}} | further
    content: dict[str, Any] = {"schema": _find_schema(site, route, refs)}
    if route.action == "submit" and not route.takes and (examples := _sample_submissions(site)):
        content["examples"] = examples
    return dict.fromkeys(site.dialect.content_types or ("application/json",), content) | further


def _find_schema(site: Site, route: Route, refs: Mapping[int, Any]) -> Schema:
    schema: Schema = {}
    if route.takes:
        schema, _ = describe_taken(site.dialect, site.services.registry, route)
    elif route.request is not None:
        schema = refs[id(route.request)]
    elif route.wait is not None and route.wait.place == "body":
        schema = assemble([_tell_time(route.wait)], _schema_of, frozenset())
    return schema


def _sample_submissions(site: Site) -> dict[str, Any]:
    kinds = site.dialect.kinds
    return {
        kind.name: {"value": {"kind": kind.name if kinds is None else kinds[kind.name], "input": value}}
        for kind in find_kinds(site.dialect, site.services.registry).values()
        if (value := sample_input(kind)) is not None
    }


def tell_wait(wait: Wait) -> str:
    """What may be said about waiting."""
    return f"Seconds to wait for the end (2.5 or 30s), {wait.seconds_max} at most; then the job is shown as it is."


def _tell_time(wait: Wait) -> _Taken:
    return _Taken(wait.name, {"type": ["string", "number"], "description": tell_wait(wait)})


def _schema_of(taken: _Taken) -> Schema:
    return taken.schema


# a vendor's words


def describe_taken(dialect: Dialect, registry: Registry, route: Route) -> tuple[Schema, dict[str, Schema]]:
    """The schema of a body that the route's takes make a submission of, and the definitions that it needs.

    A key that nothing reads is refused, so there is none beside those told.
    """
    fields, inputs, definitions = _describe_native(dialect, registry, route.takes)
    taken: list[_Taken] = []
    needed: set[str] = set()
    for take in route.takes:
        if take.sent is None or take.sent.place != "body":
            continue
        schema = {"type": "string"} if take.sent.pattern else _find_field(take.into, fields, inputs, definitions)
        if not take.sent.name:
            return schema, definitions
        taken.append(_Taken(take.sent.name, schema))
        if take.into == "kind" and take.value is None:
            needed.add(take.sent.name)
    if route.wait is not None and route.wait.place == "body":
        taken.append(_tell_time(route.wait))
    if dialect.natural_key is not None:
        taken.append(_Taken(dialect.natural_key, {"type": ["string", "integer", "null"]}))
    taken += [_Taken(name, {}) for name in route.ignored]
    return assemble(taken, _schema_of, frozenset(needed)) | {"additionalProperties": False}, definitions


def _describe_native(
    dialect: Dialect, registry: Registry, takes: Sequence[Take]
) -> tuple[dict[str, Schema], list[Schema], dict[str, Schema]]:
    """The schemas of a submission's fields, of the inputs of those kinds that it may have, and what they share."""
    _, definitions = describe_types([Submission])
    fields: dict[str, Schema] = definitions.pop(Submission.__name__)["properties"]
    kinds = find_kinds(dialect, registry)
    tell_fields(fields, registry.queues)
    words = {kind: kind if dialect.kinds is None else dialect.kinds[kind] for kind in kinds}
    constant = next((take.value for take in takes if take.into == "kind" and take.sent is None), None)
    inputs, shared = input_schemas(kinds.values(), ref_template=REF_TEMPLATE)
    named = {"enum": list(words.values())} if words else {}
    fields["kind"] = {"type": "string", **named, "description": SUBMISSION_TEXTS["kind"]}
    fields["idempotency_key"] = KEY_SCHEMA
    wanted = [schema for kind, schema in inputs.items() if constant in (None, words[kind])]
    return fields, wanted, definitions | shared


def _find_field(
    into: str, fields: Mapping[str, Schema], inputs: Sequence[Schema], definitions: Mapping[str, Schema]
) -> Schema:
    """The schema of a field of the native submission, by its dotted name; anything where several kinds differ."""
    name, *below = into.split(".")
    if name != "input":
        return {} if below else dict(fields.get(name, {}))
    if not below:
        choices = {"anyOf": [*inputs, {"type": "null"}]} if inputs else {}
        return {**choices, "description": SUBMISSION_TEXTS["input"]}
    if len(inputs) != 1:
        return {}
    schema = inputs[0]
    for key in below:
        schema = definitions[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
        schema = schema.get("properties", {}).get(key, {})
    return dict(schema)
