"""Both stores of kept files, with what a test needs to let a file grow old."""

import os
from pathlib import Path

from bucket_server import KEYS, make_bucket
from jobwire.blobs.bucket import BucketBlobs, open_bucket
from jobwire.blobs.contract import BLOB_BYTES_MAX
from jobwire.blobs.local import LocalBlobs

NOW_S = 1_900_000_000.0


class FolderRig:
    """Kept files in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def open(self, *, bytes_max: int = BLOB_BYTES_MAX) -> LocalBlobs:
        return LocalBlobs(self._folder, bytes_max=bytes_max)

    def keep_at(self, data: bytes, at_s: float) -> str:
        """Keep bytes at that time."""
        blobs = self.open()
        address = blobs.put_bytes(data).sha256
        os.utime(blobs.path_of(address), (at_s, at_s))
        return address

    def spoil(self, address: str, data: bytes) -> None:
        """Put other bytes in the place of kept ones."""
        self.open().path_of(address).write_bytes(data)


class BucketRig:
    """Kept files in a bucket."""

    def __init__(self, _: Path | None = None) -> None:
        self.bucket = make_bucket()
        self.now_s = NOW_S

    def open(self, *, bytes_max: int = BLOB_BYTES_MAX) -> BucketBlobs:
        blobs = open_bucket(self.bucket, KEYS, clock_s=lambda: self.now_s)
        blobs.bytes_max = bytes_max
        return blobs

    def keep_at(self, data: bytes, at_s: float) -> str:
        """Keep bytes at that time."""
        before, self.now_s = self.now_s, at_s
        try:
            return self.open().put_bytes(data).sha256
        finally:
            self.now_s = before

    def spoil(self, address: str, data: bytes) -> None:
        """Put other bytes in the place of kept ones."""
        blobs = self.open()
        (kept,) = blobs._list_kept(address)
        blobs._objects.put(kept.key, data)
