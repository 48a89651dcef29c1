"""An agency's listings and what they count, as portable SQL. records_media.py and records_agents.py have the rest.

Every function works inside the transaction or snapshot it is given, and the owner is in every WHERE.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple

import msgspec

from jobwire.store.contract import Reader, Transaction
from jobwire.systems.rentix.fields import ACTIVE, DRAFT, PENDING_ACTIVE

Table = Literal["agency", "listing", "media", "agent"]


class ListingRow(NamedTuple):
    """A listing as stored: `form` and `finding` are JSON text, `revision` grows with every change by the client.

    `job` publishes it; once that is also the `closed_job`, it takes no further changes: the next needs another job.
    """

    id: int
    external_id: str | None
    status: str
    form: str
    agent: int | None
    job: int | None
    closed_job: int | None
    revision: int
    finding: str | None
    created_at: int
    updated_at: int
    synced_at: int | None

    @property
    def fields(self) -> dict[str, Any]:
        """The client's fields by name."""
        return msgspec.json.decode(self.form, type=dict[str, Any])


_COLUMNS = ", ".join(ListingRow._fields)
_LISTING = f"SELECT {_COLUMNS} FROM rentix_listing WHERE owner = :owner "  # noqa: S608 - our own column names


def month_of(now_ms: int) -> str:
    """The calendar month (UTC) of a time, as 2031-03."""
    return datetime.fromtimestamp(now_ms / 1000, UTC).strftime("%Y-%m")


def take_id(tx: Transaction, table: Table) -> int:
    """The next id of a table: higher than every id it ever had."""
    tx.execute("UPDATE rentix_sequence SET last = last + 1 WHERE name = :name", name=table)
    return int(tx.query("SELECT last FROM rentix_sequence WHERE name = :name", name=table)[0][0])


def find_agency(reader: Reader, owner: int) -> int | None:
    """The id of the owner's agency, None before its first use."""
    found = reader.query("SELECT id FROM rentix_agency WHERE owner = :owner", owner=owner)
    return int(found[0][0]) if found else None


def open_agency(tx: Transaction, owner: int) -> int:
    """The id of the owner's agency, made on first use."""
    found = find_agency(tx, owner)
    if found is not None:
        return found
    agency = take_id(tx, "agency")
    tx.execute(
        "INSERT INTO rentix_agency (owner, id, created_at) VALUES (:owner, :id, :now)",
        owner=owner,
        id=agency,
        now=tx.now,
    )
    return agency


def find_listing(
    reader: Reader, owner: int, *, number: int | None = None, external_id: str | None = None
) -> ListingRow | None:
    """The owner's listing by its id, or else by its external id; None if absent or another owner's."""
    if number is not None:
        found = reader.query(_LISTING + "AND id = :id", owner=owner, id=number)
    else:
        found = reader.query(_LISTING + "AND external_id = :external", owner=owner, external=external_id)
    return ListingRow(*found[0]) if found else None


def list_listings(reader: Reader, owner: int, *, limit: int, offset: int) -> list[ListingRow]:
    """A page of the owner's listings, newest first."""
    page = _LISTING + "ORDER BY id DESC LIMIT :limit OFFSET :offset"
    return [ListingRow(*row) for row in reader.query(page, owner=owner, limit=limit, offset=offset)]


def count_listings(reader: Reader, owner: int) -> int:
    """How many listings the owner has."""
    return int(reader.query("SELECT COUNT(*) FROM rentix_listing WHERE owner = :owner", owner=owner)[0][0])


def add_listing(tx: Transaction, owner: int, *, external_id: str | None) -> ListingRow:
    """A new, empty draft."""
    row = ListingRow(
        take_id(tx, "listing"), external_id, DRAFT, "{}", None, None, None, 0, None, tx.now, tx.now, None
    )
    tx.execute(
        "INSERT INTO rentix_listing (id, owner, external_id, status, form, revision, created_at, updated_at)"
        " VALUES (:id, :owner, :external, :status, :form, :revision, :now, :now)",
        id=row.id,
        owner=owner,
        external=external_id,
        status=row.status,
        form=row.form,
        revision=row.revision,
        now=tx.now,
    )
    return row


