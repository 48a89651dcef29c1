"""The total order of waiting jobs: (priority, turn, number), lower first, fixed at submission.

Turns are start-time fair queueing in integers: an owner's next job starts one step after its last one, but never
before the turn that is being served now. So an owner's flood pays with its own turns, a newcomer is served within
one round, and a claim stays a walk along one index.

A position is counted in cells: each level's cell holds 64 of the level below, the lowest spans 8 rounds of turns, so
that a rank is a few sums of at most 64 numbers and a count within half a lowest cell, a leaf.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

TURN_STEP = 1 << 20
WEIGHT_MAX = 1_000
CELL_SHIFTS = (23, 29, 35, 41)
LEAF_SHIFT = CELL_SHIFTS[0]
FIFO_LANE = 0
"""The lane that all owners share in a queue that is not fair; no owner has this id."""
PRIORITY_MIN, PRIORITY_MAX, PRIORITY_DEFAULT = 0, 9, 5


def give_turns(count: int, *, now_turn: int, last_turn: int | None, weight: int = 1) -> Sequence[int]:
    """The turns of an owner's next `count` jobs.

    `now_turn` is the turn of the job claimed last in that queue and priority, `last_turn` the owner's latest there
    (None before its first); an owner of weight w advances by 1/w of a step for each job.
    """
    if not 1 <= weight <= WEIGHT_MAX:
        raise ValueError(f"an owner's weight must be between 1 and {WEIGHT_MAX}, got {weight}")
    step = TURN_STEP // weight
    first = now_turn if last_turn is None else max(now_turn, last_turn + step)
    return range(first, first + step * count, step)


def count_leaves(turns: Iterable[int]) -> dict[int, int]:
    """How many of the turns lie in each leaf."""
    leaves: dict[int, int] = {}
    for turn in turns:
        leaf = turn >> LEAF_SHIFT
        leaves[leaf] = leaves.get(leaf, 0) + 1
    return leaves


def stack_cells(leaves: Mapping[int, int]) -> list[Mapping[int, int]]:
    """What numbers of leaves are in the cells of every level, the leaves first."""
    levels = [leaves]
    for lower, shift in pairwise(CELL_SHIFTS):
        cells: dict[int, int] = {}
        for cell, n in levels[-1].items():
            above = cell >> (shift - lower)
            cells[above] = cells.get(above, 0) + n
        levels.append(cells)
    return levels
