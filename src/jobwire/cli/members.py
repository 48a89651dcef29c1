"""`jobwire members`: who may act through a workspace key of fifthelement."""

from typing import TYPE_CHECKING, Annotated

import typer

from jobwire.cli.output import console, print_json
from jobwire.cli.target import DbOption, JsonOption, opened
from jobwire.config import read_settings
from jobwire.domain.errors import RequestError
from jobwire.store import accounts

if TYPE_CHECKING:
    from jobwire.store.contract import Reader

SYSTEM = "fifthelement"
PERMISSIONS_DEFAULT = "jobs:read,jobs:write"

members = typer.Typer(help="Members of a workspace (fifthelement): set, list, remove.", no_args_is_help=True)

WorkspaceOption = Annotated[str, typer.Option("--owner", help="The workspace's account.")]


@members.command("set")
def set_member(
    email: str,
    owner: WorkspaceOption,
    may: Annotated[str, typer.Option(help="What they may do, with commas; empty for nothing.")] = PERMISSIONS_DEFAULT,
    db: DbOption = None,
) -> None:
    """Make somebody a member of a workspace, or change what they may do.

    Example:

      jobwire members set ana@example.org --owner acme --may jobs:read
    """
    with opened(read_settings(db=db, systems=SYSTEM)) as house:
        from jobwire.systems.fifthelement import members as records  # noqa: PLC0415 - of the fifthelement extra

        wanted = [word.strip() for word in may.split(",") if word.strip()]
        made = house.store.write(
            lambda tx: records.set_member(tx, _find_owner(tx, owner), email=email, permissions=wanted)
        ).result()
    told = ", ".join(sorted(made.permissions)) or "nothing"
    console.print(f"{made.email} may do in {owner}: {told}", highlight=False)


@members.command("list")
def list_members(owner: WorkspaceOption, db: DbOption = None, as_json: JsonOption = False) -> None:
    """List a workspace's members and what they may do."""
    with opened(read_settings(db=db, systems=SYSTEM)) as house:
        from jobwire.systems.fifthelement import members as records  # noqa: PLC0415 - of the fifthelement extra

        rows = house.store.read(lambda reader: records.list_members(reader, _find_owner(reader, owner))).result()
    for row in rows:
        if as_json:
            print_json({"email": row.email, "permissions": sorted(row.permissions)})
        else:
            console.print(f"{row.email}  {', '.join(sorted(row.permissions)) or 'nothing'}", highlight=False)


@members.command("remove")
def remove_member(email: str, owner: WorkspaceOption, db: DbOption = None) -> None:
    """End a membership: the workspace's keys act as the workspace itself for this address from then on."""
    with opened(read_settings(db=db, systems=SYSTEM)) as house:
        from jobwire.systems.fifthelement import members as records  # noqa: PLC0415 - of the fifthelement extra

        removed = house.store.write(lambda tx: records.remove_member(tx, _find_owner(tx, owner), email)).result()
    if not removed:
        raise RequestError("not_found", f"{email} is no member of {owner}")
    console.print(f"{email} is no member of {owner} any more.", highlight=False)


def _find_owner(reader: "Reader", name: str) -> int:
    found = accounts.find_owner(reader, name)
    if found is None:
        raise RequestError("not_found", f"there is no owner {name!r}; jobwire owners list has the names")
    return found.id
