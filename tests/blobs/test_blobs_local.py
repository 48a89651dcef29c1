"""The content-addressed directory, with writers that race and writers that die."""

import fcntl
import hashlib
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobwire.blobs.local import LEDGER_FILE, PARTIAL_AGE_S, LocalBlobs


@pytest.fixture
def blobs(tmp_path: Path) -> LocalBlobs:
    return LocalBlobs(tmp_path / "blobs")


def files_of(blobs: LocalBlobs) -> set[str]:
    files = (path for path in blobs.root.rglob("*") if path.is_file())
    return {str(path.relative_to(blobs.root)) for path in files} - {LEDGER_FILE}


def test_a_read_that_nobody_follows_leaves_nothing_open(blobs: LocalBlobs) -> None:
    address = blobs.put_bytes(b"plan").sha256
    before = len(os.listdir("/proc/self/fd"))
    unread = blobs.read(address)
    assert len(os.listdir("/proc/self/fd")) == before
    assert b"".join(unread) == b"plan"


def test_the_same_bytes_are_kept_once_and_never_written_again(blobs: LocalBlobs) -> None:
    first = blobs.put_bytes(b"plan")
    before = blobs.path_of(first.sha256).stat()
    os.utime(blobs.path_of(first.sha256), (1, 1))
    assert blobs.put_bytes(b"plan") == first
    after = blobs.path_of(first.sha256).stat()
    assert after.st_ino == before.st_ino
    assert after.st_mtime > 1  # young again for whoever collects what nobody refers to
    assert len(files_of(blobs)) == 1


HEX = "0123456789abcdef"


@given(st.text(HEX, min_size=64, max_size=64) | st.text())
def test_a_path_never_leaves_the_directory(address: str) -> None:
    blobs = LocalBlobs.__new__(LocalBlobs)
    blobs.root = Path("/blobs")
    try:
        path = blobs.path_of(address)
    except ValueError:
        return
    assert path.parent.parent.parent == blobs.root
    assert ".." not in path.parts


def test_many_writers_of_different_bytes_keep_every_one(blobs: LocalBlobs) -> None:
    with ThreadPoolExecutor(8) as threads:
        kept = list(threads.map(blobs.put_bytes, [bytes([n % 256, n // 256]) for n in range(300)]))
    assert len({blob.sha256 for blob in kept}) == 300
    assert all(blobs.verify(blob.sha256) for blob in kept)


DYING_WRITER = """
import os, signal, sys
from pathlib import Path
from jobwire.blobs.local import LocalBlobs

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

blobs = LocalBlobs(Path(sys.argv[1]))
setattr(os, sys.argv[2], die)
blobs.put_bytes(b"z" * 100_000)
"""


@pytest.mark.parametrize(("moment", "is_kept"), [("fsync", False), ("link", False), ("close", True)])
def test_a_writer_that_is_killed_leaves_all_or_nothing_under_the_address(
    blobs: LocalBlobs, moment: str, is_kept: bool
) -> None:
    # "close" is first called for the lock under which the link was made.
    killed = subprocess.run([sys.executable, "-c", DYING_WRITER, str(blobs.root), moment], check=False)
    assert killed.returncode == -signal.SIGKILL
    address = hashlib.sha256(b"z" * 100_000).hexdigest()
    assert blobs.path_of(address).exists() == is_kept
    assert blobs.verify(address) == is_kept
    assert blobs.put_bytes(b"z" * 100_000).sha256 == address
    assert blobs.verify(address)


def test_what_dead_writers_left_is_swept_after_a_day_and_no_earlier(blobs: LocalBlobs) -> None:
    kept = blobs.put_bytes(b"plan")
    partial = blobs.root / "incoming" / "left"
    partial.write_bytes(b"half")
    os.utime(partial, (1_000, 1_000))
    assert blobs.sweep_partial(1_000 + PARTIAL_AGE_S) == 0
    assert partial.exists()
    assert blobs.sweep_partial(1_000.5 + PARTIAL_AGE_S) == 1
    assert not partial.exists()
    assert blobs.verify(kept.sha256)


@pytest.mark.parametrize(("age_s", "is_old"), [(0, False), (1, True)])
def test_a_file_is_old_after_that_time_and_not_at_it(blobs: LocalBlobs, age_s: int, is_old: bool) -> None:
    address = blobs.put_bytes(b"plan").sha256
    os.utime(blobs.path_of(address), (1_000, 1_000))
    assert bool(blobs.find_old(int(address[:2], 16), 1_000 + age_s)) == is_old
    assert blobs.remove_old([address], 1_000 + age_s) == is_old


def test_nobody_keeps_a_file_while_another_removes_one(blobs: LocalBlobs, monkeypatch: pytest.MonkeyPatch) -> None:
    address = blobs.put_bytes(b"plan").sha256
    os.utime(blobs.path_of(address), (1_000, 1_000))
    unlink, refused = Path.unlink, []

    def try_to_keep(path: Path, missing_ok: bool = False) -> None:
        with (blobs.root / LEDGER_FILE).open("rb") as another:
            with pytest.raises(BlockingIOError) as busy:
                fcntl.flock(another, fcntl.LOCK_SH | fcntl.LOCK_NB)
            refused.append(busy.type)
        unlink(path, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", try_to_keep)
    assert blobs.remove_old([address], 2_000) == 1
    assert refused == [BlockingIOError]


def test_a_writer_waits_for_who_removes(blobs: LocalBlobs) -> None:
    with ThreadPoolExecutor(1) as thread:
        with (blobs.root / LEDGER_FILE).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            kept = thread.submit(blobs.put_bytes, b"plan")
            incoming = blobs.root / "incoming"
            while not kept.done() and not any(incoming.iterdir()):
                continue
            assert not kept.done()
        assert blobs.verify(kept.result(20).sha256)
