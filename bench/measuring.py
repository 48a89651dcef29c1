"""Every measurement in interleaved rounds, results checked, medians with their range.

Exit code 0 when everything ran, 1 when a measurement failed (a job lost or run twice, an error answered), 3 when
something is missing that one needs. A missed goal is said but is no failure: the machine has its part in it.
"""

import argparse
import shlex
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

import msgspec
from rich.console import Console
from rich.markup import escape

from bench.both import BOTH
from bench.children import Failed
from bench.crawling import CRAWLING
from bench.databases import Databases
from bench.documents import DOCUMENTS
from bench.drain import DRAIN
from bench.enqueue import ENQUEUE
from bench.latency import LATENCY
from bench.longpolls import LONGPOLLS
from bench.machine import describe_machine
from bench.measurement import FULL, QUICK, Bench, Measurement, Outcome, Variant
from bench.peers.install import Missing
from bench.postgres_server import running_postgres
from bench.redis_server import running_redis
from bench.report import Run, replace_figures, show_run, write_markdown
from bench.saturated import SATURATED
from bench.status import STATUS, STATUS_POSTGRES
from bench.submit import SUBMIT
from bench.tables import TABLES
from bench.tool_calls import TOOL_CALLS
from bench.waiting import WAITING
from bench.wrk import HOW_TO_INSTALL, is_installed

MEASUREMENTS = (
    DRAIN, BOTH, ENQUEUE, LATENCY, SUBMIT, STATUS, STATUS_POSTGRES, SATURATED, WAITING, LONGPOLLS, TABLES, DOCUMENTS,
    CRAWLING, TOOL_CALLS
)  # fmt: skip
OUT = Path(__file__).parent / "out"
SOMETHING_MISSING = 3

T = TypeVar("T")
progress = Console(stderr=True, highlight=False)


def main(words: list[str]) -> int:
    """Measure and show; the exit code."""
    options = _read_options(words)
    if options.show:
        run = msgspec.json.decode(Path(options.show).read_bytes(), type=Run)
    else:
        run = _measure_all(options, shlex.join(["python", "-m", "bench", *words]))
        _keep(run, options.json)
    if options.markdown is None:
        show_run(run, MEASUREMENTS, Console())
    elif options.markdown == "-":
        print(write_markdown(run, MEASUREMENTS))
    else:
        replace_figures(Path(options.markdown), write_markdown(run, MEASUREMENTS))
    if run.failures:
        return 1
    return SOMETHING_MISSING if run.missing else 0


def _read_options(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="Measure Jobwire beside its peers. See also: python -m bench backlog|vacuum|fair --help",
    )
    parser.add_argument(
        "--quick", action="store_true", help="a tenth of the jobs, shorter loads: to see that it works"
    )
    parser.add_argument("--rounds", type=int, default=3, help="rounds of each measurement (3)")
    names = [one.name for one in MEASUREMENTS]
    parser.add_argument("--only", action="append", choices=names, help="measure only this; may be given again")
    parser.add_argument(
        "--variant",
        action="append",
        metavar="WORD",
        help="only variants with this word in their name; again for more",
    )
    parser.add_argument(
        "--postgres", metavar="ADDRESS", help="a PostgreSQL to use instead of one started for the run"
    )
    parser.add_argument("--json", type=Path, help="where the figures go (bench/out/<date>.json)")
    parser.add_argument("--show", type=Path, metavar="JSON", help="measure nothing, show a run that was kept")
    parser.add_argument(
        "--markdown", nargs="?", const="-", metavar="PAGE", help="print Markdown, or put it between the marks of PAGE"
    )
    options = parser.parse_args(words)
    if options.rounds < 1:
        parser.error(f"--rounds must be at least 1, got {options.rounds}")
    return options


def _measure_all(options: argparse.Namespace, command: str) -> Run:
    OUT.mkdir(exist_ok=True)
    run = Run(
        date=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        command=command,
        machine={},
        outcomes=[],
        failures={},
        missing={},
    )
    with TemporaryDirectory(dir=OUT) as folder, ExitStack() as servers:
        databases = Databases(
            postgres=_start(servers, running_postgres(options.postgres)),
            redis=_start(servers, running_redis(Path(folder))),
        )
        run.machine = describe_machine(Path(folder), databases)
        bench = Bench(QUICK if options.quick else FULL, databases)
        for measurement in MEASUREMENTS:
            if options.only and measurement.name not in options.only:
                continue
            if measurement.needs_wrk and not is_installed():
                run.missing[measurement.name] = HOW_TO_INSTALL
                continue
            run.outcomes.append(_measure(measurement, bench, run, rounds=options.rounds, words=options.variant))
    return run


def _start(servers: ExitStack, server: AbstractContextManager[T]) -> T | Missing:
    try:
        return servers.enter_context(server)
    except Missing as missing:
        return missing


def _measure(
    measurement: Measurement, bench: Bench, run: Run, *, rounds: int, words: Sequence[str] | None
) -> Outcome:
    outcome = Outcome(measurement.name, measurement.title)
    with (
        _told_in(run, measurement.name),
        TemporaryDirectory(dir=OUT, ignore_cleanup_errors=True) as shared,
        measurement.open(Path(shared), bench) as variants,
    ):
        left = [one for one in variants if not words or any(word in one.name for word in words)]
        for round_number in range(1, rounds + 1):
            left = [one for one in left if _measure_variant(one, outcome, run, place=f"{round_number}/{rounds}")]
    return outcome


def _measure_variant(variant: Variant, outcome: Outcome, run: Run, *, place: str) -> bool:
    """One round of a variant; False when it failed: it is not tried again."""
    with (
        _told_in(run, f"{outcome.name}, {variant.name}"),
        TemporaryDirectory(dir=OUT, ignore_cleanup_errors=True) as folder,
    ):
        figures = variant.measure(Path(folder))
        outcome.keep(variant.name, figures)
        shown = "  ".join(f"{figure} {value:,.2f}" for figure, value in figures.items())
        progress.print(f"[dim]{outcome.name} {place}[/dim]  {variant.name}: {shown}")
        return True
    return False


@contextmanager
def _told_in(run: Run, what: str) -> Iterator[None]:
    """Let the run go on: what is missing and what failed is told at its end."""
    try:
        yield
    except Missing as missing:
        run.missing[what] = str(missing)
        progress.print(f"[yellow]left out[/yellow]  {what}: {escape(str(missing))}")
    except Failed as failure:
        run.failures[what] = str(failure)
        progress.print(f"[red]failed[/red]  {what}: {escape(str(failure))}")


def _keep(run: Run, path: Path | None) -> None:
    if path is None:
        stamp = run.date.removesuffix(" UTC").replace(" ", "T").replace(":", "")
        path = OUT / f"{stamp}.json"
    path.write_bytes(msgspec.json.format(msgspec.json.encode(run)))
    progress.print(f"[dim]kept in {path}[/dim]")
