"""JSON Schemas of what a dialect takes and answers, read off its shapes and types; openapi.py puts them in place."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from jobwire.dialects.parse import NUMBER_DIGITS_MAX, Submission
from jobwire.dialects.spec import ALL_PHASES, Dialect, Envelope, ErrorField, Field, IdForm, JobReference
from jobwire.domain.ids import ID_LENGTH
from jobwire.domain.order import PRIORITY_MAX, PRIORITY_MIN
from jobwire.http.action_notes import PRINTABLE
from jobwire.http.field_texts import SOURCE_TEXTS, SUBMISSION_TEXTS
from jobwire.kinds.contract import Kind
from jobwire.kinds.durations import DURATION_MS_MAX
from jobwire.kinds.registry import Registry
from jobwire.kinds.schema import input_schemas
from jobwire.service.submission import KEY_CHARS_MAX, TAG_CHARS_MAX, TAGS_MAX

Schema = dict[str, Any]

REF_TEMPLATE = "#/components/schemas/{name}"
NUMBER_SCHEMA: Schema = {"type": "integer", "minimum": 1, "maximum": 10**18 - 1}
_TEXT: Schema = {"type": "string"}
_WHOLE: Schema = {"type": "integer"}
_SECONDS: Schema = {"type": "number", "minimum": 0}
_OBJECT: Schema = {"type": "object"}
_TIME: Schema = {"type": "string", "format": "date-time"}


def _object(properties: dict[str, Schema], *, required: Sequence[str] = ()) -> Schema:
    return {"type": "object", "properties": properties, "required": list(required)}


_NULLABLE = frozenset(
    {
        "run_at", "started_at", "finalized_at", "deadline_at", "cancel_requested_at", "rerun_of", "root_id",
        "position", "blocked_by", "estimate", "output", "error", "error.code", "error.message", "error.retryable",
        "error.details", "progress.stage", "progress.done", "progress.total", "progress.message",
    }
)  # fmt: skip
_IDS = frozenset({"id", "rerun_of", "root_id"})
_JOB_SOURCES: Mapping[str, Schema] = {
    "kind": _TEXT, "queue": _TEXT,
    "number": _WHOLE, "position": _WHOLE, "attempt": _WHOLE, "attempts_max": _WHOLE, "version": _WHOLE,
    "priority": {"type": "integer", "minimum": PRIORITY_MIN, "maximum": PRIORITY_MAX},
    "retry_after_s": _WHOLE,
    "blocked_by": {"type": "string", "enum": ["owner", "kind", "concurrency_key", "rate"]},
    "tags": {"type": "array", "items": _TEXT},
    "error.code": _TEXT, "error.message": _TEXT, "error.retryable": {"type": "boolean"}, "error.details": _OBJECT,
    "error": _object(
        {
            "code": _TEXT, "message": _TEXT, "retryable": {"type": "boolean"},
            "details": {"type": ["object", "null"]},
        },
        required=("code", "message", "retryable", "details"),
    ),
    "estimate": _object(
        {
            "starts_in_p50_s": _SECONDS, "starts_in_p90_s": _SECONDS,
            "ends_in_p50_s": {"type": ["number", "null"]}, "ends_in_p90_s": {"type": ["number", "null"]},
        },
        required=("starts_in_p50_s", "starts_in_p90_s", "ends_in_p50_s", "ends_in_p90_s"),
    ),
    "progress.percent": {"type": "number", "minimum": 0, "maximum": 100},
    "progress.stage": _TEXT, "progress.done": _WHOLE, "progress.total": _WHOLE, "progress.message": _TEXT,
}  # fmt: skip
_CODECS: Mapping[str | None, Schema] = {
    "iso_us": _TIME,
    "iso_ms": _TIME,
    "iso_s": _TIME,
    "epoch_ms": _WHOLE,
    "epoch_s": _WHOLE,
    "whole": _WHOLE,
    "text": _TEXT,
    "upper": _TEXT,
}
_ERROR_SOURCES: Mapping[str | None, Schema] = {
    "status": _WHOLE, "reason": _TEXT, "code": _TEXT, "code_upper": _TEXT, "word": _TEXT, "note": _TEXT,
    "message": _TEXT, "request_id": _TEXT, "details": _OBJECT, "named_details": _OBJECT,
    "problem_type": {"type": "string", "format": "uri-reference"}, "retry_after_s": {"type": "integer", "minimum": 1},
    "violated_policies": {"type": "array", "items": _TEXT},
    "messages": {"oneOf": [_TEXT, {"type": "array", "items": _TEXT}]},
    "errors": {
        "type": "array",
        "items": _object({"pointer": _TEXT, "detail": _TEXT}, required=("pointer", "detail")),
    },
}  # fmt: skip
_MAX_WAIT: Schema = {
    "anyOf": [
        {"type": "string", "format": "max-wait"},
        {"type": "number", "minimum": 0.001, "maximum": DURATION_MS_MAX / 1_000},
        {"type": "null"},
    ]
}
# What the service checks and the type does not say.
_BOUNDS: Mapping[str, Mapping[str, Any]] = {
    "priority": {"minimum": PRIORITY_MIN, "maximum": PRIORITY_MAX},
    "tags": {"maxItems": TAGS_MAX, "items": {**PRINTABLE, "maxLength": TAG_CHARS_MAX}},
    "concurrency_key": {**PRINTABLE, "maxLength": KEY_CHARS_MAX},
}


def ref(name: str) -> Schema:
    """The reference to a schema of the document."""
    return {"$ref": REF_TEMPLATE.format(name=name)}


def describe_types(types: Sequence[Any]) -> tuple[Mapping[int, Schema], dict[str, Schema]]:
    """The schema of each type by its id(), and the definitions they share."""
    schemas, definitions = msgspec.json.schema_components(types, ref_template=REF_TEMPLATE)
    return {id(one): schema for one, schema in zip(types, schemas, strict=True)}, definitions


def describe_submission(dialect: Dialect, registry: Registry, definitions: dict[str, Schema]) -> None:
    """Make Submission and what extends it say what is checked: a schema for each kind that is served, with its input.

    The pieces join `definitions`. Where no kind is served the types are told as they are.
    """
    kinds = find_kinds(dialect, registry)
    fields = set(Submission.__struct_fields__)
    for name in [name for name, told in definitions.items() if fields <= told.get("properties", {}).keys()]:
        if kinds:
            _tell_kinds(dialect, kinds, registry.queues, definitions=definitions, name=name)


def find_kinds(dialect: Dialect, registry: Registry) -> Mapping[str, Kind]:
    """The kinds that the dialect serves, by name."""
    return {kind.name: kind for kind in registry.kinds if dialect.kinds is None or kind.name in dialect.kinds}


def tell_fields(properties: dict[str, Schema], queues: Sequence[str]) -> None:
    """Make the fields of a submission say what is checked."""
    for field, schema in properties.items():
        _bound(schema, _BOUNDS.get(field, {}))
        if field in SUBMISSION_TEXTS:
            schema["description"] = SUBMISSION_TEXTS[field]
    properties["queue"]["anyOf"][0]["enum"] = list(queues)
    properties["max_wait"] |= _MAX_WAIT


def _tell_kinds(
    dialect: Dialect,
    kinds: Mapping[str, Kind],
    queues: Sequence[str],
    *,
    definitions: dict[str, Schema],
    name: str,
) -> None:
    plain = definitions[name]
    tell_fields(plain["properties"], queues)
    inputs, shared = input_schemas(kinds.values(), ref_template=REF_TEMPLATE)
    definitions |= shared
    words: dict[str, Schema] = {}
    for kind, schema in inputs.items():
        word = kind if dialect.kinds is None else dialect.kinds[kind]
        words[word] = ref(f"{name}.{word}")
        definitions[f"{name}.{word}"] = _submit_kind(plain, word, schema, definitions) | {
            "description": kinds[kind].description
        }
    definitions[name] = {
        "description": "A job to submit; the kind decides what its input is.",
        "oneOf": list(words.values()),
        "discriminator": {"propertyName": "kind", "mapping": {word: one["$ref"] for word, one in words.items()}},
    }


def _bound(schema: Schema, bounds: Mapping[str, Any]) -> None:
    """Add bounds to a schema, or to its first choice where it may be null too."""
    target = schema["anyOf"][0] if "anyOf" in schema else schema
    target.update(bounds)


def _submit_kind(plain: Schema, word: str, given: Schema, definitions: Mapping[str, Schema]) -> Schema:
    """The submission of one kind; the input may be left out where nothing in it is required."""
    needs_input = bool(definitions[given["$ref"].rpartition("/")[2]].get("required"))
    text = {"description": SUBMISSION_TEXTS["input"]}
    return {
        "title": word,
        "type": "object",
        "properties": {
            **plain["properties"],
            "kind": {"const": word, "type": "string", "description": SUBMISSION_TEXTS["kind"]},
            "input": {**given, **text} if needs_input else {"anyOf": [given, {"type": "null"}], **text},
        },
        "required": ["kind", *(["input"] if needs_input else [])],
        "additionalProperties": False,
        "not": {"properties": {"run_at": _TEXT, "delay": {"type": "number"}}, "required": ["run_at", "delay"]},
    }


def describe_reference(reference: JobReference, ids: IdForm) -> Schema:
    """The schema of what names a job."""
    if reference.pattern is not None:
        return {**_TEXT, "pattern": reference.pattern}
    return describe_id(ids) if reference.style == "id" else NUMBER_SCHEMA


def describe_id(ids: IdForm) -> Schema:
    """The schema of a job's id."""
    # JSON Schema knows no escaped hyphen.
    prefix = re.escape(ids.prefix).replace("\\-", "-")
    return {"type": "string", "pattern": f"^{prefix}{_ID_SHAPES[ids.form]}$"}


