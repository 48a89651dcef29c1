"""What every store of kept files promises, asked of each."""

import hashlib
import os
import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from jobwire.blobs.contract import Blob, Blobs
from jobwire.blobs.source import CHUNK_BYTES
from jobwire.domain.errors import JobError

DAY_S = 24 * 3_600
NOW_S = 1_900_000_000.0
ABSENT = "0" * 64


def make_bytes(size: int) -> bytes:
    return random.Random(size).randbytes(size)


@pytest.mark.parametrize("size", [0, 1, CHUNK_BYTES, CHUNK_BYTES + 1, (8 << 20) - 1, 8 << 20, 11 << 20])
def test_a_file_is_kept_at_the_address_of_its_content(blobs: Blobs, tmp_path: Path, size: int) -> None:
    source, data = tmp_path / "photo.jpg", make_bytes(size)
    source.write_bytes(data)
    address = hashlib.sha256(data).hexdigest()
    assert blobs.find(address) is None
    assert blobs.put(source) == blobs.find(address) == Blob(address, size)
    assert b"".join(blobs.read(address)) == data
    assert blobs.bring(address, tmp_path).read_bytes() == data
    assert blobs.verify(address)
    assert source.read_bytes() == data


@pytest.mark.parametrize(("first", "end"), [(0, 0), (0, 1), (0, 5_000_000), (4_194_303, 4_194_306), (7, None)])
def test_a_part_of_a_file_can_be_read(blobs: Blobs, first: int, end: int | None) -> None:
    data = make_bytes(5_000_000)
    address = blobs.put_bytes(data).sha256
    assert b"".join(blobs.read(address, first, end)) == data[first:end]


def test_the_same_bytes_are_kept_once(blobs: Blobs) -> None:
    first = blobs.put_bytes(b"plan")
    assert blobs.put_bytes(b"plan") == first
    assert blobs.measure() == (1, 4)


def test_changed_bytes_fail_their_verification(rig: Any) -> None:
    blobs = rig.open()
    address = blobs.put_bytes(b"plan").sha256
    rig.spoil(address, b"plam")
    assert not blobs.verify(address)


def test_a_deleted_file_is_gone_and_may_be_deleted_again(blobs: Blobs, tmp_path: Path) -> None:
    address = blobs.put_bytes(b"plan").sha256
    assert blobs.delete(address)
    assert not blobs.delete(address)
    assert not blobs.verify(address)
    assert blobs.find(address) is None
    for ask in (lambda: blobs.read(address), lambda: blobs.bring(address, tmp_path)):
        with pytest.raises(FileNotFoundError):
            ask()
    assert blobs.measure() == (0, 0)


@pytest.mark.parametrize(
    "address",
    ["", "../../etc/passwd", "A" * 64, "g" * 64, "a" * 63, "a" * 65, "a" * 64 + "\n", "٣" * 64, "/" + "a" * 63],
)
def test_what_is_not_an_address_is_refused_by_every_method(blobs: Blobs, tmp_path: Path, address: str) -> None:
    asked = (blobs.find, blobs.read, blobs.verify, blobs.delete, lambda name: blobs.bring(name, tmp_path))
    for ask in asked:
        with pytest.raises(ValueError, match="64 hex digits in lower case"):
            ask(address)


@pytest.mark.parametrize("most", [10, 9 << 20])
def test_a_file_may_have_the_size_limit_and_not_one_byte_more(rig: Any, most: int) -> None:
    blobs = rig.open(bytes_max=most)
    assert blobs.put_bytes(b"x" * most).size_bytes == most
    with pytest.raises(JobError, match=f"a file may have {most} bytes") as refused:
        blobs.put_bytes(b"x" * (most + 1))
    assert (refused.value.code, refused.value.retryable) == ("file_too_large", False)
    assert blobs.measure() == (1, most)


def test_only_a_regular_file_is_kept(blobs: Blobs, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"s")
    link, pipe = tmp_path / "link", tmp_path / "pipe"
    link.symlink_to(secret)
    os.mkfifo(pipe)
    for source in (link, pipe, tmp_path, tmp_path / "absent"):
        with pytest.raises(JobError, match="cannot be read") as refused:
            blobs.put(source)
        assert refused.value.code == "file_unreadable"
        assert str(tmp_path.parent) not in refused.value.message
    assert blobs.measure() == (0, 0)


def test_many_writers_of_the_same_bytes_all_succeed_with_one_file(blobs: Blobs) -> None:
    data = b"y" * 200_000
    with ThreadPoolExecutor(8) as threads:
        kept = set(threads.map(blobs.put_bytes, [data] * 32))
    assert len(kept) == 1
    assert blobs.verify(next(iter(kept)).sha256)
    assert blobs.measure() == (1, len(data))


def test_only_what_was_not_kept_anew_is_removed(rig: Any) -> None:
    blobs = rig.open()
    old, again = (rig.keep_at(data, NOW_S - 3 * DAY_S) for data in (b"old", b"again"))
    young = rig.keep_at(b"young", NOW_S)
    found = [address for first in range(256) for address in blobs.find_old(first, NOW_S - DAY_S)]
    assert sorted(found) == sorted([old, again])
    # Between the look and the deletion somebody keeps the same bytes.
    rig.keep_at(b"again", NOW_S)
    assert blobs.remove_old([old, again, young, ABSENT], NOW_S - DAY_S) == 1
    assert [blobs.verify(address) for address in (old, again, young)] == [False, True, True]
    assert blobs.measure() == (2, len(b"young") + len(b"again"))


def test_a_store_belongs_to_the_first_ledger_that_asks(rig: Any) -> None:
    assert rig.open().belongs_to("a" * 32)
    assert not rig.open().belongs_to("b" * 32)
    assert not rig.open().belongs_to("a" * 31)
    assert rig.open().belongs_to("a" * 32)
    assert str(rig.open().place)
