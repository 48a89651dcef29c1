"""`jobwire submit`, `watch`, `jobs`, `show`, `cancel`, `rerun`: an operator's look at the ledger, across owners."""

import asyncio
import time
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.table import Table

from jobwire.app import Jobwire
from jobwire.cli.bulk import (
    AfterFilter,
    BatchOption,
    BeforeFilter,
    DryRunOption,
    JobsArgument,
    KindFilter,
    OwnerFilter,
    PhaseFilter,
    QueueFilter,
    TagFilter,
    cancel_selected,
    make_filters,
    refuse_both,
    refuse_for_many,
    rerun_selected,
    submit_batch,
)
from jobwire.cli.estimate_words import say_end, say_start
from jobwire.cli.live import LiveJob
from jobwire.cli.output import console, print_json
from jobwire.cli.remote import split_url, watch_remote
from jobwire.cli.target import (
    AppOption,
    DbOption,
    JsonOption,
    OwnerOption,
    load_app,
    opened,
    require_kind,
    settings_for,
)
from jobwire.domain.errors import RequestError
from jobwire.domain.ids import read_id, show_id
from jobwire.domain.job import JobFilter, JobRow
from jobwire.domain.phases import FINAL_PHASES, Phase
from jobwire.domain.states import Event
from jobwire.domain.webhooks import sender_of
from jobwire.store.contract import Store
from jobwire.wiring import House, Ledger

LOOK_S = 0.2
NUMBER_DIGITS_MAX = 18
_STARTED = frozenset({Phase.RUNNING, Phase.CANCELLING})
JobArgument = Annotated[str, typer.Argument(metavar="JOB_ID", help="job_… or the ledger's number.")]


def submit(
    kind: Annotated[str | None, typer.Argument(help="The kind of job.", show_default=False)] = None,
    input_text: Annotated[str, typer.Option("--input", help="The input as JSON, or @file.json.")] = "{}",
    concurrency_key: Annotated[str | None, typer.Option(help="What the kind's caps on keys count together.")] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Watch it to its end.")] = False,
    batch: BatchOption = None,
    owner: OwnerOption = "default",
    app_name: AppOption = None,
    db: DbOption = None,
    as_json: JsonOption = False,
) -> None:
    """Submit a job straight to the ledger, or many of them from a file.

    Examples:

      jobwire submit thumbnail --input '{"url": "https://example.org/a.jpg"}' --app tasks:app --wait

      jobwire submit --batch jobs.ndjson --app tasks:app
    """
    app = load_app(app_name)
    if (kind is None) == (batch is None):
        raise RequestError("invalid_request", "name a kind of job, or give --batch with a file of jobs")
    if batch is not None:
        with _opened_for_work(app, db) as house:
            raise typer.Exit(submit_batch(house, owner, batch, as_json=as_json))
    value = _read_input(input_text)
    with _opened_for_work(app, db) as house:
        require_kind(house, kind or "", app_name)

        async def send() -> str:
            account = await house.services.owners.create_owner(owner)
            receipt = await house.services.jobs.submit(account.id, kind or "", value, concurrency_key=concurrency_key)
            return receipt.key

        key = asyncio.run(send())
        if as_json:
            print_json({"id": show_id(key)})
        else:
            console.print(show_id(key), highlight=False)
        if wait:
            raise typer.Exit(_watch(house, _find_row(house.store, show_id(key))))


def watch(
    job_id: JobArgument,
    db: DbOption = None,
    url: Annotated[
        str | None, typer.Option("--url", envvar="JOBWIRE_URL", help="Of a server, instead of a ledger of your own.")
    ] = None,
    api_key: Annotated[
        str | None, typer.Option("--api-key", envvar="JOBWIRE_API_KEY", help="A key of that server.")
    ] = None,
) -> None:
    """Follow a job with a live progress bar; exit code 0 when it completed, 1 when it ended otherwise.

    The job is one of the ledger, or with --url (or given as its own URL) one of a server, where you need its key.
    """
    job_id, url = split_url(job_id, url)
    if url is not None and db is None:
        raise typer.Exit(watch_remote(job_id, url, api_key))
    with opened(settings_for(None, db=db, systems="none")) as house:
        raise typer.Exit(_watch(house, _find_row(house.store, job_id)))


