"""A chart is well-formed SVG with every point inside its frame."""

from xml.etree import ElementTree

import pytest
from bench.plot import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Axis, Chart, Series
from hypothesis import given
from hypothesis import strategies as st

POSITIVE = st.floats(min_value=1e-3, max_value=1e7)
POINTS = st.lists(st.tuples(POSITIVE, POSITIVE), min_size=1, max_size=40)
SLACK_PX = 0.06  # coordinates are written with one decimal


@given(points=POINTS, is_log=st.booleans())
def test_every_point_lies_inside_the_frame(points: list[tuple[float, float]], is_log: bool) -> None:
    chart = Chart("A < B & C", Axis("x", is_log), Axis("y", is_log), [Series("one", points), Series("two", points)])
    root = ElementTree.fromstring(chart.draw())
    lines = root.findall("{http://www.w3.org/2000/svg}polyline")
    assert len(lines) == 2
    for place in lines[0].attrib["points"].split():
        x, y = map(float, place.split(","))
        assert LEFT - SLACK_PX <= x <= WIDTH - RIGHT + SLACK_PX
        assert TOP - SLACK_PX <= y <= HEIGHT - BOTTOM + SLACK_PX


def test_a_larger_value_stands_higher() -> None:
    chart = Chart("up", Axis("x"), Axis("y"), [Series("one", [(0.0, 1.0), (1.0, 2.0)])])
    line = ElementTree.fromstring(chart.draw()).find("{http://www.w3.org/2000/svg}polyline")
    assert line is not None
    (x1, y1), (x2, y2) = (map(float, place.split(",")) for place in line.attrib["points"].split())
    assert x1 < x2
    assert y1 > y2


def test_a_chart_without_points_is_refused() -> None:
    with pytest.raises(ValueError, match="'empty' has no points"):
        Chart("empty", Axis("x"), Axis("y"), [Series("one", [])]).draw()
