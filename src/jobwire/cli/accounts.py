"""`jobwire keys` and `jobwire owners`: who may call the API. issuers.py has the issuers of tokens."""

import asyncio
import os
from collections.abc import Callable, Coroutine, Iterable
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
import typer
from rich.markup import escape
from rich.table import Table

from jobwire.cli.output import console, errors, print_json
from jobwire.cli.target import DbOption, JsonOption, opened
from jobwire.config import SettingError, read_settings
from jobwire.dialects.native import NATIVE
from jobwire.dialects.spec import Dialect
from jobwire.domain.errors import RequestError
from jobwire.kinds.spelling import did_you_mean
from jobwire.service.limits import TIER_SCOPE
from jobwire.service.owners import OVERLAP_MS_DEFAULT, SCOPES_DEFAULT, NewKey, Owners
from jobwire.service.plans import parse_rate
from jobwire.store.contract import KeyRow
from jobwire.wiring import load_systems

keys = typer.Typer(help="API keys: make, list, rotate, revoke.", no_args_is_help=True)
owners = typer.Typer(
    help="Customer accounts: list, share, limit, suspend, activate, switch systems.", no_args_is_help=True
)

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS

JwtOption = Annotated[bool, typer.Option("--jwt", help="Give the key the form of a JWT, where a client wants one.")]


def change_owners(
    db: str | None,
    change: Callable[[Owners], Coroutine[Any, Any, None]],
    done: str,
    *,
    ends_access: bool = False,
    makes_ledger: bool = False,
) -> None:
    """Make a change and say so; one that ends access is told when no process serves by it any more."""

    async def run(owners: Owners) -> None:
        await change(owners)
        if ends_access:
            await owners.forgotten()

    with opened(read_settings(db=db, systems="none"), makes_ledger=makes_ledger) as house:
        asyncio.run(run(house.services.owners))
    console.print(done, highlight=False)


def _show_made(made: NewKey, *, as_json: bool) -> None:
    if as_json:
        print_json({"owner": made.owner.name, "id": made.id, "key": made.key})
        return
    console.print(f"Key [bold]{made.id}[/bold] of {made.owner.name}, shown this once:", highlight=False)
    console.print(f"\n  {made.key}\n", highlight=False, soft_wrap=True)
    console.print(
        "Use it as `Authorization: Bearer <key>`, or as the dialect asks (rentix: `ApiKey <key>`).", highlight=False
    )


