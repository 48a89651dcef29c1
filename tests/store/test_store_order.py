"""G9 and G10: a position is the number of jobs claimed first, and backlogged owners are served in turn."""

from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from store_engines import ENGINES, Engine
from store_ledger import DONE, SHUTDOWN, Ledger, give_weight

from manual_clock import ManualClock


def owner_order(ledger: Ledger, how_many: int) -> list[int]:
    """The owners of the next jobs, one claim at a time."""
    return [claim.owner for _ in range(how_many) for claim in ledger.claim(1)]


def test_g9_a_position_is_the_number_of_jobs_that_are_claimed_first(ledger: Ledger, rng: Random) -> None:
    for _ in range(60):
        ledger.submit_many(rng.randint(1, 4), owner=rng.randint(1, 4), priority=rng.randint(3, 6))
        if rng.random() < 0.3:
            for claim in ledger.claim(rng.randint(1, 5)):
                assert ledger.settle(claim, rng.choice([DONE, SHUTDOWN]))
    ledger.submit_many(5, queue="another")
    waiting = ledger.query("SELECT number, owner FROM job JOIN state USING (number) WHERE state = 0 AND queue = 'q'")
    positions = {number: ledger.position(number, owner=owner) for number, owner in waiting}
    claimed = [claim.number for claim in ledger.claim(1_000)]
    assert positions == {number: rank for rank, number in enumerate(claimed)}


def test_g9_a_queue_s_positions_know_nothing_of_another_queue(ledger: Ledger) -> None:
    ledger.submit_many(3, queue="another", priority=0)
    assert [ledger.position(number) for number in ledger.submit_many(3)] == [0, 1, 2]


def test_g10_two_backlogged_owners_are_served_in_turn(ledger: Ledger) -> None:
    ledger.submit_many(50, owner=1)
    ledger.submit_many(50, owner=2)
    served = owner_order(ledger, 40)
    assert [served.count(1), served.count(2)] == [20, 20]
    assert all({served[n], served[n + 1]} == {1, 2} for n in range(0, 40, 2))


def test_g10_a_newcomer_starts_within_one_round_whatever_the_others_backlog(ledger: Ledger) -> None:
    ledger.submit_many(300, owner=1)
    ledger.submit_many(300, owner=2)
    owner_order(ledger, 31)
    ledger.submit_many(2, owner=3)
    assert 3 in owner_order(ledger, 3)


def test_g10_an_owner_that_was_away_gets_no_credit_for_it(ledger: Ledger) -> None:
    ledger.submit(owner=2)
    ledger.submit_many(200, owner=1)
    owner_order(ledger, 100)
    ledger.submit_many(50, owner=2)
    served = owner_order(ledger, 40)
    assert abs(served.count(1) - served.count(2)) <= 2


def test_g10_a_job_that_comes_back_does_not_turn_its_queue_back(ledger: Ledger) -> None:
    ledger.submit_many(100, owner=1)
    first, *_ = ledger.claim(60)
    assert ledger.settle(first, SHUTDOWN)
    assert ledger.claim_one().number == first.number
    ledger.submit_many(50, owner=2)
    assert abs(owner_order(ledger, 20).count(2) - 10) <= 1


def test_g10_a_claim_over_two_priorities_moves_both_on(ledger: Ledger) -> None:
    ledger.submit_many(20, owner=1, priority=1)
    ledger.submit_many(20, owner=1, priority=5)
    ledger.claim(30)
    for priority in (1, 5):
        ledger.submit_many(10, owner=1, priority=priority)
        ledger.submit_many(10, owner=2, priority=priority)
    served = owner_order(ledger, 30)
    assert abs(served[:10].count(2) - 5) <= 1
    assert abs(served[20:].count(2) - 5) <= 1


def test_g10_weights_share_a_queue_in_proportion(ledger: Ledger) -> None:
    give_weight(ledger, 1, 3)
    ledger.submit_many(100, owner=1)
    ledger.submit_many(100, owner=2)
    served = owner_order(ledger, 80)
    assert abs(served.count(1) - 60) <= 2


def test_priority_goes_before_fairness(ledger: Ledger) -> None:
    ledger.submit_many(3, owner=1, priority=1)
    ledger.submit_many(3, owner=2, priority=5)
    assert owner_order(ledger, 6) == [1, 1, 1, 2, 2, 2]


def test_turns_of_one_queue_or_priority_do_not_touch_another_s(ledger: Ledger) -> None:
    ledger.submit_many(100, owner=1, queue="busy")
    ledger.submit_many(100, owner=1, priority=9)
    for owner in (1, 2):
        ledger.submit_many(2, owner=owner)
    assert owner_order(ledger, 4) == [1, 2, 1, 2]


MOVES = st.lists(
    st.one_of(
        st.tuples(st.just("submit"), st.integers(1, 3), st.integers(1, 12)),
        st.tuples(st.just("claim"), st.integers(1, 10), st.just(0)),
    ),
    min_size=2,
    max_size=14,
)


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine.name)
@settings(max_examples=25)
@given(moves=MOVES)
def test_g9_g10_positions_and_shares_hold_for_any_mix_of_submissions_and_claims(
    engine: Engine, moves: list[tuple[str, int, int]]
) -> None:
    clock = ManualClock()
    with TemporaryDirectory() as folder:
        store = engine.open(engine.address(Path(folder)), clock)
        ledger = Ledger(store, clock)
        waiting: dict[int, int] = {}
        gaps: dict[tuple[int, int], int] = {}
        for move, subject, count in moves:
            if move == "submit":
                waiting |= dict.fromkeys(ledger.submit_many(count, owner=subject), subject)
                continue
            for _ in range(subject):
                backlogged = set(waiting.values())
                for claim in ledger.claim(1):
                    del waiting[claim.number]
                    for pair in ((1, 2), (1, 3), (2, 3)):
                        if set(pair) <= backlogged:
                            gaps[pair] = gaps.get(pair, 0) + (claim.owner == pair[0]) - (claim.owner == pair[1])
                            assert abs(gaps[pair]) <= 2
                        if not set(pair) <= set(waiting.values()):
                            gaps.pop(pair, None)
        positions = {number: ledger.position(number, owner=owner) for number, owner in waiting.items()}
        assert [claim.number for claim in ledger.claim(1_000)] == sorted(positions, key=positions.__getitem__)
        assert sorted(positions.values()) == list(range(len(positions)))
        store.close()


@pytest.mark.parametrize("weight", [0, 1_001])
def test_an_owner_s_weight_outside_the_limits_is_refused_by_the_ledger(ledger: Ledger, weight: int) -> None:
    with pytest.raises(Exception, match="cannot be written"):
        give_weight(ledger, 1, weight)
