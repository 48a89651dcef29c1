"""The fields of Yoast, Rank Math and Newspack: under which name each plugin keeps them, and which a site takes."""

from collections.abc import Mapping
from typing import Final, NamedTuple

META_NAMES: Final[Mapping[str, str]] = {
    "yoast_focuskw": "_yoast_wpseo_focuskw",
    "yoast_metadesc": "_yoast_wpseo_metadesc",
    "yoast_title": "_yoast_wpseo_title",
    "yoast_canonical": "_yoast_wpseo_canonical",
    "rank_math_focus_keyword": "rank_math_focus_keyword",
    "newspack_article_summary": "newspack_article_summary",
    "newspack_article_summary_title": "newspack_article_summary_title",
    "newspack_post_subtitle": "newspack_post_subtitle",
}


class SplitFields(NamedTuple):
    """`meta` is what the site takes, by its own names; `refused` are those it does not, as customers know them."""

    meta: dict[str, str]
    refused: list[str]


def split_fields(fields: Mapping[str, str], registered: frozenset[str]) -> SplitFields:
    """Divide the fields by what the site has registered: WordPress drops others without a word."""
    known = {name: value for name, value in fields.items() if name in META_NAMES}
    meta = {META_NAMES[name]: value for name, value in known.items() if META_NAMES[name] in registered}
    return SplitFields(meta, [name for name in known if META_NAMES[name] not in registered])
