"""Big bytes in one directory, each file at the address of its content. links.py signs the way to them.

A file is first whole and on disk beside the others, then linked to its address: what can be read under an address
is complete, whatever dies when. Nothing is ever overwritten, so any number of processes may share the directory.
What nobody refers to any more is removed by upkeep/collecting.py.
"""

import fcntl
import hashlib
import io
import os
import re
import secrets
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from jobwire.domain.errors import JobError

BLOB_BYTES_MAX = 5_000_000_000
CHUNK_BYTES = 1 << 20
PARTIAL_AGE_S = 24 * 3_600

LEDGER_FILE = "ledger"
"""In the folder: whose it is, and the lock between who keeps a file anew and who removes it."""

_SHA256 = re.compile(r"[0-9a-f]{64}")
# A link or a pipe in the place of a file is refused instead of followed or waited for.
_READ_FLAGS = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


@dataclass(frozen=True, slots=True)
class Blob:
    """Kept bytes: their address and how many they are."""

    sha256: str
    size_bytes: int


class LocalBlobs:
    """A content-addressed directory `root/ab/cd/abcd…`; methods block and are safe across threads and processes."""

    def __init__(self, root: Path, *, bytes_max: int = BLOB_BYTES_MAX) -> None:
        self.root = root
        self.bytes_max = bytes_max
        self._incoming = root / "incoming"
        self._incoming.mkdir(parents=True, exist_ok=True)
        _sync_directory(root.parent)

    def put(self, source: Path) -> Blob:
        """G13: keep a copy of a regular file; on disk, with its name, when this returns.

        Raises JobError file_unreadable (absent, a directory, a link, a pipe) or file_too_large (5 GB).
        """
        with _open_regular(source) as file:
            return self._keep(file)

    def put_bytes(self, data: bytes) -> Blob:
        """Keep `data`, as `put` keeps a file."""
        return self._keep(io.BytesIO(data))

    def path_of(self, sha256: str) -> Path:
        """Where the bytes of that address are, if they are kept; ValueError unless it is 64 lower-case hex digits."""
        if _SHA256.fullmatch(sha256) is None:
            raise ValueError(f"a file's address is 64 hex digits in lower case, not {sha256[:80]!r}")
        return self.root / sha256[:2] / sha256[2:4] / sha256

    def verify(self, sha256: str) -> bool:
        """Whether bytes are kept under that address and still hash to it."""
        try:
            with self.path_of(sha256).open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest() == sha256
        except FileNotFoundError:
            return False

    def delete(self, sha256: str) -> bool:
        """Forget the bytes of that address; False if there were none."""
        try:
            self.path_of(sha256).unlink()
        except FileNotFoundError:
            return False
        return True

    def sweep_partial(self, now_s: float) -> int:
        """Delete what writers that died left behind more than a day before `now_s`; returns how many files."""
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
        """Whether this is the folder of the ledger with that id: only that one knows what may go. A new folder is."""
        with self._locked(fcntl.LOCK_EX) as descriptor:
            known = os.pread(descriptor, 200, 0).decode(errors="replace")
            if not known:
                os.pwrite(descriptor, ledger.encode(), 0)
                os.fsync(descriptor)
            return known in ("", ledger)

    def find_old(self, first: int, before_s: float) -> list[str]:
        """The addresses whose first byte is `first`, of files that were last kept before that Unix time."""
        names = (path.name for path in (self.root / f"{first:02x}").glob("*/*"))
        return [name for name in names if _SHA256.fullmatch(name) and self._is_old(name, before_s)]

    def remove_old(self, addresses: Iterable[str], before_s: float) -> int:
        """Delete those of the files that were not kept anew since `before_s`; returns how many."""
        removed = 0
        for sha256 in addresses:
            # Without the lock a file that is kept anew between the look and the deletion would be lost.
            with self._locked(fcntl.LOCK_EX):
                removed += self._is_old(sha256, before_s) and self.delete(sha256)
        return removed

    def measure(self) -> tuple[int, int]:
        """How many files are kept, and their bytes."""
        count = total = 0
        for path in self.root.glob("[0-9a-f][0-9a-f]/*/*"):
            with suppress(FileNotFoundError):
                total += path.stat().st_size
                count += 1
        return count, total

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
            while chunk := source.read(CHUNK_BYTES):
                size_bytes += len(chunk)
                if size_bytes > self.bytes_max:
                    limit = f"a file may have {self.bytes_max} bytes; make it smaller or split it"
                    raise JobError("file_too_large", limit, details={"limit_bytes": self.bytes_max})
                digest.update(chunk)
                file.write(chunk)
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


@contextmanager
def _open_regular(source: Path) -> Iterator[BinaryIO]:
    try:
        descriptor = os.open(source, _READ_FLAGS)
    except OSError:
        raise _unreadable(source) from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise _unreadable(source)
    with os.fdopen(descriptor, "rb") as file:
        yield file


def _unreadable(source: Path) -> JobError:
    return JobError(
        "file_unreadable", f"the file {source.name[:80]!r} cannot be read; keep a regular file that exists"
    )


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
