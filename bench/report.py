"""Shows a run: tables for a terminal, Markdown for docs/performance.md, JSON for keeps."""

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bench.measurement import Measurement, Outcome, Ratios, Verdict, compare, judge


class Run(msgspec.Struct):
    """One run, as it is kept in bench/out/."""

    date: str
    command: str
    machine: dict[str, str]
    outcomes: list[Outcome]
    failures: dict[str, str]
    missing: dict[str, str] = {}


def join_runs(runs: Sequence[Run]) -> Run:
    """Several runs as one: of what more than one measured the last has it. The machine is as the last found it."""
    outcomes = {outcome.name: outcome for run in runs for outcome in run.outcomes}
    return Run(
        date=runs[0].date,
        command="`, then `".join(run.command for run in runs),
        machine=runs[-1].machine,
        outcomes=list(outcomes.values()),
        failures={name: why for run in runs for name, why in run.failures.items()},
        missing={name: why for run in runs for name, why in run.missing.items()},
    )


def show_run(run: Run, measurements: Sequence[Measurement], console: Console) -> None:
    """Print every measurement as a table, then the goals."""
    console.print(f"[bold]{run.date}[/bold]  {run.command}", highlight=False)
    for name, text in run.machine.items():
        console.print(f"  {name}: {text}", highlight=False)
    ratios = _ratios_of(measurements)
    for outcome in run.outcomes:
        header, rows = _tabulate(outcome, ratios.get(outcome.name))
        table = Table(*header, title=outcome.title, title_justify="left")
        for row in rows:
            table.add_row(*row)
        console.print(table)
    for verdict in judge_run(run, measurements):
        word = "[green]reached[/green]" if verdict.holds else "[red]missed[/red]"
        console.print(f"{word}  {_say(verdict)}", highlight=False)
    for name, why in run.missing.items():
        console.print(f"[yellow]left out[/yellow]  {escape(name)}: {escape(why)}", highlight=False)
    for name, why in run.failures.items():
        console.print(f"[red]failed[/red]  {escape(name)}: {escape(why)}", highlight=False)


def judge_run(run: Run, measurements: Sequence[Measurement]) -> list[Verdict]:
    """The goals of what was measured."""
    outcomes = {outcome.name: outcome for outcome in run.outcomes}
    verdicts = [
        judge(outcomes[measurement.name], goal)
        for measurement in measurements
        if measurement.name in outcomes
        for goal in measurement.goals
    ]
    return [verdict for verdict in verdicts if verdict is not None]


def write_markdown(run: Run, measurements: Sequence[Measurement]) -> str:
    """The run as the generated part of docs/performance.md."""
    lines = [f"Run of {run.date} with `{run.command}`.", ""]
    lines += [f"- {name}: {text}" for name, text in run.machine.items()]
    lines += ["", "| goal | reached | [rounds] | |", "| --- | --- | --- | --- |"]
    for verdict in judge_run(run, measurements):
        rounds = f"{verdict.lowest:.2f}–{verdict.highest:.2f}"
        lines.append(f"| {verdict.text} | **{verdict.reached:.2f}** | {rounds} | {_word(verdict)} |")
    ratios = _ratios_of(measurements)
    for outcome in run.outcomes:
        header, rows = _tabulate(outcome, ratios.get(outcome.name))
        lines += [
            "",
            f"**{outcome.title}**",
            "",
            write_row(header),
            write_row(["---"] * len(header)),
            *map(write_row, rows),
        ]
    lines += [f"\n{name} was left out: {why}" for name, why in run.missing.items()]
    lines += [f"\n{name} failed: {why.strip().splitlines()[-1]}" for name, why in run.failures.items()]
    return "\n".join(lines)


def replace_figures(page: Path, figures: str, *, name: str = "figures") -> None:
    """Put the figures between the page's marks of `name`; ValueError if it has none."""
    first, last = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    before, begin, rest = page.read_text(encoding="utf-8").partition(first)
    _, end, after = rest.partition(last)
    if not (begin and end):
        raise ValueError(f"{page} needs the lines {first} and {last}")
    page.write_text(f"{before}{begin}\n{figures}\n{end}{after}", encoding="utf-8")


def _ratios_of(measurements: Sequence[Measurement]) -> dict[str, Ratios]:
    return {one.name: one.ratios for one in measurements if one.ratios is not None}


def _tabulate(outcome: Outcome, ratios: Ratios | None) -> tuple[list[str], list[list[str]]]:
    figures = list(dict.fromkeys(figure for values in outcome.values.values() for figure in values))
    rows = [
        [variant, *(show_values(values[figure]) if figure in values else "" for figure in figures)]
        for variant, values in outcome.values.items()
    ]
    if ratios is None:
        return ["", *figures], rows
    for row in rows:
        ratio = compare(outcome, ratios, row[0])
        row.append("" if ratio is None else f"{ratio:.2f} x")
    return ["", *figures, f"Jobwire's {ratios.figure}"], rows


def show_values(values: Sequence[float]) -> str:
    """The median, with the range if there is more than one."""
    median = _number(statistics.median(values))
    return median if len(values) == 1 else f"{median} [{_number(min(values))}–{_number(max(values))}]"


def _number(value: float) -> str:
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.2f}" if value >= 0.1 or value == 0 else f"{value:.2g}"


def _say(verdict: Verdict) -> str:
    return f"{verdict.text}: {verdict.reached:.2f} [{verdict.lowest:.2f}–{verdict.highest:.2f}]"


def _word(verdict: Verdict) -> str:
    return "reached" if verdict.holds else "missed"


def write_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a Markdown table."""
    return [write_row(header), write_row(["---"] * len(header)), *map(write_row, rows)]


def write_row(cells: Sequence[Any]) -> str:
    """A row of a Markdown table."""
    return f"| {' | '.join(cells)} |"
