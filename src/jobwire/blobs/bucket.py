"""Kept files in S3-compatible storage, each at the address of its content and the day on which it was kept last.

Objects are `prefix/ab/abcd…/2031-03-05`. A storage has no lock between who keeps bytes anew and who removes old ones;
days stand in its place: an object is written on its day only and removed only when that day is long over, and keeping
the same bytes on a later day makes another one. inbox.py lets customers send files straight to the storage.
"""

import hashlib
import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import BinaryIO, NamedTuple

from jobwire.blobs.contract import BLOB_BYTES_MAX, PARTIAL_AGE_S, Blob, check_address, is_address
from jobwire.blobs.inbox import INCOMING, BucketInbox
from jobwire.blobs.objects import Objects, cut_windows
from jobwire.blobs.post_policy import Signer
from jobwire.blobs.source import CHUNK_BYTES, open_regular, read_chunks
from jobwire.config import Bucket
from jobwire.domain.errors import JobError

WHOLE_BYTES_MAX = 8 << 20
"""What is sent in one request; above it a file goes in parts and is read twice, first for its address."""

LEDGER_OBJECT = "ledger"


class _Kept(NamedTuple):
    """One object: the day it was written on, its key, its bytes."""

    day: date
    key: str
    size_bytes: int


class BucketBlobs:
    """A content-addressed part of a bucket. contract.py has the promise of each method; `clock_s` is Unix time."""

    def __init__(
        self,
        objects: Objects,
        *,
        clock_s: Callable[[], float],
        inbox: BucketInbox | None = None,
        bytes_max: int = BLOB_BYTES_MAX,
    ) -> None:
        self.place = f"the bucket {objects.place}"
        self.inbox = inbox
        self.bytes_max = bytes_max
        self._objects = objects
        self._clock_s = clock_s

    def put(self, source: Path) -> Blob:
        """See Blobs.put."""
        with open_regular(source) as file:
            return self._keep(file)

    def put_bytes(self, data: bytes) -> Blob:
        """See Blobs.put_bytes."""
        return self._keep(io.BytesIO(data))

    def find(self, sha256: str) -> Blob | None:
        """See Blobs.find."""
        found = self._list_kept(sha256)
        return Blob(sha256, found[-1].size_bytes) if found else None

    def read(self, sha256: str, first: int = 0, end: int | None = None) -> Iterator[bytes]:
        """See Blobs.read."""
        kept = self._require(sha256)
        return self._read_windows(sha256, kept, first, kept.size_bytes if end is None else min(end, kept.size_bytes))

    def bring(self, sha256: str, folder: Path) -> Path:
        """See Blobs.bring: a copy."""
        chunks, target = self.read(sha256), folder / sha256
        with target.open("wb") as file:
            file.writelines(chunks)
        return target

    def verify(self, sha256: str) -> bool:
        """See Blobs.verify."""
        digest = hashlib.sha256()
        try:
            for chunk in self.read(sha256):
                digest.update(chunk)
        except FileNotFoundError:
            return False
        return digest.hexdigest() == sha256

    def delete(self, sha256: str) -> bool:
        """See Blobs.delete."""
        found = self._list_kept(sha256)
        self._objects.delete(kept.key for kept in found)
        return bool(found)

    def sweep_partial(self, now_s: float) -> int:
        """See Blobs.sweep_partial: what customers sent and nobody took."""
        ends = datetime.fromtimestamp(now_s - PARTIAL_AGE_S, UTC)
        left = [entry.key for entry in self._objects.list(INCOMING) if entry.changed_at < ends]
        self._objects.delete(left)
        return len(left)

    def belongs_to(self, ledger: str) -> bool:
        """See Blobs.belongs_to."""
        name = ledger.encode()
        return self._objects.create(LEDGER_OBJECT, name) or (
            self._objects.read(LEDGER_OBJECT, 0, len(name) + 1) == name
        )

    def find_old(self, first: int, before_s: float) -> list[str]:
        """See Blobs.find_old."""
        last = dict[str, date]()
        for sha256, kept in self._list_all(f"{first:02x}"):
            last[sha256] = max(kept.day, last.get(sha256, kept.day))
        return [sha256 for sha256, day in last.items() if _is_over(day, before_s)]

    def remove_old(self, addresses: Iterable[str], before_s: float) -> int:
        """See Blobs.remove_old."""
        removed = 0
        for sha256 in addresses:
            found = self._list_kept(sha256)
            old = [kept.key for kept in found if _is_over(kept.day, before_s)]
            self._objects.delete(old)
            removed += bool(old) and len(old) == len(found)
        return removed

    def measure(self) -> tuple[int, int]:
        """See Blobs.measure."""
        sizes = {sha256: kept.size_bytes for sha256, kept in self._list_all("")}
        return len(sizes), sum(sizes.values())

    def _keep(self, source: BinaryIO) -> Blob:
        whole = source.read(WHOLE_BYTES_MAX)
        if len(whole) == WHOLE_BYTES_MAX or len(whole) > self.bytes_max:
            return self._keep_parts(source)
        blob = Blob(hashlib.sha256(whole).hexdigest(), len(whole))
        self._publish(blob, lambda: whole)
        return blob

    def _keep_parts(self, source: BinaryIO) -> Blob:
        digest, size_bytes = hashlib.sha256(), 0
        source.seek(0)
        for chunk in read_chunks(source, self.bytes_max):
            digest.update(chunk)
            size_bytes += len(chunk)
        blob = Blob(digest.hexdigest(), size_bytes)
        self._publish(blob, lambda: _read_again(source, blob))
        return blob

    def _publish(self, blob: Blob, read: Callable[[], bytes | Iterator[bytes]]) -> None:
        older = self._list_kept(blob.sha256)
        today = datetime.fromtimestamp(self._clock_s(), UTC).date()
        if any(kept.day >= today for kept in older):
            return
        self._objects.put(f"{_folder_of(blob.sha256)}/{today}", read())
        # Who reads one of these now goes on with the new one.
        self._objects.delete(kept.key for kept in older)

    def _read_windows(self, sha256: str, kept: _Kept, first: int, end: int) -> Iterator[bytes]:
        for start, length in cut_windows(first, end):
            try:
                yield self._objects.read(kept.key, start, length)
            except FileNotFoundError:
                kept = self._require(sha256)
                yield self._objects.read(kept.key, start, length)

    def _require(self, sha256: str) -> _Kept:
        found = self._list_kept(sha256)
        if not found:
            raise FileNotFoundError(f"no file is kept at {sha256}")
        return found[-1]

    def _list_kept(self, sha256: str) -> list[_Kept]:
        """The objects of an address, the youngest last."""
        return sorted(kept for _, kept in self._list_all(_folder_of(check_address(sha256))))

    def _list_all(self, start: str) -> Iterator[tuple[str, _Kept]]:
        """Whatever lies below `start` and was written by us, with its address."""
        for entry in self._objects.list(start):
            first, _, rest = entry.key.partition("/")
            sha256, _, day = rest.partition("/")
            if is_address(sha256) and sha256[:2] == first and (written := _read_day(day)) is not None:
                yield sha256, _Kept(written, entry.key, entry.size_bytes)


