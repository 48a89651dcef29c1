"""A move keeps everything or does nothing, from any engine to any, whenever it is interrupted."""

import subprocess
import sys
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from contextlib import closing
from pathlib import Path

import pytest
from moving_ledgers import FILE, content_of, fill, move_between, sides
from store_engines import DURABLE_ENGINES, SQLITE_FILE, Engine
from store_ledger import WAIT_S, Ledger

from jobwire.blobs.local import LocalBlobs
from jobwire.cli.move import load_scripts, open_side
from jobwire.config import SettingError
from jobwire.domain.errors import RequestError
from jobwire.store.files import keep_folder_id
from jobwire.store.moving.files import Files
from jobwire.store.moving.lines import Column
from jobwire.store.moving.marks import Mark, read_mark, refuse_moved, write_mark
from jobwire.store.moving.move import Plan, compare, move, take_back
from jobwire.store.moving.side import NOT_COPIED, Table
from manual_clock import ManualClock

HERE = Path(__file__).parent
by_name = pytest.mark.parametrize("target_engine", DURABLE_ENGINES, ids=lambda engine: f"to-{engine.name}")


@pytest.fixture
def source(durable_engine: Engine, tmp_path: Path) -> str:
    (tmp_path / "source").mkdir()
    return durable_engine.address(tmp_path / "source")


@pytest.fixture
def ledger(durable_engine: Engine, source: str, clock: ManualClock):
    """The source, opened by a server that goes on while it is moved."""
    ledger = Ledger(durable_engine.open(source, clock), clock)
    yield ledger
    if not ledger.is_closed:
        ledger.close()


@pytest.fixture
def target(durable_engine: Engine, tmp_path: Path) -> str:
    """An empty place on the same engine."""
    return make_target(durable_engine, tmp_path)


def make_target(engine: Engine, folder: Path) -> str:
    (folder / "target").mkdir()
    return engine.address(folder / "target")


def is_served(address: str) -> bool:
    with closing(open_side(address, is_source=True)) as side:
        try:
            refuse_moved(side, side.address)
        except SettingError:
            return False
    return True


# what arrives


@by_name
@pytest.mark.slow
def test_everything_arrives_and_goes_on(
    durable_engine: Engine, target_engine: Engine, ledger: Ledger, source: str, tmp_path: Path
) -> None:
    fill(ledger, waiting=1_000)
    before, events = content_of(source), ledger.store.events(0, limit=100_000).result(WAIT_S)
    places = {number: ledger.place(number, owner=owner) for number, owner in waiting_jobs(ledger)}
    address = make_target(target_engine, tmp_path)
    report = move_between(source, address)
    assert content_of(address) == before
    assert report.rows["job"] == len(before["job"]) and report.running == 6 and report.strangers == []
    moved = Ledger(target_engine.open(address, ledger.clock), ledger.clock)
    with closing(moved):
        moved.check()
        assert moved.store.events(0, limit=100_000).result(WAIT_S) == events
        assert {number: moved.place(number, owner=owner) for number, owner in waiting_jobs(moved)} == places
        first = next(number for number, place in places.items() if place == (0, None))
        queue = moved.query("SELECT queue FROM job WHERE number = :n", n=first)[0][0]
        assert moved.claim_one(queue=queue, worker="w2").number == first
        assert moved.submit() > before["registers"].job
        assert moved.store.events(before["registers"].event).result(WAIT_S)
        assert moved.store.rescue().result(WAIT_S) == 6
        moved.check()


@pytest.mark.slow
def test_a_ledger_of_twenty_thousand_jobs_arrives(ledger: Ledger, source: str, tmp_path: Path) -> None:
    fill(ledger, waiting=20_000)
    address = make_target(DURABLE_ENGINES[-1], tmp_path)
    move_between(source, address)
    assert content_of(address) == content_of(source)


