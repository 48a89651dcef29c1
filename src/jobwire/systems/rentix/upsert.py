"""What one upsert of a listing comes to: plan_upsert checks everything, apply_upsert writes it with its job.

Both run in one transaction, so that a listing and the job that publishes it exist together or not at all.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from jobwire.domain.errors import RequestError
from jobwire.service.jobs import Jobs
from jobwire.store.contract import Reader, Transaction
from jobwire.systems.rentix.fields import ACTIVE, DRAFT, PENDING_ACTIVE, PUBLIC_STATUSES, PUBLISHED_WITH
from jobwire.systems.rentix.records import (
    ListingRow,
    add_listing,
    change_listing,
    close_job,
    count_publications,
    find_listing,
    month_of,
    open_agency,
    start_publication,
)
from jobwire.systems.rentix.records_agents import find_agent
from jobwire.systems.rentix.records_media import (
    FAILED,
    PENDING,
    MediaRow,
    add_media,
    find_media,
    import_again,
    mark_media,
    media_of,
    place_media,
)
from jobwire.systems.rentix.settings import RentixSettings
from jobwire.systems.rentix.validation import FileRef, Identity, ListingChange, check_public, invalid

ANNOUNCEMENT_FINALIZE: Final = "announcement_finalize"


@dataclass(frozen=True, slots=True)
class Plan:
    """A checked upsert: `row` is None for a new listing, `media` None where the files stay as they are."""

    row: ListingRow | None
    external_id: str | None
    form: Mapping[str, Any]
    status: str
    publishes: bool
    agent: int | None
    media: Sequence[tuple[MediaRow | None, FileRef | None]] | None


@dataclass(frozen=True, slots=True)
class Upserted:
    """What an upsert came to; `job` is the number of the live job that publishes the listing, if any."""

    id: int
    external_id: str | None
    status: str
    was_created: bool
    job: int | None


def plan_upsert(reader: Reader, owner: int, change: ListingChange, *, settings: RentixSettings, now_ms: int) -> Plan:
    """The upsert, if it may be done; raises RequestError and changes nothing."""
    row = _find_row(reader, owner, change.identity)
    before = row.fields if row else {}
    form = {name: value for name, value in {**before, **change.fields}.items() if value is not None}
    current = media_of(reader, owner, row.id) if row else []
    faults: list[str] = []
    media = _choose_media(reader, owner, change, current=current, faults=faults)
    shown = media if media is not None else [(stored, None) for stored in current]
    if change.agent is not None and find_agent(reader, owner, number=change.agent) is None:
        faults.append(f"userId: there is no user {change.agent}")
    status = change.status or (row.status if row else DRAFT)
    if status in PUBLIC_STATUSES:
        faults += check_public(form, len(shown), required=settings.required_fields)
    if faults:
        raise invalid(faults)
    content_changed = [stored and stored.id for stored, _ in shown] != [stored.id for stored in current] or any(
        before.get(name) != form.get(name) for name in PUBLISHED_WITH
    )
    publishes = status == PENDING_ACTIVE or (status == ACTIVE and (change.status == ACTIVE or content_changed))
    if publishes:
        _check_month(reader, owner, row, settings=settings, now_ms=now_ms)
    return Plan(
        row=row,
        external_id=row.external_id if row else change.identity.external_id,
        form=form,
        status=status,
        publishes=publishes,
        agent=None if change.clears_agent else change.agent or (row.agent if row else None),
        media=media,
    )


def apply_upsert(tx: Transaction, jobs: Jobs, owner: int, *, plan: Plan) -> Upserted:
    """Write a plan made in this very transaction; a listing that is being published keeps its job."""
    open_agency(tx, owner)
    row = plan.row or add_listing(tx, owner, external_id=plan.external_id)
    change_listing(tx, owner, row.id, form=plan.form, status=plan.status, agent=plan.agent)
    if plan.media is not None:
        place_media(tx, owner, row.id, media=[_bring_in(tx, owner, *each) for each in plan.media])
    job = None
    if plan.publishes:
        job = _submit_publication(tx, jobs, owner, listing=row)
    elif row.status == PENDING_ACTIVE and row.job is not None:
        close_job(tx, owner, row.id, job=row.job)
        tx.cancel(owner, [row.job])
    return Upserted(
        id=row.id,
        external_id=plan.external_id,
        status=PENDING_ACTIVE if plan.publishes else plan.status,
        was_created=plan.row is None,
        job=job,
    )


def _find_row(reader: Reader, owner: int, identity: Identity) -> ListingRow | None:
    row = find_listing(reader, owner, number=identity.id, external_id=identity.external_id)
    if row is None and identity.id is not None:
        raise RequestError("listing_not_found", f"there is no listing {identity.id}")
    return row


def _choose_media(
    reader: Reader, owner: int, change: ListingChange, *, current: Sequence[MediaRow], faults: list[str]
) -> list[tuple[MediaRow | None, FileRef | None]] | None:
    """The stored file, the picture to import, or both for each photo; None when the body names no files."""
    if change.files is None and change.file_ids is None:
        return None
    chosen: list[tuple[MediaRow | None, FileRef | None]] = []
    for number in change.file_ids or ():
        stored = find_media(reader, owner, number=number)
        if stored is None:
            faults.append(f"fileIds: there is no file {number}")
        elif not stored.has_bytes:
            faults.append(f"fileIds: the file {number} has not been uploaded yet")
        else:
            chosen.append((stored, None))
    by_url = {stored.source_url: stored for stored in current if stored.external_id is None}
    for ref in change.files or ():
        if ref.external_id is None:
            chosen.append((by_url.get(ref.url), ref))
        else:
            chosen.append((find_media(reader, owner, external_id=ref.external_id), ref))
    return list({(stored.id if stored else ref): (stored, ref) for stored, ref in chosen}.values())


def _bring_in(tx: Transaction, owner: int, stored: MediaRow | None, ref: FileRef | None) -> int:
    if stored is None:
        assert ref is not None
        return add_media(tx, owner, external_id=ref.external_id, source_url=ref.url)
    if ref is not None and ref.url != stored.source_url:
        import_again(tx, owner, stored.id, source_url=ref.url)
    return stored.id


def _check_month(
    reader: Reader, owner: int, row: ListingRow | None, *, settings: RentixSettings, now_ms: int
) -> None:
    most = settings.monthly_listings_max
    used = count_publications(reader, owner, month=month_of(now_ms), besides=row.id if row else None)
    if used >= most:
        raise RequestError("forbidden", f"Monthly listing limit reached: {used} of {most} listings are published")


def _submit_publication(tx: Transaction, jobs: Jobs, owner: int, *, listing: ListingRow) -> int:
    for media in media_of(tx, owner, listing.id):
        if media.optimization == FAILED:
            mark_media(tx, owner, media.id, optimization=PENDING)
    # A live job is joined as long as it takes changes: its key ends with the last job that does not any more.
    unique_key = f"listing:{listing.id}:{listing.closed_job or 0}"
    job = jobs.build(owner, ANNOUNCEMENT_FINALIZE, {"listingId": listing.id}, unique_key=unique_key)
    (receipt,) = jobs.admit_in(tx, [job])
    start_publication(tx, owner, listing.id, job=receipt.number)
    return receipt.number
