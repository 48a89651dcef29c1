"""The JSON of a job: its input against the kind's type, its output within the limits. faults.py finds the place."""

import math
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

import msgspec

from jobwire.domain.errors import JobError, RequestError
from jobwire.kinds.contract import Kind
from jobwire.kinds.faults import Fault, Path, find_faults, find_unknown, show_pointer

INPUT_BYTES_MAX = 1_000_000
OUTPUT_BYTES_MAX = 1_000_000
DEPTH_MAX = 64

_NESTED = frozenset({dict, list})
_NOT_JSON = (TypeError, ValueError, OverflowError, RecursionError)


def check_input(kind: Kind, value: Any) -> str:
    """The canonical JSON text (keys in order) of an input the kind accepts; None stands for an empty object.

    What was sent is kept: defaults are filled in when the handler runs. Raises RequestError invalid_request with
    details `errors` [{pointer, detail}], or payload_too_large.
    """
    plain = {} if value is None else value
    try:
        text, decoded = _write_json(plain, canonical=True)
    except _Unfit as unfit:
        raise refuse_input(kind.name, [unfit.fault]) from None
    if len(text) > INPUT_BYTES_MAX:
        raise RequestError(
            "payload_too_large",
            f"the input has {len(text)} bytes, more than {INPUT_BYTES_MAX}; upload the data and send a link to it",
            details={"size_bytes": len(text), "limit_bytes": INPUT_BYTES_MAX},
        )
    _, faults = _read_input(kind.input_type, text, decoded)
    if faults:
        raise refuse_input(kind.name, faults)
    return text.decode()


def refuse_input(kind_name: str, faults: Iterable[Fault]) -> RequestError:
    """The refusal of an input for these faults."""
    errors = [fault._asdict() for fault in faults]
    first = errors[0]
    return RequestError(
        "invalid_request",
        f"the input of {kind_name!r} is not valid: {first['pointer'] or 'the whole'}: {first['detail']}",
        details={"errors": errors},
    )


def decode_input(kind: Kind, json_text: str) -> Any:
    """What the handler is called with: the keyword arguments as a dict when `kind.spread_input`, else the one object.

    Raises JobError invalid_input (permanent) when the kind's type has changed since the job was accepted.
    """
    decoded, faults = _read_input(kind.input_type, json_text.encode(), None)
    if faults:
        raise JobError(
            "invalid_input",
            f"the job's input does not fit {kind.name!r} any more; submit it again in the form of today",
            details={"errors": [fault._asdict() for fault in faults]},
        )
    if not kind.spread_input:
        return decoded
    return {name: getattr(decoded, name) for name in kind.input_type.__struct_fields__}


def _read_input(input_type: Any, text: bytes, plain: Any) -> tuple[Any, list[Fault]]:
    try:
        decoded = _decoder(input_type).decode(text)
    except msgspec.ValidationError as error:
        # Where every field is right by itself, the type's own check of the whole has spoken.
        return None, find_faults(input_type, msgspec.json.decode(text)) or [Fault("", str(error))]
    except msgspec.DecodeError as error:
        return None, [Fault("", str(error))]
    if plain is None or getattr(getattr(input_type, "__struct_config__", None), "forbid_unknown_fields", False):
        return decoded, []
    return decoded, find_unknown(input_type, plain)


