"""The fields of an export, from the request or from the table in the document: one rule each for both.

A field that is not said is not there; what was said is kept in one form, whatever its spelling.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final, Literal, NamedTuple

from jobwire.systems.docswrite.seo import META_NAMES
from jobwire.systems.docswrite.source import TITLE_CHARS_MAX

ScheduleMode = Literal["delay", "wordpress"]
SCHEDULE_MODES: Final = ("delay", "wordpress")

SLUG_CHARS_MAX: Final = 200
NAMES_CHARS_MAX: Final = 5_000
EXCERPT_CHARS_MAX: Final = 10_000
ADDRESS_CHARS_MAX: Final = 2_048
TEXT_CHARS_MAX: Final = 1_000

Value = str | bool
Fields = Mapping[str, Value]

_STATES: Final = {
    "publish": "publish",
    "published": "publish",
    "draft": "draft",
    "future": "future",
    "pending": "pending",
    "private": "private",
}
_FLAGS: Final = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


class Rule(NamedTuple):
    """Where a field stands in the request ("" is the top), and what reads it; ValueError says what it may be."""

    group: str
    read: Callable[[Any], Value]


class Said(NamedTuple):
    """A value that was said, as it was sent, and its place there."""

    name: str
    place: tuple[str, ...]
    value: Any


def _text(chars_max: int) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        if not isinstance(value, str):
            raise ValueError("must be a text")
        if len(value) > chars_max:
            raise ValueError(f"has {len(value):,} characters, the most is {chars_max:,}")
        return value.strip()

    return read


def _choice(words: Mapping[str, str]) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        word = value.strip().lower() if isinstance(value, str) else ""
        if word not in words:
            raise ValueError(f"must be one of {', '.join(words)}")
        return words[word]

    return read


def _flag(value: Any) -> bool:
    found = value if isinstance(value, bool) else _FLAGS.get(str(value).strip().lower())
    if found is None:
        raise ValueError("must be true or false")
    return found


def _address(value: Any) -> str:
    text = _text(ADDRESS_CHARS_MAX)(value)
    if not text.lower().startswith(("http://", "https://")):
        raise ValueError("must be a URL that begins with https:// or http://")
    return text


def _moment(value: Any) -> str:
    try:
        return datetime.fromtimestamp(read_moment(_text(TEXT_CHARS_MAX)(value)) / 1_000, UTC).isoformat(
            timespec="seconds"
        )
    except (ValueError, OverflowError, OSError):
        raise ValueError("must be a time: 2031-02-03 10:00:00 (UTC), or 2031-02-03T10:00:00+02:00") from None


def _words(*words: str) -> dict[str, str]:
    return {word: word for word in words}


FIELDS: Final[Mapping[str, Rule]] = {
    "title": Rule("", _text(TITLE_CHARS_MAX)),
    "slug": Rule("", _text(SLUG_CHARS_MAX)),
    "tags": Rule("", _text(NAMES_CHARS_MAX)),
    "categories": Rule("", _text(NAMES_CHARS_MAX)),
    "state": Rule("", _choice(_STATES)),
    "author": Rule("", _text(TEXT_CHARS_MAX)),
    "date": Rule("", _moment),
    "excerpt": Rule("", _text(EXCERPT_CHARS_MAX)),
    "post_type": Rule("", _choice(_words("post", "page"))),
    "featured_image_url": Rule("", _address),
    "featured_image_alt_text": Rule("", _text(TEXT_CHARS_MAX)),
    "featured_image_caption": Rule("", _text(TEXT_CHARS_MAX)),
    "schedule_mode": Rule("", _choice(_words(*SCHEDULE_MODES))),
    "compress_images": Rule("export_settings", _flag),
    "demote_headings": Rule("export_settings", _flag),
    "convert_to_webp": Rule("export_settings", _flag),
    "first_image_as_featured_image": Rule("export_settings", _flag),
    "add_no_follow_to_external_links": Rule("export_settings", _flag),
    "bold_as_strong": Rule("export_settings", _flag),
    "wp_content_editor": Rule("export_settings", _choice(_words("classic", "gutenberg"))),
    **{name: Rule(f"{name.partition('_')[0]}_settings", _text(TEXT_CHARS_MAX)) for name in META_NAMES},
    "rank_math_focus_keyword": Rule("rankmath_settings", _text(TEXT_CHARS_MAX)),
}
"""By the name that a field has in the document's own table, where all stand side by side."""

DEFAULTS: Final[Mapping[str, Value]] = {
    "post_type": "post",
    "compress_images": True,
    "demote_headings": False,
    "convert_to_webp": True,
    "first_image_as_featured_image": True,
    "add_no_follow_to_external_links": True,
    "bold_as_strong": False,
    "wp_content_editor": "classic",
}


def read_moment(text: str) -> int:
    """Unix milliseconds of a time; without a zone it is UTC. ValueError for what is none."""
    moment = datetime.fromisoformat(text.strip())
    at = round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1_000)
    if at < 0:
        raise ValueError("before 1970")
    return at


def find_said(body: Mapping[str, Any]) -> Iterator[Said]:
    """What a request says of the known fields; null says nothing. ValueError for a group that is no object."""
    for name, rule in FIELDS.items():
        group = body if not rule.group else body.get(rule.group)
        if group is None:
            continue
        if not isinstance(group, Mapping):
            raise ValueError(f"{rule.group} must be an object")
        if (value := group.get(name)) is not None:
            yield Said(name, (rule.group, name) if rule.group else (name,), value)


def read_fields(said: Mapping[str, Any]) -> dict[str, Value]:
    """The fields in their one form, unknown ones left out; ValueError names the first that cannot be."""
    read: dict[str, Value] = {}
    for name, value in said.items():
        if name in FIELDS:
            try:
                read[name] = FIELDS[name].read(value)
            except ValueError as error:
                raise ValueError(f"{name} {error}") from None
    return read


def split_names(text: Value) -> list[str]:
    """The names of a list with commas."""
    return [name for part in str(text).split(",") if (name := part.strip())]
