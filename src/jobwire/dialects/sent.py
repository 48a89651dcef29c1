"""The grammar of what callers send, beside spec.py: where a value stands in a call, and what becomes of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

SentPlace = Literal["path", "query", "header", "body"]
PageSource = Literal[
    "jobs", "count", "limit", "has_more", "next_cursor", "next_url", "first_id", "last_id", "start", "total"
]  # fmt: skip
QUERY_FIELDS = ("kind", "phase", "tag", "queue", "created_after", "created_before", "cursor", "start", "limit")


@dataclass(frozen=True, slots=True)
class Sent:
    """A place in a call: a field of path, query, header or JSON body (dotted for nesting, empty: the whole body).

    With `pattern` only a text in which it is found counts, and its one group is what was sent.
    """

    place: SentPlace
    name: str = ""
    pattern: str | None = None


@dataclass(frozen=True, slots=True)
class Take:
    """One field of the submission (`kind`, `input`, `input.url`, …) from where a caller sends it.

    Where nothing was sent it is `value`, or left out when that is None. `into` may also be `idempotency_key`.
    """

    into: str
    sent: Sent | None = None
    value: Any = None


@dataclass(frozen=True, slots=True)
class PageField:
    """One key of a page of jobs: what the page has, or the constant `value`.

    Sources: `jobs`, their `count`, the `limit` that held, `has_more`, `next_cursor` and `next_url` (null on the last
    page; the URL is absolute), `first_id` and `last_id` (null on an empty page); of a page that begins at a number,
    its `start` and the `total` of all that match, counted up to TOTAL_MAX.
    """

    path: str
    source: PageSource | None = None
    value: Any = None
    omit_null: bool = False


@dataclass(frozen=True, slots=True)
class PageWords:
    """How a list is asked for and answered. `query` gives each of QUERY_FIELDS that is served its vendor's name.

    A page goes on by `cursor`, or begins behind as many jobs as `start` says. Fields of `ignored` may be sent and say
    nothing; any other is refused. `cursor` "id" goes on below the job named instead of a token of ours. `caps_limit`
    takes a limit of 0 as none and one too high as the highest.
    """

    query: Mapping[str, str]
    fields: tuple[PageField, ...]
    ignored: tuple[str, ...] = ()
    cursor: Literal["token", "id"] = "token"
    caps_limit: bool = False


NATIVE_PAGE = PageWords(
    query={name: name for name in QUERY_FIELDS if name != "start"},
    fields=(PageField("jobs", "jobs"), PageField("next_cursor", "next_cursor")),
)
