"""Estimates: as early as they say in half of the cases, and in nine of ten; and in order among each other."""

import heapq
import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobwire.domain.estimate import (
    RETRY_AFTER_S_MAX,
    Estimate,
    Span,
    estimate_running,
    estimate_waiting,
    rehearse_queue,
    retry_after_s,
)
from jobwire.domain.run_times import RunTimes, Tally, bucket_of, merge_runs

NOTHING = RunTimes({})
RUNS = st.dictionaries(
    st.floats(min_value=0.01, max_value=10_000_000), st.integers(min_value=1, max_value=1_000), min_size=1, max_size=8
).map(lambda drawn: runs_of(*drawn.items()))
SPANS = st.tuples(st.floats(0, 1e9), st.floats(0, 1e9)).map(lambda drawn: Span(*sorted(drawn)))


def runs_of(*lengths_ms):
    """Runs from pairs of milliseconds and count."""
    return merge_runs(
        RunTimes({bucket_of(length): Tally(count, max(1, round(length * 1000)) * count)})
        for length, count in lengths_ms
    )


def forecast_of(runs, slots):
    return rehearse_queue(runs, slots, runs_known=runs.total)


@settings(max_examples=40)
@given(RUNS, st.integers(1, 100), st.lists(st.integers(0, 2_000), min_size=2, max_size=8))
def test_whoever_stands_further_back_never_starts_earlier(runs, slots, positions):
    forecast = forecast_of(runs, slots)
    starts = [forecast.start(position) for position in sorted(positions)]
    for nearer, further in itertools.pairwise(starts):
        assert nearer.p50_ms <= further.p50_ms
        assert nearer.p90_ms <= further.p90_ms


@settings(max_examples=40)
@given(RUNS, st.integers(1, 100), st.integers(0, 2_000))
def test_the_median_comes_before_nine_in_ten(runs, slots, position):
    start = forecast_of(runs, slots).start(position)
    assert 0 <= start.p50_ms <= start.p90_ms


@settings(max_examples=40)
@given(RUNS, st.integers(1, 70), st.integers(1, 30), st.integers(0, 2_000))
def test_more_slots_never_start_a_job_later(runs, slots, more, position):
    few, many = forecast_of(runs, slots).start(position), forecast_of(runs, slots + more).start(position)
    assert many.p50_ms <= few.p50_ms * (1 + 1e-9)
    assert many.p90_ms <= few.p90_ms * (1 + 1e-9)


@given(SPANS, SPANS, st.integers(0, 10**9), RUNS)
def test_estimates_keep_the_order_of_their_starts(one, other, delay_ms, runs):
    early = Span(min(one[0], other[0]), min(one[1], other[1]))
    late = Span(max(one[0], other[0]), max(one[1], other[1]))
    first, second = (estimate_waiting(start, delay_ms=delay_ms, runs=runs) for start in (early, late))
    assert all(a <= b for a, b in zip(first, second, strict=True))
    for estimate in (first, second):
        assert estimate.starts_in_p50_s <= estimate.starts_in_p90_s
        assert estimate.ends_in_p50_s <= estimate.ends_in_p90_s
        assert estimate.starts_in_p50_s <= estimate.ends_in_p50_s


def test_nothing_is_said_without_slots_or_without_runs():
    assert rehearse_queue(runs_of((1_000, 10)), 0, runs_known=10) is None
    assert rehearse_queue(NOTHING, 4, runs_known=0) is None
    assert estimate_running(NOTHING, for_ms=0) is None
    assert estimate_running(runs_of((1_000, 10)), for_ms=2_000) is None


def test_a_job_of_an_unknown_kind_has_a_start_and_no_end():
    assert estimate_waiting(Span(1_000, 2_000), delay_ms=0, runs=NOTHING) == Estimate(1.0, 2.0, None, None)


def test_a_job_does_not_start_before_it_is_due():
    runs = runs_of((10_000, 10))
    assert estimate_waiting(Span(1_000, 90_000), delay_ms=60_000, runs=runs) == Estimate(60.0, 90.0, 70.0, 100.0)


def test_a_running_job_has_started_and_ends_when_others_did():
    runs = runs_of((10_000, 90), (100_000, 10))
    assert estimate_running(runs, for_ms=4_000) == Estimate(0.0, 0.0, 6.0, 6.0)
    assert estimate_running(runs, for_ms=20_000) == Estimate(0.0, 0.0, 80.0, 80.0)


def test_numbers_have_three_digits():
    assert estimate_waiting(Span(12_345, 987_654), delay_ms=0, runs=NOTHING) == Estimate(12.3, 988.0, None, None)


@pytest.mark.parametrize(
    ("ends_in_s", "starts_in_s", "expected"),
    [(0.2, 0, 1), (4, 0, 4), (8, 0, 8), (40, 30, 40), (100_000, 90_000, RETRY_AFTER_S_MAX), (None, 40, 40)],
)
def test_who_polls_is_told_to_ask_when_the_job_is_likely_to_end(ends_in_s, starts_in_s, expected):
    assert advise(Estimate(starts_in_s, starts_in_s, ends_in_s, ends_in_s)) == expected


