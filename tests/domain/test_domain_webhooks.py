"""The rules of webhooks: filters, retries, the breaker."""

from hypothesis import given
from hypothesis import strategies as st

from jobwire.domain.states import Event
from jobwire.domain.webhooks import (
    ANY_EVENT,
    BREAKER_FAILURES_MAX,
    BREAKER_FIRST_MS,
    BREAKER_LONGEST_MS,
    CLOSED,
    EVENT_TYPES,
    FAILING_MS,
    FINAL_TYPES,
    JITTER_SHARE_MAX,
    PHASES_AFTER,
    RETRY_WAITS_S,
    DeliveryState,
    count_failure,
    is_hopeless,
    judge_answer,
    matches,
)

STATUSES = st.none() | st.integers(100, 599)
NOW = 1_800_000_000_000


def test_every_event_has_a_type_and_a_phase() -> None:
    assert set(EVENT_TYPES) == set(PHASES_AFTER) == set(Event)
    assert len(set(EVENT_TYPES.values())) == len(Event)


@given(st.sampled_from(sorted(EVENT_TYPES.values())), st.lists(st.sampled_from(sorted(EVENT_TYPES.values()))))
def test_a_filter_takes_what_it_names(type_: str, wanted: list[str]) -> None:
    assert matches(wanted, type_) == (type_ in wanted)
    assert matches([*wanted, ANY_EVENT], type_)
    assert matches(None, type_) == (type_ in FINAL_TYPES)


@given(STATUSES, st.integers(1, 20), st.none() | st.integers(0, 3_600_000), st.floats(0, 1, exclude_max=True))
def test_only_2xx_ends_a_delivery_before_its_last_attempt(
    status: int | None, attempts: int, retry_after_ms: int | None, jitter: float
) -> None:
    verdict = judge_answer(status, attempts=attempts, retry_after_ms=retry_after_ms, jitter=jitter)
    if status is not None and 200 <= status <= 299:
        assert verdict.state is DeliveryState.DELIVERED
    elif attempts > len(RETRY_WAITS_S):
        assert verdict.state is DeliveryState.GIVEN_UP
    else:
        least = max(RETRY_WAITS_S[attempts - 1] * 1_000, retry_after_ms or 0)
        assert verdict.state is DeliveryState.PENDING
        assert least <= verdict.wait_ms <= least * (1 + JITTER_SHARE_MAX)


def test_the_breaker_opens_at_the_last_of_the_failures_and_not_before() -> None:
    breaker = CLOSED
    for failures in range(1, BREAKER_FAILURES_MAX):
        breaker = count_failure(breaker, now=NOW, retry_after_ms=None)
        assert (breaker.failures, breaker.open_until) == (failures, None)
    breaker = count_failure(breaker, now=NOW, retry_after_ms=None)
    assert breaker.open_until == NOW + BREAKER_FIRST_MS
    late = count_failure(breaker, now=NOW + 1, retry_after_ms=None)
    assert (late.open_until, late.openings) == (breaker.open_until, 1), "it was under way when the breaker opened"


@given(st.integers(1, 200))
def test_each_failed_probe_doubles_the_pause_up_to_the_longest(probes: int) -> None:
    breaker, now = CLOSED, NOW
    for _ in range(BREAKER_FAILURES_MAX):
        breaker = count_failure(breaker, now=now, retry_after_ms=None)
    for probe in range(1, probes + 1):
        assert breaker.open_until is not None
        now = breaker.open_until
        breaker = count_failure(breaker, now=now, retry_after_ms=None)
        assert breaker.open_until == now + min(BREAKER_LONGEST_MS, BREAKER_FIRST_MS * 2**probe)


@given(st.integers(1, 3_600_000), st.integers(0, 20))
def test_what_an_endpoint_asks_for_is_kept(retry_after_ms: int, failures: int) -> None:
    breaker = CLOSED
    for _ in range(failures):
        breaker = count_failure(breaker, now=NOW, retry_after_ms=None)
    breaker = count_failure(breaker, now=NOW, retry_after_ms=retry_after_ms)
    assert breaker.open_until is not None and breaker.open_until >= NOW + retry_after_ms


def test_an_endpoint_is_hopeless_after_its_days() -> None:
    breaker = count_failure(CLOSED, now=NOW, retry_after_ms=None)
    breaker = count_failure(breaker, now=NOW + 1, retry_after_ms=None)
    assert not is_hopeless(CLOSED, NOW)
    assert not is_hopeless(breaker, NOW + FAILING_MS - 1) and is_hopeless(breaker, NOW + FAILING_MS)