def list_jobs(
    owner: Annotated[str | None, typer.Option("--owner", help="Only this account's.")] = None,
    kind: Annotated[str | None, typer.Option(help="Only this kind.")] = None,
    phase: Annotated[str | None, typer.Option(help="Only this phase: waiting, running, failed …")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many, newest first.")] = 20,
    internal: Annotated[
        bool, typer.Option("--internal", help="Instead, the jobs that send these accounts' webhooks.")
    ] = False,
    db: DbOption = None,
    as_json: JsonOption = False,
) -> None:
    """List jobs, newest first."""
    if phase is not None and phase not in set(Phase):
        raise RequestError("invalid_request", f"there is no phase {phase!r}; there are {', '.join(Phase)}")
    with opened(settings_for(None, db=db, systems="none")) as house:
        known = asyncio.run(house.services.owners.list_owners())
        accounts = {sender_of(row.id) if internal else row.id: row.name for row in known}
        wanted = [number for number, name in accounts.items() if owner in (None, name)]
        if owner is not None and not wanted:
            raise RequestError("not_found", f"there is no owner {owner!r}; see `jobwire owners list`")
        rows = [row for number in wanted for row in _newest(house.store, number, kind, phase, limit)]
    rows = sorted(rows, key=lambda row: -row.number)[:limit]
    if as_json:
        for row in rows:
            print_json({"owner": accounts[row.owner], **_describe(row)})
        return
    table = Table("number", "id", "owner", "kind", "phase", "attempt", "percent", box=None)
    for row in rows:
        percent = f"{_read_percent(row):g}" if row.progress or row.phase is Phase.COMPLETED else ""
        attempt = f"{row.attempt}/{row.attempts_max}"
        table.add_row(str(row.number), show_id(row.key), accounts[row.owner], row.kind, row.phase, attempt, percent)
    console.print(table)


def show(job_id: JobArgument, db: DbOption = None) -> None:
    """Everything about one job, with the operator's view: events, attempts and internal errors."""
    with opened(settings_for(None, db=db, systems="none")) as house:
        row = _find_row(house.store, job_id)
        events = house.store.events(0, number=row.number).result()
        attempts = house.store.attempts(row.number).result()
        given = house.store.input_of(row.number).result()
    console.print_json(data={**_describe(row), "input": msgspec.json.decode(given)})
    for event in events:
        console.print(
            f"{_time(event.at)}  {Event(event.event).name.lower():<16} version {event.version}", highlight=False
        )
    for attempt in attempts:
        console.print(f"\nattempt {attempt.attempt} (fence {attempt.fence}): {attempt.event} {attempt.code or ''}")
        console.print(attempt.internal, markup=False, highlight=False)


def cancel(
    job_id: JobsArgument = None,
    owner: OwnerFilter = None,
    kind: KindFilter = None,
    phase: PhaseFilter = None,
    tag: TagFilter = None,
    queue: QueueFilter = None,
    created_after: AfterFilter = None,
    created_before: BeforeFilter = None,
    dry_run: DryRunOption = False,
    db: DbOption = None,
) -> None:
    """Cancel a job, or all that the filters select: at once what waits, by asking its worker what runs."""
    filters = make_filters(kind, phase, tag, queue, created_after, created_before)
    with opened(settings_for(None, db=db, systems="none")) as house:
        if job_id is None:
            cancel_selected(house, owner, filters, dry_run=dry_run)
            return
        refuse_both(filters, owner, dry_run=dry_run)
        row = _find_row(house.store, job_id)
        after = asyncio.run(house.services.jobs.cancel(row.owner, row))
    console.print(f"{show_id(after.key)} is {after.phase}", highlight=False)


def rerun(
    job_id: JobsArgument = None,
    from_step: Annotated[str | None, typer.Option(help="Keep the outputs of the steps before this one.")] = None,
    input_text: Annotated[str | None, typer.Option("--input", help="Another input, as JSON or @file.json.")] = None,
    owner: OwnerFilter = None,
    kind: KindFilter = None,
    phase: PhaseFilter = None,
    tag: TagFilter = None,
    queue: QueueFilter = None,
    created_after: AfterFilter = None,
    created_before: BeforeFilter = None,
    dry_run: DryRunOption = False,
    app_name: AppOption = None,
    db: DbOption = None,
) -> None:
    """Run a finished job again as a new job, or all that the filters select: without --phase, what failed."""
    app = load_app(app_name)
    filters = make_filters(kind, phase, tag, queue, created_after, created_before)
    value = None if input_text is None else _read_input(input_text)
    with _opened_for_work(app, db) as house:
        if job_id is None:
            refuse_for_many(from_step, input_text)
            raise typer.Exit(rerun_selected(house, owner, filters, dry_run=dry_run))
        refuse_both(filters, owner, dry_run=dry_run)
        row = _find_row(house.store, job_id)
        require_kind(house, row.kind, app_name)
        receipt = asyncio.run(house.services.jobs.rerun(row.owner, row, input=value, from_step=from_step))
    console.print(show_id(receipt.key), highlight=False)


def _opened_for_work(app: Jobwire | None, db: str | None) -> AbstractContextManager[House]:
    """A house with kinds: the app's, which may be the first on its ledger, or of the systems that are there."""
    return opened(settings_for(app, db=db), app, makes_ledger=app is not None, adds_systems=False)


def _read_input(text: str) -> Any:
    """The value of `--input`: JSON, or the JSON in the file behind an @."""
    try:
        return msgspec.json.decode(Path(text[1:]).read_bytes() if text.startswith("@") else text)
    except OSError as error:
        raise RequestError("invalid_request", f"--input cannot be read: {error.strerror}: {text[1:]}") from error
    except msgspec.DecodeError as error:
        raise RequestError("invalid_request", f"--input is not JSON: {error}") from error


def _find_row(store: Ledger, job_id: str) -> JobRow:
    """The job of any owner; RequestError not_found."""
    column, value = (
        ("number", job_id)
        if job_id.isdecimal() and len(job_id) <= NUMBER_DIGITS_MAX
        else ("key", read_id(job_id) or "")
    )
    sql = f"SELECT owner, number FROM job WHERE {column} = :value"  # noqa: S608 - one of two fixed words
    found = store.read(lambda r: r.query(sql, value=int(value) if column == "number" else value)).result()
    row = store.get(found[0][0], number=found[0][1]).result() if found else None
    if row is None:
        raise RequestError("not_found", f"there is no job {job_id!r} in {store.path}; check --db")
    return row


def _newest(store: Store, owner: int, kind: str | None, phase: str | None, limit: int) -> list[JobRow]:
    rows: list[JobRow] = []
    before: int | None = None
    while len(rows) < limit:
        page = store.find(owner, JobFilter(kind=kind, before=before, limit=limit)).result()
        rows += [row for row in page if phase is None or row.phase == phase]
        if len(page) < limit:
            break
        before = page[-1].number
    return rows[:limit]


def _watch(house: House, row: JobRow) -> int:
    """Follow the job; a live bar on a terminal, a line a change elsewhere. The exit code."""
    with LiveJob() as live:
        while True:
            live.show(row.phase, *_progress_of(house, row))
            if row.phase in FINAL_PHASES:
                break
            time.sleep(LOOK_S)
            row = house.store.get(row.owner, number=row.number).result() or row
    console.print_json(data=_describe(row))
    return 0 if row.phase is Phase.COMPLETED else 1


def _progress_of(house: House, row: JobRow) -> tuple[float, str]:
    if row.phase is Phase.COMPLETED:
        return 100.0, ""
    if row.phase in FINAL_PHASES:
        return _read_progress(row)
    place = None if row.phase in _STARTED else house.store.position(row).result()
    estimate = asyncio.run(house.services.estimates.find(row, place))
    if place is None:
        percent, note = _read_progress(row)
        return percent, f"{note} {say_end(estimate)}".strip()
    ahead = f"{place.position} ahead" if row.phase is Phase.WAITING else ""
    held = "" if place.blocked_by is None else f"held back by its cap: {place.blocked_by}"
    return 0.0, ", ".join(word for word in (ahead, held, say_start(estimate)) if word)


def _read_percent(row: JobRow) -> float:
    return 100.0 if row.phase is Phase.COMPLETED else _read_progress(row)[0]


def _read_progress(row: JobRow) -> tuple[float, str]:
    progress = {} if row.progress is None else msgspec.json.decode(row.progress)
    counted = f"{progress['done']}/{progress['total']}" if progress.get("total") else ""
    words = (progress.get("stage"), counted, progress.get("message"))
    return progress.get("percent", 0.0), " ".join(word for word in words if word)


def _describe(row: JobRow) -> dict[str, Any]:
    decode = msgspec.json.decode
    return {
        "id": show_id(row.key),
        "number": row.number,
        "kind": row.kind,
        "queue": row.queue,
        "phase": row.phase,
        "attempt": row.attempt,
        "attempts_max": row.attempts_max,
        "progress": None if row.progress is None else decode(row.progress),
        "result": None if row.output is None else decode(row.output),
        "error": None if row.error is None else _read_error(row.error),
        "created_at": _time(row.created_at),
        "finalized_at": None if row.finalized_at is None else _time(row.finalized_at),
    }


def _read_error(text: str) -> dict[str, Any]:
    """The error as its customer sees it: the ledger has the details as a text of their own."""
    error: dict[str, Any] = msgspec.json.decode(text)
    if isinstance(error.get("details"), str):
        error["details"] = msgspec.json.decode(error["details"])
    return error


def _time(at: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at / 1000)) + f".{at % 1000:03d}Z"