_ID_SHAPES: Mapping[str, str] = {
    "key": f"[0-9a-v]{{{ID_LENGTH}}}",
    "uuid": "[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}",
    "hex": "[0-9a-f]{32}",
    "number": f"[1-9][0-9]{{0,{NUMBER_DIGITS_MAX - 1}}}",
    "tail": "[0-9a-f]{12}",
}


def describe_job(dialect: Dialect, shape: Sequence[Field]) -> Schema:
    """The schema of a job; required is what it has in every phase."""
    return assemble(shape, lambda item: _describe_field(dialect, item), _always_there(shape))


def describe_error(dialect: Dialect) -> Schema:
    """The schema of every refusal."""
    always = frozenset(item.path for item in dialect.error_body if not item.omit_null)
    return assemble(dialect.error_body, _describe_error_field, always)


def wrap_schema(envelope: Envelope | None, schema: Schema) -> Schema:
    """The schema of a body in its envelope."""
    if envelope is None:
        return schema
    *above, key = envelope.key.split(".")
    constants = {**envelope.first, **envelope.last}
    properties = {**{name: {"const": value} for name, value in constants.items()}, key: schema}
    wrapped = _object(properties, required=list(properties))
    for name in reversed(above):
        wrapped = _object({name: wrapped}, required=[name])
    return wrapped


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
    text = SOURCE_TEXTS.get(item.source)
    told: Schema = {} if text is None else {"description": text}
    if item.words is not None or item.part is not None:
        return told
    schema = _JOB_SOURCES.get(item.source, {}) if item.codec is None else _CODECS[item.codec]
    if item.source in _IDS:
        schema = describe_id(dialect.ids)
    if item.source == "word":
        schema = {"type": "string", "enum": list(dict.fromkeys(dialect.phases.values()))}
    if item.source == "kind" and dialect.kinds is not None:
        schema = {"type": "string", "enum": list(dialect.kinds.values())}
    if item.source in _NULLABLE and not item.omit_null and schema:
        schema = {"anyOf": [schema, {"type": "null"}]}
    return {**schema, **told}


