"""Turns given in SQL are those of the domain, and a position is what counting gives, at any moment of a churn."""

import threading
from itertools import count
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from store_ledger import DONE, FLAKY, LEASE_MS, SHUTDOWN, WAIT_S, Ledger, decide

from jobwire.domain.order import WEIGHT_MAX, give_turns
from jobwire.store.postgres.floors import UNFLOORED_SHORT_INTERVAL_S
from jobwire.store.postgres.folding import READY_LOOK_FOLDS
from jobwire.store.postgres.reader import SQL, SessionReader

BATCHES = st.lists(
    st.one_of(
        st.lists(st.tuples(st.integers(1, 3), st.sampled_from([0, 5])), min_size=1, max_size=12),
        st.integers(1, 8),
    ),
    min_size=1,
    max_size=8,
)
WEIGHTS = st.lists(st.sampled_from([1, 2, 3, 7, WEIGHT_MAX]), min_size=3, max_size=3)
READ_OF_STATE = """
SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relname = 'state'
"""
_serials = count(1)


def keep_weights(ledger: Ledger, weights: list[int]) -> None:
    def write(tx: object) -> None:
        for owner, weight in enumerate(weights, start=1):
            tx.execute(
                "INSERT INTO owner (id, name, weight, created_at) VALUES (:id, :name, :weight, 0) "
                "ON CONFLICT (id) DO UPDATE SET weight = excluded.weight",
                id=owner,
                name=f"owner {owner}",
                weight=weight,
            )

    ledger.store.write(write).result(WAIT_S)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches=BATCHES, weights=WEIGHTS)
def test_turns_are_those_the_domain_gives(
    ledger: Ledger, batches: list[list[tuple[int, int]] | int], weights: list[int]
) -> None:
    queue = f"q{next(_serials)}"
    keep_weights(ledger, weights)
    last: dict[tuple[int, int], int] = {}
    now: dict[int, int] = {}
    given_turns: dict[int, int] = {}
    for batch in batches:
        if isinstance(batch, int):
            for claim in ledger.claim(batch, queue=queue):
                priority = ledger.row(claim.number, owner=claim.owner).priority
                now[priority] = max(now.get(priority, 0), given_turns[claim.number])
            continue
        jobs = [ledger.new(owner=owner, priority=priority, queue=queue) for owner, priority in batch]
        receipts = ledger.receive(*jobs)
        for lane in dict.fromkeys(batch):
            owner, priority = lane
            places = [receipt.number for receipt, at in zip(receipts, batch, strict=True) if at == lane]
            turns = give_turns(
                len(places), now_turn=now.get(priority, 0), last_turn=last.get(lane), weight=weights[owner - 1]
            )
            given_turns |= dict(zip(places, turns, strict=True))
            last[lane] = turns[-1]
    stored = ledger.query("SELECT number, turn FROM job WHERE queue = :queue", queue=queue)
    assert dict(stored) == given_turns


def compare(ledger: Ledger, rng: Random) -> int:
    """Positions of a few waiting jobs against a count of the order, in one snapshot; how many were compared."""

    def look(reader: SessionReader) -> int:
        waiting = reader.query("SELECT queue, priority, turn, number FROM ready")
        sample = rng.sample(waiting, min(20, len(waiting)))
        for queue, priority, turn, number in sample:
            place = {"queue": queue, "priority": priority, "turn": turn, "number": number}
            shown = reader.run(SQL.cells["position"], **place)[0][0]
            assert shown == sum(other[0] == queue and other[1:] < (priority, turn, number) for other in waiting)
        return len(sample)

    return ledger.store.read(look).result(WAIT_S)


def test_g9_positions_are_exact_while_several_processes_churn_and_fold(
    ledger: Ledger, other: Ledger, rng: Random
) -> None:
    ledger.submit_many(200, owner=1)
    end = threading.Event()
    failures: list[BaseException] = []
    seeds = [rng.random() for _ in range(3)]

    def churn(mine: Ledger, worker: str, seed: float) -> None:
        mine_rng = Random(seed)
        try:
            while not end.is_set():
                mine.submit_many(
                    mine_rng.randint(1, 20), owner=mine_rng.randint(1, 5), priority=mine_rng.randint(4, 6)
                )
                claims = mine.claim(mine_rng.randint(1, 15), worker=worker)
                mine.settle_all(*[decide(c, mine_rng.choice([DONE, SHUTDOWN, FLAKY])) for c in claims])
                mine.store.cancel(1, [mine_rng.randint(1, 400) for _ in range(3)]).result(WAIT_S)
        except BaseException as error:
            failures.append(error)

    def fold() -> None:
        while not end.is_set():
            other.store.fold(37).result(WAIT_S)

    threads = [
        threading.Thread(target=churn, args=(ledger, "w1", seeds[0])),
        threading.Thread(target=churn, args=(other, "w2", seeds[1])),
        threading.Thread(target=fold),
    ]
    for thread in threads:
        thread.start()
    try:
        compared = 0
        while compared < 1_000 and not failures:
            compared += compare(ledger, rng)
    finally:
        end.set()
        for thread in threads:
            thread.join()
    assert failures == []


