"""The last word on every line of a post: what nh3 (ammonia) lets through, whatever was read and written before."""

from typing import Final

import nh3

TAGS: Final = {"a", "b", "br", "code", "em", "img", "s", "strong", "sub", "sup", "u"}
ATTRIBUTES: Final = {"a": {"href", "id", "rel"}, "img": {"src", "alt", "class"}}
SCHEMES: Final = {"http", "https", "mailto", "tel"}


def clean_inline(markup: str) -> str:
    """The markup with nothing but harmless inline elements, and with brackets that WordPress shows and does not run.

    Text without any markup passes as it is, but for brackets.
    """
    if "<" in markup:
        markup = nh3.clean(markup, tags=TAGS, attributes=ATTRIBUTES, url_schemes=SCHEMES, link_rel=None)
    return escape_shortcodes(markup)


def escape_shortcodes(markup: str) -> str:
    """`[gallery]` as text: WordPress would run it as a shortcode, and its words would be gone from the page.

    With three digits, as WordPress writes the reference when it filters an author's post.
    """
    return markup.replace("[", "&#091;")