def change_listing(
    tx: Transaction, owner: int, listing: int, *, form: Mapping[str, Any], status: str, agent: int | None
) -> None:
    """Store what the client sent; the revision grows, so that a running publication notices."""
    tx.execute(
        "UPDATE rentix_listing SET form = :form, status = :status, agent = :agent, revision = revision + 1,"
        " updated_at = :now, synced_at = :now WHERE owner = :owner AND id = :listing",
        form=msgspec.json.encode(form).decode(),
        status=status,
        agent=agent,
        now=tx.now,
        owner=owner,
        listing=listing,
    )


def rename_listing(tx: Transaction, owner: int, listing: int, *, external_id: str | None) -> None:
    """Bind the listing to a client's id, or to none."""
    tx.execute(
        "UPDATE rentix_listing SET external_id = :external, updated_at = :now WHERE owner = :owner AND id = :listing",
        external=external_id,
        now=tx.now,
        owner=owner,
        listing=listing,
    )


def delete_listing(tx: Transaction, owner: int, listing: int) -> None:
    """Remove the listing; its files stay in the media library."""
    named = {"owner": owner, "listing": listing}
    tx.execute("DELETE FROM rentix_listing_media WHERE owner = :owner AND listing = :listing", **named)
    tx.execute("DELETE FROM rentix_listing WHERE owner = :owner AND id = :listing", **named)
    _settle_month(tx, owner, listing, succeeded=False)


def start_publication(tx: Transaction, owner: int, listing: int, *, job: int) -> None:
    """The listing is being published by `job`, and counts in this month."""
    tx.execute(
        "UPDATE rentix_listing SET status = :status, job = :job WHERE owner = :owner AND id = :listing",
        status=PENDING_ACTIVE,
        job=job,
        owner=owner,
        listing=listing,
    )
    tx.execute(
        "INSERT INTO rentix_publication (owner, month, listing, succeeded) VALUES (:owner, :month, :listing, 0)"
        " ON CONFLICT (owner, month, listing) DO NOTHING",
        owner=owner,
        month=month_of(tx.now),
        listing=listing,
    )


def close_job(tx: Transaction, owner: int, listing: int, *, job: int) -> None:
    """The job takes no further changes of the listing."""
    tx.execute(
        "UPDATE rentix_listing SET closed_job = :job WHERE owner = :owner AND id = :listing",
        job=job,
        owner=owner,
        listing=listing,
    )


def keep_finding(tx: Transaction, owner: int, listing: int, *, revision: int, finding: str) -> bool:
    """Store what a publication found out, unless the listing has changed since `revision`; whether it was stored."""
    stored = tx.execute(
        "UPDATE rentix_listing SET finding = :finding"
        " WHERE owner = :owner AND id = :listing AND revision = :revision",
        finding=finding,
        owner=owner,
        listing=listing,
        revision=revision,
    )
    return stored > 0


def end_publication(tx: Transaction, owner: int, listing: int, *, job: int, status: str) -> bool:
    """Settle what `job` was publishing, if it still is the listing's job; whether it was.

    The listing gets `status` unless the client took it back meanwhile.
    """
    row = find_listing(tx, owner, number=listing)
    if row is None or row.job != job:
        return False
    tx.execute(
        "UPDATE rentix_listing SET status = :status, updated_at = :now"
        " WHERE owner = :owner AND id = :listing AND status = :pending",
        status=status,
        now=tx.now,
        owner=owner,
        listing=listing,
        pending=PENDING_ACTIVE,
    )
    _settle_month(tx, owner, listing, succeeded=status == ACTIVE)
    return True


def _settle_month(tx: Transaction, owner: int, listing: int, *, succeeded: bool) -> None:
    """Count the listing's publication for good, or give it back if it never succeeded."""
    if succeeded:
        settle = "UPDATE rentix_publication SET succeeded = 1 WHERE owner = :owner AND listing = :listing"
    else:
        settle = "DELETE FROM rentix_publication WHERE owner = :owner AND listing = :listing AND succeeded = 0"
    tx.execute(settle, owner=owner, listing=listing)


def count_publications(reader: Reader, owner: int, *, month: str, besides: int | None = None) -> int:
    """How many listings the owner published in `month`, not counting the listing `besides`."""
    found = reader.query(
        "SELECT COUNT(*) FROM rentix_publication WHERE owner = :owner AND month = :month AND listing <> :besides",
        owner=owner,
        month=month,
        besides=besides or 0,
    )
    return int(found[0][0])
