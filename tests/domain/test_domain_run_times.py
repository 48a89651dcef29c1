"""Run times: whatever is merged in whatever order comes to the same, and a quantile is where it should be."""

import math
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobwire.domain.run_times import RUN_MS_MAX, RunTimes, Tally, bucket_of, fade_runs, merge_runs

LENGTHS = st.floats(min_value=0, max_value=RUN_MS_MAX)
SAMPLES = st.lists(LENGTHS, min_size=1, max_size=60)


def runs_of(*lengths_ms):
    return merge_runs(RunTimes({bucket_of(ms): Tally(1, round(ms * 1000))}) for ms in lengths_ms)


@given(st.lists(SAMPLES, min_size=1, max_size=5), st.randoms())
def test_parts_merge_to_the_same_in_any_order_and_grouping(samples, random):
    parts = [runs_of(*sample) for sample in samples]
    whole = runs_of(*(length for sample in samples for length in sample))
    random.shuffle(parts)
    middle = random.randint(0, len(parts))
    assert merge_runs(parts) == whole
    assert merge_runs([merge_runs(parts[:middle]), merge_runs(parts[middle:])]) == whole


@given(SAMPLES)
def test_total_and_mean_are_those_of_the_runs(sample):
    runs = runs_of(*sample)
    assert runs.total == len(sample)
    assert runs.mean_ms == pytest.approx(statistics.fmean(sample), abs=0.001, rel=1e-6)


@given(st.lists(st.floats(min_value=1, max_value=RUN_MS_MAX), min_size=1, max_size=60), st.floats(0.01, 1))
def test_a_quantile_lies_within_its_bucket(sample, share):
    exact = sorted(sample)[math.ceil(share * len(sample)) - 1]
    assert runs_of(*sample).quantile(share) == pytest.approx(exact, rel=2**0.25 - 1, abs=0.001)


@given(st.floats(10, 1e6), st.floats(1, 3), st.floats(0.05, 0.95))
def test_a_quantile_of_evenly_spread_runs_is_within_a_tenth(shortest_ms, spread, share):
    sample = [shortest_ms * (1 + (spread - 1) * place / 199) for place in range(200)]
    exact = sample[math.ceil(share * len(sample)) - 1]
    assert runs_of(*sample).quantile(share) == pytest.approx(exact, rel=0.1)


@given(SAMPLES, st.floats(0, RUN_MS_MAX), st.floats(0, 1), st.floats(0, 1))
def test_what_remains_is_never_negative_and_grows_with_the_share(sample, after_ms, share, other):
    runs = runs_of(*sample)
    less, more = (runs.remaining(s, after_ms=after_ms) for s in sorted((share, other)))
    if less is None or more is None:
        assert less is more
        assert max(length for length, _ in runs.steps) <= after_ms
    else:
        assert 0 < less <= more


def test_who_has_run_longer_than_most_is_compared_with_the_longest():
    runs = runs_of(*[1_000] * 90, *[60_000] * 10)
    assert runs.remaining(0.5, after_ms=0) == pytest.approx(1_000)
    assert runs.remaining(0.5, after_ms=5_000) == pytest.approx(55_000)
    assert runs.remaining(0.5, after_ms=61_000) is None


@given(LENGTHS, LENGTHS)
def test_buckets_are_in_the_order_of_times_and_bounded(one, other):
    low, high = sorted((bucket_of(one), bucket_of(other)))
    assert 0 <= low <= high <= 117
    assert (low == bucket_of(min(one, other))) and (high == bucket_of(max(one, other)))


def test_no_runs_have_no_quantile():
    nothing = merge_runs([])
    assert (nothing.total, nothing.mean_ms, nothing.deviation_ms, nothing.quantile(0.5)) == (0, 0.0, 0.0, None)


def test_each_period_counts_half_of_the_next_one():
    faded = fade_runs({7: runs_of(1_000), 8: runs_of(2_000), 10: runs_of(4_000)})
    assert [(round(length), count) for length, count in faded.steps] == [(1_000, 1), (2_000, 2), (4_000, 8)]
    assert fade_runs({}).total == 0
