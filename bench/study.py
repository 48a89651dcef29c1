"""What the studies share: their options, a ledger with its upkeep, and how a finding is shown and kept."""

import argparse
import asyncio
import contextlib
import shlex
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
from rich.console import Console
from rich.table import Table

from bench.databases import Databases, Engine, Site
from bench.jobwire_app import app
from bench.machine import describe_machine
from bench.peers.install import Missing
from bench.plot import Chart
from bench.postgres_server import running_postgres
from bench.report import replace_figures, write_table
from bench.servers import read_bench_settings
from jobwire.wiring import House, open_house

OUT = Path(__file__).parent / "out"
LEASE_MS = 3_600_000
ENGINES: Sequence[Engine] = ("sqlite", "postgres")

progress = Console(stderr=True, highlight=False)


class Finding(msgspec.Struct):
    """What a study found: a table, and the numbers behind its plot."""

    name: str
    title: str
    header: list[str]
    rows: list[list[str]]
    values: dict[str, list[dict[str, float]]]
    verdicts: list[str]
    date: str = ""
    command: str = ""
    machine: dict[str, str] = {}


def make_parser(name: str, description: str) -> argparse.ArgumentParser:
    """The options every study has."""
    parser = argparse.ArgumentParser(prog=f"python -m bench {name}", description=description)
    parser.add_argument(
        "--postgres", metavar="ADDRESS", help="a PostgreSQL to use instead of one started for the run"
    )
    parser.add_argument("--engine", action="append", choices=ENGINES, help="only this engine; may be given again")
    parser.add_argument("--json", type=Path, help=f"where the finding goes (bench/out/{name}-<date>.json)")
    parser.add_argument("--plots", type=Path, default=OUT, help="folder for the plot (bench/out)")
    parser.add_argument(
        "--markdown", type=Path, metavar="PAGE", help=f"put the table between the {name} marks of PAGE"
    )
    return parser


@contextmanager
def databases_of(options: argparse.Namespace) -> Iterator[Databases]:
    """The servers that the options ask for."""
    OUT.mkdir(exist_ok=True)
    wants_postgres = not options.engine or "postgres" in options.engine
    server = (
        running_postgres(options.postgres) if wants_postgres else nullcontext(Missing("PostgreSQL was not asked for"))
    )
    with server as postgres:
        yield Databases(postgres=postgres, redis=Missing("Redis was not asked for"))


@contextmanager
def opened_house(databases: Databases, engine: Engine) -> Iterator[tuple[Site, House]]:
    """An empty ledger with its upkeep running, and the worker `bench` alive in it."""
    with (
        TemporaryDirectory(dir=OUT, ignore_cleanup_errors=True) as folder,
        databases.fresh(engine, Path(folder)) as site,
    ):
        house = open_house(read_bench_settings(site), app.kinds)
        try:
            house.store.heartbeat("bench", lease_ms=LEASE_MS).result()
            with _upkeep_of(house):
                yield site, house
        finally:
            house.close()


@contextmanager
def _upkeep_of(house: House) -> Iterator[None]:
    loop = asyncio.new_event_loop()
    upkeep = loop.create_task(house.make_upkeep().run())

    def run() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            loop.run_until_complete(upkeep)
        loop.close()

    thread = threading.Thread(target=run, name="bench-upkeep")
    thread.start()
    try:
        yield
    finally:
        loop.call_soon_threadsafe(upkeep.cancel)
        thread.join()


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which `share` of the values lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def publish(
    finding: Finding,
    charts: Sequence[Chart],
    *,
    options: argparse.Namespace,
    databases: Databases,
    words: Sequence[str],
) -> int:
    """Show the finding, keep it as JSON, draw its charts; the exit code."""
    finding.date = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    finding.command = shlex.join(["python", "-m", "bench", finding.name, *words])
    with TemporaryDirectory(dir=OUT) as folder:
        finding.machine = describe_machine(Path(folder), databases)
    stamp = finding.date.removesuffix(" UTC").replace(" ", "T").replace(":", "")
    path = options.json or OUT / f"{finding.name}-{stamp}.json"
    path.write_bytes(msgspec.json.format(msgspec.json.encode(finding)))
    options.plots.mkdir(parents=True, exist_ok=True)
    drawn = []
    for number, chart in enumerate(charts):
        suffix = f"-{number + 1}" if len(charts) > 1 else ""
        drawn.append(options.plots / f"{finding.name}{suffix}.svg")
        drawn[-1].write_text(chart.draw(), encoding="utf-8")
    if options.markdown is not None:
        replace_figures(options.markdown, _write_markdown(finding, drawn), name=finding.name)
    _show(finding)
    progress.print(f"[dim]kept in {path}, drawn in {', '.join(map(str, drawn))}[/dim]")
    return 0


def _show(finding: Finding) -> None:
    console = Console(highlight=False)
    table = Table(*finding.header, title=finding.title, title_justify="left")
    for row in finding.rows:
        table.add_row(*row)
    console.print(table)
    for verdict in finding.verdicts:
        console.print(verdict)


def _write_markdown(finding: Finding, drawn: Sequence[Path]) -> str:
    lines = [f"Run of {finding.date} with `{finding.command}`.", "", *write_table(finding.header, finding.rows), ""]
    lines += [f"- {verdict}" for verdict in finding.verdicts]
    lines += ["", *(f"![{finding.title}](performance/{path.name})" for path in drawn)]
    return "\n".join(lines)
