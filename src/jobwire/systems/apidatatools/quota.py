"""Units: every accepted tool call takes one from its account's calendar month, a failed one gives it back."""

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from jobwire.domain.errors import RequestError
from jobwire.store.contract import Reader, Transaction


class Usage(NamedTuple):
    """What an account has used of its units in a month, as 2031-03; a maximum of 0 is none."""

    month: str
    used: int
    units_max: int


def month_of(now_ms: int) -> str:
    """The calendar month (UTC) of a time, as 2031-03."""
    return datetime.fromtimestamp(now_ms / 1000, UTC).strftime("%Y-%m")


def find_renewal(month: str) -> int:
    """When the units of the month after this one come, in Unix seconds."""
    first = datetime.strptime(month, "%Y-%m").replace(tzinfo=UTC)
    return int((first + timedelta(days=32)).replace(day=1).timestamp())


def show_day(at_s: int) -> str:
    """The day (UTC) of a time, as 2031-03-01."""
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%d")


def read_usage(reader: Reader, owner: int, *, month: str, units_max: int) -> Usage:
    """The owner's month; `units_max` is what holds for owners without units of their own."""
    own = reader.query("SELECT units FROM apidatatools_plan WHERE owner = :owner", owner=owner)
    used = reader.query(
        "SELECT used FROM apidatatools_usage WHERE owner = :owner AND month = :month", owner=owner, month=month
    )
    return Usage(month, int(used[0][0]) if used else 0, int(own[0][0]) if own else units_max)


def take_unit(tx: Transaction, owner: int, *, units_max: int) -> str:
    """Take one unit from the owner's month, which is returned; RequestError quota_exceeded when none is left."""
    month = month_of(tx.now)
    tx.execute(
        "INSERT INTO apidatatools_usage (owner, month, used) VALUES (:owner, :month, 0)"
        " ON CONFLICT (owner, month) DO NOTHING",
        owner=owner,
        month=month,
    )
    usage = read_usage(tx, owner, month=month, units_max=units_max)
    taken = tx.execute(
        "UPDATE apidatatools_usage SET used = used + 1"
        " WHERE owner = :owner AND month = :month AND (used < :most OR :most = 0)",
        owner=owner,
        month=month,
        most=usage.units_max,
    )
    if not taken:
        renews_at = find_renewal(month)
        details = {"units_used": usage.used, "units_max": usage.units_max, "month": month, "renews_at": renews_at}
        raise RequestError(
            "quota_exceeded",
            f"All {usage.units_max} units of {month} are used; more come on {show_day(renews_at)} (UTC).",
            details=details,
            retry_after_s=renews_at - tx.now // 1_000,
        )
    return month


def return_unit(tx: Transaction, owner: int, *, month: str) -> None:
    """Give a unit of that month back."""
    tx.execute(
        "UPDATE apidatatools_usage SET used = used - 1 WHERE owner = :owner AND month = :month AND used > 0",
        owner=owner,
        month=month,
    )


def set_units(tx: Transaction, owner: int, *, units: int | None) -> None:
    """Give an owner units of its own (0: no limit); None for those of all."""
    tx.execute("DELETE FROM apidatatools_plan WHERE owner = :owner", owner=owner)
    if units is not None:
        tx.execute("INSERT INTO apidatatools_plan (owner, units) VALUES (:owner, :units)", owner=owner, units=units)
