"""When a job starts and ends: the median and the 90th percentile, from its place, the live slots and recent runs.

The queue is rehearsed: 128 times the slots are given what they may be busy with and the jobs ahead run through them,
with times drawn from the recent ones. That holds for any mix of short and long jobs, where a formula for one shape of
distribution fails by a factor of ten. The draws are the same for every queue, so that a place further back or a slot
less never gives an earlier start.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from heapq import heapify, heapreplace
from itertools import pairwise
from operator import itemgetter
from typing import NamedTuple

from jobwire.domain.run_times import RunTimes

RETRY_AFTER_S_MAX = 600

_REHEARSALS = 128
_MEDIAN, _NINE_IN_TEN = _REHEARSALS // 2, _REHEARSALS * 9 // 10
# Beyond these the queue is regular enough: more slots serve a place so much further back, and a longer way adds its
# mean and, for the 90th percentile, its deviation.
_SLOTS = 32
_PLACES = 128
_DEVIATIONS_OF_P90 = 1.2816

_Pick = Callable[[Sequence[float]], tuple[float, ...]]


class Span(NamedTuple):
    """A time ahead in milliseconds: as likely shorter as longer than p50; nine in ten are shorter than p90."""

    p50_ms: float
    p90_ms: float


class Estimate(NamedTuple):
    """Seconds from now, to three digits; the end is None where no run of that kind is known."""

    starts_in_p50_s: float
    starts_in_p90_s: float
    ends_in_p50_s: float | None
    ends_in_p90_s: float | None


@dataclass(frozen=True, slots=True)
class Forecast:
    """When slots of one queue come free: the first ones in `frees`, from none at once, then at a steady pace.

    `runs_known` are the runs it stands on: a mean of few is itself uncertain, the more so the longer the way.
    """

    frees: Sequence[Span]
    scale: float
    pace_ms: float
    deviation_ms: float
    runs_known: int

    def start(self, position: int) -> Span:
        """The time until a job starts that `position` others wait before; never less for a greater one."""
        place = (position + 1) * self.scale
        last = len(self.frees) - 1
        if place < last:
            index = int(place)
            low, high = self.frees[index], self.frees[index + 1]
            share = place - index
            return Span(*(a + (b - a) * share for a, b in zip(low, high, strict=True)))
        base = self.frees[last]
        way = (place - last) * self.pace_ms
        swing = (self._swing(place) - self._swing(last)) * _DEVIATIONS_OF_P90
        return Span(base.p50_ms + way, base.p90_ms + way + swing)

    def _swing(self, place: float) -> float:
        return self.deviation_ms * math.sqrt(place * (1 + place / self.runs_known))


def rehearse_queue(runs: RunTimes, slots: int, *, runs_known: int) -> Forecast | None:
    """The forecast for a queue with that many live slots, all busy; None without a slot or without known runs.

    `runs` are the recent times for which jobs of all kinds held a slot there, weighted or not; `runs_known` is how
    many they are.
    """
    if slots < 1 or not runs.total:
        return None
    lengths, rests = _spread_lengths(runs), _spread_rests(runs)
    rehearsed = min(slots, _SLOTS)
    ways = [
        _run_through(list(pick_rests(rests)[:rehearsed]), pick_lengths(lengths))
        for pick_rests, pick_lengths in _fixed_draws()
    ]
    frees = [Span(0.0, 0.0)]
    for column in zip(*ways, strict=True):
        ordered = sorted(column)
        frees.append(Span(ordered[_MEDIAN], ordered[_NINE_IN_TEN]))
    return Forecast(frees, rehearsed / slots, runs.mean_ms / rehearsed, runs.deviation_ms / rehearsed, runs_known)


def _run_through(busy: list[float], lengths: Sequence[float]) -> list[float]:
    """When each of the waiting jobs starts, given when each slot is free and how long each job takes."""
    heapify(busy)
    starts = []
    for length in lengths:
        starts.append(busy[0])
        heapreplace(busy, busy[0] + length)
    return starts


def _spread_lengths(runs: RunTimes) -> list[float]:
    """The means of equal shares of the runs, shortest first: rare long runs keep their weight in the mean."""
    share = runs.total / _REHEARSALS
    spread: list[float] = []
    room, filled = share, 0.0
    for length, count in runs.steps:
        left = float(count)
        while left >= room and len(spread) < _REHEARSALS - 1:
            spread.append((filled + room * length) / share)
            left -= room
            room, filled = share, 0.0
        filled += left * length
        room -= left
    return [*spread, filled / share]


def _spread_rests(runs: RunTimes) -> list[float]:
    """What is left of a run met at a random moment, in equal shares, least first: long runs are met more often."""
    work = runs.mean_ms * runs.total
    rests: list[float] = []
    done, longer = 0.0, runs.total
    for (earlier, _), (length, count) in pairwise(((0.0, 0), *runs.steps)):
        reached = done + longer * (length - earlier)
        while len(rests) < _REHEARSALS and (wanted := (len(rests) + 0.5) / _REHEARSALS * work) <= reached:
            rests.append(earlier + (wanted - done) / longer)
        done, longer = reached, longer - count
    return rests + [runs.steps[-1][0]] * (_REHEARSALS - len(rests))


@cache
def _fixed_draws() -> list[tuple[_Pick, _Pick]]:
    """For each rehearsal which shares its slots' rests and its jobs' lengths are of; always the same.

    Over the rehearsals each slot and each job gets every share once, so that no draw is luckier than another.
    """
    columns = []
    number = 1
    for _ in range(_SLOTS + _PLACES):
        column = list(range(_REHEARSALS))
        for last in range(_REHEARSALS - 1, 0, -1):
            # Knuth's MMIX generator; its high bits are the good ones.
            number = (number * 6_364_136_223_846_793_005 + 1_442_695_040_888_963_407) % 2**64
            other = (number >> 32) * (last + 1) >> 32
            column[last], column[other] = column[other], column[last]
        columns.append(column)
    return [(itemgetter(*row[:_SLOTS]), itemgetter(*row[_SLOTS:])) for row in zip(*columns, strict=True)]


def estimate_waiting(start: Span, *, delay_ms: int, runs: RunTimes) -> Estimate:
    """For a job that starts in `start` from its place, but not before `delay_ms`: those ahead go on meanwhile.

    `runs` are the completed ones of its kind.
    """
    begin = Span(max(start.p50_ms, delay_ms), max(start.p90_ms, delay_ms))
    length = _length_of(runs, after_ms=0.0)
    if length is None:
        return Estimate(_seconds(begin.p50_ms), _seconds(begin.p90_ms), None, None)
    end_ms = begin.p50_ms + length.p50_ms
    # Independent deviations add by their squares.
    swing = math.hypot(begin.p90_ms - begin.p50_ms, length.p90_ms - length.p50_ms)
    return Estimate(_seconds(begin.p50_ms), _seconds(begin.p90_ms), _seconds(end_ms), _seconds(end_ms + swing))


def estimate_running(runs: RunTimes, *, for_ms: int) -> Estimate | None:
    """For a job that has been running for `for_ms`; None when no run is known that lasted longer."""
    rest = _length_of(runs, after_ms=for_ms)
    return None if rest is None else Estimate(0.0, 0.0, _seconds(rest.p50_ms), _seconds(rest.p90_ms))


def _length_of(runs: RunTimes, *, after_ms: float) -> Span | None:
    p50, p90 = runs.remaining(0.5, after_ms=after_ms), runs.remaining(0.9, after_ms=after_ms)
    return None if p50 is None or p90 is None else Span(p50, p90)


def _seconds(milliseconds: float) -> float:
    """Three digits: fewer would move the percentiles of a queue whose jobs all take equally long."""
    return float(f"{milliseconds / 1000:.3g}")


def retry_after_s(
    estimate: Estimate | None, *, age_ms: int, is_running: bool, due_in_ms: int, spread: float, least_s: int
) -> int:
    """When to ask again, in whole seconds from `least_s` to RETRY_AFTER_S_MAX.

    A little before the median of the end, so that half of those who ask find it and the others get a new median; of
    a running job not before it has run a twelfth longer. Where nothing is known, after a quarter of `age_ms`, the
    time it has waited or run, and not before it is due. `spread`, 0 to 1, moves callers apart by 6 %.
    """
    if estimate is None:
        ahead_s = max(age_ms / 4, due_in_ms) / 1000
    elif estimate.ends_in_p50_s is None or estimate.ends_in_p90_s is None:
        ahead_s = estimate.starts_in_p50_s
    else:
        # Later costs fewer polls and more waiting: 2.4 polls and 9 % where runs differ by a fifth (bench/waiting.py).
        # Without the twelfth the last long runs are asked for every second.
        ahead_s = estimate.ends_in_p50_s - (estimate.ends_in_p90_s - estimate.ends_in_p50_s) / 10
        ahead_s = max(ahead_s, age_ms / 12_000 if is_running else 0)
    return max(least_s, min(RETRY_AFTER_S_MAX, round(ahead_s * (0.97 + 0.06 * spread))))
