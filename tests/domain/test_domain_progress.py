"""Progress: monotone over all attempts, inside its stage, bounded."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobwire.domain.progress import MESSAGE_CHARS_MAX, Progress, advance, complete, resume, stage_span

STAGES = {"download": 1.0, "convert": 3.0, "upload": 1.0}
ANY_PERCENT = st.none() | st.floats() | st.integers(-1_000, 1_000)
REPORTS = st.fixed_dictionaries(
    {},
    optional={
        "percent": ANY_PERCENT,
        "stage": st.none() | st.sampled_from(list(STAGES)),
        "done": st.none() | st.integers(-5, 50),
        "total": st.none() | st.integers(0, 40),
        "message": st.none() | st.text(max_size=300),
    },
)


@given(st.lists(REPORTS | st.none(), max_size=12), st.none() | st.just(STAGES))
def test_progress_never_goes_back_whatever_a_handler_reports(
    reports: list[dict[str, object] | None], weights: dict[str, float] | None
) -> None:
    shown = Progress()
    for report in reports:
        # None: another attempt begins.
        following = resume(shown) if report is None else advance(shown, weights=weights, **report)
        assert shown.percent <= following.percent <= 100
        assert following.message is None or len(following.message) <= MESSAGE_CHARS_MAX
        shown = following


@given(st.sampled_from(list(STAGES)), ANY_PERCENT)
def test_a_report_of_a_stage_stays_inside_the_stage_s_share(stage: str, percent: float | None) -> None:
    low, high = stage_span(STAGES, stage)
    assert low <= advance(Progress(), percent=percent, stage=stage, weights=STAGES).percent <= high


@given(st.dictionaries(st.text(max_size=5), st.floats(0.01, 100), min_size=1, max_size=8))
def test_stages_fill_the_whole_in_order_and_share_by_weight(weights: dict[str, float]) -> None:
    end = 0.0
    for name, weight in weights.items():
        low, high = stage_span(weights, name)
        assert low == pytest.approx(end)
        assert high - low == pytest.approx(100 * weight / sum(weights.values()))
        end = high
    assert end == pytest.approx(100)


def test_percent_within_a_stage_is_mapped_into_its_share() -> None:
    start = advance(Progress(), stage="convert", weights=STAGES)
    half = advance(start, percent=50, weights=STAGES)
    end = advance(half, percent=100, weights=STAGES)
    assert [start.percent, half.percent, end.percent] == [20.0, 50.0, 80.0]
    assert end.stage == "convert"


@pytest.mark.parametrize(
    ("last", "done"),
    [(Progress(40.0, done=3, total=9), 9), (Progress(total=9), 9), (Progress(done=3), 3), (Progress(), None)],
)
def test_what_is_complete_is_all_done(last: Progress, done: int | None) -> None:
    assert complete(last) == replace(last, percent=100.0, done=done)


def test_done_of_total_gives_the_percent_when_none_is_named() -> None:
    assert advance(Progress(), done=3, total=12).percent == 25.0
    assert advance(Progress(), done=30, total=12).percent == 100.0
    assert advance(Progress(), done=3, total=0).percent == 0.0
    assert advance(Progress(), percent=10, done=3, total=12).percent == 10.0


def test_an_unknown_stage_is_refused_with_the_kind_s_stages() -> None:
    with pytest.raises(ValueError, match=r"unknown stage 'print'.*download, convert, upload"):
        advance(Progress(), stage="print", weights=STAGES)


def test_a_message_is_cut_at_its_limit() -> None:
    assert advance(Progress(), message="x" * MESSAGE_CHARS_MAX).message == "x" * MESSAGE_CHARS_MAX
    assert advance(Progress(), message="x" * (MESSAGE_CHARS_MAX + 1)).message == "x" * MESSAGE_CHARS_MAX
