"""The agency's agents over HTTP, whom the vendor calls users: upsert, read, list. links.py binds them."""

from typing import Any

from jobwire.domain.errors import RequestError
from jobwire.service.call import Call, Reply
from jobwire.store.contract import Reader, Transaction
from jobwire.systems.rentix.links import Links
from jobwire.systems.rentix.queries import read_external_id, read_number, read_page
from jobwire.systems.rentix.records_agents import (
    AgentRow,
    add_agent,
    change_agent,
    count_agents,
    find_agent,
    list_agents,
    rename_agent,
)
from jobwire.systems.rentix.validation import read_agent
from jobwire.systems.rentix.views import show_agent

LINKS = Links("user", find_agent, rename_agent)


async def put_user(call: Call) -> Reply:
    """Create or update one user."""
    return Reply(await upsert_one(call, call.body))


async def upsert_one(call: Call, body: Any) -> dict[str, Any]:
    """The answer to one upsert: exactly one of `created` and `updated`; raises RequestError."""
    owner, (identity, fields) = call.principal.owner, read_agent(body)

    def upsert(tx: Transaction) -> tuple[AgentRow, bool]:
        found = find_agent(tx, owner, number=identity.id, external_id=identity.external_id)
        if found is None and identity.id is not None:
            raise RequestError("user_not_found", "User not found")
        row = found or add_agent(tx, owner, external_id=identity.external_id)
        change_agent(tx, owner, row, fields=fields)
        return row, found is None

    row, was_created = await call.services.store.write(upsert)
    return {"id": row.id, "externalId": row.external_id, "created" if was_created else "updated": True}


async def get_users(call: Call) -> Reply:
    """A page of the agency's users, oldest first."""
    limit, offset = read_page(call.query)
    owner = call.principal.owner

    def read(reader: Reader) -> tuple[list[AgentRow], int]:
        return list_agents(reader, owner, limit=limit, offset=offset), count_agents(reader, owner)

    rows, total = await call.services.store.read(read)
    return Reply({"items": [show_agent(row) for row in rows], "total": total, "limit": limit, "offset": offset})


async def get_user(call: Call) -> Reply:
    """One user by id."""
    return await _read_one(call, number=read_number("id", call.params["id"]))


async def get_user_by_external_id(call: Call) -> Reply:
    """One user by the client's id, in its exact case."""
    return await _read_one(call, external_id=read_external_id(call.params["externalId"]))


async def _read_one(call: Call, *, number: int | None = None, external_id: str | None = None) -> Reply:
    owner = call.principal.owner
    row = await call.services.store.read(
        lambda reader: LINKS.require(reader, owner, number=number, external_id=external_id)
    )
    return Reply(show_agent(row))
