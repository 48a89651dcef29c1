"""`jobwire docswrite sites`: the WordPress sites that accounts publish to."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from jobwire.cli.output import console, print_json
from jobwire.cli.target import DbOption, JsonOption, opened
from jobwire.config import read_settings
from jobwire.domain.errors import RequestError
from jobwire.store.accounts import find_owner

if TYPE_CHECKING:
    from jobwire.systems.docswrite.sites import Sites

SYSTEM = "docswrite"

docswrite = typer.Typer(help="What the system docswrite keeps beside its jobs.", no_args_is_help=True)
sites = typer.Typer(help="WordPress sites: add, list, remove, reseal their passwords.", no_args_is_help=True)
docswrite.add_typer(sites, name="sites")

OwnerOption = Annotated[str, typer.Option("--owner", help="The account that publishes there.")]
T = TypeVar("T")


@sites.command()
def add(
    owner: OwnerOption,
    url: Annotated[str, typer.Option(help="The site's address, as people know it.")],
    user: Annotated[str, typer.Option(help="The WordPress user to publish as: an Author or Editor.")],
    password: Annotated[
        str | None,
        typer.Option(
            help="An application password of that user; asked for if not given.", envvar="DOCSWRITE_SITE_PASSWORD"
        ),
    ] = None,
    name: Annotated[str, typer.Option(help="What exports call it; the site's own title if not given.")] = "",
    is_default: Annotated[bool, typer.Option("--default", help="Take it where an export names no site.")] = False,
    db: DbOption = None,
) -> None:
    """Look at a site, log in, and keep the login encrypted (DOCSWRITE_SITES_KEY).

    Example:

      jobwire docswrite sites add --owner acme --url https://blog.example --user editor
    """
    secret = password or typer.prompt("Application password", hide_input=True)

    async def connect(kept: "Sites", number: int) -> Any:
        from jobwire.systems.docswrite.sites import NewSite  # noqa: PLC0415 - of the docswrite extra

        return await kept.connect(number, NewSite(url, user, secret, name=name, is_default=is_default))

    row = _use(db, owner, connect)
    console.print(f"{row.id}  {row.name}  {row.url}  as {row.login} is connected.", highlight=False)


@sites.command("list")
def list_sites(owner: OwnerOption, db: DbOption = None, as_json: JsonOption = False) -> None:
    """List an account's sites, without their passwords."""
    for row in _use(db, owner, lambda kept, number: kept.list_of(number)):
        if as_json:
            told = {name: value for name, value in row._asdict().items() if name not in ("secret", "owner")}
            print_json({**told, "is_default": bool(row.is_default)})
        else:
            default = "  default" if row.is_default else ""
            console.print(f"{row.id}  {row.name}  {row.url}  as {row.login}{default}", highlight=False)


@sites.command()
def remove(
    site: Annotated[str, typer.Argument(metavar="ID", help="The site's id.")], owner: OwnerOption, db: DbOption = None
) -> None:
    """Forget a site and its password; what was published stays."""
    _use(db, owner, lambda kept, number: kept.remove(number, site))
    console.print(f"{site} is disconnected.", highlight=False)


@sites.command()
def reseal(db: DbOption = None) -> None:
    """Encrypt all passwords with the first key of DOCSWRITE_SITES_KEY; the others can then go."""
    changed = _use(db, None, lambda kept, _: kept.reseal())
    console.print(f"{changed} passwords were encrypted anew.", highlight=False)


def _use(db: str | None, owner: str | None, work: Callable[["Sites", int], Coroutine[Any, Any, T]]) -> T:
    """What the work comes to on the sites of a ledger, and the number of the owner's account."""
    with opened(read_settings(db=db, systems=SYSTEM)) as house:
        from jobwire.systems.docswrite.settings import DocswriteSettings  # noqa: PLC0415 - of the docswrite extra
        from jobwire.systems.docswrite.sites import Sites  # noqa: PLC0415 - of the docswrite extra

        number = 0
        if owner is not None:
            found = house.store.read(lambda reader: find_owner(reader, owner)).result()
            if found is None:
                raise RequestError("not_found", f"there is no owner {owner!r}; jobwire owners list has the names")
            number = found.id
        services = house.services
        return asyncio.run(work(Sites(services.store, DocswriteSettings(services.settings)), number))
