"""Caps: how many jobs of an owner, a kind or a concurrency key may run at once, or start within a time.

A claim that would go over a cap passes the job over: it keeps its place in the order, is blocked, and is told by
which cap. What a claim takes under a cap is a permit, given back when the job's lease or the cap's time ends.
"""

from collections import Counter
from collections.abc import Mapping, Sequence, Set
from typing import Literal, NamedTuple

Scope = Literal["owner", "kind", "concurrency_key", "rate"]
"""What a cap counts, and the word a blocked job is shown: `rate` counts the starts of a concurrency key."""

RUNNING_LIMIT_MAX = 1_000_000
RATE_COUNT_MAX, RATE_WINDOW_MS_MAX = 100_000, 24 * 3_600_000


class Cap(NamedTuple):
    """At most `count_max` jobs run at once or, with `window_ms`, start within any such time.

    `name` is an owner's id, or a kind; for the scopes `concurrency_key` and `rate` each key of the kind counts alone.
    """

    scope: Scope
    name: str
    count_max: int
    window_ms: int | None = None


class Need(NamedTuple):
    """A permit that a job needs to start: one of `count_max` of this scope and name."""

    scope: str
    name: str
    count_max: int
    window_ms: int | None


ScopeName = tuple[str, str]


class Admission(NamedTuple):
    """What became of the first `looked_at` candidates: started, or held back, each by one need.

    `passed_by` counts the other needs of those held back that have permits left: who waits for them may be next.
    """

    looked_at: int
    started: list[int]
    held: list[tuple[int, Need]]
    passed_by: Counter[ScopeName]


def admit(
    candidates: Sequence[int],
    needs: Mapping[int, Sequence[Need]],
    *,
    taken: dict[ScopeName, int],
    awaited: Set[ScopeName],
    limit: int,
) -> Admission:
    """Starts up to `limit` candidates in their order, each if all its permits are left, and counts them in `taken`.

    Stops at a candidate that would take what another one has passed by, if there are `awaited` ones: jobs that are
    held back for it and may stand before that candidate. A job is held by the first of its needs that is not met.
    """
    looked_at = 0
    started: list[int] = []
    held: list[tuple[int, Need]] = []
    passed_by: Counter[ScopeName] = Counter()
    for number in candidates:
        if len(started) == limit:
            break
        wanted = needs.get(number, ())
        unmet = [need for need in wanted if taken[need[:2]] >= need.count_max]
        if unmet:
            held.append((number, unmet[0]))
            passed_by.update(need[:2] for need in wanted if need not in unmet)
        elif any(need[:2] in passed_by and need[:2] in awaited for need in wanted):
            break
        else:
            started.append(number)
            for need in wanted:
                taken[need[:2]] += 1
        looked_at += 1
    return Admission(looked_at, started, held, passed_by)
