"""What a style sheet and style attributes say about text: weight, slant, lines, script, fixed width.

Google writes them as classes (`.c4{font-weight:700}`), one sheet a page; nothing else of CSS is read.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from jobwire.systems.docswrite.document import Style

Changes = Mapping[str, Any]

_CLASS: Final = re.compile(r"[a-z0-9]*\.([\w-]+)", re.IGNORECASE)
_FIXED_WIDTH: Final = re.compile(r"courier|consolas|mono\b|monospace|inconsolata|source code|menlo|fira code")
_BOLD_FROM: Final = 600
_SCRIPTS: Final[Mapping[str, str]] = {"super": "super", "sub": "sub", "baseline": ""}
HIDDEN: Final = "hidden"

TAGS: Final[Mapping[str, Changes]] = {
    "b": {"bold": True},
    "strong": {"bold": True},
    "i": {"italic": True},
    "em": {"italic": True},
    "cite": {"italic": True},
    "var": {"italic": True},
    "u": {"underline": True},
    "ins": {"underline": True},
    "s": {"strike": True},
    "strike": {"strike": True},
    "del": {"strike": True},
    "sub": {"script": "sub"},
    "sup": {"script": "super"},
    "code": {"code": True},
    "kbd": {"code": True},
    "samp": {"code": True},
    "tt": {"code": True},
}


def read_sheet(css: str) -> dict[str, Changes]:
    """What each class of a style sheet changes; rules for anything but classes are left out."""
    sheet: dict[str, Changes] = {}
    for rule in _drop_comments(css).split("}"):
        selectors, _, declarations = rule.partition("{")
        if changes := read_declarations(declarations):
            for selector in selectors.rpartition(";")[2].split(","):
                if found := _CLASS.fullmatch(selector.strip()):
                    sheet[found[1]] = {**sheet.get(found[1], {}), **changes}
    return sheet


def _drop_comments(css: str) -> str:
    first, *rest = css.split("/*")
    return first + "".join(part.partition("*/")[2] for part in rest)


def read_declarations(text: str) -> dict[str, Any]:
    """What declarations such as `font-weight:700;font-style:italic` change of a Style, and whether they hide."""
    changes: dict[str, Any] = {}
    for declaration in text.lower().split(";"):
        name, _, value = (part.strip() for part in declaration.partition(":"))
        match name:
            case "font-weight":
                changes["bold"] = value in ("bold", "bolder") or (value.isdecimal() and int(value[:4]) >= _BOLD_FROM)
            case "font-style":
                changes["italic"] = value in ("italic", "oblique")
            case "text-decoration" | "text-decoration-line":
                changes["underline"], changes["strike"] = "underline" in value, "line-through" in value
            case "vertical-align" if value in _SCRIPTS:
                changes["script"] = _SCRIPTS[value]
            case "font-family":
                changes["code"] = _FIXED_WIDTH.search(value) is not None
            case "display" if value == "none":
                changes[HIDDEN] = True
    return changes


def restyle(style: Style, layers: Iterable[Changes]) -> Style:
    """The style after the changes of an element, its tag's first.

    Lines and script add up: an element inside an underlined one does not end the line by saying nothing of it.
    """
    merged: dict[str, Any] = {}
    for layer in layers:
        merged.update(layer)
    merged.pop(HIDDEN, None)
    for kept in ("underline", "strike", "script"):
        if kept in merged and not merged[kept]:
            del merged[kept]
    return msgspec.structs.replace(style, **merged) if merged else style
