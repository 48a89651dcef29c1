"""YAML read from its events: every alias is counted before it is followed, so that a bomb never goes off."""

import re
from typing import Any, Final, NoReturn

import yaml

from jobwire.systems.apidatatools.tools.contract import Option, ToolError
from jobwire.systems.apidatatools.tools.json_values import Number
from jobwire.systems.apidatatools.tools.source import Source

DEPTH_MAX: Final = 200
NODES_MAX: Final = 2_000_000
"""Nodes with every alias followed; 16 MB of real YAML have fewer."""

YAML_VERSION: Final = Option("x-yaml-version", "choice", "1.2", choices=("1.1", "1.2"))
"""In 1.1 the words yes, no, on and off are booleans; in 1.2 they are texts."""

_LOADER: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NULLS: Final = frozenset(("", "~", "null", "Null", "NULL"))
_TRUE: Final = {"1.2": frozenset(("true", "True", "TRUE"))}
_FALSE: Final = {"1.2": frozenset(("false", "False", "FALSE"))}
_TRUE["1.1"] = _TRUE["1.2"] | {"yes", "Yes", "YES", "on", "On", "ON"}
_FALSE["1.1"] = _FALSE["1.2"] | {"no", "No", "NO", "off", "Off", "OFF"}
_NUMBER: Final = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?")
# A plain scalar without a tag, or with one of these, means what it looks like; every other is a text.
_READ_TAGS: Final = frozenset(f"tag:yaml.org,2002:{name}" for name in ("int", "float", "bool", "null"))


def read_documents(source: Source, version: str) -> list[Any]:
    """Each document of the source as plain values; ToolError INVALID_YAML with line and column."""
    text = source.read_text()
    builder = _Builder(version)
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            builder.add(event)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place: tuple[int | None, int | None] = (None, None) if mark is None else (mark.line + 1, mark.column + 1)
        reason = error.problem or error.context or "it is no YAML"
        raise ToolError("INVALID_YAML", f"The YAML is broken: {reason}.", line=place[0], column=place[1]) from error
    except yaml.YAMLError as error:
        place = _find_forbidden(text)
        raise ToolError(
            "INVALID_YAML", "The YAML has a control character; take it out.", line=place[0], column=place[1]
        ) from error
    return builder.documents


def _find_forbidden(text: str) -> tuple[int | None, int | None]:
    found = re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]", text)
    if found is None:
        return None, None
    return text.count("\n", 0, found.start()) + 1, found.start() - text.rfind("\n", 0, found.start())


class _Open:
    """A list or mapping whose end has not come."""

    __slots__ = ("event", "name", "size", "value")

    def __init__(self, value: Any, event: Any) -> None:
        self.value = value
        self.event = event
        self.name: Any = None
        self.size = 1


class _Builder:
    def __init__(self, version: str) -> None:
        self._true, self._false = _TRUE[version], _FALSE[version]
        self.documents: list[Any] = []
        self._stack: list[_Open] = []
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._nodes = 0

    def add(self, event: Any) -> None:
        """Take the next event."""
        match event:
            case yaml.ScalarEvent():
                self._settle(self._read_scalar(event), 1, event.anchor, event)
            case yaml.SequenceStartEvent():
                self._open([], event)
            case yaml.MappingStartEvent():
                self._open({}, event)
            case yaml.SequenceEndEvent() | yaml.MappingEndEvent():
                done = self._stack.pop()
                self._nodes -= done.size
                self._settle(done.value, done.size, done.event.anchor, done.event)
            case yaml.AliasEvent():
                name = str(event.anchor)
                if name not in self._anchors:
                    self._refuse(f"nothing is called {name[:40]!r} before this", event)
                value, size = self._anchors[name]
                self._settle(value, size, None, event)
            case yaml.DocumentStartEvent():
                self._anchors.clear()
            case _:
                pass

    def _open(self, value: Any, event: Any) -> None:
        if len(self._stack) == DEPTH_MAX:
            self._refuse(f"it is nested deeper than {DEPTH_MAX} here", event)
        self._stack.append(_Open(value, event))
        self._nodes += 1

    def _settle(self, value: Any, size: int, anchor: str | None, event: Any) -> None:
        self._nodes += size
        if self._nodes > NODES_MAX:
            self._refuse(f"it has more than {NODES_MAX:,} values with its aliases followed", event)
        if anchor is not None:
            self._anchors[anchor] = value, size
        if not self._stack:
            self.documents.append(value)
            return
        top = self._stack[-1]
        top.size += size
        if isinstance(top.value, list):
            top.value.append(value)
        elif top.name is None:
            # Only the plain sign merges; in quotes it is a name like any other.
            top.name = (self._name(value, event), value == "<<" and event.implicit[0])
        else:
            name, is_merge = top.name
            self._put(top.value, name, is_merge=is_merge, value=value)
            top.name = None

    def _put(self, mapping: dict[str, Any], name: str, *, is_merge: bool, value: Any) -> None:
        merged = value if isinstance(value, list) else [value]
        if is_merge and all(isinstance(inner, dict) for inner in merged):
            for inner in merged:
                for key, held in inner.items():
                    mapping.setdefault(key, held)
        else:
            mapping[name] = value

    def _name(self, value: Any, event: Any) -> str:
        if isinstance(value, (dict, list)):
            self._refuse("a list or mapping is a name here; a table needs texts", event)
        return (
            {None: "null", True: "true", False: "false"}[value] if value is None or value in (True, False) else value
        )

    def _read_scalar(self, event: Any) -> Any:
        text = event.value
        if not (event.implicit[0] if event.tag is None else event.tag in _READ_TAGS):
            return text
        if text in _NULLS:
            return None
        if text in self._true:
            return True
        if text in self._false:
            return False
        return Number(text) if _NUMBER.fullmatch(text) else text

    def _refuse(self, reason: str, event: Any) -> NoReturn:
        mark = event.start_mark
        raise ToolError(
            "INVALID_YAML", f"The YAML cannot be read: {reason}.", line=mark.line + 1, column=mark.column + 1
        )
