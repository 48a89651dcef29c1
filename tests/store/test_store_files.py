"""Kept files stay while somebody holds them and a day longer, and go then; on every engine."""

import asyncio
import os
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from store_ledger import DONE, WAIT_S, Ledger, lease_of

from jobwire.blobs.local import LEDGER_FILE, LocalBlobs
from jobwire.domain.outcome import Completed
from jobwire.store.files import RELEASED_MS, find_held, hold_files, name_job, release_files
from jobwire.store.moving.marks import Mark
from jobwire.store.removing import remove_final
from jobwire.store.statements import load_migrations
from jobwire.upkeep.collecting import GRACE_S, Collector

NOW_S = 1_000_000.0
MIGRATION = 8
LONG_AGO_S = NOW_S - GRACE_S - 1


class Cellar:
    """A folder of kept files beside a ledger; files are put long ago."""

    def __init__(self, ledger: Ledger, folder: Path) -> None:
        self.ledger = ledger
        self.blobs = LocalBlobs(folder)
        self.collector = Collector(ledger.store, self.blobs)

    def put(self, data: bytes, *, at_s: float = LONG_AGO_S) -> str:
        address = self.blobs.put_bytes(data).sha256
        os.utime(self.blobs.path_of(address), (at_s, at_s))
        return address

    def hold(self, holder: str, *files: str, expires_at: int | None = None) -> None:
        self.ledger.store.write(lambda tx: hold_files(tx, holder, files=files, expires_at=expires_at)).result(WAIT_S)

    def release(self, holder: str) -> None:
        self.ledger.store.write(lambda tx: release_files(tx, holder)).result(WAIT_S)
        self.ledger.clock.now += RELEASED_MS

    def held(self, *files: str) -> set[str]:
        now = self.ledger.clock.now
        return self.ledger.store.read(lambda reader: find_held(reader, files, now=now)).result(WAIT_S)

    def collect(self, now_s: float = NOW_S) -> int:
        return run(self.collector.collect(now_s))

    def refuse(self) -> str | None:
        return run(self.collector.refuse())

    def is_kept(self, address: str) -> bool:
        return self.blobs.verify(address)


def run(work: Any) -> Any:
    return asyncio.run(asyncio.wait_for(work, WAIT_S))


@pytest.fixture
def cellar(ledger: Ledger, tmp_path: Path) -> Cellar:
    return Cellar(ledger, tmp_path / "kept")


@pytest.mark.parametrize(("age_s", "stays"), [(GRACE_S, True), (GRACE_S + 1, False)])
def test_a_file_nobody_holds_goes_after_a_day_and_not_before(cellar: Cellar, age_s: int, stays: bool) -> None:
    address = cellar.put(b"plan", at_s=NOW_S - age_s)
    assert cellar.collect() == (not stays)
    assert cellar.is_kept(address) == stays


def test_a_file_goes_with_the_last_who_holds_it(cellar: Cellar) -> None:
    address = cellar.put(b"plan")
    cellar.hold("shop:1", address)
    cellar.hold("shop:2", address)
    for holder, removed in (("shop:1", 0), ("shop:2", 1)):
        cellar.release(holder)
        assert cellar.collect() == removed
    assert not cellar.is_kept(address)


@pytest.mark.parametrize(("wait_ms", "stays"), [(RELEASED_MS - 1, True), (RELEASED_MS, False)])
def test_what_is_released_is_held_for_one_more_day(cellar: Cellar, ledger: Ledger, wait_ms: int, stays: bool) -> None:
    address, short = cellar.put(b"plan"), cellar.put(b"export")
    cellar.hold("shop:1", address)
    cellar.hold("shop:1", short, expires_at=ledger.clock.now + 1)
    ledger.store.write(lambda tx: release_files(tx, "shop:1")).result(WAIT_S)
    ledger.clock.now += wait_ms
    assert cellar.collect() == (1 if stays else 2)
    assert (cellar.is_kept(address), cellar.is_kept(short)) == (stays, False)


