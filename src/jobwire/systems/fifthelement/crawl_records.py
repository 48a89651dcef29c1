"""The tables of crawls as portable SQL: what each page gave, the frontier of running crawls, the clocks of hosts.

Every function works inside the transaction or snapshot it is given; the owner is in every WHERE but that of the
host clocks, which are nobody's: all crawls of all owners share them.
"""

import hashlib
from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec

from jobwire.domain.errors import JobError
from jobwire.store.contract import Reader, Transaction
from jobwire.systems.fifthelement.crawl_frontier import Target
from jobwire.systems.fifthelement.records import FAILED

STORED: Final = "stored"
UNCHANGED: Final = "unchanged"
FAILED_PAGE: Final = "failed"
GONE: Final = "gone"
DISALLOWED: Final = "robots"

ERRORS_SHOWN_MAX: Final = 50

CLOCK_KEPT_MS: Final = 24 * 3_600_000
"""How long the clock of a host that nobody asks is kept."""

DOCUMENT_HOOKS: Final = ("DELETE FROM fifthelement_page WHERE owner = :owner AND document = :document",)
"""What goes with a document: its pages are new to the next crawl."""

REPOSITORY_HOOKS: Final = ("DELETE FROM fifthelement_page WHERE owner = :owner AND repository = :repository",)
"""What goes with a repository."""


class PageRow(NamedTuple):
    """What a URL of a repository gave at its last visit; `links` is a JSON array, for visits that find no change."""

    url: str
    document: str | None
    text_key: str | None
    etag: str | None
    last_modified: str | None
    links: str

    @property
    def found_links(self) -> list[str]:
        """The pages in scope it linked to."""
        return msgspec.json.decode(self.links, type=list[str])


class Finished(NamedTuple):
    """What a visit came to: a word, and for a failure its public code and message."""

    target: Target
    outcome: str
    code: str | None = None
    message: str | None = None


_PAGE_COLUMNS = ", ".join(PageRow._fields)
_PAGE_VALUES = ", ".join(f":{name}" for name in PageRow._fields)
_PAGE_CHANGES = ", ".join(f"{name} = excluded.{name}" for name in PageRow._fields)


def find_page(reader: Reader, owner: int, repository: str, url: str) -> PageRow | None:
    """What the URL gave at its last visit for this repository."""
    found = reader.query(
        f"SELECT {_PAGE_COLUMNS} FROM fifthelement_page"  # noqa: S608
        " WHERE owner = :owner AND repository = :repository AND url_key = :key",
        owner=owner,
        repository=repository,
        key=_key(url),
    )
    return PageRow(*found[0]) if found else None


def keep_page(tx: Transaction, owner: int, repository: str, page: PageRow) -> None:
    """Keep what a URL gave."""
    tx.execute(
        f"INSERT INTO fifthelement_page (owner, repository, url_key, visited_at, {_PAGE_COLUMNS})"  # noqa: S608
        f" VALUES (:owner, :repository, :key, :now, {_PAGE_VALUES})"
        f" ON CONFLICT (owner, repository, url_key) DO UPDATE SET visited_at = excluded.visited_at, {_PAGE_CHANGES}",
        owner=owner,
        repository=repository,
        key=_key(page.url),
        now=tx.now,
        **page._asdict(),
    )


def find_same_text(reader: Reader, owner: int, repository: str, sha256: str) -> str | None:
    """A document that another page of the repository made of the same text."""
    found = reader.query(
        "SELECT document FROM fifthelement_page WHERE owner = :owner AND repository = :repository"
        " AND text_key = :sha256 AND document IS NOT NULL LIMIT 1",
        owner=owner,
        repository=repository,
        sha256=sha256,
    )
    return str(found[0][0]) if found else None


def count_pages_of(reader: Reader, owner: int, document: str) -> int:
    """How many pages a document is of."""
    count = "SELECT COUNT(*) FROM fifthelement_page WHERE owner = :owner AND document = :document"
    return int(reader.query(count, owner=owner, document=document)[0][0])


def fail_document(tx: Transaction, owner: int, document: str, error: JobError) -> None:
    """The document's page is no more: it has failed, its text stays."""
    tx.execute(
        "UPDATE fifthelement_document SET status = :failed, error = :error, updated_at = :now"
        " WHERE owner = :owner AND id = :document",
        failed=FAILED,
        error=msgspec.json.encode({"code": error.code, "message": error.message}).decode(),
        now=tx.now,
        owner=owner,
        document=document,
    )


