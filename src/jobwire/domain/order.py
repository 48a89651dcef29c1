"""The total order of waiting jobs: (priority, turn, number), lower first, fixed at submission.

Turns are start-time fair queueing in integers: an owner's next job starts one step after its last one, but never
before the turn that is being served now. So an owner's flood pays with its own turns, a newcomer is served within
one round, and a claim stays a walk along one index.
"""

from collections.abc import Sequence

TURN_STEP = 1 << 20
WEIGHT_MAX = 1_000
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
