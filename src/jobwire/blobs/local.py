"""Big bytes in one directory, each file at the address of its content. links.py signs the way to them.

A file is first whole and on disk beside the others, then linked to its address: what can be read under an address
is complete, whatever dies when. Nothing is ever overwritten, so any number of processes may share the directory.
What nobody refers to any more is removed by upkeep/collecting.py.
"""

import fcntl
import hashlib
import io
import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from jobwire.blobs.contract import BLOB_BYTES_MAX, PARTIAL_AGE_S, Blob, check_address, is_address
from jobwire.blobs.source import CHUNK_BYTES, open_regular, read_chunks

LEDGER_FILE = "ledger"
"""In the folder: whose it is, and the lock between who keeps a file anew and who removes it."""


class LocalBlobs:
    """A content-addressed directory `root/ab/cd/abcd…`. contract.py has the promise of each method."""

    inbox = None

    def __init__(self, root: Path, *, bytes_max: int = BLOB_BYTES_MAX) -> None:
        self.root = root
        self.bytes_max = bytes_max
        self._incoming = root / "incoming"
        self._incoming.mkdir(parents=True, exist_ok=True)
        _sync_directory(root.parent)

    @property
    def place(self) -> str:
        """See Blobs.place."""
        return f"the folder {self.root}"

    def put(self, source: Path) -> Blob:
        """See Blobs.put: on disk, with its name, when this returns."""
        with open_regular(source) as file:
            return self._keep(file)

    def put_bytes(self, data: bytes) -> Blob:
        """See Blobs.put_bytes."""
        return self._keep(io.BytesIO(data))

    def path_of(self, sha256: str) -> Path:
        """Where the bytes of that address are, if they are kept."""
        check_address(sha256)
        return self.root / sha256[:2] / sha256[2:4] / sha256

    def find(self, sha256: str) -> Blob | None:
        """See Blobs.find."""
        try:
            return Blob(sha256, self.path_of(sha256).stat().st_size)
        except FileNotFoundError:
            return None

    def read(self, sha256: str, first: int = 0, end: int | None = None) -> Iterator[bytes]:
        """See Blobs.read."""
        return _read_part(self._require(sha256), first, end)

    def bring(self, sha256: str, folder: Path) -> Path:
        """See Blobs.bring: the kept file itself."""
        return self._require(sha256)

    def verify(self, sha256: str) -> bool:
        """See Blobs.verify."""
        try:
            with self.path_of(sha256).open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest() == sha256
        except FileNotFoundError:
            return False

    def delete(self, sha256: str) -> bool:
        """See Blobs.delete."""
        try:
            self.path_of(sha256).unlink()
        except FileNotFoundError:
            return False
        return True

    def sweep_partial(self, now_s: float) -> int:
        """See Blobs.sweep_partial: what writers that died left behind."""
        swept = 0
        for partial in self._incoming.iterdir():
            try:
                if partial.stat().st_mtime < now_s - PARTIAL_AGE_S:
                    partial.unlink()
                    swept += 1
            except FileNotFoundError:
                continue  # another sweeper was faster
        return swept

    def belongs_to(self, ledger: str) -> bool:
        """See Blobs.belongs_to."""
        with self._locked(fcntl.LOCK_EX) as descriptor:
            known = os.pread(descriptor, 200, 0).decode(errors="replace")
            if not known:
                os.pwrite(descriptor, ledger.encode(), 0)
                os.fsync(descriptor)
            return known in ("", ledger)

    def find_old(self, first: int, before_s: float) -> list[str]:
        """See Blobs.find_old."""
        names = (path.name for path in (self.root / f"{first:02x}").glob("*/*"))
        return [name for name in names if is_address(name) and self._is_old(name, before_s)]

    def remove_old(self, addresses: Iterable[str], before_s: float) -> int:
        """See Blobs.remove_old."""
        removed = 0
        for sha256 in addresses:
            # Without the lock a file that is kept anew between the look and the deletion would be lost.
            with self._locked(fcntl.LOCK_EX):
                removed += self._is_old(sha256, before_s) and self.delete(sha256)
        return removed

    def measure(self) -> tuple[int, int]:
        """See Blobs.measure."""
        count = total = 0
        for path in self.root.glob("[0-9a-f][0-9a-f]/*/*"):
            with suppress(FileNotFoundError):
                total += path.stat().st_size
                count += 1
        return count, total

    def _require(self, sha256: str) -> Path:
        path = self.path_of(sha256)
        if not path.is_file():
            raise FileNotFoundError(f"no file is kept at {sha256}")
        return path

    def _is_old(self, sha256: str, before_s: float) -> bool:
        try:
            return self.path_of(sha256).stat().st_mtime < before_s
        except FileNotFoundError:
            return False

    @contextmanager
    def _locked(self, mode: int) -> Iterator[int]:
        """Hold the folder's lock; of its own open file, because threads that share one share the lock, too."""
        descriptor = os.open(self.root / LEDGER_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(descriptor, mode)
            yield descriptor
        finally:
            os.close(descriptor)

    def _keep(self, source: BinaryIO) -> Blob:
        partial = self._incoming / secrets.token_hex(16)
        try:
            blob = self._copy(source, partial)
            self._publish(partial, self.path_of(blob.sha256))
        finally:
            partial.unlink(missing_ok=True)
        return blob

    def _copy(self, source: BinaryIO, target: Path) -> Blob:
        """Copy and hash in one pass, so that the address is that of the bytes kept even if the source changes."""
        digest = hashlib.sha256()
        size_bytes = 0
        with target.open("xb") as file:
            for chunk in read_chunks(source, self.bytes_max):
                digest.update(chunk)
                size_bytes += file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        return Blob(digest.hexdigest(), size_bytes)

    def _publish(self, partial: Path, target: Path) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        with self._locked(fcntl.LOCK_SH):
            try:
                os.link(partial, target)
            except FileExistsError:
                # Young again: who removes old files nobody refers to must not take what was kept anew just now.
                os.utime(target)
        # Also when another writer made them: its own fsyncs may still be on their way.
        for directory in (target.parent, target.parent.parent, self.root):
            _sync_directory(directory)


def _read_part(path: Path, first: int, end: int | None) -> Iterator[bytes]:
    # Opened by the first step only: whoever goes away before it leaves nothing open.
    left = None if end is None else end - first
    with path.open("rb") as file:
        file.seek(first)
        while chunk := file.read(CHUNK_BYTES if left is None else min(left, CHUNK_BYTES)):
            left = None if left is None else left - len(chunk)
            yield chunk


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
