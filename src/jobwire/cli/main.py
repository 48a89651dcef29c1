"""The `jobwire` program: its commands, and one place that turns errors into a line and an exit code."""

import sys
from typing import Annotated

import typer
from rich.markup import escape

from jobwire import __version__
from jobwire.cli import accounts, demo, docswrite, doctor, issuers, jobs, members, move, quota, serve, webhooks
from jobwire.cli.output import console, errors
from jobwire.config import SettingError
from jobwire.domain.errors import JobwireError

app = typer.Typer(
    name="jobwire",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _tell_version(is_asked: bool) -> None:
    if is_asked:
        console.print(f"jobwire {__version__}", highlight=False)
        raise typer.Exit


VersionOption = Annotated[
    bool, typer.Option("--version", help="Print the version and exit.", callback=_tell_version, is_eager=True)
]


@app.callback()
def look(version: VersionOption = False) -> None:
    """The job API that customers poll, ready-made.

    Start with: jobwire demo
    """


app.command()(serve.serve)
app.command()(serve.worker)
app.command()(jobs.submit)
app.command()(jobs.watch)
app.command("jobs")(jobs.list_jobs)
app.command()(jobs.show)
app.command()(jobs.cancel)
app.command()(jobs.rerun)
app.add_typer(accounts.keys, name="keys")
app.add_typer(accounts.owners, name="owners")
app.add_typer(webhooks.webhooks, name="webhooks")
app.add_typer(members.members, name="members")
app.add_typer(issuers.issuers, name="issuers")
app.add_typer(docswrite.docswrite, name="docswrite")
app.command("quota")(quota.show_quota)
app.command()(doctor.doctor)
app.command("move")(move.move_ledger)
app.command()(demo.demo)


def main() -> None:
    """Run the command line; an error raised on purpose is one line on stderr: exit code 2 for a setting, else 1."""
    try:
        app(prog_name="jobwire")
    except SettingError as error:
        sys.exit(_complain(str(error), 2))
    except JobwireError as error:
        sys.exit(_complain(error.message, 1))


def _complain(message: str, code: int) -> int:
    # Escaped, because a name in it may look like markup; not wrapped, because a line is what others read.
    errors.print(f"[red]error:[/red] {escape(message)}", highlight=False, soft_wrap=True)
    return code
