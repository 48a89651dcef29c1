"""`jobwire move`: a whole ledger to another engine or place, or back."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from importlib import import_module
from typing import Annotated

import typer
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from jobwire.cli.output import console, errors, print_json
from jobwire.cli.target import JsonOption
from jobwire.config import Bucket, SettingError, is_postgres, read_files, read_ledger, read_settings
from jobwire.domain.errors import RequestError
from jobwire.store.moving.files import Files
from jobwire.store.moving.move import Plan, Report, Scripts, Watch, move, take_back
from jobwire.store.moving.side import Side
from jobwire.store.sqlite.moving import SqliteSide
from jobwire.wiring import load_systems, split_script


def move_ledger(
    source: Annotated[str, typer.Option("--from", help="The ledger to move: a path, sqlite:path or postgresql://…")],
    target: Annotated[
        str | None, typer.Option("--to", help="Where to: an empty database, or a file that is not there.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check both sides and count; change nothing.")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Although workers live: what they run now is run again on the target.")
    ] = False,
    keep_source: Annotated[
        bool, typer.Option("--keep-source", help="Copy: leave the source as it is, to be served on.")
    ] = False,
    files: Annotated[
        str | None, typer.Option("--files", help="Copy the kept files that jobs name to this folder or s3://bucket.")
    ] = None,
    give_back: Annotated[
        bool, typer.Option("--take-back", help="Let a ledger that was moved away be served again; without --to.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Move a ledger with its jobs, ids, order, results, accounts and keys to another engine or place.

    Stop every `jobwire serve` and `jobwire worker` on the source first. The target is filled in one transaction and
    compared row by row before it is committed: when the move is interrupted nothing is there, and the same command
    starts anew. The source keeps its rows, but takes no more writes and is no longer served.

    Examples:

      jobwire move --from sqlite:jobwire.db --to postgresql://jobwire@db.internal/jobwire --dry-run

      jobwire move --from sqlite:jobwire.db --to postgresql://jobwire@db.internal/jobwire --files /srv/jobwire-files

      jobwire move --from sqlite:jobwire.db --take-back
    """
    with _opened(source, is_source=True) as origin:
        if give_back:
            _take_back(origin)
            return
        if target is None:
            raise SettingError("--to is missing: name the database or file to move to")
        plan = Plan(force=force, keep_source=keep_source, is_dry=dry_run)
        kept = Files(read_settings(db=read_ledger(source)).files, None if files is None else read_files(files))
        with _opened(target, is_source=False) as place, _progress() as watch:
            failures: tuple[type[Exception], ...] = (OSError, *origin.failures, *place.failures)
            try:
                report = move(origin, place, plan, scripts=load_scripts(), files=kept, watch=watch)
            except failures as error:
                raise RequestError("unavailable", f"the move failed and nothing was moved: {error}") from error
    if as_json:
        print_json(report)
        return
    _show(report, kept, plan, source=origin.address, target=place.address)


@contextmanager
def _opened(address: str, *, is_source: bool) -> Iterator[Side]:
    with closing(open_side(read_ledger(address), is_source=is_source)) as side:
        yield side


def open_side(address: str, *, is_source: bool) -> Side:
    """One side of a move; SettingError if it cannot be opened."""
    if not is_postgres(address):
        return SqliteSide(address, is_source=is_source)
    try:
        postgres = import_module("jobwire.store.postgres.moving")
    except ModuleNotFoundError as error:
        if error.name is None or not error.name.startswith("psycopg"):
            raise
        raise SettingError("a ledger on PostgreSQL needs psycopg: pip install 'jobwire[postgresql]'") from error
    side: Side = postgres.PostgresSide(address)
    return side


def load_scripts() -> Scripts:
    """The migrations of every system that is installed."""
    systems, _ = load_systems("all")
    return {system.name: [split_script(script) for script in system.migrations] for system in systems}


@contextmanager
def _progress() -> Iterator[Watch]:
    columns = (TextColumn("{task.description:<20}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=errors, disable=not errors.is_terminal, transient=True) as bar:
        task = bar.add_task("looking", total=None)
        yield lambda name, done, total: bar.update(task, description=name, completed=done, total=total)


def _take_back(origin: Side) -> None:
    mark = take_back(origin)
    console.print(
        f"{escape(origin.address)} may be served again. It is what it was when it was moved to "
        f"{escape(mark.address)}; serve only one of the two.",
        highlight=False,
    )


def _show(report: Report, files: Files, plan: Plan, *, source: str, target: str) -> None:
    if report.was_finished_before:
        console.print(f"{escape(source)} had been moved to {escape(target)} already, whole.", highlight=False)
        return
    table = Table("table", "rows", box=None)
    table.columns[1].justify = "right"
    for name, rows in report.rows.items():
        if rows:
            table.add_row(name, f"{rows:,}")
    console.print(table)
    for line in _say(report, files, plan, source=source, target=target):
        console.print(escape(line), highlight=False, soft_wrap=True)


def _say(report: Report, files: Files, plan: Plan, *, source: str, target: str) -> Iterator[str]:
    if report.strangers:
        yield f"Not the ledger's, stay where they are: {', '.join(report.strangers)}."
    if report.running:
        yield f"{report.running} jobs were running: the target gives them to its workers again."
    if plan.is_dry:
        yield f"Nothing was changed. Without --dry-run these rows go from {source} to {target}."
        return
    yield f"Moved to {target}; counts and checksums are the same on both sides."
    yield from _say_files(files)
    if not plan.keep_source:
        yield f"{source} keeps its rows, takes no more writes and is not served again."
    place = files.copies or files.folder
    shown = place if isinstance(place, Bucket) else place.resolve()

    yield f"Next: set JOBWIRE_DB to the new address and JOBWIRE_FILES to {shown}."


def _say_files(files: Files) -> Iterator[str]:
    if files.named:
        copied = "" if files.copies is None else f", {files.copied} copied to {files.copies}"
        yield f"Kept files: named {files.named} times, {files.missing} not in {files.folder}{copied}."
    if files.missing:
        yield f"Not there, for example: {', '.join(files.examples)}"
