"""Where a run keeps its ledgers and files: in memory where there is plenty of it, since a commit waits for a disk.

A ledger is made in 5 ms there, in 10 to 60 on a disk. `TMPDIR` says where to keep them instead. What survives the end
of a process does so in both places; the end of the machine is played by crash/power.py.
"""

import atexit
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

MEMORY = Path("/dev/shm")
PREFIX = "jobwire-tests-"
ROOM_BYTES_MIN = 6 << 30
"""What must be free, of the memory and of the file system in it: a whole run takes up to 2 GB at a time."""


def enter_run_folder() -> None:
    """Give this process and all it starts a folder in memory for temporary files until it ends, if there is room."""
    if "TMPDIR" in os.environ or not _has_room():
        return
    _sweep()
    folder = MEMORY / f"{PREFIX}{os.getpid()}"
    folder.mkdir()
    folder.chmod(0o1777)  # PostgreSQL and WordPress have a user of their own
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    os.environ["TMPDIR"] = str(folder)
    tempfile.tempdir = None


def _has_room() -> bool:
    with suppress(OSError):
        place = os.statvfs(MEMORY)
        runs_programs = not place.f_flag & os.ST_NOEXEC
        return runs_programs and min(place.f_bavail * place.f_frsize, _free_memory_bytes()) >= ROOM_BYTES_MIN
    return False


def _free_memory_bytes() -> int:
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) << 10
    return 0


def _sweep() -> None:
    """Delete the folders of runs that were killed."""
    for folder in MEMORY.glob(f"{PREFIX}*"):
        if not Path(f"/proc/{folder.name.removeprefix(PREFIX)}").exists():
            shutil.rmtree(folder, ignore_errors=True)