def advise(estimate, *, age_ms=0, is_running=False, due_in_ms=0, spread=0.5, least_s=1):
    return retry_after_s(
        estimate, age_ms=age_ms, is_running=is_running, due_in_ms=due_in_ms, spread=spread, least_s=least_s
    )


def test_where_the_end_is_not_known_the_pauses_grow_with_the_time_that_has_passed():
    assert [advise(None, age_ms=age) for age in (0, 8_000, 60_000, 10**9)] == [1, 2, 15, RETRY_AFTER_S_MAX]
    assert advise(None, due_in_ms=90_000) == 90


def test_a_long_run_is_not_asked_for_every_second_however_near_its_end_seems():
    assert advise(Estimate(0, 0, 0.1, 50), age_ms=240_000, is_running=True) == 20
    assert advise(Estimate(0, 0, 0.1, 50), age_ms=240_000) == 1


@given(
    st.none() | st.builds(lambda a, b, c, d: Estimate(a, a + b, a + c, a + c + d), *[st.floats(0, 10**6)] * 4),
    st.integers(0, 10**12),
    st.booleans(),
    st.integers(0, 10**12),
    st.floats(0, 1),
    st.integers(1, 30),
)
def test_the_advice_is_a_whole_number_between_its_bounds(estimate, age_ms, is_running, due_in_ms, spread, least_s):
    advice = retry_after_s(
        estimate, age_ms=age_ms, is_running=is_running, due_in_ms=due_in_ms, spread=spread, least_s=least_s
    )
    assert isinstance(advice, int) and least_s <= advice <= RETRY_AFTER_S_MAX


def test_those_who_came_together_are_sent_apart():
    far = Estimate(0, 0, 100, 100)
    assert len({advise(far, spread=step / 10) for step in range(11)}) >= 6


SERVICES = {
    "exponential": lambda rng: rng.expovariate(1 / 2_000),
    "nearly constant": lambda rng: rng.uniform(1_200, 1_800),
    "uniform": lambda rng: rng.uniform(100, 5_000),
    "log-normal": lambda rng: rng.lognormvariate(7, 1.5),
    "short ones and rare long ones": lambda rng: rng.uniform(800, 1_200) * (60 if rng.random() < 0.05 else 1),
    "heavy tail": lambda rng: 200 * rng.paretovariate(1.8),
}
HISTORIES, QUEUES_A_HISTORY, RUNS_KNOWN = 25, 12, 1_000


def simulate_queue(rng, service, *, slots, positions, history):
    """When the jobs at these positions start, in a queue whose slots have long been busy."""
    before = sum(history) / len(history) * 30
    free = []
    for _ in range(slots):
        at = -before * rng.uniform(1, 1.5)
        while at < 0:
            at += service(rng)
        free.append(at)
    heapq.heapify(free)
    starts = {}
    for position in range(max(positions) + 1):
        starts[position] = free[0]
        heapq.heapreplace(free, free[0] + service(rng))
    return {position: starts[position] for position in positions}


@pytest.mark.slow
@pytest.mark.parametrize("name", SERVICES)
@pytest.mark.parametrize("slots", [1, 4, 16, 48])
def test_half_of_the_jobs_start_before_p50_and_nine_in_ten_before_p90(name, slots):
    rng = random.Random(f"{name}/{slots}")
    service, positions = SERVICES[name], (0, 2, 8, 30, 100, 300)
    within = {position: [0, 0, 0, 0] for position in positions}
    for _ in range(HISTORIES):
        history = [service(rng) for _ in range(RUNS_KNOWN)]
        runs = runs_of(*((length, 1) for length in history))
        forecast = forecast_of(runs, slots)
        estimates = {p: estimate_waiting(forecast.start(p), delay_ms=0, runs=runs) for p in positions}
        for _ in range(QUEUES_A_HISTORY):
            starts = simulate_queue(rng, service, slots=slots, positions=positions, history=history)
            for position, start in starts.items():
                end = start + service(rng)
                for index, (at, seconds) in enumerate(
                    zip((start, start, end, end), estimates[position], strict=True)
                ):
                    within[position][index] += at <= seconds * 1_000
    shares = {p: [count / (HISTORIES * QUEUES_A_HISTORY) for count in counts] for p, counts in within.items()}
    for position, (started_p50, started_p90, ended_p50, ended_p90) in shares.items():
        assert 0.35 <= started_p50 <= 0.65, (position, shares)
        assert 0.80 <= started_p90 <= 0.97, (position, shares)
        assert 0.30 <= ended_p50 <= 0.70, (position, shares)
        assert 0.75 <= ended_p90 <= 0.98, (position, shares)