def test_every_table_of_an_engine_is_moved_or_known_to_stay(tmp_path: Path, clock: ManualClock) -> None:
    tables = []
    for engine in DURABLE_ENGINES:
        (tmp_path / engine.name).mkdir()
        address = engine.address(tmp_path / engine.name)
        engine.open(address, clock).close()
        with closing(open_side(address, is_source=True)) as side:
            found = {name: set(columns) for name, columns in side.find_tables().items() if name not in NOT_COPIED}
            found["owner_lane"].discard(Column("advance", is_text=False))
            tables.append(found)
    assert all(found == tables[0] for found in tables)


def test_a_nul_arrives_as_a_replacement_character(tmp_path: Path, clock: ManualClock) -> None:
    (tmp_path / "source").mkdir()
    source, address = SQLITE_FILE.address(tmp_path / "source"), make_target(DURABLE_ENGINES[-1], tmp_path)
    with closing(SQLITE_FILE.open(source, clock)) as store:
        sql = "INSERT INTO ledger (name, value) VALUES ('odd', :value)"
        store.write(lambda tx: tx.execute(sql, value="a\0b")).result(WAIT_S)
    move_between(source, address)
    assert ("odd", "a\ufffdb") in content_of(address)["ledger"]


# the source


def test_the_source_takes_no_more_writes_from_anybody(ledger: Ledger, source: str, target: str) -> None:
    job = ledger.submit()
    move_between(source, target)
    for write, words in ((ledger.submit, ()), (ledger.cancel, (job,)), (ledger.beat, ())):
        with pytest.raises(RequestError, match="cannot be written"):
            write(*words)
    assert ledger.row(job).version == 1
    with (
        closing(open_side(source, is_source=True)) as side,
        pytest.raises(SettingError, match="was moved to") as told,
    ):
        refuse_moved(side, side.address)
    with closing(open_side(target, is_source=True)) as side:
        assert side.address in str(told.value)
    assert is_served(target)


def test_a_copied_source_is_served_on(ledger: Ledger, source: str, target: str) -> None:
    ledger.submit()
    move_between(source, target, Plan(keep_source=True))
    assert is_served(source)
    assert ledger.submit() == 2


@pytest.mark.parametrize("keep_source", [False, True])
def test_the_folder_of_kept_files_goes_with_the_ledger_and_not_with_its_copy(
    ledger: Ledger, source: str, target: str, keep_source: bool
) -> None:
    folder_id = ledger.store.write(keep_folder_id).result(WAIT_S)
    move_between(source, target, Plan(keep_source=keep_source))
    with closing(open_side(target, is_source=True)) as side:
        found = side.query("SELECT value FROM ledger WHERE name = 'files'")
    assert found == ([] if keep_source else [(folder_id,)])


def test_a_moved_ledger_can_be_taken_back(ledger: Ledger, source: str, target: str) -> None:
    ledger.submit()
    move_between(source, target)
    with closing(open_side(source, is_source=True)) as side:
        assert take_back(side).is_finished
        with pytest.raises(SettingError, match="nothing to take back"):
            take_back(side)
    assert is_served(source)
    assert ledger.submit() == 2


def test_live_workers_forbid_the_move_unless_it_is_forced(
    durable_engine: Engine, ledger: Ledger, source: str, target: str
) -> None:
    ledger.submit()
    claim = ledger.claim_one()
    ledger.beat(lease_ms=10**12)
    with pytest.raises(SettingError, match="1 workers live"):
        move_between(source, target)
    assert is_served(source)
    assert move_between(source, target, Plan(force=True)).running == 1
    moved = Ledger(durable_engine.open(target, ledger.clock), ledger.clock)
    with closing(moved):
        assert moved.store.rescue().result(WAIT_S) == 1
        again = moved.claim_one()
        assert (again.number, again.fence > claim.fence) == (claim.number, True)


def test_a_source_that_is_no_ledger_is_refused(target: str, tmp_path: Path) -> None:
    for name in (":memory:", str(tmp_path / "nowhere.db")):
        with pytest.raises(SettingError, match=r"in memory|no ledger"):
            move_between(name, target)
    assert not (tmp_path / "nowhere.db").exists()
    (tmp_path / "other.db").touch()
    with pytest.raises(SettingError, match="no ledger"):
        move_between(str(tmp_path / "other.db"), target)


