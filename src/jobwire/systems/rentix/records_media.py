"""An agency's files and which listing shows which, as portable SQL. records.py has the listings."""

from collections.abc import Sequence
from typing import NamedTuple

from jobwire.store.contract import Reader, Transaction
from jobwire.store.files import NAMED_FILE, hold_files, release_files
from jobwire.systems.rentix.records import take_id

PENDING = "pending"
PROCESSING = "processing"
SUCCESS = "success"
FAILED = "failed"


class MediaRow(NamedTuple):
    """A file as stored: imported from `source_url` or uploaded (`upload_sha256`); `report` and `error` are JSON."""

    id: int
    external_id: str | None
    optimization: str
    source_url: str | None
    upload_sha256: str | None
    content_type: str | None
    size_bytes: int | None
    report: str | None
    error: str | None
    created_at: int
    updated_at: int

    @property
    def has_bytes(self) -> bool:
        """Whether the picture is here or can be fetched."""
        return self.source_url is not None or self.upload_sha256 is not None


_COLUMNS = ", ".join(f"m.{name}" for name in MediaRow._fields)
_MEDIA = f"SELECT {_COLUMNS} FROM rentix_media m WHERE m.owner = :owner "  # noqa: S608 - our own column names
_ON_LISTING = (
    f"SELECT {_COLUMNS} FROM rentix_listing_media l JOIN rentix_media m ON m.owner = l.owner AND m.id = l.media"  # noqa: S608
    " WHERE l.owner = :owner AND l.listing = :listing ORDER BY l.place"
)


def find_media(
    reader: Reader, owner: int, *, number: int | None = None, external_id: str | None = None
) -> MediaRow | None:
    """The owner's file by its id, or else by its external id; None if absent or another owner's."""
    if number is not None:
        found = reader.query(_MEDIA + "AND m.id = :id", owner=owner, id=number)
    else:
        found = reader.query(_MEDIA + "AND m.external_id = :external", owner=owner, external=external_id)
    return MediaRow(*found[0]) if found else None


def media_of(reader: Reader, owner: int, listing: int) -> list[MediaRow]:
    """The listing's files in their order."""
    return [MediaRow(*row) for row in reader.query(_ON_LISTING, owner=owner, listing=listing)]


def add_media(
    tx: Transaction,
    owner: int,
    *,
    external_id: str | None,
    source_url: str | None = None,
    content_type: str | None = None,
    size_bytes: int | None = None,
) -> int:
    """The id of a new file that waits for its optimisation."""
    media = take_id(tx, "media")
    tx.execute(
        "INSERT INTO rentix_media (id, owner, external_id, optimization, source_url, content_type, size_bytes,"
        " created_at, updated_at)"
        " VALUES (:id, :owner, :external, :optimization, :url, :type, :size, :now, :now)",
        id=media,
        owner=owner,
        external=external_id,
        optimization=PENDING,
        url=source_url,
        type=content_type,
        size=size_bytes,
        now=tx.now,
    )
    return media


def import_again(tx: Transaction, owner: int, media: int, *, source_url: str) -> None:
    """Let a file that is not optimised yet be imported from `source_url`; an optimised or uploaded one stays."""
    tx.execute(
        "UPDATE rentix_media SET source_url = :url, optimization = :pending, error = NULL, updated_at = :now"
        " WHERE owner = :owner AND id = :media AND upload_sha256 IS NULL AND optimization <> :success",
        url=source_url,
        pending=PENDING,
        now=tx.now,
        owner=owner,
        media=media,
        success=SUCCESS,
    )


def keep_upload(tx: Transaction, owner: int, media: int, *, sha256: str, size_bytes: int) -> None:
    """The bytes of a signed upload have arrived."""
    hold_files(tx, _holder(media), files=[sha256])
    tx.execute(
        "UPDATE rentix_media SET upload_sha256 = :sha256, size_bytes = :size, optimization = :pending, report = NULL,"
        " error = NULL, updated_at = :now WHERE owner = :owner AND id = :media",
        sha256=sha256,
        size=size_bytes,
        pending=PENDING,
        now=tx.now,
        owner=owner,
        media=media,
    )


def mark_media(tx: Transaction, owner: int, media: int, *, optimization: str, error: str | None = None) -> None:
    """How far a file that is not optimised yet has come; `error` is JSON text."""
    tx.execute(
        "UPDATE rentix_media SET optimization = :optimization, error = :error, updated_at = :now"
        " WHERE owner = :owner AND id = :media AND optimization <> :success",
        optimization=optimization,
        error=error,
        now=tx.now,
        owner=owner,
        media=media,
        success=SUCCESS,
    )


def keep_report(tx: Transaction, owner: int, media: int, *, report: str, content_type: str, size_bytes: int) -> None:
    """The file is optimised; `report` is JSON text, and what it names is kept until the file is deleted."""
    changed = tx.execute(
        "UPDATE rentix_media SET optimization = :success, report = :report, content_type = :type, size_bytes = :size,"
        " error = NULL, updated_at = :now WHERE owner = :owner AND id = :media",
        success=SUCCESS,
        report=report,
        type=content_type,
        size=size_bytes,
        now=tx.now,
        owner=owner,
        media=media,
    )
    if changed:
        hold_files(tx, _holder(media), files=NAMED_FILE.findall(report))


def fail_unfinished(tx: Transaction, owner: int, media: Sequence[int]) -> None:
    """The job of these files has ended: what is not optimised now has failed."""
    for each in media:
        tx.execute(
            "UPDATE rentix_media SET optimization = :failed, updated_at = :now"
            " WHERE owner = :owner AND id = :media AND optimization IN (:pending, :processing)",
            failed=FAILED,
            now=tx.now,
            owner=owner,
            media=each,
            pending=PENDING,
            processing=PROCESSING,
        )


def place_media(tx: Transaction, owner: int, listing: int, *, media: Sequence[int]) -> None:
    """The listing shows exactly these files, in this order."""
    tx.execute(
        "DELETE FROM rentix_listing_media WHERE owner = :owner AND listing = :listing", owner=owner, listing=listing
    )
    for place, each in enumerate(media):
        tx.execute(
            "INSERT INTO rentix_listing_media (owner, listing, place, media)"
            " VALUES (:owner, :listing, :place, :media)",
            owner=owner,
            listing=listing,
            place=place,
            media=each,
        )


def delete_media(tx: Transaction, owner: int, media: int) -> None:
    """Remove the file, also from the listings that show it, which changes them."""
    tx.execute(
        "UPDATE rentix_listing SET revision = revision + 1, updated_at = :now WHERE owner = :owner"
        " AND id IN (SELECT listing FROM rentix_listing_media WHERE owner = :owner AND media = :media)",
        now=tx.now,
        owner=owner,
        media=media,
    )
    tx.execute("DELETE FROM rentix_listing_media WHERE owner = :owner AND media = :media", owner=owner, media=media)
    tx.execute("DELETE FROM rentix_media WHERE owner = :owner AND id = :media", owner=owner, media=media)
    release_files(tx, _holder(media))


def _holder(media: int) -> str:
    return f"rentix:media:{media}"
