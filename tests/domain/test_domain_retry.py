"""Backoff: bounded below and above, growing, and never earlier than the handler asked."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobwire.domain.retry import ATTEMPTS_MAX_LIMIT, RETRY_AFTER_MS_MAX, RetryPolicy, backoff_ms

MS = st.integers(1, 10**9)
ATTEMPTS = st.integers(1, ATTEMPTS_MAX_LIMIT)
JITTER = st.floats(0, 1, exclude_max=True)


@st.composite
def policies(draw: st.DrawFn) -> RetryPolicy:
    first, longest = sorted((draw(MS), draw(MS)))
    return RetryPolicy(first, longest)


@given(policies(), ATTEMPTS, JITTER)
def test_a_wait_is_between_a_millisecond_and_the_policy_s_ceiling(
    policy: RetryPolicy, attempt: int, jitter: float
) -> None:
    wait = backoff_ms(policy, attempt=attempt, jitter=jitter)
    assert 1 <= wait <= min(policy.longest_ms, policy.first_ms * 2 ** (attempt - 1))


@given(policies(), ATTEMPTS, JITTER)
def test_a_later_attempt_never_waits_less_at_the_same_jitter(
    policy: RetryPolicy, attempt: int, jitter: float
) -> None:
    assert backoff_ms(policy, attempt=attempt, jitter=jitter) <= backoff_ms(
        policy, attempt=attempt + 1, jitter=jitter
    )


@given(policies(), ATTEMPTS, JITTER, st.integers(-(10**12), 10**12))
def test_a_handler_s_own_time_is_the_earliest_up_to_a_day(
    policy: RetryPolicy, attempt: int, jitter: float, asked: int
) -> None:
    wait = backoff_ms(policy, attempt=attempt, jitter=jitter, retry_after_ms=asked)
    plain = backoff_ms(policy, attempt=attempt, jitter=jitter)
    assert wait == plain + min(max(asked, 0), RETRY_AFTER_MS_MAX)


@given(policies(), ATTEMPTS)
def test_jitter_spreads_over_the_whole_interval(policy: RetryPolicy, attempt: int) -> None:
    ceiling = min(policy.longest_ms, policy.first_ms * 2 ** (attempt - 1))
    assert backoff_ms(policy, attempt=attempt, jitter=0.0) == 1
    assert backoff_ms(policy, attempt=attempt, jitter=1 - 2**-53) == ceiling


@pytest.mark.parametrize(("first_ms", "longest_ms"), [(0, 1), (-1, 5), (6, 5)])
def test_a_policy_that_cannot_work_is_refused_with_its_values(first_ms: int, longest_ms: int) -> None:
    with pytest.raises(ValueError, match=f"got {first_ms} and {longest_ms}"):
        RetryPolicy(first_ms, longest_ms)
    RetryPolicy(1, 1)
