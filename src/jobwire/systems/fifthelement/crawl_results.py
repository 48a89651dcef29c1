"""What a crawl comes to, from how many pages came to each outcome. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from jobwire.domain.errors import JobError
from jobwire.systems.fifthelement.crawl_records import (
    DISALLOWED,
    ERRORS_SHOWN_MAX,
    FAILED_PAGE,
    GONE,
    STORED,
    UNCHANGED,
    Finished,
)

LIMIT: Final = "limit"
"""Pages that were known and not visited, because the crawl was allowed no more."""

_NOT_FETCHED: Final = frozenset({None, DISALLOWED, FAILED_PAGE, GONE})
_NOT_SKIPPED: Final = frozenset({None, STORED, UNCHANGED, FAILED_PAGE, GONE})
_UNREAD: Final[Mapping[str, str]] = {
    DISALLOWED: "the robots.txt of its host does not allow it",
    GONE: "its host says that there is no such page",
    "content_type": "it is neither HTML nor text",
    "host": "it leads to another host",
}


def make_result(
    counts: Mapping[str | None, int], failures: Sequence[dict[str, str]], others: Sequence[dict[str, str]]
) -> dict[str, Any]:
    """The job's result: `failures` are of pages, `others` of sitemaps."""
    skipped = {outcome: count for outcome, count in counts.items() if outcome not in _NOT_SKIPPED and outcome}
    if left := counts.get(None, 0):
        skipped[LIMIT] = left
    return {
        "documentsProcessed": counts.get(STORED, 0),
        "errors": counts.get(FAILED_PAGE, 0) + len(others),
        "pagesFetched": sum(count for outcome, count in counts.items() if outcome not in _NOT_FETCHED),
        "unchanged": counts.get(UNCHANGED, 0),
        "gone": counts.get(GONE, 0),
        "skipped": dict(sorted(skipped.items())),
        "errorList": [*others, *failures][:ERRORS_SHOWN_MAX],
    }


def is_read(outcome: str | None) -> bool:
    """Whether there was a page to read."""
    return outcome not in _NOT_FETCHED and outcome not in _UNREAD and outcome != "redirected"


def explain_unreachable(finished: Finished, *, retryable: bool) -> JobError:
    """Return start_unreachable: there is no page where the crawl was to begin."""
    reason = finished.message if finished.outcome == FAILED_PAGE else _UNREAD.get(finished.outcome)
    return JobError(
        "start_unreachable",
        f"Start URL unreachable: {reason or finished.outcome}",
        retryable=retryable,
        details={"documentsProcessed": 0, "errors": 1, "reason": finished.code or finished.outcome},
    )
