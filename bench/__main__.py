"""`python -m bench`: every measurement in interleaved rounds, results checked, medians with their range.

Exit code 0 when everything ran, 1 when a measurement failed (a job lost or run twice, an error answered), 3 when wrk
is missing and a measurement needs it. A missed goal is said but is no failure: the machine has its part in it.
"""

import argparse
import shlex
import sys
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
from rich.console import Console

from bench.both import BOTH
from bench.children import Failed
from bench.drain import DRAIN
from bench.latency import LATENCY
from bench.machine import describe_machine
from bench.measurement import FULL, QUICK, Measurement, Outcome, Size
from bench.report import Run, replace_figures, show_run, write_markdown
from bench.saturated import SATURATED
from bench.status import STATUS
from bench.submit import SUBMIT
from bench.wrk import HOW_TO_INSTALL, is_installed

MEASUREMENTS = (DRAIN, BOTH, LATENCY, SUBMIT, STATUS, SATURATED)
OUT = Path(__file__).parent / "out"
WRK_MISSING = 3

progress = Console(stderr=True, highlight=False)


def main() -> int:
    """Measure and show; the exit code."""
    options = _read_options()
    if options.show:
        run = msgspec.json.decode(Path(options.show).read_bytes(), type=Run)
        lacks_wrk = False
    else:
        chosen = [one for one in MEASUREMENTS if not options.only or one.name in options.only]
        lacks_wrk = any(one.needs_wrk for one in chosen) and not is_installed()
        if lacks_wrk:
            progress.print(f"[red]{HOW_TO_INSTALL}[/red]")
        runnable = [one for one in chosen if is_installed() or not one.needs_wrk]
        run = _measure_all(runnable, QUICK if options.quick else FULL, rounds=options.rounds)
        _keep(run, options.json)
    if options.markdown is None:
        show_run(run, MEASUREMENTS, Console())
    elif options.markdown == "-":
        print(write_markdown(run, MEASUREMENTS))
    else:
        replace_figures(Path(options.markdown), write_markdown(run, MEASUREMENTS))
    if run.failures:
        return 1
    return WRK_MISSING if lacks_wrk else 0


def _read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure Jobwire against its peers.")
    parser.add_argument(
        "--quick", action="store_true", help="a tenth of the jobs, shorter loads: to see that it works"
    )
    parser.add_argument("--rounds", type=int, default=3, help="rounds of each measurement (3)")
    names = [one.name for one in MEASUREMENTS]
    parser.add_argument("--only", action="append", choices=names, help="measure only this; may be given again")
    parser.add_argument("--json", type=Path, help="where the figures go (bench/out/<date>.json)")
    parser.add_argument("--show", type=Path, metavar="JSON", help="measure nothing, show a run that was kept")
    parser.add_argument(
        "--markdown", nargs="?", const="-", metavar="PAGE", help="print Markdown, or put it between the marks of PAGE"
    )
    options = parser.parse_args()
    if options.rounds < 1:
        parser.error(f"--rounds must be at least 1, got {options.rounds}")
    return options


def _measure_all(measurements: list[Measurement], size: Size, *, rounds: int) -> Run:
    OUT.mkdir(exist_ok=True)
    run = Run(
        date=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        command=shlex.join(["python", "-m", "bench", *sys.argv[1:]]),
        machine={},
        outcomes=[],
        failures={},
    )
    with TemporaryDirectory(dir=OUT) as folder:
        run.machine = describe_machine(Path(folder))
    for measurement in measurements:
        outcome = Outcome(measurement.name, measurement.title)
        try:
            _measure(measurement, size, outcome, rounds=rounds)
            run.outcomes.append(outcome)
        except Failed as failure:
            run.failures[measurement.name] = str(failure)
    return run


def _measure(measurement: Measurement, size: Size, outcome: Outcome, *, rounds: int) -> None:
    with (
        TemporaryDirectory(dir=OUT, ignore_cleanup_errors=True) as shared,
        measurement.open(Path(shared), size) as variants,
    ):
        for round_number in range(1, rounds + 1):
            for variant in variants:
                with TemporaryDirectory(dir=OUT, ignore_cleanup_errors=True) as folder:
                    figures = variant.measure(Path(folder))
                outcome.keep(variant.name, figures)
                shown = "  ".join(f"{figure} {value:,.2f}" for figure, value in figures.items())
                progress.print(f"[dim]{measurement.name} {round_number}/{rounds}[/dim]  {variant.name}: {shown}")


def _keep(run: Run, path: Path | None) -> None:
    if path is None:
        stamp = run.date.removesuffix(" UTC").replace(" ", "T").replace(":", "")
        path = OUT / f"{stamp}.json"
    path.write_bytes(msgspec.json.format(msgspec.json.encode(run)))
    progress.print(f"[dim]kept in {path}[/dim]")


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        sys.exit(main())
    sys.exit(130)
