"""Many jobs at once from the command line: a file of submissions, and cancel and rerun by filters."""

import asyncio
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from jobwire.cli.output import console, errors, print_json
from jobwire.dialects.bulk import read_bulk
from jobwire.dialects.native import NATIVE
from jobwire.domain.errors import RequestError
from jobwire.domain.ids import show_id
from jobwire.domain.job import JobRow, Page
from jobwire.domain.phases import FINAL_PHASES, Phase
from jobwire.http.batch import Lines, build_batch, check_batch, split_lines
from jobwire.http.body import decode_json
from jobwire.service.bulk import CANCELLABLE, RERUN_UNASKED, SAMPLE_MAX, cancel_rows, rerun_rows
from jobwire.service.paging import find_page
from jobwire.wiring import House

JobsArgument = Annotated[
    str | None,
    typer.Argument(metavar="JOB_ID", help="job_… or the ledger's number; or none, with filters.", show_default=False),
]
OwnerFilter = Annotated[str | None, typer.Option("--owner", help="Only this account's.", show_default=False)]
KindFilter = Annotated[str | None, typer.Option("--kind", help="Only this kind.", show_default=False)]
PhaseFilter = Annotated[str | None, typer.Option("--phase", help="Only this phase.", show_default=False)]
TagFilter = Annotated[str | None, typer.Option("--tag", help="Only with this tag.", show_default=False)]
QueueFilter = Annotated[str | None, typer.Option("--queue", help="Only this queue.", show_default=False)]
AfterFilter = Annotated[
    str | None, typer.Option("--created-after", help="Only younger: 2031-03-04T05:06:07Z.", show_default=False)
]
BeforeFilter = Annotated[
    str | None, typer.Option("--created-before", help="Only older: 2031-03-04T05:06:07Z.", show_default=False)
]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Only tell what it would be.")]
BatchOption = Annotated[
    str | None,
    typer.Option(
        "--batch", help="A file of jobs, one JSON object a line or an array; - is stdin.", show_default=False
    ),
]

Filters = dict[str, Any]


def make_filters(*values: str | None) -> Filters:
    """The filters that were given: kind, phase, tag, queue, created_after and created_before, in this order."""
    names = ("kind", "phase", "tag", "queue", "created_after", "created_before")
    return {name: value for name, value in zip(names, values, strict=True) if value is not None}


def refuse_both(filters: Filters, owner: str | None, *, dry_run: bool) -> None:
    """RequestError unless a job that was named is all that was named."""
    if filters or owner is not None or dry_run:
        raise RequestError("invalid_request", "name one job, or select many by filters; not both")


def refuse_for_many(from_step: str | None, input_text: str | None) -> None:
    """RequestError if what fits one job only was given for many."""
    if from_step is not None or input_text is not None:
        raise RequestError("invalid_request", "--from-step and --input are for one job; name it")


def submit_batch(house: House, owner: str, source: str, *, as_json: bool) -> int:
    """Submit the jobs of a file; prints an id a line, and on stderr what was refused. The exit code."""
    sent = _read_batch(source)

    async def send() -> list[Any]:
        account = await house.services.owners.create_owner(owner)
        return await house.services.jobs.admit_each(build_batch(house.services, NATIVE, sent, owner=account.id))

    results = asyncio.run(send())
    for index, result in enumerate(results):
        place = {"line": sent.numbered[index][0]} if isinstance(sent, Lines) else {"index": index}
        if isinstance(result, RequestError):
            word, number = next(iter(place.items()))
            message = result.message.removeprefix(f"line {number}: ")
            errors.print(f"{word} {number}: {message}", highlight=False, markup=False, soft_wrap=True)
        elif as_json:
            print_json({**place, "id": show_id(result.key), "replayed": not result.is_new})
        else:
            console.print(show_id(result.key), highlight=False)
    return 1 if any(isinstance(result, RequestError) for result in results) else 0


def _read_batch(source: str) -> Any:
    try:
        body = sys.stdin.buffer.read() if source == "-" else Path(source).read_bytes()
    except OSError as error:
        raise RequestError("invalid_request", f"--batch cannot be read: {error.strerror}: {source}") from error
    return check_batch(decode_json(body) if body.lstrip().startswith(b"[") else split_lines(body))


def cancel_selected(house: House, owner: str | None, filters: Filters, *, dry_run: bool) -> None:
    """Cancel what the filters select of one account or of all, and say how many."""
    matched = cancelled = asked = 0
    for account, rows in _find_all(house, owner, filters, CANCELLABLE, CANCELLABLE):
        matched += len(rows)
        if dry_run:
            _show_sample(rows, matched)
            continue
        done = asyncio.run(cancel_rows(house.services.jobs, account, rows))
        cancelled, asked = cancelled + done.cancelled, asked + done.cancelling
    if dry_run:
        console.print(f"{matched} jobs would be cancelled", highlight=False)
    else:
        console.print(f"{cancelled} jobs are cancelled, {asked} are asked to stop", highlight=False)


def rerun_selected(house: House, owner: str | None, filters: Filters, *, dry_run: bool) -> int:
    """Run again what the filters select of one account or of all, and say how many. The exit code."""
    matched = made = refused = 0
    # All are found before the first is run again: what runs again may be selected itself.
    for account, rows in list(_find_all(house, owner, filters, FINAL_PHASES, RERUN_UNASKED)):
        matched += len(rows)
        done = asyncio.run(rerun_rows(house.services.jobs, account, rows, dry_run=dry_run))
        made, refused = made + len(done.receipts), refused + len(done.refused)
        for one in done.refused:
            errors.print(f"{one['id']}: {one['detail']}", highlight=False, markup=False, soft_wrap=True)
        if dry_run:
            _show_sample(rows, matched)
    console.print(
        f"{matched - refused} jobs would run again" if dry_run else f"{made} jobs run again", highlight=False
    )
    return 1 if refused else 0


def _show_sample(rows: list[JobRow], matched: int) -> None:
    for row in rows[: max(0, SAMPLE_MAX - (matched - len(rows)))]:
        console.print(f"{show_id(row.key)} {row.kind} {row.phase}", highlight=False)


def _find_all(
    house: House, owner: str | None, filters: Filters, phases: frozenset[Phase], default: frozenset[Phase]
) -> Iterator[tuple[int, list[JobRow]]]:
    """The selected jobs of each account, a page at a time, newest first."""
    first = read_bulk(filters, NATIVE, phases=phases, default=default).page
    accounts = [row for row in asyncio.run(house.services.owners.list_owners()) if owner in (None, row.name)]
    if owner is not None and not accounts:
        raise RequestError("not_found", f"there is no owner {owner!r}; see `jobwire owners list`")
    for account in accounts:
        page: Page | None = first
        while page is not None:
            rows, before = asyncio.run(find_page(house.services.jobs, account.id, page, kinds=None))
            if rows:
                yield account.id, rows
            page = None if before is None else replace(page, before=before)
