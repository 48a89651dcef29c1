"""`jobwire keys` and `jobwire owners`: who may call the API."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Annotated, Any

import typer

from jobwire.cli.output import console, print_json
from jobwire.cli.target import DbOption, JsonOption, opened
from jobwire.config import read_settings
from jobwire.service.owners import SCOPES_DEFAULT, Owners

keys = typer.Typer(help="API keys: make, list, revoke.", no_args_is_help=True)
owners = typer.Typer(help="Customer accounts: list, share, suspend, activate, switch systems.", no_args_is_help=True)

DAY_MS = 24 * 3_600_000


def _change(db: str | None, change: Callable[[Owners], Coroutine[Any, Any, None]], done: str) -> None:
    with opened(read_settings(db=db, systems="none")) as house:
        asyncio.run(change(house.services.owners))
    console.print(done, highlight=False)


@keys.command("create")
def create_key(
    owner: Annotated[str, typer.Option("--owner", help="The account; made if it is new.")],
    scopes: Annotated[str, typer.Option(help="What the key may do, with commas.")] = ",".join(SCOPES_DEFAULT),
    expires_days: Annotated[int | None, typer.Option(help="Days until it expires; never if not given.")] = None,
    db: DbOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a key; it is shown this once and works in every dialect.

    Example:

      jobwire keys create --owner acme
    """
    with opened(read_settings(db=db, systems="none")) as house:

        async def make() -> tuple[str, str, str]:
            await house.services.owners.create_owner(owner)
            expires_at = None if expires_days is None else house.services.clock() + expires_days * DAY_MS
            wanted = [scope.strip() for scope in scopes.split(",") if scope.strip()]
            made = await house.services.owners.create_key(owner, scopes=wanted, expires_at=expires_at)
            return made.owner.name, made.id, made.key

        name, key_id, key = asyncio.run(make())
    if as_json:
        print_json({"owner": name, "id": key_id, "key": key})
        return
    console.print(f"Key [bold]{key_id}[/bold] of {name}, shown this once:", highlight=False)
    console.print(f"\n  {key}\n", highlight=False, soft_wrap=True)
    console.print(
        "Use it as `Authorization: Bearer <key>`, or as the dialect asks (rentix: `ApiKey <key>`).", highlight=False
    )


@keys.command("list")
def list_keys(
    owner: Annotated[str, typer.Option("--owner", help="The account.")],
    db: DbOption = None,
    as_json: JsonOption = False,
) -> None:
    """List an account's keys, without their secrets."""
    with opened(read_settings(db=db, systems="none")) as house:
        rows = asyncio.run(house.services.owners.list_keys(owner))
    for row in rows:
        state = "revoked" if row.revoked_at is not None else "live"
        if as_json:
            print_json({"id": row.id, "scopes": row.scopes, "state": state, "expires_at": row.expires_at})
        else:
            console.print(f"{row.id}  {state}  {row.scopes}", highlight=False)


@keys.command("revoke")
def revoke_key(key_id: Annotated[str, typer.Argument(metavar="ID")], db: DbOption = None) -> None:
    """End a key: every process refuses it within a second."""
    _change(db, lambda o: o.revoke_key(key_id), f"Key {key_id} is revoked.")


@owners.command("list")
def list_owners(db: DbOption = None, as_json: JsonOption = False) -> None:
    """List the accounts."""
    with opened(read_settings(db=db, systems="none")) as house:
        rows = asyncio.run(house.services.owners.list_owners())
        caps = asyncio.run(house.services.owners.running_caps())
    for row in rows:
        running_max = caps.get(row.id)
        if as_json:
            print_json({**row._asdict(), "running_max": running_max})
        else:
            state = "suspended" if row.is_suspended else "active"
            share = f"weight {row.weight}, runs {'any number' if running_max is None else f'at most {running_max}'}"
            console.print(
                f"{row.id:>4}  {state:<9}  {row.name}  {share}  without {row.disabled_systems}", highlight=False
            )


@owners.command("set")
def set_share(
    name: str,
    weight: Annotated[int | None, typer.Option(help="Its share of the turns: 3 is three times that of 1.")] = None,
    running_max: Annotated[
        int | None, typer.Option(help="Jobs it may have running at once; 0 for any number.")
    ] = None,
    db: DbOption = None,
) -> None:
    """Set an account's share of the queues.

    Example:

      jobwire owners set acme --weight 3 --running-max 20
    """
    _change(db, lambda o: o.set_share(name, weight=weight, running_max=running_max), f"{name} is set.")


@owners.command()
def suspend(name: str, db: DbOption = None) -> None:
    """Refuse every call of an account; its accepted jobs run on."""
    _change(db, lambda o: o.suspend(name), f"{name} is suspended.")


@owners.command()
def activate(name: str, db: DbOption = None) -> None:
    """End a suspension."""
    _change(db, lambda o: o.activate(name), f"{name} is active.")


@owners.command()
def disable(name: str, system: str, db: DbOption = None) -> None:
    """Refuse an account's calls to one system, for example rentix."""
    _change(db, lambda o: o.disable_system(name, system), f"{name} may not use {system}.")


@owners.command()
def enable(name: str, system: str, db: DbOption = None) -> None:
    """Let an account use a system again."""
    _change(db, lambda o: o.enable_system(name, system), f"{name} may use {system}.")
