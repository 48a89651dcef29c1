"""`jobwire quota`: the units an account of apidatatools may use in a month, and those it has used."""

import asyncio
from typing import Annotated

import typer

from jobwire.cli.output import console, print_json
from jobwire.cli.target import DbOption, JsonOption, opened
from jobwire.config import read_settings
from jobwire.domain.errors import RequestError
from jobwire.store.accounts import find_owner
from jobwire.store.contract import Transaction


def show_quota(
    owner: Annotated[str, typer.Argument(help="The account.")],
    units: Annotated[int | None, typer.Option(min=0, help="Give the account so many units a month; 0: any.")] = None,
    reset: Annotated[bool, typer.Option("--reset", help="Let APIDATATOOLS_UNITS hold for it again.")] = False,
    db: DbOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show an account's units of apidatatools for this month (UTC), or give it units of its own.

    Example:

      jobwire quota acme --units 1000
    """
    with opened(read_settings(db=db, systems="apidatatools")) as house:
        # Of an extra, which is there once the house is open; the command line starts without it.
        from jobwire.systems.apidatatools import quota  # noqa: PLC0415
        from jobwire.systems.apidatatools.settings import ToolSettings  # noqa: PLC0415

        units_max = ToolSettings(house.services.settings).units_max

        def change(tx: Transaction) -> quota.Usage:
            found = find_owner(tx, owner)
            if found is None:
                raise RequestError("not_found", f"there is no owner {owner!r}")
            if reset or units is not None:
                quota.set_units(tx, found.id, units=None if reset else units)
            return quota.read_usage(tx, found.id, month=quota.month_of(tx.now), units_max=units_max)

        async def run() -> quota.Usage:
            return await house.store.write(change)

        usage = asyncio.run(run())
        renewal = quota.show_day(quota.find_renewal(usage.month))
    if as_json:
        print_json({"owner": owner, **usage._asdict()})
        return
    most = usage.units_max or "any number of"
    more = f"; more come on {renewal} (UTC)" if usage.units_max else ""
    console.print(f"{owner} has used {usage.used} of {most} units in {usage.month}{more}.", highlight=False)
