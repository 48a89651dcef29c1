"""Finds the route of a path: a literal segment beats a parameter, whatever the order of the table."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import unquote

from jobwire.dialects.render import Views
from jobwire.dialects.spec import Envelope, JobReference, Route
from jobwire.service.limits import Limit

SEGMENTS_MAX = 32
_PARAMETER = re.compile(r"\{(\w+)\}(.*)")


@dataclass(frozen=True, slots=True)
class Served:
    """A route ready to serve: its own words where it has some, else its dialect's."""

    route: Route
    views: Views
    envelope: Envelope | None
    reference: JobReference
    limits: Sequence[Limit]
    body_bytes_max: int


@dataclass(slots=True)
class Node:
    """The routes that end here by method, each with its parameter names, and what may follow.

    `parameters` go by the literal text behind each, the longest first.
    """

    literals: dict[str, "Node"] = field(default_factory=dict)
    parameters: dict[str, "Node"] = field(default_factory=dict)
    routes: dict[str, tuple[tuple[Served, ...], tuple[str, ...]]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Match:
    """A path's route and its parameters; `served` is None where the path has other methods only, those of `allow`.

    `choices` are the routes that the call's content tells apart, `served` the first of them.
    """

    served: Served | None
    choices: tuple[Served, ...]
    params: Mapping[str, str]
    allow: tuple[str, ...]


class Router:
    """The routes of one dialect."""

    def __init__(self, served: Sequence[Served]) -> None:
        self._root = Node()
        for one in served:
            self._add(one)

    def _add(self, served: Served) -> None:
        route, node = served.route, self._root
        names: list[str] = []
        for segment in split_path(route.path):
            if parameter := _PARAMETER.fullmatch(segment):
                names.append(parameter[1])
                below = node.parameters.setdefault(parameter[2], Node())
                node.parameters = dict(sorted(node.parameters.items(), key=lambda item: -len(item[0])))
                node = below
            else:
                node = node.literals.setdefault(segment, Node())
        for method in (route.method, *(("HEAD",) if route.method == "GET" else ())):
            before, _ = node.routes.get(method, ((), ()))
            node.routes[method] = ((*before, served), tuple(names))

    def match(self, method: str, segments: Sequence[str]) -> Match | None:
        """The match of a path, or None if no route has it."""
        allow: list[str] = []
        for node, values in _walk(self._root, segments):
            if method in node.routes:
                choices, names = node.routes[method]
                return Match(choices[0], choices, dict(zip(names, values, strict=True)), ())
            allow += node.routes
        return Match(None, (), {}, tuple(sorted(set(allow)))) if allow else None


def _walk(node: Node, segments: Sequence[str]) -> Iterator[tuple[Node, tuple[str, ...]]]:
    if not segments:
        if node.routes:
            yield node, ()
        return
    first, rest = segments[0], segments[1:]
    # A literal that leads somewhere is no parameter's value: /jobs/cancel is never the job named "cancel".
    literal = list(_walk(node.literals[first], rest)) if first in node.literals else []
    if literal:
        yield from literal
        return
    for end, below in node.parameters.items():
        value = first.removesuffix(end)
        if value and first.endswith(end):
            for found, values in _walk(below, rest):
                yield found, (value, *values)


def split_path(path: str) -> list[str]:
    """The segments of a path below its mount, still encoded; at most SEGMENTS_MAX, the rest stays in the last."""
    return path.split("/", SEGMENTS_MAX)[1:]


def decode_segments(raw_path: str) -> list[str] | None:
    """The decoded segments of a raw path, so that %2F stays within its segment; None if one is not UTF-8."""
    try:
        return [unquote(segment, errors="strict") for segment in split_path(raw_path)]
    except UnicodeDecodeError:
        return None