def add_targets(tx: Transaction, owner: int, job: int, targets: Sequence[Target]) -> None:
    """Keep pages that a crawl is to visit."""
    tx.insert("fifthelement_crawl_url", Target._fields, targets, owner=owner, job=job)


def finish_target(tx: Transaction, owner: int, job: int, finished: Finished) -> None:
    """Keep what a visit came to."""
    tx.execute(
        "UPDATE fifthelement_crawl_url SET outcome = :outcome, code = :code, message = :message"
        " WHERE owner = :owner AND job = :job AND place = :place",
        outcome=finished.outcome,
        code=finished.code,
        message=finished.message,
        owner=owner,
        job=job,
        place=finished.target.place,
    )


def list_targets(reader: Reader, owner: int, job: int) -> list[tuple[Target, str | None, str | None]]:
    """Every page the crawl knows, with what its visit came to, and where it moved if it did."""
    rows = reader.query(
        "SELECT place, url, depth, hops, outcome, message FROM fifthelement_crawl_url"
        " WHERE owner = :owner AND job = :job ORDER BY place",
        owner=owner,
        job=job,
    )
    return [(Target(*row[:4]), row[4], row[5]) for row in rows]


def count_outcomes(reader: Reader, owner: int, job: int) -> dict[str | None, int]:
    """How many pages of the crawl came to each outcome; None: not visited."""
    rows = reader.query(
        "SELECT outcome, COUNT(*) FROM fifthelement_crawl_url WHERE owner = :owner AND job = :job GROUP BY outcome",
        owner=owner,
        job=job,
    )
    return {outcome: int(count) for outcome, count in rows}


def list_failures(reader: Reader, owner: int, job: int) -> list[dict[str, str]]:
    """The first ERRORS_SHOWN_MAX pages that failed, as the result shows them."""
    rows = reader.query(
        "SELECT url, code, message FROM fifthelement_crawl_url"
        " WHERE owner = :owner AND job = :job AND outcome = :failed ORDER BY place LIMIT :limit",
        owner=owner,
        job=job,
        failed=FAILED_PAGE,
        limit=ERRORS_SHOWN_MAX,
    )
    return [{"url": url, "code": code, "message": message} for url, code, message in rows]


def forget_crawl(tx: Transaction, owner: int, job: int) -> None:
    """The crawl is over: nobody will take up its frontier. Clocks of hosts long not asked go with it."""
    tx.execute("DELETE FROM fifthelement_crawl_url WHERE owner = :owner AND job = :job", owner=owner, job=job)
    tx.execute("DELETE FROM fifthelement_host WHERE next_at < :old", old=tx.now - CLOCK_KEPT_MS)


def reserve_turn(tx: Transaction, authority: str, delay_ms: int) -> int:
    """The milliseconds until the host may be asked, by us: whoever reserves next comes `delay_ms` later."""
    tx.execute(
        "INSERT INTO fifthelement_host (authority, next_at) VALUES (:authority, :soonest)"
        " ON CONFLICT (authority) DO UPDATE SET next_at ="
        " CASE WHEN fifthelement_host.next_at > :now THEN fifthelement_host.next_at + :delay ELSE :soonest END",
        authority=authority,
        now=tx.now,
        delay=delay_ms,
        soonest=tx.now + delay_ms,
    )
    return max(0, _next_at(tx, authority) - delay_ms - tx.now)


def hold_host(tx: Transaction, authority: str, wait_ms: int) -> None:
    """Nobody asks the host before `wait_ms` have passed."""
    tx.execute(
        "INSERT INTO fifthelement_host (authority, next_at) VALUES (:authority, :until)"
        " ON CONFLICT (authority) DO UPDATE SET next_at ="
        " CASE WHEN fifthelement_host.next_at > :until THEN fifthelement_host.next_at ELSE :until END",
        authority=authority,
        until=tx.now + wait_ms,
    )


def _next_at(reader: Reader, authority: str) -> int:
    next_at = "SELECT next_at FROM fifthelement_host WHERE authority = :authority"
    return int(reader.query(next_at, authority=authority)[0][0])


def _key(url: str) -> str:
    return hashlib.sha256(url.encode()).hexdigest()


def write_links(links: Sequence[str]) -> str:
    """A page's links as its row keeps them."""
    return msgspec.json.encode(links).decode()