# the target


def test_a_target_with_a_ledger_is_refused(
    durable_engine: Engine, ledger: Ledger, source: str, target: str, clock: ManualClock
) -> None:
    ledger.submit()
    with closing(Ledger(durable_engine.open(target, clock), clock)) as other:
        other.submit_many(2)
    there = content_of(target)
    with pytest.raises(SettingError, match="has a ledger already, with 2 jobs"):
        move_between(source, target)
    assert content_of(target) == there
    assert is_served(source)


def test_a_dry_run_counts_and_changes_nothing(ledger: Ledger, source: str, target: str) -> None:
    fill(ledger)
    before = content_of(source)
    report = move_between(source, target, Plan(is_dry=True))
    assert report.rows["job"] == len(before["job"]) and report.rows["step"] == 1
    assert content_of(source) == before
    assert is_served(source)
    with closing(open_side(target, is_source=False)) as side:
        assert not side.has_ledger()


def test_a_row_that_changes_on_its_way_is_found_and_nothing_is_kept(ledger: Ledger, source: str, target: str) -> None:
    fill(ledger)

    def spoil(chunks: Iterable[list[bytes]]) -> Iterable[list[bytes]]:
        for chunk in chunks:
            yield [line.replace(b"fetch", b"FETCH") for line in chunk]

    with sides(source, target) as (origin, place):
        load = place.load_lines
        place.load_lines = lambda table, chunks: load(table, spoil(chunks))
        with pytest.raises(RequestError, match="step: 1 rows, but their checksums differ"):
            move(origin, place, Plan(), scripts=load_scripts(), files=Files(Path("none")))
        assert not place.has_ledger()
    assert is_served(source)
    ledger.submit()
    move_between(source, target)


def test_a_row_that_is_changed_or_gone_later_is_found_by_comparing(ledger: Ledger, source: str, target: str) -> None:
    fill(ledger)
    move_between(source, target)
    with sides(source, target) as (origin, place):
        tables = [Table(name, origin.find_tables()[name]) for name in ("job", "step", "attempt_log")]
        assert compare(origin, place, tables) == []
        place.query("UPDATE job SET priority = 4 WHERE number = 1")
        place.query("DELETE FROM step")
        jobs = place.query("SELECT count(*) FROM job")[0][0]
        assert compare(origin, place, tables) == [
            f"job: {jobs} rows, but their checksums differ",
            "step: 1 rows were sent, 0 are there",
        ]


# interruptions

KILLED = """
import sys
from moving_ledgers import sides
from jobwire.cli.move import load_scripts
from jobwire.store.moving.files import Files
from jobwire.store.moving.move import Plan, move
from pathlib import Path

def watch(name, done, total):
    if name == sys.argv[3] and done == total:
        print("there", flush=True)
        sys.stdin.read()

with sides(*sys.argv[1:3]) as (source, target):
    move(source, target, Plan(), scripts=load_scripts(), files=Files(Path("none")), watch=watch)
"""


@pytest.mark.slow
def test_a_move_that_fails_at_any_table_leaves_nothing_and_is_repeated(
    ledger: Ledger, source: str, target: str
) -> None:
    fill(ledger)
    before = content_of(source)
    rows = move_between(source, target, Plan(is_dry=True)).rows
    assert all(rows[table] for table in ("event", "issuer", "revoked_token", "webhook_delivery", "webhook_stream"))
    for table in rows:

        def fail(name: str, done: int, total: int, at: str = table) -> None:
            if (name, done) == (at, total):
                raise InterruptedError(name)

        with sides(source, target) as (origin, place), pytest.raises(InterruptedError, match=table):
            move(origin, place, Plan(), scripts=load_scripts(), files=Files(Path("none")), watch=fail)
        assert is_served(source)
        with closing(open_side(target, is_source=False)) as side:
            assert not side.has_ledger()
    ledger.submit()
    assert move_between(source, target).rows["job"] == rows["job"] + 1
    assert content_of(target)["webhook_delivery"] == before["webhook_delivery"]