@keys.command("create")
def create_key(
    owner: Annotated[str, typer.Option("--owner", help="The account; made if it is new.")],
    scopes: Annotated[str, typer.Option(help="What the key may do, with commas.")] = ",".join(SCOPES_DEFAULT),
    expires_days: Annotated[int | None, typer.Option(help="Days until it expires; never if not given.")] = None,
    as_jwt: JwtOption = False,
    db: DbOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a key; it is shown this once and works in every dialect.

    Example:

      jobwire keys create --owner acme
    """
    if expires_days is not None and expires_days < 1:
        raise RequestError("invalid_request", f"--expires-days is {expires_days}; give 1 or more, or leave it out")
    wanted = [scope.strip() for scope in scopes.split(",") if scope.strip()]
    with opened(read_settings(db=db, systems="none"), makes_ledger=True) as house:

        async def make() -> NewKey:
            await house.services.owners.create_owner(owner)
            expires_at = None if expires_days is None else house.services.clock() + expires_days * DAY_MS
            return await house.services.owners.create_key(owner, scopes=wanted, expires_at=expires_at, as_jwt=as_jwt)

        made = asyncio.run(make())
    _show_made(made, as_json=as_json)
    _note_strange_scopes(wanted)


def _note_strange_scopes(wanted: list[str]) -> None:
    """Say which scopes no call of what is installed asks for: a key with a slip in them is refused everywhere."""
    if set(wanted) <= _list_scopes([NATIVE]):
        return
    systems = (system.find_dialect(os.environ) for system in load_systems("all")[0])
    known = _list_scopes([NATIVE, *systems])
    for scope in wanted:
        if scope not in known and not scope.startswith(TIER_SCOPE):
            said = f"note: no call of what is installed asks for the scope {scope!r}{did_you_mean(scope, known)}"
            errors.print(said, highlight=False, markup=False, soft_wrap=True)


def _list_scopes(dialects: Iterable[Dialect]) -> set[str]:
    return {route.scope for dialect in dialects for route in dialect.routes if route.scope}


@keys.command("rotate")
def rotate_key(
    key_id: Annotated[str, typer.Argument(metavar="ID")],
    overlap_hours: Annotated[int, typer.Option(help="Hours for which the old key still works.")] = OVERLAP_MS_DEFAULT
    // HOUR_MS,
    as_jwt: JwtOption = False,
    db: DbOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a key like this one, which ends after the overlap: until then both work.

    Example:

      jobwire keys rotate 9kF4riSIbYsY --overlap-hours 48
    """
    with opened(read_settings(db=db, systems="none")) as house:

        async def rotate(owners: Owners) -> NewKey:
            made = await owners.rotate_key(key_id, overlap_ms=overlap_hours * HOUR_MS, as_jwt=as_jwt)
            if overlap_hours == 0:
                await owners.forgotten()
            return made

        made = asyncio.run(rotate(house.services.owners))
    _show_made(made, as_json=as_json)
    if not as_json:
        console.print(f"The key {key_id} ends in {overlap_hours} hours.", highlight=False)


@keys.command("list")
def list_keys(
    owner: Annotated[str, typer.Option("--owner", help="The account.")],
    db: DbOption = None,
    as_json: JsonOption = False,
) -> None:
    """List an account's keys, without their secrets."""
    with opened(read_settings(db=db, systems="none")) as house:
        rows, now = asyncio.run(house.services.owners.list_keys(owner)), house.services.clock()
    table = Table("id", "state", "scopes", "last used", "ends", box=None)
    for row in rows:
        state, scopes = _tell_state(row, now), msgspec.json.decode(row.scopes, type=list[str])
        if as_json:
            times = {"expires_at": row.expires_at, "last_used_at": row.last_used_at}
            print_json({"id": row.id, "scopes": scopes, "state": state} | times)
        else:
            used, ends = _show_time(row.last_used_at), _show_time(row.expires_at)
            table.add_row(row.id, state, ", ".join(scopes), used, ends)
    if not as_json:
        console.print(table)


def _tell_state(key: KeyRow, now: int) -> str:
    if key.revoked_at is not None:
        return "revoked"
    return "live" if key.expires_at is None or now < key.expires_at else "expired"


def _show_time(at: int | None) -> str:
    if at is None:
        return "never"
    return datetime.fromtimestamp(at / 1_000, UTC).isoformat(timespec="minutes")


@keys.command("revoke")
def revoke_key(key_id: Annotated[str, typer.Argument(metavar="ID")], db: DbOption = None) -> None:
    """End a key: when this returns, every process refuses it."""
    change_owners(db, lambda o: o.revoke_key(key_id), f"Key {key_id} is revoked.", ends_access=True)


@owners.command("list")
def list_owners(db: DbOption = None, as_json: JsonOption = False) -> None:
    """List the accounts."""
    with opened(read_settings(db=db, systems="none")) as house:
        rows = asyncio.run(house.services.owners.list_owners())
        caps = asyncio.run(house.services.owners.running_caps())
    table = Table("id", "account", "state", "weight", "runs at most", "not allowed", box=None)
    for row in rows:
        running_max, disabled = caps.get(row.id), msgspec.json.decode(row.disabled_systems, type=list[str])
        if as_json:
            print_json({**row._asdict(), "disabled_systems": disabled, "running_max": running_max})
        else:
            state, most = "suspended" if row.is_suspended else "active", str(running_max or "any number")
            table.add_row(str(row.id), escape(row.name), state, str(row.weight), most, ", ".join(disabled))
    if not as_json:
        console.print(table)


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
    change_owners(db, lambda o: o.set_share(name, weight=weight, running_max=running_max), f"{name} is set.")


@owners.command("limit")
def set_limit(
    name: str,
    read: Annotated[str | None, typer.Option(help="Calls that read, in so many seconds: 6000/60, or none.")] = None,
    write: Annotated[str | None, typer.Option(help="All other calls, the same.")] = None,
    reset: Annotated[bool, typer.Option("--reset", help="Back to JOBWIRE_LIMITS for what is not given.")] = False,
    db: DbOption = None,
) -> None:
    """Give an account limits of its own, in place of those of JOBWIRE_LIMITS.

    Example:

      jobwire owners limit acme --read 6000/60 --write none
    """
    rates = {"read": read, "write": write}

    async def change(owners: Owners) -> None:
        try:
            limits = {class_: parse_rate(class_, rate) for class_, rate in rates.items() if rate is not None}
        except ValueError as error:
            raise SettingError(str(error)) from None
        for class_, limit in limits.items():
            await owners.set_limit(name, class_, limit)
        for class_ in (rates.keys() - limits.keys()) if reset else ():
            await owners.drop_limit(name, class_)

    change_owners(db, change, f"{name} has its limits.", ends_access=True)


@owners.command()
def suspend(name: str, db: DbOption = None) -> None:
    """Refuse every call of an account; its accepted jobs run on."""
    change_owners(db, lambda o: o.suspend(name), f"{name} is suspended.", ends_access=True)


@owners.command()
def activate(name: str, db: DbOption = None) -> None:
    """End a suspension."""
    change_owners(db, lambda o: o.activate(name), f"{name} is active.")


@owners.command()
def disable(name: str, system: str, db: DbOption = None) -> None:
    """Refuse an account's calls to one system, for example rentix."""
    change_owners(db, lambda o: o.disable_system(name, system), f"{name} may not use {system}.", ends_access=True)


@owners.command()
def enable(name: str, system: str, db: DbOption = None) -> None:
    """Let an account use a system again."""
    change_owners(db, lambda o: o.enable_system(name, system), f"{name} may use {system}.")
