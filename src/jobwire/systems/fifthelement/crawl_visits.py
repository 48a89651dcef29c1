"""Visits one page: asks for it, unless its host says no, and tells what came. crawl_keeping.py keeps it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from jobwire.domain.errors import JobError
from jobwire.net.failures import explain_status
from jobwire.net.fetch import Fetcher, Response
from jobwire.systems.fifthelement.crawl_frontier import Target
from jobwire.systems.fifthelement.crawl_hosts import Hosts, find_redirect
from jobwire.systems.fifthelement.crawl_pages import PageBytes
from jobwire.systems.fifthelement.crawl_records import DISALLOWED, GONE, PageRow
from jobwire.systems.fifthelement.crawl_urls import find_authority

PAGE_BYTES_MAX: Final = 4 * 1024 * 1024
PAGE_DEADLINE_MS: Final = 30_000
PAGE_TRIES_MAX: Final = 2
"""Requests for one page within one attempt of the job, when the failure may pass."""

HOST_HELD_MS_MAX: Final = 60_000
"""The longest that a host's Retry-After holds back all crawls."""

VALIDATOR_CHARS_MAX: Final = 500
"""An ETag that is longer is not remembered."""

CONTENT_TYPE: Final = "content_type"
READABLE_TYPES: Final = frozenset({"text/html", "application/xhtml+xml", "text/plain"})
_ACCEPT: Final = "text/html, application/xhtml+xml, text/plain;q=0.8, */*;q=0.1"
_GONE: Final = frozenset({404, 410})
_NOT_MODIFIED: Final = 304


class Got(NamedTuple):
    """A page that came whole."""

    page: PageBytes
    etag: str | None
    last_modified: str | None


class NotModified(NamedTuple):
    """The page is what it was."""

    before: PageRow


class Moved(NamedTuple):
    """Another page stands in its place."""

    url: str


class Left(NamedTuple):
    """There is nothing to read, for a reason in one word."""

    outcome: str


class Broken(NamedTuple):
    """The page could not be had."""

    error: JobError


Answer = Got | NotModified | Moved | Left | Broken


@dataclass(frozen=True, slots=True)
class Visit:
    """What came of asking for a page."""

    target: Target
    answer: Answer


class Visitor:
    """Visits the pages of one crawl's attempt."""

    def __init__(self, fetcher: Fetcher, hosts: Hosts) -> None:
        self._fetcher = fetcher
        self._hosts = hosts

    async def visit(self, target: Target, before: PageRow | None) -> Visit:
        """Ask for a page, again where that may help; `before` is what it gave last time. Never raises JobError."""
        tries = 1
        while True:
            try:
                return Visit(target, await self._ask(target.url, before))
            except JobError as error:
                if not error.retryable or tries >= PAGE_TRIES_MAX:
                    return Visit(target, Broken(error))
                if error.retry_after_ms:
                    await self._hosts.hold(target.url, min(error.retry_after_ms, HOST_HELD_MS_MAX))
            tries += 1

    async def _ask(self, url: str, before: PageRow | None) -> Answer:
        robots = await self._hosts.robots(url)
        if robots.is_closed:
            raise explain_closed(find_authority(url))
        if not robots.allows(url):
            return Left(DISALLOWED)
        async with self._hosts.turn(url):
            answer = await self._fetcher.visit(
                url,
                headers={"Accept": _ACCEPT, **_make_conditions(before)},
                wants=_is_readable,
                body_bytes_max=PAGE_BYTES_MAX,
                deadline_ms=PAGE_DEADLINE_MS,
            )
        return _judge(url, answer, before)


def explain_closed(authority: str) -> JobError:
    """Return robots_unreachable, retryable."""
    message = f"the robots.txt of '{authority}' cannot be read: no page of it is visited until it can"
    return JobError("robots_unreachable", message, retryable=True, details={"host": authority})


def _judge(url: str, answer: Response, before: PageRow | None) -> Answer:
    status, headers = answer.status, answer.headers
    if status == _NOT_MODIFIED and before is not None:
        return NotModified(before)
    if (target := find_redirect(answer)) is not None:
        return Moved(target)
    if status in _GONE:
        return Left(GONE)
    if not 200 <= status < 300:
        raise explain_status(find_authority(url), status, headers)
    if not _is_readable(status, headers):
        return Left(CONTENT_TYPE)
    page = PageBytes(
        url=url,
        content_type=headers.get("Content-Type", ""),
        tags=headers.get("X-Robots-Tag", ""),
        body=answer.body,
    )
    return Got(page, _keep_validator(headers.get("ETag")), _keep_validator(headers.get("Last-Modified")))


def _keep_validator(value: str | None) -> str | None:
    return value if value is not None and len(value) <= VALIDATOR_CHARS_MAX and value.isprintable() else None


def _is_readable(status: int, headers: Mapping[str, str]) -> bool:
    return 200 <= status < 300 and find_type(headers.get("Content-Type", "")) in READABLE_TYPES


def find_type(content_type: str) -> str:
    """The media type of a Content-Type header, without its parameters."""
    return content_type.partition(";")[0].strip().lower()


def _make_conditions(before: PageRow | None) -> dict[str, str]:
    """Headers that let the host say that nothing has changed; none for a page that gave no document."""
    if before is None or before.document is None:
        return {}
    conditions = {"If-None-Match": before.etag, "If-Modified-Since": before.last_modified}
    return {name: value for name, value in conditions.items() if value}
