"""The last word on every line of a post: what nh3 (ammonia) lets through, whatever was read and written before."""

from typing import Final

import nh3

TAGS: Final = frozenset(("a", "b", "br", "code", "em", "img", "s", "strong", "sub", "sup", "u"))
ATTRIBUTES: Final = {"a": {"href", "id", "rel"}, "img": {"src", "alt", "class"}}
SCHEMES: Final = frozenset(("http", "https", "mailto", "tel"))


def clean_inline(markup: str) -> str:
    """The markup with nothing but harmless inline elements; text without any markup is returned as it is."""
    if "<" not in markup:
        return markup
    return nh3.clean(
        markup, tags=set(TAGS), attributes=ATTRIBUTES, url_schemes=set(SCHEMES), link_rel=None, strip_comments=True
    )
