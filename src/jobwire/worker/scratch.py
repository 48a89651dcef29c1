"""Folders for the files of work under way: gone when it ends, or with the next worker where its process was killed.

A worker's folders lie in one, which it holds a lock on. The lock goes with the process, however that ends; a process
id would say nothing, since it may be another process' by now.
"""

import fcntl
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir, mkdtemp
from typing import Final

PREFIX: Final = "jobwire-scratch-"


class Scratch:
    """The folders of one worker, in the folder for temporary files (`TMPDIR`); none before the first is asked for."""

    def __init__(self) -> None:
        self._opening = threading.Lock()
        self._home: tuple[Path, int] | None = None

    @contextmanager
    def make_folder(self) -> Iterator[Path]:
        """A new empty folder, removed with all that is in it when the context ends."""
        with TemporaryDirectory(dir=self._open(), ignore_cleanup_errors=True) as name:
            yield Path(name)

    def close(self) -> None:
        """Remove whatever is left."""
        with self._opening:
            if self._home is not None:
                folder, lock = self._home
                shutil.rmtree(folder, ignore_errors=True)
                os.close(lock)
                self._home = None

    def _open(self) -> Path:
        with self._opening:
            while self._home is None:
                self._home = _make_home()
            return self._home[0]


def remove_left() -> int:
    """Remove the folders of this user's workers that are gone; returns how many there were."""
    count = 0
    for folder in Path(gettempdir()).glob(f"{PREFIX}*"):
        with suppress(OSError), _locked(folder, fcntl.LOCK_EX | fcntl.LOCK_NB) as lock:
            if os.fstat(lock).st_uid == os.geteuid():
                shutil.rmtree(folder, ignore_errors=True)
                count += 1
    return count


def _make_home() -> tuple[Path, int] | None:
    """A folder and the lock on it; None if it was taken for a dead worker's before it had its lock."""
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