@cache
def _decoder(input_type: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(input_type)


def json_schema(kind: Kind) -> dict[str, Any]:
    """The JSON Schema (2020-12) of the kind's input, with its definitions under `$defs`."""
    schema: dict[str, Any] = msgspec.json.schema(kind.input_type)
    _close(schema, schema["$defs"])
    return schema


def input_schemas(kinds: Iterable[Kind], *, ref_template: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The schema of each kind's input by kind name, and the definitions they share, for one OpenAPI document.

    `ref_template` is where the definitions will stand, as in `#/components/schemas/{name}`.
    """
    listed = list(kinds)
    schemas, components = msgspec.json.schema_components([k.input_type for k in listed], ref_template=ref_template)
    for schema in schemas:
        _close(schema, components)
    return {kind.name: schema for kind, schema in zip(listed, schemas, strict=True)}, components


def _close(schema: Mapping[str, Any], definitions: dict[str, Any]) -> None:
    """Say in the schema what check_input enforces: an input has no other fields than these."""
    definitions[schema["$ref"].rsplit("/", 1)[1]]["additionalProperties"] = False


def encode_output(value: Any) -> str:
    """The JSON text of a handler's result: anything JSON, dates, UUIDs, dataclasses and Structs.

    Raises JobError output_invalid (not JSON, not finite, deeper than 64 levels) or output_too_large.
    """
    try:
        text, _ = _write_json(value, canonical=False)
    except _Unfit as unfit:
        place = unfit.fault.pointer or "the whole"
        raise JobError(
            "output_invalid",
            f"the job's result cannot be kept as JSON: {place}: {unfit.fault.detail}",
            details={"errors": [unfit.fault._asdict()]},
        ) from None
    if len(text) > OUTPUT_BYTES_MAX:
        raise JobError(
            "output_too_large",
            f"the job's result has {len(text)} bytes, more than {OUTPUT_BYTES_MAX}; save it with ctx.save_file",
            details={"size_bytes": len(text), "limit_bytes": OUTPUT_BYTES_MAX},
        )
    return text.decode()


class _Unfit(Exception):  # noqa: N818 - a value's property, told to the function above
    def __init__(self, fault: Fault) -> None:
        self.fault = fault


def _write_json(value: Any, *, canonical: bool) -> tuple[bytes, Any]:
    """The JSON text of `value` and the plain data it reads back as.

    The encoder writes NaN as null without a word; reading the text back and comparing finds that at C speed. Only a
    value that differs or is too deep is walked, to find the place.
    """
    try:
        text = msgspec.json.encode(value, order="deterministic" if canonical else None)
        decoded = msgspec.json.decode(text)
        is_plain = decoded == value and not _is_deep(text, decoded)
    except _NOT_JSON as error:
        raise _Unfit(_find_unfit(value) or Fault("", f"not JSON: {error}")) from None
    if not is_plain and (fault := _find_unfit(value)) is not None:
        raise _Unfit(fault)
    return text, decoded


def _is_deep(text: bytes, plain: Any) -> bool:
    if text.count(b"[") + text.count(b"{") <= DEPTH_MAX:
        return False
    level = [plain]
    for _ in range(DEPTH_MAX):
        level = [c for node in level for c in (node.values() if type(node) is dict else node) if type(c) in _NESTED]
        if not level:
            return False
    return True


def _find_unfit(value: Any) -> Fault | None:
    found = _walk(value, 0)
    return None if found is None else Fault(show_pointer(found[0]), found[1])


def _walk(value: Any, depth: int) -> tuple[Path, str] | None:
    """The first part of `value` that is not JSON within the limits, in document order."""
    match value:
        case dict():
            children: Iterable[tuple[Any, Any]] = value.items()
            refused = _refusal(dict.fromkeys(value))
        case list() | tuple():
            children, refused = enumerate(value), None
        case _:
            return _judge_leaf(value, depth)
    if depth == DEPTH_MAX:
        refused = f"nested deeper than {DEPTH_MAX} levels; flatten the data"
    if refused is not None:
        return (), refused
    for key, child in children:
        if (found := _walk(child, depth + 1)) is not None:
            return (key, *found[0]), found[1]
    return None


def _judge_leaf(value: Any, depth: int) -> tuple[Path, str] | None:
    if isinstance(value, float) and not math.isfinite(value):
        return (), f"{value} is not a JSON number; send null or leave it out"
    if (refused := _refusal(value)) is not None:
        return (), refused
    plain = msgspec.to_builtins(value, str_keys=True)
    return _walk(plain, depth) if isinstance(plain, dict | list | tuple) else None


def _refusal(value: Any) -> str | None:
    try:
        msgspec.json.encode(value)
    except UnicodeEncodeError:
        return "the text is not valid Unicode (a lone surrogate)"
    except _NOT_JSON as error:
        return f"a value of type {type(value).__name__!r} is not JSON here: {error}"
    return None