def open_bucket(bucket: Bucket, environment: Mapping[str, str], *, clock_s: Callable[[], float]) -> BucketBlobs:
    """The kept files of `bucket`, with the credentials of the usual AWS_* variables; nothing is asked yet.

    Without AWS_ACCESS_KEY_ID the storage's client looks for credentials of its own (a role of the machine); forms
    for customers cannot be signed then, and their files come through this process.
    """
    region = bucket.region or environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION") or "us-east-1"
    access_key, secret = environment.get("AWS_ACCESS_KEY_ID", ""), environment.get("AWS_SECRET_ACCESS_KEY", "")
    token = environment.get("AWS_SESSION_TOKEN", "")
    given = {"access_key_id": access_key, "secret_access_key": secret, "session_token": token}
    objects = Objects(bucket, region, {name: value for name, value in given.items() if value})
    if not access_key:
        return BucketBlobs(objects, clock_s=clock_s)
    signer = Signer(bucket.name, region, access_key=access_key, secret=secret, session_token=token)
    inbox = BucketInbox(objects, signer, url=bucket.show_post_url(region), prefix=bucket.prefix, clock_s=clock_s)
    return BucketBlobs(objects, clock_s=clock_s, inbox=inbox)


def _folder_of(sha256: str) -> str:
    return f"{sha256[:2]}/{sha256}"


def _read_day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _is_over(day: date, before_s: float) -> bool:
    """Whether whoever kept bytes on that day did so before that Unix time."""
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1)
    return midnight.timestamp() <= before_s


def _read_again(source: BinaryIO, blob: Blob) -> Iterator[bytes]:
    """The bytes once more; fails, and the upload with it, when they are others than those that were hashed."""
    source.seek(0)
    digest = hashlib.sha256()
    while chunk := source.read(CHUNK_BYTES):
        digest.update(chunk)
        yield chunk
    if digest.hexdigest() != blob.sha256:
        raise JobError("file_changed", "the file was changed while it was kept; keep it again", retryable=True)
