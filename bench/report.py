"""Shows a run: tables for a terminal, Markdown for docs/performance.md, JSON for keeps."""

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table

from bench.measurement import Measurement, Outcome, Verdict, judge

BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"


class Run(msgspec.Struct):
    """One run, as it is kept in bench/out/."""

    date: str
    command: str
    machine: dict[str, str]
    outcomes: list[Outcome]
    failures: dict[str, str]


def show_run(run: Run, measurements: Sequence[Measurement], console: Console) -> None:
    """Print every measurement as a table, then the goals."""
    console.print(f"[bold]{run.date}[/bold]  {run.command}", highlight=False)
    for name, text in run.machine.items():
        console.print(f"  {name}: {text}", highlight=False)
    for outcome in run.outcomes:
        header, rows = _tabulate(outcome)
        table = Table(*header, title=outcome.title, title_justify="left")
        for row in rows:
            table.add_row(*row)
        console.print(table)
    for verdict in judge_run(run, measurements):
        word = "[green]reached[/green]" if verdict.holds else "[red]missed[/red]"
        console.print(f"{word}  {_say(verdict)}", highlight=False)
    for name, why in run.failures.items():
        console.print(f"[red]failed[/red]  {name}: {why}", highlight=False)


def judge_run(run: Run, measurements: Sequence[Measurement]) -> list[Verdict]:
    """The goals of what was measured."""
    outcomes = {outcome.name: outcome for outcome in run.outcomes}
    return [
        judge(outcomes[measurement.name], goal)
        for measurement in measurements
        if measurement.name in outcomes
        for goal in measurement.goals
    ]


def write_markdown(run: Run, measurements: Sequence[Measurement]) -> str:
    """The run as the generated part of docs/performance.md."""
    lines = [f"Run of {run.date} with `{run.command}`.", ""]
    lines += [f"- {name}: {text}" for name, text in run.machine.items()]
    lines += ["", "| goal | reached | [rounds] | |", "| --- | --- | --- | --- |"]
    for verdict in judge_run(run, measurements):
        rounds = f"{verdict.lowest:.2f}–{verdict.highest:.2f}"
        lines.append(f"| {verdict.text} | **{verdict.reached:.2f}** | {rounds} | {_word(verdict)} |")
    for outcome in run.outcomes:
        header, rows = _tabulate(outcome)
        lines += ["", f"**{outcome.title}**", "", _row(header), _row(["---"] * len(header)), *map(_row, rows)]
    lines += [f"\n{name} failed: {why}" for name, why in run.failures.items()]
    return "\n".join(lines)


def replace_figures(page: Path, figures: str) -> None:
    """Put the figures between the page's marks; ValueError if it has none."""
    before, begin, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{page} needs the lines {BEGIN} and {END}")
    page.write_text(f"{before}{BEGIN}\n{figures}\n{END}{after}", encoding="utf-8")


def _tabulate(outcome: Outcome) -> tuple[list[str], list[list[str]]]:
    figures = list(dict.fromkeys(figure for values in outcome.values.values() for figure in values))
    rows = [
        [variant, *(_show(values[figure]) if figure in values else "" for figure in figures)]
        for variant, values in outcome.values.items()
    ]
    return ["", *figures], rows


def _show(values: Sequence[float]) -> str:
    median = _number(statistics.median(values))
    return median if len(values) == 1 else f"{median} [{_number(min(values))}–{_number(max(values))}]"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"


def _say(verdict: Verdict) -> str:
    return f"{verdict.text}: {verdict.reached:.2f} [{verdict.lowest:.2f}–{verdict.highest:.2f}]"


def _word(verdict: Verdict) -> str:
    return "reached" if verdict.holds else "missed"


def _row(cells: Sequence[Any]) -> str:
    return f"| {' | '.join(cells)} |"