def _describe_error_field(item: ErrorField) -> Schema:
    if item.source is None:
        return {"const": item.value}
    schema = _ERROR_SOURCES[item.source]
    return {"anyOf": [schema, {"type": "null"}]} if item.source in _NULL_ERRORS and not item.omit_null else schema


_NULL_ERRORS = frozenset({"word", "note", "errors", "details"})


def assemble(items: Sequence[Any], describe: Callable[[Any], Schema], always: frozenset[str]) -> Schema:
    """The object that has these items at their paths; required are those of `always` and what they stand in."""
    root = _object({})
    made: list[Schema] = []
    for item in items:
        *parents, end = item.path.split(".")
        node, prefix = root, ""
        for parent in parents:
            prefix += f"{parent}."
            name = parent.removesuffix("[]")
            if name not in node["required"] and any(path.startswith(prefix) for path in always):
                node["required"].append(name)
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
        # A choice among several is a copy that shares what is in it.
        if any(one["properties"] is below.get("properties") for one in made):
            return below
    below = _object({})
    made.append(below)
    schema = {"type": "array", "items": below} if key.endswith("[]") else below
    node["properties"][name] = schema if earlier is None else _either(earlier, schema)
    return below


def _either(earlier: Schema, schema: Schema) -> Schema:
    """One of both; a path that stands several times in a shape has one schema for each, and one sentence."""
    text = {key: one["description"] for key in ("description",) for one in (schema, earlier) if key in one}
    choices: list[Schema] = []
    for one in (earlier, schema):
        plain = {key: value for key, value in one.items() if key != "description"}
        choices += plain["anyOf"] if plain.keys() == {"anyOf"} else [plain]
    distinct = [one for index, one in enumerate(choices) if one not in choices[:index]]
    return {**text, **(distinct[0] if len(distinct) == 1 else {"anyOf": distinct})}
