"""The event log as a ring: it loses what is old in whole parts, and nothing else; nobody who works waits for that."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from moving_ledgers import content_of, move_between
from store_engines import DURABLE_ENGINES, POSTGRES, Engine
from store_ledger import DONE, WAIT_S, Ledger
from test_postgres_processes import together

from jobwire.domain.errors import RequestError
from jobwire.domain.states import Event
from jobwire.service import watching as service_watching
from jobwire.service.watching import Watching
from jobwire.store.contract import EventRow
from jobwire.store.event_log import find_span, skip_gap
from jobwire.store.postgres import PostgresStore, migrate, open_postgres, ring
from jobwire.store.postgres.ring import SPAN_BITS
from jobwire.store.postgres.session import Session
from jobwire.store.statements import load_migrations, load_statements
from manual_clock import ManualClock

SPAN = 1 << SPAN_BITS
RETENTION_MS = 1_600_000
SHARE_MS = RETENTION_MS // ring.PARTS
ENDED = [Event.SUBMITTED, Event.CLAIMED, Event.COMPLETED]
NAMES = "SELECT relname FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid WHERE inhparent = 'event'::regclass"
by_name = pytest.mark.parametrize("engine", DURABLE_ENGINES, ids=lambda engine: f"to-{engine.name}")


def turn(ledger: Ledger) -> None:
    """What upkeep does once an hour."""
    while ledger.store.prune(ledger.clock.now - RETENTION_MS).result(WAIT_S):
        continue
    ledger.store.fold().result(WAIT_S)


def parts(ledger: Ledger) -> list[str]:
    return sorted(name for (name,) in ledger.query(NAMES))


def log(ledger: Ledger, after: int = 0) -> list[EventRow]:
    return ledger.store.events(after, limit=100_000).result(WAIT_S)


def run_for(ledger: Ledger, shares: int) -> list[int]:
    """A job in each share of the retention, with upkeep after it."""
    numbers = []
    for _ in range(shares):
        numbers.append(ledger.run_new())
        ledger.clock.advance(SHARE_MS)
        ledger.run_new()
        turn(ledger)
    return numbers


def test_a_part_is_closed_after_its_share_of_the_retention_and_not_before(ledger: Ledger) -> None:
    ledger.clock.now = SHARE_MS * 100
    ledger.run_new()
    # The share is that of the time from what is old to the last event.
    ledger.clock.advance(SHARE_MS - 1)
    ledger.run_new()
    turn(ledger)
    assert parts(ledger) == ["event_0", "event_kept"]
    ledger.clock.advance(1)
    ledger.run_new()
    turn(ledger)
    assert parts(ledger) == ["event_0", "event_1", "event_kept"]
    before = log(ledger)
    assert max(row.no for row in before) < SPAN
    job = ledger.run_new()
    assert [row.no for row in log(ledger, before[-1].no)] == [SPAN, SPAN + 1, SPAN + 2]
    assert ledger.events(job) == ENDED


def test_a_part_is_closed_when_half_its_numbers_are_given(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ring, "PART_ROWS_MAX", 6)
    # The inbox is numbered by itself: the sixth event of the log is in it when the fold has moved it there.
    ledger.run_new()
    ledger.submit()
    ledger.claim_one()
    turn(ledger)
    assert parts(ledger) == ["event_0", "event_kept"]
    ledger.submit()
    turn(ledger)
    assert parts(ledger) == ["event_0", "event_1", "event_kept"]


def test_old_parts_are_dropped_and_the_others_stay_in_order(ledger: Ledger) -> None:
    ledger.submit(queue="waits")
    run_for(ledger, 3 * ring.PARTS)
    held = parts(ledger)
    assert "event_0" not in held and len(held) <= ring.PARTS + 3
    rows = log(ledger)
    assert [row.no for row in rows] == sorted({row.no for row in rows})
    kept = [row for row in rows if row.at >= ledger.clock.now - RETENTION_MS]
    assert {row.number for row in kept} >= {number for (number,) in ledger.query("SELECT number FROM job")} - {1}
    # A reader that had stopped before what is gone goes on with what there is.
    assert log(ledger, rows[3].no) == rows[4:]
    assert log(ledger, rows[-1].no) == []


def test_what_a_living_job_has_left_in_old_parts_is_kept_as_long_as_it_lives(ledger: Ledger) -> None:
    waiting = ledger.submit(queue="waits")
    running = ledger.submit(queue="runs")
    claim = ledger.claim_one(queue="runs")
    ledger.beat(lease_ms=100 * RETENTION_MS)
    ended = ledger.run_new()
    run_for(ledger, 2 * ring.PARTS)
    assert ledger.events(waiting) == [Event.SUBMITTED]
    assert ledger.events(running) == [Event.SUBMITTED, Event.CLAIMED]
    assert ledger.events(ended) == []
    assert ledger.query("SELECT count(*) FROM event_kept")[0][0] <= 4
    assert ledger.settle(claim, DONE)
    ledger.cancel(waiting)
    run_for(ledger, 2 * ring.PARTS)
    assert ledger.events(running) == ledger.events(waiting) == []
    assert ledger.query("SELECT count(*) FROM event_kept") == [(0,)]


def test_a_batch_of_events_stays_with_the_last_of_its_jobs(ledger: Ledger) -> None:
    first, last, between = ledger.submit_many(3, queue="batch")
    for number in (first, between):
        ledger.cancel(number)
    run_for(ledger, 2 * ring.PARTS)
    assert ledger.events(last) == [Event.SUBMITTED]
    assert ledger.events(between) == [Event.SUBMITTED]


def test_a_ledger_where_nothing_happens_any_more_loses_its_whole_log(ledger: Ledger) -> None:
    ledger.run_new()
    ledger.clock.advance(RETENTION_MS + 1)
    turn(ledger)
    assert log(ledger) == []
    turn(ledger)
    assert parts(ledger) == ["event_1", "event_kept"]
    assert ledger.events(ledger.run_new()) == ENDED


def test_processes_that_turn_together_give_no_number_twice(ledger: Ledger, other: Ledger) -> None:
    for _ in range(2 * ring.PARTS):
        ledger.run_new()
        ledger.clock.advance(SHARE_MS)
        ledger.run_new()
        together(*[lambda mine=mine: turn(mine) for mine in (ledger, other) * 2], lambda: other.submit(queue="also"))
    numbers = [row.no for row in log(ledger)]
    assert numbers == sorted(numbers)


def test_a_turn_that_ended_before_the_numbers_leapt_is_finished_by_the_next(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    enter = ring.SQL["enter"]
    monkeypatch.setitem(ring.SQL, "enter", "SELECT :first")
    ledger.run_new()
    ledger.clock.advance(RETENTION_MS + 1)
    turn(ledger)
    # The numbers still go into the old part, so it stays, however old its events are.
    assert parts(ledger) == ["event_0", "event_1", "event_kept"]
    assert ledger.events(ledger.run_new()) == ENDED
    monkeypatch.setitem(ring.SQL, "enter", enter)
    turn(ledger)
    ledger.run_new()
    assert parts(ledger) == ["event_0", "event_1", "event_kept"]
    assert log(ledger)[-1].no == SPAN + 2


def test_events_that_are_on_their_way_into_a_part_when_it_is_closed_are_not_dropped_with_it(
    ledger: Ledger, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ring, "LOCK_WAIT_MS", WAIT_S * 1000)
    ledger.run_new()
    assert log(ledger)
    ledger.clock.advance(RETENTION_MS + 1)
    job = ledger.submit()
    turning = ring.EventRing()
    turning.keep_from(ledger.clock.now - RETENTION_MS)
    with (
        closing(Session(address, can_prepare=False, has_wall=False)) as moving,
        closing(Session(address, can_prepare=False, has_wall=False)) as session,
        ThreadPoolExecutor(1) as pool,
    ):
        moving.execute_script("BEGIN")
        moving.execute(load_statements("postgres", "events")["sequence"])
        pid = session.connection.info.backend_pid
        turned = pool.submit(turning.turn, session)
        while not turned.done() and not ledger.query(
            "SELECT 1 FROM pg_locks WHERE NOT granted AND pid = :pid", pid=pid
        ):
            continue
        moving.execute_script("COMMIT")
        turned.result(WAIT_S)
    assert ledger.events(job) == [Event.SUBMITTED]


def test_who_reads_for_long_keeps_the_parts_and_nobody_waits_for_him(ledger: Ledger, address: str) -> None:
    ledger.run_new()
    ledger.clock.advance(RETENTION_MS + 1)
    with psycopg.connect(address) as reader:
        rows = reader.execute("SELECT * FROM event").fetchall()
        turn(ledger)
        assert "event_0" in parts(ledger)
        assert ledger.events(ledger.run_new()) == ENDED
        assert reader.execute("SELECT * FROM event WHERE no < %s", (SPAN,)).fetchall()[: len(rows)] == rows
    turn(ledger)
    assert "event_0" not in parts(ledger)


def test_jobs_are_submitted_claimed_and_settled_while_the_log_is_locked(ledger: Ledger, address: str) -> None:
    with psycopg.connect(address) as holder:
        holder.execute("LOCK TABLE event IN ACCESS EXCLUSIVE MODE")
        job = ledger.run_new()
        assert ledger.row(job).finalized_at is not None
        holder.rollback()
    assert ledger.events(job) == ENDED


def test_a_past_has_no_gap_where_the_numbers_leap(
    ledger: Ledger, store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service_watching, "LOOK_ENTRIES", 2)
    early = ledger.submit(queue="early")
    run_for(ledger, 4)
    late = ledger.submit(queue="early")
    run_for(ledger, 3)
    assert [ledger.claim_one(queue="early").number for _ in range(2)] == [early, late]
    looks: list[int] = []
    events = store.events
    monkeypatch.setattr(store, "events", lambda after, **said: looks.append(after) or events(after, **said))
    watching = Watching(store, None)

    async def read(number: int) -> list[int]:
        row = ledger.row(number)
        return [event.no async for events in watching.read_history(row, 0) for event in events]

    for number in (early, late):
        own = [row.no for row in log(ledger) if row.number == number]
        assert asyncio.run(read(number)) == own and len(own) == 2
    # A step for each few entries, not for each few numbers.
    assert len(looks) < 100


def test_the_place_of_a_job_in_the_log_is_found_beyond_a_leap(ledger: Ledger) -> None:
    run_for(ledger, 2)
    ledger.clock.advance(10)
    job = ledger.submit()
    own = [row.no for row in log(ledger) if row.number == job]
    span = ledger.store.read(lambda reader: find_span(reader, ledger.clock.now)).result(WAIT_S)
    assert span == (own[0] - 1, own[-1])
    before = [row.no for row in log(ledger) if row.no < own[0]][-1]
    assert ledger.store.read(lambda reader: skip_gap(reader, before)).result(WAIT_S) == own[0] - 1
    assert ledger.store.read(lambda reader: skip_gap(reader, own[-1])).result(WAIT_S) == own[-1]


# how it comes to be one


@pytest.mark.parametrize("last", [0, 7, 5 * SPAN + 3], ids=["new", "used", "far"])
def test_a_log_of_an_older_version_becomes_a_ring_with_all_its_events(
    address: str, clock: ManualClock, monkeypatch: pytest.MonkeyPatch, last: int
) -> None:
    scripts = load_migrations("postgres")
    monkeypatch.setattr(migrate, "load_migrations", lambda engine: tuple(s for s in scripts if s[0] < 8))
    with closing(Session(address, can_prepare=False, has_wall=False)) as session:
        migrate.migrate(session)
        for no in range(max(last - 3, 1), last + 1):
            session.execute("INSERT INTO event VALUES (:no, :no, 1, 1, 1, '[[1,1]]')", {"no": no})
        if last:
            session.execute("SELECT setval(pg_get_serial_sequence('event', 'no'), :last)", {"last": last})
    monkeypatch.setattr(migrate, "load_migrations", lambda engine: scripts)
    with closing(Ledger(open_postgres(address, clock=clock), clock)) as ledger:
        assert [row.no for row in log(ledger)] == list(range(max(last - 3, 1), last + 1))
        ledger.submit()
        assert log(ledger)[-1].no == last + 1
        assert parts(ledger) == [f"event_{last >> SPAN_BITS}", "event_kept"]
        ledger.clock.advance(RETENTION_MS + 1)
        turn(ledger)
        ledger.run_new()
        assert log(ledger)[-1].no == (((last >> SPAN_BITS) + 1) << SPAN_BITS) + 2


# moved


@by_name
def test_a_log_of_several_parts_is_moved_and_turns_on(
    ledger: Ledger, address: str, engine: Engine, tmp_path: Path
) -> None:
    ledger.submit(queue="waits")
    run_for(ledger, ring.PARTS + 4)
    ledger.store.retire("w1").result(WAIT_S)
    ledger.check()
    before, events = content_of(address), log(ledger)
    ledger.close()
    target = engine.address(tmp_path)
    move_between(address, target)
    assert content_of(target) == before
    (tmp_path / "again").mkdir()
    again = POSTGRES.address(tmp_path / "again")
    move_between(target, again)
    assert content_of(again) == before
    with closing(Ledger(POSTGRES.open(again, ledger.clock), ledger.clock)) as moved:
        assert log(moved) == events
        job = moved.run_new()
        last = before["registers"].event
        assert [row.no for row in log(moved, events[-1].no)] == [last + 1, last + 2, last + 3]
        run_for(moved, 2 * ring.PARTS)
        assert moved.events(job) == [] and moved.events(1) == [Event.SUBMITTED]
        moved.check()


@by_name
def test_a_log_whose_last_parts_are_empty_is_moved(
    ledger: Ledger, address: str, engine: Engine, tmp_path: Path
) -> None:
    ledger.run_new()
    for _ in range(2):
        ledger.clock.advance(RETENTION_MS + 1)
        ledger.run_new()
        ledger.clock.advance(RETENTION_MS + 1)
        turn(ledger)
    assert log(ledger) == []
    ledger.store.retire("w1").result(WAIT_S)
    ledger.check()
    ledger.close()
    target = engine.address(tmp_path)
    move_between(address, target)
    (tmp_path / "again").mkdir()
    again = POSTGRES.address(tmp_path / "again")
    move_between(target, again)
    with closing(Ledger(POSTGRES.open(again, ledger.clock), ledger.clock)) as moved:
        assert moved.events(moved.run_new()) == ENDED
        assert log(moved)[0].no > SPAN


def test_the_log_of_a_ledger_that_was_moved_away_does_not_turn(ledger: Ledger, address: str, tmp_path: Path) -> None:
    ledger.run_new()
    turn(ledger)
    ledger.store.retire("w1").result(WAIT_S)
    ledger.check()
    move_between(address, POSTGRES.address(tmp_path))
    ledger.clock.advance(RETENTION_MS + 1)
    with pytest.raises(RequestError, match="cannot be written"):
        turn(ledger)
    with pytest.raises(RequestError, match="cannot be read"):
        ledger.store.fold().result(WAIT_S)
    assert parts(ledger) == ["event_0", "event_kept"]
    assert ledger.query("SELECT count(*) FROM event") == [(len(ENDED),)]
    ledger.close()
