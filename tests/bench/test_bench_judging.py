"""A goal holds the medians to its bound, against the best rival that was measured; the report says so."""

from pathlib import Path

import pytest
from bench.measurement import Goal, Outcome, Ratios, compare, judge
from bench.report import Run, join_runs, replace_figures

RATE = "jobs/s"
GOAL = Goal("at least 2 x the best", RATE, "ours", 2.0, against=("slow", "fast", "absent"))


def make_outcome(**rates: list[float]) -> Outcome:
    outcome = Outcome("drain", "Drain")
    for variant, values in rates.items():
        for value in values:
            outcome.keep(variant, {RATE: value})
    return outcome


@pytest.mark.parametrize(("ours", "holds"), [(200.0, True), (199.0, False)])
def test_the_best_measured_rival_counts(ours: float, holds: bool) -> None:
    verdict = judge(make_outcome(ours=[ours], slow=[10.0], fast=[100.0]), GOAL)
    assert verdict is not None
    assert (verdict.holds, verdict.reached) == (holds, ours / 100)


def test_the_range_is_that_of_neighbouring_rounds() -> None:
    verdict = judge(make_outcome(ours=[300.0, 100.0, 200.0], fast=[100.0, 100.0, 50.0]), GOAL)
    assert verdict is not None
    assert (verdict.lowest, verdict.reached, verdict.highest) == (1.0, 2.0, 4.0)


def test_a_goal_without_a_measured_rival_is_not_judged() -> None:
    assert judge(make_outcome(ours=[300.0]), GOAL) is None
    assert judge(make_outcome(fast=[300.0]), GOAL) is None


def test_a_latency_goal_is_an_upper_bound() -> None:
    goal = Goal("at most 2 ms", RATE, "ours", 2.0, is_minimum=False)
    verdicts = [judge(make_outcome(ours=[value]), goal) for value in (2.0, 2.1)]
    assert [verdict.holds for verdict in verdicts if verdict] == [True, False]


def test_a_ratio_says_how_many_times_as_good_the_counterpart_is() -> None:
    outcome = make_outcome(ours=[30.0], fast=[10.0])
    counterparts = {"ours": "ours", "fast": "ours"}
    assert compare(outcome, Ratios(RATE, counterparts), "fast") == 3.0
    assert compare(outcome, Ratios(RATE, counterparts, is_less_better=True), "fast") == pytest.approx(1 / 3)
    assert compare(outcome, Ratios(RATE, counterparts), "ours") is None


def test_figures_are_put_between_the_marks_of_their_name_only(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    text = "a\n<!-- one: begin -->\n{}\n<!-- one: end -->\n<!-- two: begin -->\nkept\n<!-- two: end -->\nz\n"
    page.write_text(text.format("old"))
    replace_figures(page, "new", name="one")
    assert page.read_text() == text.format("new")
    with pytest.raises(ValueError, match="three: begin"):
        replace_figures(page, "new", name="three")


def test_joined_runs_have_every_measurement_once_and_of_the_last_run() -> None:
    first = Run("then", "a", {}, [make_outcome(ours=[1.0]), Outcome("both", "Both")], {}, {"status": "no wrk"})
    last = Run("now", "b", {"cores": "2"}, [make_outcome(ours=[2.0])], {"tables": "failed"})
    joined = join_runs([first, last])
    assert (joined.date, joined.command, joined.machine) == ("then", "a`, then `b", {"cores": "2"})
    assert [(outcome.name, outcome.values) for outcome in joined.outcomes] == [
        ("drain", {"ours": {RATE: [2.0]}}),
        ("both", {}),
    ]
    assert (joined.failures, joined.missing) == ({"tables": "failed"}, {"status": "no wrk"})
