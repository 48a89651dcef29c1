"""How `jobwire watch` says an estimate."""

import pytest

from jobwire.cli.estimate_words import say_end, say_start
from jobwire.domain.estimate import Estimate


@pytest.mark.parametrize(
    ("p50_s", "p90_s", "words"),
    [
        (20.3, 44.8, "starts in about 20–45 s"),
        (0.1, 0.4, "starts in a moment"),
        (0.5, 3.25, "starts in about 0.5–3.2 s"),
        (12.0, 12.1, "starts in about 12 s"),
        (70, 290, "starts in about 1.2–4.8 min"),
        (3_000, 9_000, "starts in about 0.83–2.5 h"),
        (86_400, 400_000, "starts in about 1–4.6 days"),
    ],
)
def test_a_span_is_said_in_the_unit_of_its_end(p50_s, p90_s, words):
    assert say_start(Estimate(p50_s, p90_s, None, None)) == words


def test_the_end_is_said_where_it_is_known():
    assert say_end(Estimate(0.0, 0.0, 5.0, 9.0)) == "ends in about 5–9 s"
    assert say_end(Estimate(1.0, 2.0, None, None)) == ""
    assert (say_start(None), say_end(None)) == ("", "")