def test_a_file_of_a_job_goes_when_the_job_is_pruned(cellar: Cellar, ledger: Ledger) -> None:
    mine, shared = cellar.put(b"mine"), cellar.put(b"shared")
    number = ledger.run_new(DONE)
    cellar.hold(name_job(number), mine, shared)
    cellar.hold("shop:1", shared)
    assert cellar.collect() == 0
    ledger.clock.now += 10
    assert ledger.store.prune(ledger.clock.now).result(WAIT_S) == 1
    assert cellar.collect() == 0
    ledger.clock.now += RELEASED_MS
    assert cellar.collect() == 1
    assert (cellar.is_kept(mine), cellar.is_kept(shared)) == (False, True)


def test_a_file_of_a_job_goes_when_the_job_is_removed(cellar: Cellar, ledger: Ledger) -> None:
    address = cellar.put(b"mine")
    number = ledger.run_new(DONE)
    cellar.hold(name_job(number), address)
    assert ledger.store.write(lambda tx: remove_final(tx, 1, number)).result(WAIT_S)
    ledger.clock.now += RELEASED_MS
    assert cellar.collect() == 1


def test_a_job_holds_the_files_its_input_names(cellar: Cellar, ledger: Ledger) -> None:
    address, other = cellar.put(b"source"), cellar.put(b"other")
    number = ledger.submit(input=f'{{"source":{{"sha256":"{address}"}},"text":"{other}"}}')
    assert ledger.query("SELECT holder, sha256 FROM file_hold") == [(name_job(number), address)]
    assert cellar.held(address, other) == {address}


def test_jobs_of_before_hold_what_they_name_once_the_ledger_is_brought_forward(
    cellar: Cellar, ledger: Ledger
) -> None:
    engine = type(ledger.store).__module__.split(".")[2]
    files = [f"{n:064x}" for n in range(4)]
    number = ledger.submit(input=f'{{"a":{{"sha256":"{files[0]}"}}}}')
    claim = ledger.claim_one()
    assert ledger.store.save_step(lease_of(claim), name="s", output=f'[{{"sha256":"{files[1]}"}}]').result(WAIT_S)
    assert ledger.settle(
        claim, Completed(f'{{"b":[{{"sha256":"{files[2]}"}},{{"sha256":"{files[1]}"}}],"sha256":1}}')
    )
    ledger.run_new(Completed(f'"{files[3]}"'))
    ledger.store.write(lambda tx: tx.execute("DELETE FROM file_hold")).result(WAIT_S)
    (script,) = [s for version, s in load_migrations(engine) if version == MIGRATION]
    statement = script.partition("-- What is there names its files.\n")[2].rstrip().removesuffix(";")
    ledger.store.write(lambda tx: tx.execute(statement)).result(WAIT_S)
    holds = ledger.query("SELECT holder, sha256 FROM file_hold ORDER BY sha256")
    assert holds == [(name_job(number), file) for file in files[:3]]


def test_a_rerun_that_keeps_steps_holds_what_its_origin_held(cellar: Cellar, ledger: Ledger) -> None:
    address = cellar.put(b"made by a step")
    origin = ledger.submit()
    claim = ledger.claim_one()
    assert ledger.store.save_step(lease_of(claim), name="make", output="1").result(WAIT_S)
    cellar.hold(name_job(origin), address)
    assert ledger.settle(claim, DONE)
    bare = ledger.submit(rerun_of=origin)
    rerun = ledger.submit(rerun_of=origin, kept_steps=("make",))
    holders = ledger.query("SELECT holder FROM file_hold ORDER BY holder")
    assert {holder for (holder,) in holders} == {name_job(origin), name_job(rerun)} and bare != rerun


