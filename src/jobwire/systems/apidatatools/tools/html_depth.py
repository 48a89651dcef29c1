"""How deep HTML is nested for minify_html, which keeps each open element on the stack of the process."""

import re
from typing import Final

_LEAF_PASSES: Final = 3

# What never has an end, and what may be without one, nests in others only.
_UNCOUNTED: Final = (
    "(?:area|base|br|col|embed|hr|img|input|link|meta|source|track|wbr|li|d[dt]|p|t[dhr]|thead|tbody|tfoot|option)"
)
# Scripts and comments have no tags.
_NESTING_TAGS: Final = re.compile(
    r"<!--.*?(?:-->|\Z)|<(?P<raw>script|style)[\s/>].*?(?:</(?P=raw)|\Z)|<(?P<end>/?)"
    rf"(?!{_UNCOUNTED}[\s/>])(?P<name>[a-z][^\s/>]*)",
    re.IGNORECASE | re.DOTALL,
)
# Text and uncounted tags; no `-->` within, so that what has it is within a comment as a whole or not at all.
_FLAT: Final = rf"[^<>]*+(?:</?{_UNCOUNTED}(?:[\s/][^<>]*+)?(?<!-)>[^<>]*+)*+"
# An element with nothing but that in it. Before it is no beginning of a tag that it could be a part of. What is in
# _FLAT begins none, so that nothing is read again from each of many.
_LEAF: Final = re.compile(
    rf"<(?<=[>\s]<)(?!{_UNCOUNTED}[\s/>]|(?i:script|style))([a-zA-Z][^\s/<>]*+)[^<>]*+(?<!-)>{_FLAT}</\1>"
)


def is_deeper(text: str, levels: int) -> bool:
    """Whether more elements than that are open in one another somewhere; in linear time.

    Elements without others in them are taken out first, which makes the rest at the most one level less deep and
    mostly leaves too few to be looked at one by one.
    """
    rest, passes, taken = text, 0, 1
    while rest.count("<") - rest.count("</") > levels - passes:
        if not taken or passes == min(_LEAF_PASSES, levels):
            return _walk_deeper(rest, levels - passes) and _walk_deeper(text, levels)
        rest, taken = _LEAF.subn(" ", rest)
        passes += 1
    return False


def _walk_deeper(text: str, levels: int) -> bool:
    """The same tag by tag, several times as slow."""
    stack = list[str]()
    open_names = dict[str, int]()
    for found in _NESTING_TAGS.finditer(text):
        name = (found["name"] or "").lower()
        if not name:
            continue
        if not found["end"]:
            stack.append(name)
            open_names[name] = open_names.get(name, 0) + 1
            if len(stack) > levels:
                return True
        elif open_names.get(name):
            while (last := stack.pop()) != name:
                open_names[last] -= 1
            open_names[name] -= 1
    return False
