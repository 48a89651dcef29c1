"""Where in a JSON text the fault is: every refusal of an input names the place by a JSON pointer (RFC 6901).

A decoder stops at its first fault and calls an object's entry `[...]`. Here the fields of the input are tried one
by one, so that a caller learns of all wrong fields at once, and the entry is found by halving.
"""

import dataclasses
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple, get_type_hints

import msgspec
from msgspec import inspect

from jobwire.kinds.spelling import did_you_mean, quote

FAULTS_MAX = 20

Path = tuple[str | int, ...]

_PLACE = re.compile(r"(.*?)(?: - at (?:`(key)` in )?`(\$.*)`)?", re.DOTALL)
_STEP = re.compile(r"\.([^.\[\]]+)|\[([0-9]+)\]|(\[\.\.\.\])")
_ENTRY = "[...]"
_NO_CHOICE = "Invalid enum value"


class Fault(NamedTuple):
    """One thing wrong with an input: where, as a JSON pointer ("" is the whole), and what, for its sender."""

    pointer: str
    detail: str


class InputField(NamedTuple):
    """One field of an input object, by the name it has on the wire."""

    type: Any
    is_required: bool


@cache
def input_fields(input_type: Any) -> Mapping[str, InputField]:
    """The fields of a msgspec.Struct or dataclass type by their names on the wire."""
    if issubclass(input_type, msgspec.Struct):
        return {f.encode_name: InputField(f.type, f.required) for f in msgspec.structs.fields(input_type)}
    hints = get_type_hints(input_type, include_extras=True)
    return {
        f.name: InputField(
            hints[f.name], f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
        )
        for f in dataclasses.fields(input_type)
    }


def show_pointer(path: Path) -> str:
    """The JSON pointer of a place: `("a/b", 0)` is `/a~1b/0`."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in path)


def find_unknown(input_type: Any, value: Mapping[str, Any]) -> list[Fault]:
    """A fault for every key of `value` that the input type has no field for."""
    known = input_fields(input_type)
    if value.keys() <= known.keys():
        return []
    return [
        Fault(show_pointer((name,)), f"unknown field {quote(name)}{_hint(name, known)}")
        for name in value
        if name not in known
    ][:FAULTS_MAX]


def _hint(name: str, known: Mapping[str, Any]) -> str:
    return did_you_mean(name, known) or f"; the fields are {', '.join(known) or 'none'}"


def find_faults(input_type: Any, value: Any) -> list[Fault]:
    """Everything that is wrong with `value`, plain JSON data; at most one fault for each of its fields.

    An empty list says that the fields are right one by one.
    """
    if not isinstance(value, dict):
        return [Fault("", f"Expected `object`, got `{_json_name(value)}`")]
    found = find_unknown(input_type, value)
    for name, field in input_fields(input_type).items():
        if name in value:
            found += [Fault(show_pointer((name, *path)), detail) for path, detail in _try(field.type, value[name])]
        elif field.is_required:
            found.append(Fault(show_pointer((name,)), "required field is missing"))
    return found[:FAULTS_MAX] or [Fault(show_pointer(path), detail) for path, detail in _try(input_type, value)]


def _json_name(value: Any) -> str:
    names = {list: "array", str: "str", int: "int", float: "float", bool: "bool", type(None): "null"}
    return names.get(type(value), type(value).__name__)


def _try(wanted: Any, value: Any) -> Iterator[tuple[Path, str]]:
    message = _complaint(wanted, value)
    if message is not None:
        yield _locate(wanted, value, message)


def _complaint(wanted: Any, value: Any) -> str | None:
    try:
        msgspec.convert(value, wanted, str_keys=True)
    except msgspec.ValidationError as error:
        return str(error)
    return None


def _locate(wanted: Any, value: Any, message: str) -> tuple[Path, str]:
    shape = _PLACE.fullmatch(message)
    assert shape is not None
    detail, is_key, place = shape.groups()
    path: Path = ()
    for name, index, entry in _STEP.findall((place or "") + (_ENTRY if is_key else "")):
        if not entry:
            path = (*path, int(index) if index else name)
        elif (key := _failing_key(wanted, value, path, message)) is not None:
            path = (*path, key)
        else:
            return path, detail
    if detail.startswith(_NO_CHOICE) and (words := _choices(wanted, path)):
        return path, f"{detail}; there are {', '.join(words)}"
    named = re.fullmatch(r"Object (?:contains unknown|missing required) field `(.+)`", detail)
    return (path if named is None else (*path, named[1])), detail


def _choices(wanted: Any, path: Path) -> list[str]:
    """The words there are at `path`; none where it leads through anything but lists and maps."""
    shapes = _options(inspect.type_info(wanted))
    for _ in path:
        shapes = [
            below
            for shape in shapes
            if isinstance(shape, inspect.DictType | inspect.ListType)
            for below in _options(shape.value_type if isinstance(shape, inspect.DictType) else shape.item_type)
        ]
    return [str(word) for shape in shapes if isinstance(shape, inspect.LiteralType) for word in shape.values]


def _options(shape: inspect.Type) -> Sequence[inspect.Type]:
    return shape.types if isinstance(shape, inspect.UnionType) else (shape,)


def _failing_key(wanted: Any, value: Any, path: Path, message: str) -> str | None:
    """Which entry of the object at `path` the message is about: the half that is refused with the same words alone
    is halved again, so that a map of 80,000 entries costs two more readings of it (40 ms) and not seventeen.

    None when no half is, because the type also bounds the number of entries.
    """
    entries: list[tuple[str, Any]] = list(_follow(value, path).items())
    while len(entries) > 1:
        middle = len(entries) // 2
        for half in (entries[:middle], entries[middle:]):
            if _complaint(wanted, _replace(value, path, dict(half))) == message:
                entries = half
                break
        else:
            return None
    return entries[0][0]


def _follow(value: Any, path: Path) -> Any:
    for step in path:
        value = value[step]
    return value


def _replace(value: Any, path: Path, new: Any) -> Any:
    if not path:
        return new
    copied = value.copy()
    copied[path[0]] = _replace(value[path[0]], path[1:], new)
    return copied
