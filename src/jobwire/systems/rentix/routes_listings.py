"""Listings over HTTP: upsert, read, list, delete. upsert.py has the rules, links.py binds, routes_bulk.py many."""

from collections.abc import Mapping
from typing import Any

from jobwire.service.call import Call, Reply
from jobwire.store.contract import Reader, Transaction
from jobwire.systems.rentix.fields import PENDING_ACTIVE
from jobwire.systems.rentix.links import Links
from jobwire.systems.rentix.queries import read_external_id, read_number, read_page
from jobwire.systems.rentix.records import (
    ListingRow,
    count_listings,
    delete_listing,
    find_listing,
    list_listings,
    rename_listing,
)
from jobwire.systems.rentix.records_agents import find_agent
from jobwire.systems.rentix.records_media import media_of
from jobwire.systems.rentix.settings import RentixSettings
from jobwire.systems.rentix.upsert import Upserted, apply_upsert, plan_upsert
from jobwire.systems.rentix.validation import read_identity, read_listing
from jobwire.systems.rentix.views import show_listing, show_upserted

LINKS = Links("listing", find_listing, rename_listing)


async def put_listing(call: Call) -> Reply:
    """Create or update one listing; publishing starts a job in the same transaction."""
    return Reply(await upsert_one(call, call.body))


async def upsert_one(call: Call, body: Any) -> dict[str, Any]:
    """The answer to one upsert; raises RequestError."""
    settings, owner = RentixSettings(call.services.settings), call.principal.owner
    change = read_listing(body, settings.fetch_policy)

    def upsert(tx: Transaction) -> Upserted:
        plan = plan_upsert(tx, owner, change, settings=settings, now_ms=tx.now)
        return apply_upsert(tx, call.services.jobs, owner, plan=plan)

    return show_upserted(await call.services.store.write(upsert), settings.public_url)


async def validate_one(call: Call, body: Any) -> dict[str, Any]:
    """Whether an upsert would be accepted; changes nothing and raises RequestError if not."""
    settings, owner = RentixSettings(call.services.settings), call.principal.owner
    change = read_listing(body, settings.fetch_policy)
    now_ms = call.services.clock()
    plan = await call.services.store.read(
        lambda reader: plan_upsert(reader, owner, change, settings=settings, now_ms=now_ms)
    )
    return {"id": plan.row.id if plan.row else None, "externalId": plan.external_id, "valid": True}


async def get_listings(call: Call) -> Reply:
    """A page of the agency's listings, newest first."""
    limit, offset = read_page(call.query)
    owner, public_url = call.principal.owner, RentixSettings(call.services.settings).public_url

    def read(reader: Reader) -> tuple[list[dict[str, Any]], int]:
        rows = list_listings(reader, owner, limit=limit, offset=offset)
        return [_show(reader, owner, row, public_url=public_url) for row in rows], count_listings(reader, owner)

    items, total = await call.services.store.read(read)
    return Reply({"items": items, "total": total, "limit": limit, "offset": offset})


async def get_listing(call: Call) -> Reply:
    """One listing by its id."""
    return await _read_one(call, number=read_number("id", call.params["id"]))


async def get_listing_by_external_id(call: Call) -> Reply:
    """One listing by the client's id, in its exact case."""
    return await _read_one(call, external_id=read_external_id(call.params["externalId"]))


async def delete_one(call: Call, body: Mapping[str, Any]) -> dict[str, Any]:
    """Remove a listing and cancel the job that publishes it; raises RequestError."""
    owner, identity = call.principal.owner, read_identity(body)

    def delete(tx: Transaction) -> ListingRow:
        row = LINKS.require(tx, owner, number=identity.id, external_id=identity.external_id)
        delete_listing(tx, owner, row.id)
        if row.status == PENDING_ACTIVE and row.job is not None:
            tx.cancel(owner, [row.job])
        return row

    row = await call.services.store.write(delete)
    return {"id": row.id, "externalId": row.external_id, "deleted": True}


async def _read_one(call: Call, *, number: int | None = None, external_id: str | None = None) -> Reply:
    owner, public_url = call.principal.owner, RentixSettings(call.services.settings).public_url

    def read(reader: Reader) -> dict[str, Any]:
        row = LINKS.require(reader, owner, number=number, external_id=external_id)
        return _show(reader, owner, row, public_url=public_url)

    return Reply(await call.services.store.read(read))


def _show(reader: Reader, owner: int, row: ListingRow, *, public_url: str) -> dict[str, Any]:
    agent = find_agent(reader, owner, number=row.agent) if row.agent is not None else None
    return show_listing(row, media=media_of(reader, owner, row.id), agent=agent, public_url=public_url)
