"""What a measurement is: variants that run in turn, and the goals their medians are held to."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

from bench.databases import Databases

Figures = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Variant:
    """One thing to measure: `measure(folder)` runs it once in an empty folder and gives its figures by name."""

    name: str
    measure: Callable[[Path], Figures]


@dataclass(frozen=True, slots=True)
class Size:
    """How much to measure: `share` of the full amount of jobs, `seconds` for each run of wrk."""

    share: float
    seconds: int


FULL = Size(share=1.0, seconds=8)
QUICK = Size(share=0.1, seconds=2)


@dataclass(frozen=True, slots=True)
class Bench:
    """What a measurement works with."""

    size: Size
    databases: Databases


@dataclass(frozen=True, slots=True)
class Goal:
    """`of`'s `figure`, divided by that of the best of `against` if given, is at least or at most `bound`."""

    text: str
    figure: str
    of: str
    bound: float
    against: tuple[str, ...] = ()
    is_minimum: bool = True


@dataclass(frozen=True, slots=True)
class Ratios:
    """What a variant's `figure` is held against: `of[variant]` is its counterpart, Jobwire's where it is a peer."""

    figure: str
    of: Mapping[str, str]
    is_less_better: bool = False


@dataclass(frozen=True, slots=True)
class Measurement:
    """`open(folder, bench)` prepares what all rounds share and yields the variants."""

    name: str
    title: str
    open: Callable[[Path, Bench], AbstractContextManager[Sequence[Variant]]]
    goals: Sequence[Goal]
    ratios: Ratios | None = None
    needs_wrk: bool = False


@dataclass(slots=True)
class Outcome:
    """What the rounds of one measurement gave: `values[variant][figure]` has one entry a round."""

    name: str
    title: str
    values: dict[str, dict[str, list[float]]] = field(default_factory=dict)

    def keep(self, variant: str, figures: Figures) -> None:
        """Keep one round of a variant."""
        for figure, value in figures.items():
            self.values.setdefault(variant, {}).setdefault(figure, []).append(value)

    def median(self, variant: str, figure: str) -> float:
        """The median over the rounds."""
        return statistics.median(self.values[variant][figure])


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a goal: the value reached (a ratio of medians, with the rounds' range) and whether it holds."""

    text: str
    reached: float
    lowest: float
    highest: float
    holds: bool


def judge(outcome: Outcome, goal: Goal) -> Verdict | None:
    """Hold a measurement to a goal, None if its sides were not measured; a ratio's range is that of the rounds, each
    against its own neighbour."""
    if goal.of not in outcome.values or (goal.against and not set(goal.against) & outcome.values.keys()):
        return None
    of = outcome.values[goal.of][goal.figure]
    if not goal.against:
        reached, rounds = statistics.median(of), of
    else:
        rivals = [rival for rival in goal.against if rival in outcome.values]
        best = max(rivals, key=lambda rival: outcome.median(rival, goal.figure))
        against = outcome.values[best][goal.figure]
        reached = statistics.median(of) / statistics.median(against)
        rounds = [mine / theirs for mine, theirs in zip(of, against, strict=False)]
    holds = reached >= goal.bound if goal.is_minimum else reached <= goal.bound
    return Verdict(goal.text, reached, min(rounds), max(rounds), holds)


def compare(outcome: Outcome, ratios: Ratios, variant: str) -> float | None:
    """How many times as good as `variant` its counterpart is; None where there is nothing to compare."""
    counterpart = ratios.of.get(variant)
    if counterpart is None or counterpart == variant or counterpart not in outcome.values:
        return None
    if ratios.figure not in outcome.values[variant]:
        return None
    ratio = outcome.median(counterpart, ratios.figure) / outcome.median(variant, ratios.figure)
    return 1 / ratio if ratios.is_less_better else ratio
