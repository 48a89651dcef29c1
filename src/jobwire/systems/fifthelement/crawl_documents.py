"""Makes documents of pages, inside the transaction it is given: one document for one text, whatever its URLs.

A document is changed only by the one page it is of. One that several pages share stays as it is when one of them
changes: that page gets a document of its own.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from jobwire.domain.errors import JobError
from jobwire.store.contract import Transaction
from jobwire.systems.fifthelement.crawl_pages import PageReading
from jobwire.systems.fifthelement.crawl_records import (
    STORED,
    UNCHANGED,
    PageRow,
    count_pages_of,
    fail_document,
    find_page,
    find_same_text,
    keep_page,
)
from jobwire.systems.fifthelement.records import (
    DocumentRow,
    add_document,
    change_document,
    find_document,
    keep_text,
)
from jobwire.systems.fifthelement.records_chunks import put_cut
from jobwire.systems.fifthelement.texts import KeptText

DUPLICATE: Final = "duplicate"


@dataclass(frozen=True, slots=True)
class PageText:
    """A page that was read: its row (still without a document), what it says, its kept text, what is known of it."""

    row: PageRow
    reading: PageReading
    text: KeptText
    media_type: str
    facts: Mapping[str, Any]


def put_page(tx: Transaction, owner: int, repository: str, page: PageText) -> str:
    """Keep a page and its text: `stored` in a new or changed document, `unchanged`, or a `duplicate` of another."""
    before = find_page(tx, owner, repository, page.row.url)
    own = find_document(tx, owner, before.document) if before and before.document else None
    if own is not None and before is not None and before.text_key == page.row.text_key:
        document, outcome = own.id, UNCHANGED
    elif same := find_same_text(tx, owner, repository, page.row.text_key or ""):
        if own is not None:
            withdraw_page(tx, owner, repository, url=page.row.url, outcome=DUPLICATE)
        document, outcome = same, DUPLICATE
    else:
        is_shared = own is not None and count_pages_of(tx, owner, own.id) > 1
        document, outcome = _put_document(tx, owner, repository, page, None if is_shared else own), STORED
    keep_page(tx, owner, repository, page.row._replace(document=document))
    return outcome


def withdraw_page(tx: Transaction, owner: int, repository: str, *, url: str, outcome: str) -> None:
    """A page that had a document has none any more: the document has failed, unless another page has it, too.

    Its text stays for who wants it; should the page come back, the document is that page's again.
    """
    before = find_page(tx, owner, repository, url)
    if before is None or before.document is None:
        return
    if count_pages_of(tx, owner, before.document) == 1:
        error = JobError("page_gone", f"The page {url} is no longer there to be read ({outcome})")
        fail_document(tx, owner, before.document, error)
        keep_page(tx, owner, repository, before._replace(text_key=None, etag=None, last_modified=None))
    else:
        keep_page(tx, owner, repository, before._replace(document=None, text_key=None))


def _put_document(tx: Transaction, owner: int, repository: str, page: PageText, own: DocumentRow | None) -> str:
    if own is None:
        row = add_document(
            tx,
            owner,
            repository,
            title=page.reading.title,
            text=page.text,
            media_type=page.media_type,
            source_url=page.row.url,
            metadata=page.facts,
        )
    else:
        row = change_document(
            tx,
            owner,
            own,
            title=page.reading.title,
            metadata={**own.fields, **page.facts},
            text=page.text,
            media_type=page.media_type,
        )
    keep_text(tx, owner, row.id, revision=row.revision, text=page.text)
    put_cut(tx, owner, row.id, repository=repository, revision=row.revision, chunks=page.reading.chunks)
    return row.id