@pytest.mark.slow
@pytest.mark.parametrize("table", ["attempt_log", "event", "job", "step", "webhook_delivery"])
def test_a_move_that_is_killed_leaves_nothing_and_is_repeated(
    ledger: Ledger, source: str, target: str, table: str
) -> None:
    fill(ledger, waiting=2_000)
    before = content_of(source)
    words = [sys.executable, "-c", KILLED, source, target, table]
    paths = {"PYTHONPATH": f"{HERE}:{HERE.parent}"}
    with subprocess.Popen(words, env=paths, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"there\n"
        process.kill()
    with closing(open_side(target, is_source=False)) as side:
        assert not side.has_ledger()
    assert not is_served(source)
    with pytest.raises(RequestError, match="cannot be written"):
        ledger.beat()
    move_between(source, target)
    assert content_of(target) == before
    assert is_served(target) and not is_served(source)


def test_a_move_that_was_killed_after_its_commit_is_finished_by_repeating_it(
    ledger: Ledger, source: str, target: str
) -> None:
    ledger.submit()
    move_between(source, target)
    with closing(open_side(source, is_source=True)) as side:
        mark = read_mark(side, "moved_to")
        write_mark(side, "moved_to", Mark(mark.id, mark.address, mark.at, is_finished=False))
    assert move_between(source, target).was_finished_before
    with closing(open_side(source, is_source=True)) as side:
        assert read_mark(side, "moved_to") == mark
    assert move_between(source, target).was_finished_before


def test_an_unfinished_move_goes_nowhere_else(
    durable_engine: Engine, ledger: Ledger, source: str, target: str, tmp_path: Path
) -> None:
    ledger.submit()
    move_between(source, target)
    (tmp_path / "other").mkdir()
    with pytest.raises(SettingError, match="--take-back"):
        move_between(source, durable_engine.address(tmp_path / "other"))


# others, meanwhile


def start(work: Callable[[], object]) -> Future[object]:
    """Run it in a thread of its own."""
    done: Future[object] = Future()

    def run() -> None:
        try:
            done.set_result(work())
        except BaseException as error:
            done.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return done


def test_who_opens_the_target_meanwhile_gets_the_whole_ledger_and_a_second_move_is_refused(
    durable_engine: Engine, ledger: Ledger, source: str, target: str, tmp_path: Path, clock: ManualClock
) -> None:
    ledger.submit_many(3)
    (tmp_path / "other").mkdir()
    other = durable_engine.address(tmp_path / "other")
    durable_engine.open(other, clock).close()
    late: list[Future] = []

    def watch(name: str, done: int, total: int) -> None:
        if name == "job" and done == total:
            late.append(start(lambda: durable_engine.open(target, clock)))
            late.append(start(lambda: move_between(other, target)))

    with sides(source, target) as (origin, place):
        move(origin, place, Plan(), scripts=load_scripts(), files=Files(Path("none")), watch=watch)
    opened, second = late
    with closing(Ledger(opened.result(WAIT_S), clock)) as moved:
        assert moved.query("SELECT count(*) FROM job") == [(3,)]
    with pytest.raises(SettingError, match="with 3 jobs"):
        second.result(WAIT_S)
    assert is_served(other)


# kept files


def test_kept_files_are_looked_for_and_copied(ledger: Ledger, source: str, target: str, tmp_path: Path) -> None:
    fill(ledger)
    kept = LocalBlobs(tmp_path / "files").put_bytes(b"kept")
    name = f'{{"sha256":"{kept.sha256}","name":"a"}}'
    ledger.submit(queue="files", input=name)
    files = Files(tmp_path / "files", tmp_path / "copies")
    move_between(source, target, files=files)
    assert LocalBlobs(tmp_path / "copies").verify(kept.sha256)
    assert (files.named, files.copied, files.missing, files.examples) == (3, 1, 1, (FILE,))


def waiting_jobs(ledger: Ledger) -> list[tuple[int, int]]:
    sql = "SELECT number, owner FROM job JOIN state USING (number) WHERE state = 0 AND run_at IS NULL ORDER BY number"
    return ledger.query(f"{sql} LIMIT 200")