def test_g9_a_fold_changes_no_position_and_leaves_no_empty_cell(ledger: Ledger) -> None:
    rows = [ledger.row(number) for number in ledger.submit_many(300)]
    before = [ledger.store.position(row).result(WAIT_S).position for row in rows]
    assert before == list(range(300))
    while ledger.store.fold(10).result(WAIT_S):
        continue
    assert ledger.query("SELECT count(*) FROM cell_delta") == [(0,)]
    assert [ledger.store.position(row).result(WAIT_S).position for row in rows] == before
    ledger.claim(300)
    while ledger.store.fold(10).result(WAIT_S):
        continue
    assert ledger.query("SELECT count(*) FROM cell") == [(0,)]


@pytest.mark.parametrize(("limit", "is_seen"), [(0, True), (1_000_000, False)])
def test_upkeep_lets_positions_count_from_the_index_when_enough_jobs_have_come(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, limit: int, is_seen: bool
) -> None:
    monkeypatch.setattr("jobwire.store.postgres.folding.READY_ROWS_MAX", limit)
    ledger.submit_many(300)
    for _ in range(READY_LOOK_FOLDS):
        ledger.store.fold().result(WAIT_S)
    [(pages,)] = ledger.query("SELECT relallvisible FROM pg_class WHERE oid = 'ready'::regclass")
    assert (pages > 0) is is_seen


def test_upkeep_does_not_walk_over_all_jobs_although_its_plans_are_from_when_there_were_few(ledger: Ledger) -> None:
    def keep_up(tx: object) -> int:
        before = tx.query(READ_OF_STATE)[0][0]
        tx.promote(100)
        tx.rescue(100)
        tx.heartbeat("w1", lease_ms=LEASE_MS, progress=())
        return int(tx.query(READ_OF_STATE)[0][0] - before)

    ledger.store.write(keep_up).result(WAIT_S)
    for _ in range(4):
        ledger.submit_many(500)
    ledger.claim(3)
    assert ledger.store.write(keep_up).result(WAIT_S) < 50


def test_a_full_claim_raises_the_floor_and_nothing_below_it_waits_longer_than_a_second(ledger: Ledger) -> None:
    floors = ledger.store._engine._floors
    ledger.submit_many(30)
    first = ledger.claim(5)
    assert "q" in floors._floors
    assert ledger.settle(first[0], SHUTDOWN)
    assert "q" not in floors._floors
    assert ledger.claim_one().number == first[0].number


def test_a_submission_lowers_the_floor_to_its_job_and_no_further(ledger: Ledger) -> None:
    floors = ledger.store._engine._floors
    ledger.submit_many(30)
    claimed = ledger.claim(5)
    floor = floors._floors["q"]
    assert floor.number == claimed[0].number
    ledger.submit(owner=2)
    ledger.submit(owner=3, run_at=ledger.clock() + 60_000, priority=0)
    assert floors._floors["q"] == floor
    urgent = ledger.submit(owner=2, priority=0)
    assert floors._floors["q"].number == urgent
    assert ledger.claim_one().number == urgent


def test_a_claim_that_comes_back_short_keeps_a_floor_and_looks_below_it_sooner(
    ledger: Ledger, other: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr("jobwire.store.postgres.floors.read_seconds", lambda: now[0])
    ledger.submit_many(3)
    assert len(ledger.claim(5)) == 3
    number = other.submit(priority=0)
    now[0] += UNFLOORED_SHORT_INTERVAL_S - 0.01
    assert ledger.claim(5) == []
    now[0] += 0.01
    assert ledger.claim_one().number == number


@pytest.mark.parametrize("floored", [True, False])
def test_a_floor_hides_nothing_from_an_unfloored_claim(
    ledger: Ledger, other: Ledger, monkeypatch: pytest.MonkeyPatch, floored: bool
) -> None:
    now = [0.0]
    monkeypatch.setattr("jobwire.store.postgres.floors.read_seconds", lambda: now[0])
    ledger.submit_many(30)
    ledger.claim(5)
    number = other.submit(priority=0)
    now[0] += 0.5 if floored else 1.0
    assert (ledger.claim_one().number == number) is not floored
