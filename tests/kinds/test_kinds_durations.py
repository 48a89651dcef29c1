"""Durations as people write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobwire.kinds.durations import DURATION_MS_MAX, read_duration_ms


@pytest.mark.parametrize(
    ("written", "length_ms"),
    [
        ("500ms", 500),
        ("60s", 60_000),
        ("5m", 300_000),
        ("1h", 3_600_000),
        ("1.5s", 1_500),
        (60, 60_000),
        (0.25, 250),
        ("1ms", 1),
        (0.001, 1),
        ("168h", DURATION_MS_MAX),
    ],
)
def test_a_number_with_its_unit_is_read_to_the_millisecond(written: str | float, length_ms: int) -> None:
    assert read_duration_ms(written) == length_ms


@pytest.mark.parametrize("written", ["0s", "0.0001s", 0, -1, "168.001h", 604_801, float("inf"), float("nan")])
def test_a_duration_outside_its_bounds_is_refused_with_both_bounds(written: str | float) -> None:
    with pytest.raises(ValueError, match=r"must lie between 1ms and 168h"):
        read_duration_ms(written)


@pytest.mark.parametrize("written", ["", "60", "1d", "-5s", "5 s", "5S", "1h30m", "1e3s", "٣s", "s", "9" * 20 + "s"])
def test_text_without_a_number_and_a_known_unit_is_refused_with_examples(written: str) -> None:
    with pytest.raises(ValueError, match=r"timeout is .*500ms, 60s, 5m or 1h"):
        read_duration_ms(written, name="timeout")


@pytest.mark.parametrize("given_value", [True, None, [], {}])
def test_what_is_neither_text_nor_number_is_refused(given_value: object) -> None:
    with pytest.raises(ValueError, match="give text such as '60s' or a number of seconds"):
        read_duration_ms(given_value)  # type: ignore[arg-type]


@given(st.text(max_size=30))
def test_any_text_gives_a_length_within_bounds_or_a_value_error(text: str) -> None:
    try:
        assert 1 <= read_duration_ms(text) <= DURATION_MS_MAX
    except ValueError as error:
        assert len(str(error)) < 500
