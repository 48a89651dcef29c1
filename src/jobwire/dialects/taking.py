"""Finds what a call sends where a dialect's table says it stands, and makes a submission of it. Pure; see sent.py."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from jobwire.dialects.sent import Sent, Take
from jobwire.dialects.sources import find_part
from jobwire.kinds.faults import Fault


class Parts(NamedTuple):
    """The parts of a call in which values may stand; header names are in lower case."""

    params: Mapping[str, str]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Any


def find_sent(sent: Sent, parts: Parts) -> Any:
    """What stands in that place, None if nothing does."""
    match sent.place:
        case "path":
            found: Any = parts.params.get(sent.name)
        case "query":
            found = parts.query.get(sent.name)
        case "header":
            found = parts.headers.get(sent.name.lower())
        case "body":
            found = find_part(parts.body, sent.name)
    if sent.pattern is None or found is None:
        return found
    match = re.search(sent.pattern, found) if isinstance(found, str) else None
    return None if match is None else match[1 if match.re.groups else 0]


def gather_fields(takes: Sequence[Take], parts: Parts) -> dict[str, Any]:
    """A submission's body in the native form, of all that was sent and has a place in it."""
    fields: dict[str, Any] = {}
    for take in takes:
        found = None if take.sent is None else find_sent(take.sent, parts)
        if found is None:
            found = take.value
        if found is not None:
            *parents, leaf = take.into.split(".")
            node = fields
            for parent in parents:
                node = node.setdefault(parent, {})
            node[leaf] = found
    return fields


def find_unknown(takes: Sequence[Take], body: Any, *, ignored: Sequence[str]) -> list[Fault]:
    """A fault for each key of a body that no take reads; none where one takes the whole body."""
    names = [take.sent.name for take in takes if take.sent is not None and take.sent.place == "body"]
    if "" in names or not isinstance(body, dict):
        return []
    known = dict.fromkeys([*(name.partition(".")[0] for name in names), *ignored])
    return [
        Fault(f"/{name}", f"unknown field; there are {', '.join(known) or 'none'}")
        for name in body
        if name not in known
    ]


def point_back(pointer: str, takes: Sequence[Take]) -> str:
    """A pointer into the body that was sent, for one into the native form; as it is where it came from elsewhere."""
    for take, start in _longest_first(takes):
        if take.sent is not None and take.sent.place == "body" and f"{pointer}/".startswith(f"{start}/"):
            return _pointer_of(take.sent.name) + pointer[len(start) :]
    return pointer


def _longest_first(takes: Sequence[Take]) -> Iterator[tuple[Take, str]]:
    for take in sorted(takes, key=lambda take: -len(take.into)):
        yield take, _pointer_of(take.into)


def _pointer_of(path: str) -> str:
    return "".join(f"/{key}" for key in path.split(".")) if path else ""
