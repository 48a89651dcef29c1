"""Rate limits on a clock that the test moves."""

import math
from collections import defaultdict
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobwire.service.limits import COUNTS_MAX, Limit, Limits, LimitState

THREE = Limit("reads", 3, 10)


@pytest.fixture
def limits(clock: Any) -> Limits:
    return Limits(clock)


def test_calls_are_counted_down_and_the_one_too_many_is_told_when_to_return(limits: Limits, clock: Any) -> None:
    clock.now = 1_000_500
    assert limits.take("a", THREE) == LimitState(THREE, 2, 1_011)
    clock.now += 4_000
    assert limits.take("a", THREE) == LimitState(THREE, 1, 1_011)
    assert limits.take("a", THREE) == LimitState(THREE, 0, 1_011)
    assert limits.take("a", THREE) == LimitState(THREE, 0, 1_011, retry_after_s=6)


def test_the_window_begins_with_the_first_call_and_a_new_one_after_its_end(limits: Limits, clock: Any) -> None:
    for _ in range(3):
        limits.take("a", THREE)
    clock.now += 9_999
    assert limits.take("a", THREE).retry_after_s == 1
    clock.now += 1
    assert limits.take("a", THREE).remaining == 2
    clock.now += 9_999
    assert limits.take("a", THREE).remaining == 1


def test_who_obeys_retry_after_is_served(limits: Limits, clock: Any) -> None:
    clock.now += 1
    for _ in range(4):
        state = limits.take("a", THREE)
    assert state.retry_after_s is not None
    clock.now += state.retry_after_s * 1_000
    assert limits.take("a", THREE).retry_after_s is None
    clock.now = state.reset_at_s * 1_000
    assert limits.take("a", THREE).retry_after_s is None


def test_a_refused_call_costs_nothing_and_a_look_neither(limits: Limits, clock: Any) -> None:
    assert limits.look("a", THREE).remaining == 3
    limits.take("a", THREE)
    assert [limits.look("a", THREE).remaining for _ in range(5)] == [2] * 5
    for _ in range(50):
        limits.take("a", THREE)
    assert limits.look("a", THREE) == LimitState(THREE, 0, math.ceil(clock.now / 1_000) + 10)
    clock.now += 10_000
    assert limits.look("a", THREE).remaining == 3


def test_subjects_and_limits_count_by_themselves(limits: Limits) -> None:
    for _ in range(3):
        limits.take("a", THREE)
    assert limits.take("b", THREE).remaining == 2
    assert limits.take("a", Limit("writes", 3, 10)).remaining == 2
    assert limits.take("a", Limit("reads", 3, 60)).remaining == 2
    assert limits.take("a", THREE).retry_after_s == 10


def test_a_clock_set_back_does_not_keep_anybody_out(limits: Limits, clock: Any) -> None:
    for _ in range(4):
        limits.take("a", THREE)
    clock.now -= 3_600_000
    assert limits.take("a", THREE).remaining == 2


@pytest.mark.parametrize(("count", "window_s"), [(0, 1), (1, 0), (-1, 1)])
def test_a_limit_allows_at_least_one_call_in_a_second(count: int, window_s: int) -> None:
    with pytest.raises(ValueError, match="both must be 1 or more"):
        Limit("reads", count, window_s)
    assert Limit("reads", 1, 1).count == 1


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 15_000)), max_size=60))
def test_a_window_serves_exactly_its_count(calls: list[tuple[str, int]]) -> None:
    now = 0
    limits = Limits(lambda: now)
    starts: dict[str, int] = {}
    asked: dict[str, int] = defaultdict(int)
    for subject, pause_ms in calls:
        now += pause_ms
        if subject not in starts or now >= starts[subject] + 10_000:
            starts[subject], asked[subject] = now, 0
        state = limits.take(subject, THREE)
        asked[subject] += 1
        assert state.remaining == max(0, 3 - asked[subject])
        assert (state.retry_after_s is None) == (asked[subject] <= 3)


def test_windows_that_ended_are_forgotten_as_new_ones_begin(limits: Limits, clock: Any) -> None:
    for number in range(1_000):
        limits.take(f"old{number}", THREE)
    clock.now += 10_000
    for number in range(1_000):
        limits.take(f"new{number}", THREE)
    assert limits.size == 1_000


@pytest.mark.slow
def test_a_hundred_thousand_counts_are_kept_and_for_one_more_an_old_one_goes(limits: Limits) -> None:
    for number in range(COUNTS_MAX):
        limits.take(str(number), THREE)
    assert limits.size == COUNTS_MAX
    assert all(limits.look(str(number), THREE).remaining == 2 for number in range(COUNTS_MAX))
    limits.take("one more", THREE)
    assert limits.size == COUNTS_MAX
    assert limits.look("one more", THREE).remaining == 2
    assert sum(limits.look(str(number), THREE).remaining == 3 for number in range(COUNTS_MAX)) == 1


FLOW = Limit("read", 10, 60, flows=True)


def test_a_flow_gives_back_one_call_after_its_share_of_the_window(limits: Limits, clock: Any) -> None:
    assert [limits.take("a", FLOW).remaining for _ in range(10)] == list(range(9, -1, -1))
    assert limits.take("a", FLOW).retry_after_s == 6
    clock.now += 5_999
    assert limits.take("a", FLOW).retry_after_s == 1
    clock.now += 1
    assert limits.take("a", FLOW) == LimitState(FLOW, 0, math.ceil(clock.now / 1_000) + 60)
    clock.now += 60_000
    assert limits.look("a", FLOW).remaining == 10


@given(st.lists(st.integers(0, 9_000), min_size=1, max_size=80))
def test_a_flow_never_serves_more_than_its_count_and_what_came_back(pauses: list[int]) -> None:
    now = 0
    limits = Limits(lambda: now)
    served: list[int] = []
    for pause_ms in pauses:
        now += pause_ms
        state = limits.take("a", FLOW)
        if state.retry_after_s is None:
            served.append(now)
        else:
            # Whoever obeys is served.
            now += state.retry_after_s * 1_000
            assert limits.take("a", FLOW).retry_after_s is None
            served.append(now)
    for first, start in enumerate(served):
        for last in range(first, len(served)):
            assert last - first + 1 <= 10 + (served[last] - start) // 6_000 + 1
