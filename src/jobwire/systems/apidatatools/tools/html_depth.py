"""How deep HTML is nested for minify_html, which keeps each open element on the stack of the process."""

import re
from typing import Final

_LEAF_PASSES: Final = 3

# What never has an end, and what may be without one, nests in others only. The most frequent are first.
_UNCOUNTED: Final = (
    r"(?:p|li(?:nk)?|t(?:[dhr]|head|body|foot|rack)|d[dt]|b(?:r|ase)|i(?:mg|nput)"
    r"|area|col|embed|hr|meta|option|source|wbr)"
)
# Scripts and comments have no tags.
_NESTING_TAGS: Final = re.compile(
    r"<!--.*?(?:-->|\Z)|<(?P<raw>script|style)[\s/>].*?(?:</(?P=raw)|\Z)|<(?P<end>/?)"
    rf"(?!{_UNCOUNTED}[\s/>])(?P<name>[a-z][^\s/>]*)",
    re.IGNORECASE | re.DOTALL,
)
# The name and the rest of a tag. None ends like a comment: what is taken out is within one as a whole or not at all.
_TAG: Final = r"([a-zA-Z][^\s/<>]*+)(?<!-)(?:>|[^<>]*+(?<!-)>)"
_FLAT: Final = rf"[^<>]*+(?:</?{_UNCOUNTED}(?:>|[\s/][^<>]*+(?<!-)>)[^<>]*+)*+"
"""Text and uncounted tags; no element begins with one, so that nothing is read again from each of many."""

_ELEMENT: Final = rf"<(?!{_UNCOUNTED}[\s/>]|(?i:script|style)){_TAG}{_FLAT}</"
# Elements with nothing but that in them. Before them is no beginning of a tag that they could be a part of.
_LEAVES: Final = re.compile(rf"<(?<=[>\s]<){_ELEMENT[1:]}\1>(?:{_FLAT}{_ELEMENT}\2>)*+")


def is_deeper(text: str, levels: int) -> bool:
    """Whether more elements than that are open in one another somewhere; in linear time.

    Elements without others in them are taken out first, which makes the rest at the most one level less deep and
    mostly leaves too few to be looked at one by one.
    """
    rest, passes, taken = text, 0, 1
    while rest.count("<") - rest.count("</") > levels - passes:
        if not taken or passes == min(_LEAF_PASSES, levels):
            return _walk_deeper(rest, levels - passes) and _walk_deeper(text, levels)
        rest, taken = _LEAVES.subn(" ", rest)
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
