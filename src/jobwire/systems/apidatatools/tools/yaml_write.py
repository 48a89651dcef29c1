"""YAML written record by record, so that readers of YAML 1.1 and 1.2 agree on every text."""

import re
from collections.abc import Iterable
from typing import Any, Final, TextIO

from jobwire.systems.apidatatools.tools.json_values import Item, Number

_PLAIN: Final = re.compile(r"[A-Za-z_À-ɏͰ-ϿЀ-ӿ](?:[\w./()@+-]| (?=[\w./()@+-]))*", re.ASCII)
# What YAML 1.1 reads as a boolean, null or number, though it is a word.
_TRAPS: Final = frozenset(["y", "n", "yes", "no", "on", "off", "true", "false", "null", "none", "nan", "inf"])
_ESCAPES: Final = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
_ESCAPED: Final = re.compile(r'["\\]|[^ -~\u00a1-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]')
_SHOWN: Final = {"None": "null", "True": "true", "False": "false", "{}": "{}", "[]": "[]"}


def write_yaml(items: Iterable[Item], out: TextIO, indent: int) -> None:
    """Write items of a list as one list, the one item of a document as itself."""
    is_empty = True
    for value, is_element in items:
        is_empty = False
        if is_element:
            out.write(_show_element(value, 0, indent))
        elif is_nested(value):
            out.write(_show_nested(value, 0, indent).lstrip("\n"))
            out.write("\n")
        else:
            out.write(show_scalar(value) + "\n")
    if is_empty:
        out.write("[]\n")


def is_nested(value: Any) -> bool:
    """Whether a value takes lines of its own."""
    return bool(value) and isinstance(value, (dict, list))


def _show_element(value: Any, depth: int, indent: int) -> str:
    return _show_dash(value, depth, indent).lstrip("\n") + "\n"


def _show_nested(value: Any, depth: int, indent: int) -> str:
    """The lines of a mapping or list, each after a line end."""
    start = "\n" + " " * depth
    if isinstance(value, list):
        return "".join(_show_dash(inner, depth, indent) for inner in value)
    lines = []
    for name, inner in value.items():
        if is_nested(inner):
            lines.append(f"{start}{show_text(name)}:{_show_nested(inner, depth + indent, indent)}")
        else:
            lines.append(f"{start}{show_text(name)}: {show_scalar(inner)}")
    return "".join(lines)


def _show_dash(value: Any, depth: int, indent: int) -> str:
    start = "\n" + " " * depth + "-" + " " * max(1, indent - 1)
    if not is_nested(value):
        return start + show_scalar(value)
    inner = depth + max(2, indent)
    return start + _show_nested(value, inner, indent)[1 + inner :]


def show_scalar(value: Any) -> str:
    """A scalar: a Number as it is, a text in quotes where another reader could take it for something else."""
    if type(value) is str:
        return show_text(value)
    if type(value) is Number:
        return value
    return _SHOWN[repr(value)]


def show_text(text: str) -> str:
    """A text, plain when no reader of YAML can mistake it."""
    if len(text) < 80 and _PLAIN.fullmatch(text) and text.lower() not in _TRAPS:
        return text
    return '"' + _ESCAPED.sub(_escape, text) + '"'


def _escape(found: "re.Match[str]") -> str:
    char = found[0]
    if char in _ESCAPES:
        return _ESCAPES[char]
    code = ord(char)
    return f"\\x{code:02X}" if code < 256 else f"\\u{code:04X}"