@pytest.mark.parametrize(("wait_ms", "stays"), [(999, True), (1_000, False)])
def test_a_hold_with_an_end_ends_then(cellar: Cellar, ledger: Ledger, wait_ms: int, stays: bool) -> None:
    address = cellar.put(b"export")
    cellar.hold("shop:1", address, expires_at=ledger.clock.now + 1_000)
    ledger.clock.now += wait_ms
    assert cellar.held(address) == ({address} if stays else set())
    assert cellar.collect() == (not stays)
    assert len(ledger.query("SELECT 1 FROM file_hold")) == stays


@pytest.mark.parametrize(
    ("first", "then", "kept"), [(5, 9, 9), (9, 5, 9), (None, 5, None), (5, None, None), (None, None, None)]
)
def test_what_is_held_twice_is_held_for_the_longer_time(
    cellar: Cellar, ledger: Ledger, first: int | None, then: int | None, kept: int | None
) -> None:
    address = cellar.put(b"export")
    cellar.hold("shop:1", address, expires_at=first)
    cellar.hold("shop:1", address, expires_at=then)
    assert ledger.query("SELECT expires_at FROM file_hold") == [(kept,)]


@pytest.mark.parametrize("count", [0, 1, 500, 501, 1_001])
def test_any_number_of_files_is_held_in_one_call(cellar: Cellar, count: int) -> None:
    files = [f"{n:064x}" for n in range(count)]
    cellar.hold("shop:1", *files, *files)
    assert cellar.held(*files, "f" * 64) == set(files)


@pytest.mark.parametrize("address", ["", "A" * 64, "a" * 63, "a" * 65, "a" * 64 + "\n"])
def test_what_is_no_address_is_not_held(cellar: Cellar, address: str) -> None:
    with pytest.raises(ValueError, match="64 hex digits"):
        cellar.hold("shop:1", address)


def test_a_folder_of_another_ledger_is_left_alone(cellar: Cellar) -> None:
    assert cellar.refuse() is None
    (cellar.blobs.root / LEDGER_FILE).write_text("another ledger's id")
    assert "is another ledger's" in str(cellar.refuse())


def test_nothing_is_collected_beside_a_system_that_holds_nothing(cellar: Cellar, ledger: Ledger) -> None:
    sql = "INSERT INTO ledger (name, value) VALUES ('system:shop', '1')"
    ledger.store.write(lambda tx: tx.execute(sql)).result(WAIT_S)
    assert "the system shop has tables here" in str(cellar.refuse())
    assert run(Collector(ledger.store, cellar.blobs, holders=["shop"]).refuse()) is None


def test_nothing_is_collected_for_a_ledger_that_was_moved_away(cellar: Cellar, ledger: Ledger) -> None:
    assert cellar.refuse() is None
    mark = msgspec.json.encode(Mark("m", "elsewhere", 1)).decode()
    sql = "INSERT INTO ledger (name, value) VALUES ('moved_to', :mark)"
    ledger.store.write(lambda tx: tx.execute(sql, mark=mark)).result(WAIT_S)
    assert "was moved to elsewhere" in str(cellar.refuse())


STEPS = st.lists(
    st.tuples(st.sampled_from(["hold", "release", "collect"]), st.integers(0, 2), st.integers(0, 2)), max_size=20
)


@pytest.mark.slow
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_whatever_is_held_released_and_collected_what_is_held_is_there(cellar: Cellar, steps: list[Any]) -> None:
    for holder in range(3):
        cellar.release(f"shop:{holder}")
    held: set[tuple[int, int]] = set()
    for step, holder, file in (*steps, ("collect", 0, 0)):
        if step == "hold":
            cellar.hold(f"shop:{holder}", cellar.put(bytes([file])))
            held.add((holder, file))
        elif step == "release":
            cellar.release(f"shop:{holder}")
            held = {pair for pair in held if pair[0] != holder}
        else:
            cellar.collect()
            kept = {path.read_bytes()[0] for path in cellar.blobs.root.glob("??/*/*")}
            assert kept == {file for _, file in held}
