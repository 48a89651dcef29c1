"""What a measurement is: variants that run in turn, and the goals their medians are held to."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

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
class Goal:
    """`of`'s `figure`, divided by that of `against` if given, is at least or at most `bound`."""

    text: str
    figure: str
    of: str
    bound: float
    against: str | None = None
    is_minimum: bool = True


@dataclass(frozen=True, slots=True)
class Measurement:
    """`open(folder, size)` prepares what all rounds share and yields the variants."""

    name: str
    title: str
    open: Callable[[Path, Size], AbstractContextManager[Sequence[Variant]]]
    goals: Sequence[Goal]
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


def judge(outcome: Outcome, goal: Goal) -> Verdict:
    """Hold a measurement to a goal; a ratio's range is that of the rounds, each against its own neighbour."""
    of = outcome.values[goal.of][goal.figure]
    if goal.against is None:
        reached, rounds = statistics.median(of), of
    else:
        against = outcome.values[goal.against][goal.figure]
        reached = statistics.median(of) / statistics.median(against)
        rounds = [mine / theirs for mine, theirs in zip(of, against, strict=True)]
    holds = reached >= goal.bound if goal.is_minimum else reached <= goal.bound
    return Verdict(goal.text, reached, min(rounds), max(rounds), holds)
