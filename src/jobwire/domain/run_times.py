"""How long runs took: counts and sums in logarithmic buckets that merge by addition. estimate.py looks ahead by them.

A bucket is a quarter of an octave wide and stands for the mean of what fell into it: within a tenth of most times in
it, and exact in sums over many runs. With a bucket's middle instead, a job behind fifty equal ones was expected up to
9 % too early or late. 118 buckets reach from a millisecond to a week. All numbers are whole: merged in any order, in
memory or in SQL, they come to the same.
"""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import NamedTuple

RUN_MS_MAX = 7 * 24 * 3_600_000
_BUCKETS_AN_OCTAVE = 4
_LAST = int(math.log2(RUN_MS_MAX) * _BUCKETS_AN_OCTAVE) + 1


class Tally(NamedTuple):
    """So many runs and the microseconds they took together, at least one each."""

    runs: int
    total_us: int


def bucket_of(run_ms: float) -> int:
    """The bucket of a time; what is shorter than a millisecond or longer than a week is in the first or last."""
    return 0 if run_ms <= 1 else min(int(math.log2(run_ms) * _BUCKETS_AN_OCTAVE), _LAST)


@dataclass(frozen=True)
class RunTimes:
    """A distribution of run times: what fell into each bucket. Merging is associative and commutative."""

    buckets: Mapping[int, Tally]

    @cached_property
    def total(self) -> int:
        """How many runs."""
        return sum(tally.runs for tally in self.buckets.values())

    @cached_property
    def steps(self) -> tuple[tuple[float, int], ...]:
        """The mean milliseconds and the number of runs in each bucket, shortest first."""
        return tuple((total_us / runs / 1000, runs) for _, (runs, total_us) in sorted(self.buckets.items()))

    @cached_property
    def mean_ms(self) -> float:
        """The mean time; 0 of no runs."""
        return sum(tally.total_us for tally in self.buckets.values()) / max(1, self.total) / 1000

    @cached_property
    def deviation_ms(self) -> float:
        """The standard deviation; 0 of no runs."""
        mean = self.mean_ms
        return math.sqrt(sum((length - mean) ** 2 * runs for length, runs in self.steps) / max(1, self.total))

    def quantile(self, share: float) -> float | None:
        """The milliseconds within which this share of the runs ended; None of no runs."""
        return self.remaining(share, after_ms=0.0)

    def remaining(self, share: float, *, after_ms: float) -> float | None:
        """The further milliseconds within which this share of the runs ended that lasted longer than `after_ms`.

        None when none is known that did.
        """
        first = bisect_right(self._lengths, after_ms)
        if first == len(self._lengths):
            return None
        shorter = self._reached[first - 1] if first else 0
        wanted = shorter + share * (self.total - shorter)
        return self._lengths[max(first, bisect_left(self._reached, wanted))] - after_ms

    @cached_property
    def _lengths(self) -> tuple[float, ...]:
        return tuple(length for length, _ in self.steps)

    @cached_property
    def _reached(self) -> tuple[int, ...]:
        return tuple(accumulate(runs for _, runs in self.steps))


def merge_runs(parts: Iterable[RunTimes]) -> RunTimes:
    """All runs of all parts."""
    merged: dict[int, Tally] = {}
    for part in parts:
        for bucket, (runs, total_us) in part.buckets.items():
            before = merged.get(bucket, _NONE)
            merged[bucket] = Tally(before.runs + runs, before.total_us + total_us)
    return RunTimes(merged)


_NONE = Tally(0, 0)


def fade_runs(periods: Mapping[int, RunTimes]) -> RunTimes:
    """The runs of numbered periods, those of each period counting half of the next one's.

    The oldest period's count once: whole numbers stay whole, and only shares matter.
    """
    oldest = min(periods, default=0)
    return merge_runs(_multiply(part, 1 << (number - oldest)) for number, part in periods.items())


def _multiply(part: RunTimes, factor: int) -> RunTimes:
    tallies = part.buckets.items()
    return RunTimes({bucket: Tally(runs * factor, total_us * factor) for bucket, (runs, total_us) in tallies})
