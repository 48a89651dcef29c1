"""What the handlers of both sides record: how many ran, when the first began, how long each had waited.

One small mapped file a process, so that recording costs a microsecond and needs no lock between processes; in memory
where the machine has a place for that, because on a disk each tick waits for whatever is being synced there: it took
half the time of Jobwire's loop, and nothing of a peer's that never syncs. Clocks are CLOCK_MONOTONIC, which all
processes of a machine share.
"""

import mmap
import os
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

FOLDER = "BENCH_TICKS"
LOOK_S = 0.005
MEMORY = Path("/dev/shm")
TICKS = "ticks"
_HEAD = struct.Struct("<qd")
_WAIT = struct.Struct("<d")


@contextmanager
def keeping_ticks(folder: Path) -> Iterator[None]:
    """The place of a run's ticks, named from its folder; gone afterwards."""
    with TemporaryDirectory(prefix="bench-", dir=MEMORY if MEMORY.is_dir() else folder) as place:
        (folder / TICKS).symlink_to(place)
        yield
        (folder / TICKS).unlink()


class Recorder:
    """The file of this process, opened at the first tick: a peer may fork its workers before."""

    def __init__(self) -> None:
        self._forget()
        # Asking for the process's number at each tick was a system call of 7 µs.
        os.register_at_fork(after_in_child=self._forget)

    def _forget(self) -> None:
        self._count = 0
        self._lock = threading.Lock()

    def _open(self) -> None:
        path = Path(os.environ[FOLDER]) / TICKS / f"{os.getpid()}.ticks"
        with path.open("wb+") as file:
            file.write(bytes(_HEAD.size))
            file.flush()
            self._map = mmap.mmap(file.fileno(), _HEAD.size)
        self._waits = path.with_suffix(".waits").open("ab", buffering=0)
        self._first = time.monotonic()

    def tick(self, submitted_at: float) -> None:
        """Record one start; with `submitted_at` (0: none) also how long it took to get here."""
        now = time.monotonic()
        with self._lock:
            if not self._count:
                self._open()
            self._count += 1
            _HEAD.pack_into(self._map, 0, self._count, self._first)
        if submitted_at:
            self._waits.write(_WAIT.pack(now - submitted_at))


_recorder = Recorder()
tick = _recorder.tick


@dataclass(frozen=True, slots=True)
class Ticks:
    """All processes together: `count` starts, the first at `first_at`."""

    count: int
    first_at: float


def read_ticks(folder: Path) -> Ticks:
    """What has been recorded so far."""
    heads = [
        _HEAD.unpack(head)
        for path in (folder / TICKS).glob("*.ticks")
        if len(head := path.read_bytes()) == _HEAD.size
    ]
    started = [head for head in heads if head[0]]
    return Ticks(sum(count for count, _ in started), min((first for _, first in started), default=0.0))


def wait_for_ticks(folder: Path, count: int) -> None:
    """Wait until `count` starts have been recorded."""
    while read_ticks(folder).count < count:
        time.sleep(LOOK_S)


def read_waits(folder: Path) -> list[float]:
    """Seconds from submission to start, shortest first."""
    return sorted(
        wait for path in (folder / TICKS).glob("*.waits") for (wait,) in _WAIT.iter_unpack(path.read_bytes())
    )
