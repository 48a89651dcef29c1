"""Places for the files of work under way: gone when it ends, or with the next process where this one was killed.

What a process has lies in one folder, which it holds a lock on. The lock goes with the process, however that ends; a
process id would say nothing, since it may be another process' by now.
"""

import fcntl
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir, mkdtemp, mkstemp
from typing import BinaryIO, Final

PREFIX: Final = "jobwire-scratch-"
SPOOL_BYTES: Final = 1_048_576


class Scratch:
    """The folder of one worker or server, in that for temporary files (`TMPDIR`); none before it is asked for."""

    def __init__(self) -> None:
        self._opening = threading.Lock()
        self._home: tuple[Path, int] | None = None

    @contextmanager
    def make_folder(self) -> Iterator[Path]:
        """A new empty folder, removed with all that is in it when the context ends."""
        with TemporaryDirectory(dir=self.open(), ignore_cleanup_errors=True) as name:
            yield Path(name)

    def make_file(self) -> tuple[BinaryIO, Path]:
        """A new empty file, open for writing, to be removed or moved away by the caller."""
        descriptor, name = mkstemp(dir=self.open())
        return os.fdopen(descriptor, "wb", buffering=SPOOL_BYTES), Path(name)

    def open(self) -> Path:
        """The folder, which somebody may have tidied up meanwhile: then it is a new one."""
        with self._opening:
            if self._home is not None and not self._home[0].exists():
                self._forget(self._home)
            while self._home is None:
                self._home = _make_home()
            return self._home[0]

    def close(self) -> None:
        """Remove whatever is left."""
        with self._opening:
            if self._home is not None:
                shutil.rmtree(self._home[0], ignore_errors=True)
                self._forget(self._home)

    def _forget(self, home: tuple[Path, int]) -> None:
        os.close(home[1])
        self._home = None


def remove_left() -> int:
    """Remove the folders of this user's processes that are gone; returns how many there were."""
    count = 0
    for folder in Path(gettempdir()).glob(f"{PREFIX}*"):
        with suppress(OSError), _locked(folder, fcntl.LOCK_EX | fcntl.LOCK_NB) as lock:
            if os.fstat(lock).st_uid == os.geteuid():
                shutil.rmtree(folder, ignore_errors=True)
                count += 1
    return count


def _make_home() -> tuple[Path, int] | None:
    """A folder and the lock on it; None if it was taken for a dead process's before it had its lock."""
    folder = Path(mkdtemp(prefix=PREFIX))
    try:
        lock = _lock(folder, fcntl.LOCK_EX)
    except FileNotFoundError:
        return None
    if folder.exists():
        return folder, lock
    os.close(lock)
    return None


@contextmanager
def _locked(folder: Path, how: int) -> Iterator[int]:
    lock = _lock(folder, how)
    try:
        yield lock
    finally:
        os.close(lock)


def _lock(folder: Path, how: int) -> int:
    # The folder's own lock: there is no file in it whose absence would mean either too early or too late.
    lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(lock, how)
    except BaseException:
        os.close(lock)
        raise
    return lock
