"""`jobwire serve` and `jobwire worker`: run the house."""

import errno
import os
from typing import Annotated

import typer
import uvloop

from jobwire.cli.output import configure_logging, errors
from jobwire.cli.slips import find_slips
from jobwire.cli.target import DbOption, Target, load_app, opened, settings_for
from jobwire.config import SettingError
from jobwire.kinds.spelling import name_some
from jobwire.serving import bind_socket, run_house, tune_interpreter
from jobwire.wiring import House

WorkersOption = Annotated[
    int | None,
    typer.Option(
        "--workers", help="Jobs at once for each queue; 0 runs none here [JOBWIRE_WORKERS].", show_default="8"
    ),
]
SystemsOption = Annotated[
    str | None,
    typer.Option("--systems", help="Vendor systems: rentix,… or all or none [JOBWIRE_SYSTEMS].", show_default="all"),
]

_BIND_FIXES = {
    errno.EADDRINUSE: "give another --port, or 0 for a free one",
    errno.EADDRNOTAVAIL: "give as --host an address of this machine, or 0.0.0.0 for all of them",
    errno.EACCES: "a --port above 1023 needs no rights",
}


def serve(
    target: Target = None,
    db: DbOption = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.", show_default="127.0.0.1")] = None,
    port: Annotated[int | None, typer.Option(help="Port; 0 picks a free one.", show_default="8000")] = None,
    workers: WorkersOption = None,
    systems: SystemsOption = None,
) -> None:
    """Serve the HTTP API and run the workers, in one process on one ledger.

    Without a target it serves the vendor systems that are installed; with one (`tasks:app`) your own kinds.

    Examples:

      jobwire serve

      jobwire serve tasks:app --db jobs.db --port 9000

      jobwire serve --systems rentix --workers 4
    """
    app = load_app(target)
    settings = settings_for(app, db=db, host=host, port=port, workers=workers, systems=systems)
    configure_logging(settings.log)
    try:
        listener = bind_socket(settings.host, settings.port)
    except OSError as error:
        fix = _BIND_FIXES.get(error.errno or 0, "check --host and --port")
        raise SettingError(
            f"cannot listen on {settings.host}:{settings.port}: {error.strerror or error}; {fix}"
        ) from error
    with listener, opened(settings, app, makes_ledger=True) as house:
        address = f"http://{settings.host}:{listener.getsockname()[1]}"

        def announce() -> None:
            errors.print(f"[bold]Jobwire[/bold] listens on {address} (described at {address}/docs)", highlight=False)
            errors.print(_describe(house), highlight=False, markup=False, soft_wrap=True)
            tune_interpreter()

        uvloop.run(run_house(house, listener=listener, on_ready=announce))


def worker(
    target: Target = None, db: DbOption = None, workers: WorkersOption = None, systems: SystemsOption = None
) -> None:
    """Run a worker without HTTP on the ledger.

    On SQLite one process that serves and works is the fast path; a second one stays correct.
    """
    app = load_app(target)
    settings = settings_for(app, db=db, workers=workers, systems=systems)
    if settings.workers == 0:
        raise SettingError("a worker needs at least one slot; give --workers 1 or more")
    configure_logging(settings.log)
    with opened(settings, app, makes_ledger=True) as house:

        def announce() -> None:
            errors.print(_describe(house), highlight=False, markup=False, soft_wrap=True)
            tune_interpreter()

        uvloop.run(run_house(house, listener=None, on_ready=announce))


def _describe(house: House) -> str:
    kinds = name_some(kind.name for kind in house.registry.kinds)
    systems = ", ".join(system.name for system in house.systems) or "none"
    lines = [
        f"  ledger {house.store.path} · systems {systems} · kinds {kinds} · slots {house.settings.workers} a queue"
    ]
    lines += [f"  system {name} is off: {why}" for name, why in house.missing_systems.items()]
    lines += [f"  {slip}" for slip in find_slips(os.environ)]
    return "\n".join(lines)
