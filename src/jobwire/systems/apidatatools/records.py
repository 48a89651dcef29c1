"""Uploads as portable SQL, and results with random names, which are made no more. quota.py counts the calls."""

from typing import Final, NamedTuple

from jobwire.store.contract import Reader, Transaction
from jobwire.store.files import hold_files

UPLOAD_LIFETIME_S: Final = 3_600
"""So long a form is good."""


class UploadRow(NamedTuple):
    """An upload as announced; it has its bytes once `sha256` is there. `expires_at` ends it in either state.

    With a size and no address its bytes lie in the storage's inbox (arrivals.py).
    """

    id: str
    owner: int
    filename: str
    sha256: str | None
    size_bytes: int
    expires_at: int

    @property
    def key(self) -> str:
        """What file mode calls it."""
        return f"{name_user(self.owner)}/{self.id}/{self.filename}"


class DownloadRow(NamedTuple):
    """A result of an older version, which may be fetched by who knows its random name."""

    sha256: str
    content_type: str


_UPLOAD = "SELECT id, owner, filename, sha256, size_bytes, expires_at FROM apidatatools_upload "


def name_user(owner: int) -> str:
    """What the vendor calls an account."""
    return f"user_{owner}"


def find_upload(reader: Reader, upload: str, *, now: int) -> UploadRow | None:
    """The upload of that id, whoever's it is, unless it has ended: its id is the permission to send its bytes."""
    found = reader.query(_UPLOAD + "WHERE id = :id AND expires_at > :now", id=upload, now=now)
    return UploadRow(*found[0]) if found else None


def add_upload(tx: Transaction, owner: int, *, upload: str, filename: str, lifetime_ms: int) -> None:
    """Announce an upload that waits for its bytes as long as `lifetime_ms`; what has ended is forgotten."""
    tx.execute("DELETE FROM apidatatools_upload WHERE expires_at <= :now", now=tx.now)
    tx.execute("DELETE FROM apidatatools_download WHERE expires_at <= :now", now=tx.now)
    tx.execute(
        "INSERT INTO apidatatools_upload (id, owner, filename, size_bytes, created_at, expires_at)"
        " VALUES (:id, :owner, :filename, 0, :now, :expires)",
        id=upload,
        owner=owner,
        filename=filename,
        now=tx.now,
        expires=tx.now + lifetime_ms,
    )


def keep_upload(tx: Transaction, upload: str, *, sha256: str, size_bytes: int, kept_ms: int) -> bool:
    """The bytes of an announced upload have come and are kept for `kept_ms`; False if they had come before."""
    expires_at = tx.now + kept_ms
    changed = tx.execute(
        "UPDATE apidatatools_upload SET sha256 = :sha256, size_bytes = :size, expires_at = :expires"
        " WHERE id = :id AND sha256 IS NULL AND expires_at > :now",
        id=upload,
        sha256=sha256,
        size=size_bytes,
        expires=expires_at,
        now=tx.now,
    )
    if changed:
        hold_files(tx, f"apidatatools:upload:{upload}", files=[sha256], expires_at=expires_at)
    return changed == 1


def list_awaited(reader: Reader, owner: int, *, now: int) -> set[str]:
    """The ids of the owner's uploads of which no bytes have been seen."""
    rows = reader.query(
        "SELECT id FROM apidatatools_upload WHERE owner = :owner AND expires_at > :now AND size_bytes = 0",
        owner=owner,
        now=now,
    )
    return {str(upload) for (upload,) in rows}


def note_size(tx: Transaction, upload: str, *, size_bytes: int) -> None:
    """So many bytes of an upload lie in the storage's inbox."""
    tx.execute(
        "UPDATE apidatatools_upload SET size_bytes = :size WHERE id = :id AND sha256 IS NULL",
        id=upload,
        size=size_bytes,
    )


def measure_uploads(reader: Reader, owner: int, *, now: int) -> tuple[int, int]:
    """How many uploads of the owner wait for their bytes and may still get them, and the bytes of the others."""
    (row,) = reader.query(
        "SELECT COALESCE(SUM(CASE WHEN size_bytes = 0 AND created_at > :young THEN 1 ELSE 0 END), 0),"
        " COALESCE(SUM(size_bytes), 0) FROM apidatatools_upload WHERE owner = :owner AND expires_at > :now",
        owner=owner,
        young=now - UPLOAD_LIFETIME_S * 1_000,
        now=now,
    )
    return int(row[0]), int(row[1])


def find_download(reader: Reader, name: str, *, now: int) -> DownloadRow | None:
    """The result of that random name, unless it has ended."""
    found = reader.query(
        "SELECT sha256, content_type FROM apidatatools_download WHERE name = :name AND expires_at > :now",
        name=name,
        now=now,
    )
    return DownloadRow(*found[0]) if found else None
