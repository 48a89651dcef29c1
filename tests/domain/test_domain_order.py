"""Fair turns, driven by random submissions and claims against a lane kept in a list."""

from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobwire.domain.order import CELL_SHIFTS, TURN_STEP, WEIGHT_MAX, count_leaves, give_turns, stack_cells

OWNERS = "abcd"


@dataclass
class Lane:
    """One queue at one priority: who waits, in which order, and how far it is."""

    weights: dict[str, int]
    now_turn: int = 0
    last_turns: dict[str, int] = field(default_factory=dict)
    waiting: list[tuple[int, int, str]] = field(default_factory=list)
    submitted: int = 0

    def submit(self, owner: str, count: int) -> None:
        turns = give_turns(
            count, now_turn=self.now_turn, last_turn=self.last_turns.get(owner), weight=self.weights[owner]
        )
        self.last_turns[owner] = turns[-1]
        for turn in turns:
            self.submitted += 1
            self.waiting.append((turn, self.submitted, owner))
        self.waiting.sort()

    def claim(self) -> str:
        turn, _, owner = self.waiting.pop(0)
        self.now_turn = max(self.now_turn, turn)
        return owner

    def backlogged(self) -> set[str]:
        return {owner for _, _, owner in self.waiting}


MOVES = st.lists(
    st.one_of(st.tuples(st.sampled_from(OWNERS), st.integers(1, 30)), st.integers(1, 20)), min_size=1, max_size=30
)
WEIGHTS = st.fixed_dictionaries({owner: st.integers(1, 8) for owner in OWNERS})


@given(MOVES, WEIGHTS)
def test_while_two_owners_both_wait_each_is_served_its_share_within_one_job_each(
    moves: list[tuple[str, int] | int], weights: dict[str, int]
) -> None:
    lane = Lane(weights)
    shares: dict[tuple[str, str], float] = {}
    for move in moves:
        if isinstance(move, tuple):
            lane.submit(*move)
            continue
        for _ in range(min(move, len(lane.waiting))):
            before = lane.backlogged()
            served = lane.claim()
            for one in OWNERS:
                for other in OWNERS:
                    if not one < other:
                        continue
                    if {one, other} <= before:
                        gain = {one: 1 / weights[one], other: -1 / weights[other]}.get(served, 0.0)
                        shares[one, other] = shares.get((one, other), 0.0) + gain
                        allowed = 1 / weights[one] + 1 / weights[other] + 1e-3
                        assert abs(shares[one, other]) <= allowed, (one, other, shares)
                    if not {one, other} <= lane.backlogged():
                        shares.pop((one, other), None)


@given(MOVES, st.integers(1, 5))
def test_a_newcomer_is_served_within_one_round_whatever_the_others_backlog(
    moves: list[tuple[str, int] | int], count: int
) -> None:
    lane = Lane(dict.fromkeys([*OWNERS, "newcomer"], 1))
    for move in moves:
        if isinstance(move, tuple):
            lane.submit(*move)
        else:
            for _ in range(min(move, len(lane.waiting))):
                lane.claim()
    others = len(lane.backlogged())
    lane.submit("newcomer", count)
    place = next(index for index, (_, _, owner) in enumerate(lane.waiting) if owner == "newcomer")
    assert place <= others


@given(st.integers(1, 100), st.integers(0, 2**40), st.none() | st.integers(0, 2**40), st.integers(1, WEIGHT_MAX))
def test_turns_rise_by_the_owner_s_step_and_never_start_before_the_lane(
    count: int, now_turn: int, last_turn: int | None, weight: int
) -> None:
    turns = give_turns(count, now_turn=now_turn, last_turn=last_turn, weight=weight)
    assert len(turns) == count
    assert turns[0] >= now_turn
    assert last_turn is None or turns[0] >= last_turn + TURN_STEP // weight
    assert {after - before for before, after in pairwise(turns)} <= {TURN_STEP // weight}


@given(st.lists(st.integers(1, 20), min_size=1, max_size=6), st.integers(1, WEIGHT_MAX))
def test_one_batch_and_many_small_ones_get_the_same_turns(sizes: list[int], weight: int) -> None:
    last: int | None = None
    piecewise: list[int] = []
    for size in sizes:
        piecewise += give_turns(size, now_turn=5, last_turn=last, weight=weight)
        last = piecewise[-1]
    assert piecewise == list(give_turns(sum(sizes), now_turn=5, last_turn=None, weight=weight))


@pytest.mark.parametrize("weight", [0, -1, WEIGHT_MAX + 1])
def test_a_weight_outside_the_limits_is_refused_with_its_value(weight: int) -> None:
    with pytest.raises(ValueError, match=f"between 1 and {WEIGHT_MAX}, got {weight}"):
        give_turns(1, now_turn=0, last_turn=None, weight=weight)


@pytest.mark.parametrize("weight", [1, WEIGHT_MAX])
def test_weights_at_the_limits_are_taken(weight: int) -> None:
    assert len(give_turns(2, now_turn=0, last_turn=None, weight=weight)) == 2


@given(st.lists(st.integers(0, 2**44) | st.integers(0, 2**24), max_size=60), st.integers(0, 2**44))
def test_a_rank_is_the_sum_of_smaller_cells_under_one_parent_and_a_count_in_the_leaf(
    turns: list[int], turn: int
) -> None:
    levels = stack_cells(count_leaves(turns))
    assert [sum(level.values()) for level in levels] == [len(turns)] * len(CELL_SHIFTS)
    rank, above = 0, -1
    for level, shift in reversed(list(zip(levels, CELL_SHIFTS, strict=True))):
        siblings = {cell: n for cell, n in level.items() if above < 0 or cell >> 6 == above}
        assert above < 0 or len(siblings) <= 64
        rank += sum(n for cell, n in siblings.items() if cell < turn >> shift)
        above = turn >> shift
    rank += sum(other < turn for other in turns if other >> CELL_SHIFTS[0] == above)
    assert rank == sum(other < turn for other in turns)
