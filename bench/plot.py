"""Line charts as SVG text: a few series, linear or logarithmic axes; needs no library."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 760, 380
LEFT, RIGHT, TOP, BOTTOM = 76, 24, 64, 52
# Told apart without colours too: each has its own marker.
COLOURS = ("#2563eb", "#dc2626", "#059669", "#9333ea", "#d97706", "#475569")
DASHES = ("", "6 3", "2 3", "9 3 2 3", "1 4", "12 4")
TICKS = 6
MARKED_POINTS_MAX = 24


@dataclass(frozen=True, slots=True)
class Series:
    """A named line through points, in the order of x."""

    name: str
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Axis:
    """An axis: what it shows, and how."""

    label: str
    is_log: bool = False

    def place(self, value: float) -> float:
        """Where a value stands before scaling."""
        return math.log10(value) if self.is_log else value


@dataclass(frozen=True, slots=True)
class Chart:
    """A titled chart."""

    title: str
    x: Axis
    y: Axis
    series: Sequence[Series]

    def draw(self) -> str:
        """The SVG; ValueError when there is nothing to draw."""
        points = [point for one in self.series for point in one.points]
        if not points:
            raise ValueError(f"the chart {self.title!r} has no points")
        x_ticks = _make_ticks(self.x, [x for x, _ in points])
        y_ticks = _make_ticks(self.y, [y for _, y in points])
        x_of = _scale(self.x, x_ticks, (LEFT, WIDTH - RIGHT))
        y_of = _scale(self.y, y_ticks, (HEIGHT - BOTTOM, TOP))
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" fill="#334155" font-size="12" '
            'font-family="system-ui, sans-serif">',
            f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
            _text(LEFT, 22, self.title, 'font-size="15" font-weight="600"'),
            *self._draw_grid(x_ticks, y_ticks, x_of, y_of),
        ]
        legend_at = float(LEFT)
        for number, one in enumerate(self.series):
            parts += _draw_line(one, number, [(x_of(x), y_of(y)) for x, y in one.points])
            parts += _draw_legend(one.name, number, legend_at)
            legend_at += 44 + 6.6 * len(one.name)
        return "\n".join([*parts, "</svg>", ""])

    def _draw_grid(
        self, x_ticks: Sequence[float], y_ticks: Sequence[float], x_of: "Scale", y_of: "Scale"
    ) -> list[str]:
        parts = []
        for tick in y_ticks:
            y = y_of(tick)
            parts.append(f'<line x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH - RIGHT}" y2="{y:.1f}" stroke="#e2e8f0"/>')
            parts.append(_text(LEFT - 8, y + 4, _show(tick), 'text-anchor="end"'))
        for tick in x_ticks:
            x = x_of(tick)
            parts.append(f'<line x1="{x:.1f}" y1="{TOP}" x2="{x:.1f}" y2="{HEIGHT - BOTTOM}" stroke="#f1f5f9"/>')
            parts.append(_text(x, HEIGHT - BOTTOM + 18, _show(tick), 'text-anchor="middle"'))
        middle = (TOP + HEIGHT - BOTTOM) / 2
        parts.append(_text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 12, self.x.label, 'text-anchor="middle"'))
        turn = f'text-anchor="middle" transform="rotate(-90 18 {middle:.0f})"'
        return [*parts, _text(18, middle, self.y.label, turn)]


class Scale:
    """From values to pixels."""

    def __init__(self, axis: Axis, low: float, high: float, pixels: tuple[float, float]) -> None:
        self._axis = axis
        self._low = axis.place(low)
        self._span = (axis.place(high) - self._low) or 1.0
        self._from, self._to = pixels

    def __call__(self, value: float) -> float:
        share = (self._axis.place(value) - self._low) / self._span
        return self._from + share * (self._to - self._from)


def _scale(axis: Axis, ticks: Sequence[float], pixels: tuple[float, float]) -> Scale:
    return Scale(axis, ticks[0], ticks[-1], pixels)


def _make_ticks(axis: Axis, values: Sequence[float]) -> list[float]:
    """Round values from below the least to above the greatest; a linear axis begins at zero."""
    if axis.is_log:
        low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
        return [10.0**power for power in range(low, max(high, low + 1) + 1)]
    greatest = max(*values, 1e-9)
    rough = greatest / (TICKS - 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough)
    return [step * index for index in range(math.ceil(greatest / step) + 1)]


def _draw_line(series: Series, number: int, points: Sequence[tuple[float, float]]) -> list[str]:
    colour = COLOURS[number % len(COLOURS)]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    dash = DASHES[number % len(DASHES)]
    parts = [f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2" stroke-dasharray="{dash}"/>']
    if len(points) <= MARKED_POINTS_MAX:
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>' for x, y in points]
    return parts


def _draw_legend(name: str, number: int, at: float) -> list[str]:
    colour, dash = COLOURS[number % len(COLOURS)], DASHES[number % len(DASHES)]
    line = f'<line x1="{at:.0f}" y1="44" x2="{at + 24:.0f}" y2="44" stroke="{colour}" stroke-width="2.5" '
    return [f'{line}stroke-dasharray="{dash}"/>', _text(at + 30, 48, name, "")]


def _text(x: float, y: float, words: str, attributes: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" {attributes}>{escape(words)}</text>'


def _show(value: float) -> str:
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:g} {letter}"
    return f"{value:g}"
