"""Finds the app a command works on: `module:app`, a file, or none at all; and opens its house."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Annotated

import apsw
import typer

from jobwire.app import Jobwire
from jobwire.config import SettingError, Settings, is_postgres, read_settings
from jobwire.domain.errors import RequestError
from jobwire.wiring import House, open_house

Target = Annotated[
    str | None, typer.Argument(help="Your app as module:name, for example `tasks:app`.", show_default=False)
]
AppOption = Annotated[
    str | None,
    typer.Option(
        "--app", envvar="JOBWIRE_APP", help="Your app as module:name; knows your kinds.", show_default=False
    ),
]
DbOption = Annotated[
    str | None, typer.Option("--db", help="The ledger: a path or postgresql://… [JOBWIRE_DB].", show_default=False)
]
OwnerOption = Annotated[str, typer.Option("--owner", help="The account the job belongs to.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def load_app(target: str | None) -> Jobwire | None:
    """The Jobwire that `module:name` names; SettingError that says what is wrong with it."""
    if target is None:
        return None
    module_name, _, name = target.partition(":")
    if module_name.endswith(".py"):
        path = Path(module_name).resolve()
        sys.path.insert(0, str(path.parent))
        module_name = path.stem
    elif os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        module = import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name != module_name.split(".", maxsplit=1)[0]:
            raise
        raise SettingError(f"there is no module {module_name!r} here; run the command from its folder") from error
    found = getattr(module, name or "app", None)
    if not isinstance(found, Jobwire):
        raise SettingError(
            f"{module_name!r} has no Jobwire app named {name or 'app'!r}; write {module_name}:<its name>"
        )
    return found


@contextmanager
def opened(
    settings: Settings, app: Jobwire | None = None, *, makes_ledger: bool = False, adds_systems: bool = True
) -> Iterator[House]:
    """The house of the app (or of the systems alone), closed at the end.

    SettingError where there is no ledger, unless the command is one that `makes_ledger`: a slip in --db must not
    look like a ledger without jobs. `adds_systems` as in `open_house`.
    """
    is_file = not is_postgres(settings.db) and settings.db != ":memory:"
    if is_file and not makes_ledger and not Path(settings.db).exists():
        raise SettingError(f"there is no ledger at {settings.db}; check --db and JOBWIRE_DB, or serve it first")
    if is_file and not Path(settings.db).absolute().parent.is_dir():
        raise SettingError(
            f"the ledger {settings.db} cannot be opened: its folder is not there; make it, or check --db"
        )
    try:
        house = open_house(settings, adds_systems=adds_systems) if app is None else app.open(settings)
    except RuntimeError as error:
        # Of a newer program, or open in a way that would lose commits: said in a whole sentence.
        raise SettingError(str(error)) from error
    except (apsw.Error, OSError) as error:
        raise SettingError(
            f"the ledger {settings.db} cannot be opened: {error}; check --db and JOBWIRE_DB"
        ) from error
    try:
        yield house
    finally:
        if app is None:
            house.close()
        else:
            app.close()


def require_kind(house: House, kind: str, app_name: str | None) -> None:
    """RequestError invalid_request for a kind that is not known; says where kinds of one's own come from."""
    try:
        house.registry.get(kind)
    except RequestError as error:
        if app_name is not None:
            raise
        raise RequestError(error.code, f"{error.message}; for a kind of your own give --app module:name") from None


def settings_for(app: Jobwire | None, **flags: object) -> Settings:
    """The settings of a command: its flags, then the app's own, then the environment."""
    return read_settings(None, **flags) if app is None else app.read_settings(**flags)
