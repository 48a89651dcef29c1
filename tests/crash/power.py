"""A disk that can lose power: an SQLite VFS that knows which bytes an fsync has made safe and which it has not.

At the cut it takes the picture of the disk: what was synced, and of the rest each 512-byte sector or not, by chance.
The program goes on without noticing; what it is told afterwards does not count. That a file exists or was deleted is
taken as safe (SQLite syncs the directory itself).
"""

import random
import threading
from pathlib import Path

import apsw

SECTOR_BYTES = 512


class Disk(apsw.VFS):
    """The default VFS of this process while it is open; loses power at its `cut_at`-th write or sync."""

    def __init__(self, choose, cut_at):
        self.name = f"power-{random.getrandbits(64):x}"
        self._choose = choose
        self._cut_at = cut_at
        self._count = 0
        self._lock = threading.Lock()
        self._files = {}
        self.picture = None
        super().__init__(self.name, "unix", True)

    def xOpen(self, name, flags):  # noqa: N802 - SQLite's names
        return _File(self, name, flags)

    def xDelete(self, name, syncdir):  # noqa: N802
        with self._lock:
            self._files.pop(name, None)
        super().xDelete(name, syncdir)

    def close(self):
        self.unregister()

    def add(self, path):
        with self._lock:
            if path not in self._files:
                there = Path(path)
                self._files[path] = _Image(bytearray(there.read_bytes() if there.exists() else b""))
            return self._files[path]

    def change(self, image, what, *given):
        """Let one write, truncation or sync reach the disk; its picture is taken just before the last that does."""
        with self._lock:
            self._count += 1
            if self._count == self._cut_at:
                self.picture = {path: image.survive(self._choose) for path, image in self._files.items()}
            getattr(image, what)(*given)

    def restore(self, folder):
        """Write what survived into another folder."""
        for path, content in self.picture.items():
            (folder / Path(path).name).write_bytes(content)


class _Image:
    """One file: what is safe, and what was written since."""

    def __init__(self, safe):
        self._safe = safe
        self._unsafe = []

    def write(self, data, offset):
        self._unsafe.append((offset, bytes(data)))

    def truncate(self, size):
        self._unsafe.append((size, None))

    def sync(self):
        for offset, data in self._unsafe:
            _apply(self._safe, offset, data)
        self._unsafe.clear()

    def survive(self, choose):
        content = bytearray(self._safe)
        for offset, data in self._unsafe:
            if data is None:
                if choose.random() < 0.5:
                    _apply(content, offset, None)
                continue
            for start in range(0, len(data), SECTOR_BYTES):
                if choose.random() < 0.5:
                    _apply(content, offset + start, data[start : start + SECTOR_BYTES])
        return bytes(content)


def _apply(content, offset, data):
    if data is None:
        del content[offset:]
        return
    content.extend(bytes(max(0, offset - len(content))))
    content[offset : offset + len(data)] = data


class _File(apsw.VFSFile):
    def __init__(self, disk, name, flags):
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        self._disk, self._image = disk, disk.add(path)
        super().__init__("unix", name, flags)

    def xWrite(self, data, offset):  # noqa: N802
        self._disk.change(self._image, "write", data, offset)
        super().xWrite(data, offset)

    def xTruncate(self, size):  # noqa: N802
        self._disk.change(self._image, "truncate", size)
        super().xTruncate(size)

    def xSync(self, flags):  # noqa: N802
        # Not passed on: the safe bytes are in memory here, and a real fsync would only cost time.
        self._disk.change(self._image, "sync")
