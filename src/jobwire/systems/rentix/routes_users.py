"""The agency's agents over HTTP, whom the vendor calls users: upsert, read, list, link."""

from collections.abc import Mapping
from typing import Any

from jobwire.domain.errors import RequestError
from jobwire.service.call import Call, Reply
from jobwire.store.contract import Reader, Transaction
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
from jobwire.systems.rentix.validation import read_agent, read_identity, read_link
from jobwire.systems.rentix.views import show_agent


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


async def post_link(call: Call) -> Reply:
    """Bind a user to the client's id."""
    body = call.body if isinstance(call.body, dict) else {}
    return Reply(await link_one(call, {**body, "id": read_number("id", call.params["id"])}))


async def delete_link(call: Call) -> Reply:
    """Unbind a user from the client's id."""
    return Reply(await unlink_one(call, {"id": read_number("id", call.params["id"])}))


async def link_one(call: Call, body: Mapping[str, Any]) -> dict[str, Any]:
    """The answer to one link; raises RequestError."""
    owner, (number, external_id) = call.principal.owner, read_link(body)

    def link(tx: Transaction) -> None:
        _require(tx, owner, number=number)
        holder = find_agent(tx, owner, external_id=external_id)
        if holder is not None and holder.id != number:
            raise RequestError("conflict", f"externalId is already linked to user {holder.id}")
        rename_agent(tx, owner, number, external_id=external_id)

    await call.services.store.write(link)
    return {"id": number, "externalId": external_id, "linked": True}


async def unlink_one(call: Call, body: Mapping[str, Any]) -> dict[str, Any]:
    """The answer to one unlink, with the client's id as it was; raises RequestError."""
    owner, identity = call.principal.owner, read_identity(body)

    def unlink(tx: Transaction) -> AgentRow:
        row = _require(tx, owner, number=identity.id, external_id=identity.external_id)
        rename_agent(tx, owner, row.id, external_id=None)
        return row

    row = await call.services.store.write(unlink)
    return {"id": row.id, "externalId": row.external_id, "unlinked": True}


async def _read_one(call: Call, *, number: int | None = None, external_id: str | None = None) -> Reply:
    owner = call.principal.owner
    row = await call.services.store.read(
        lambda reader: _require(reader, owner, number=number, external_id=external_id)
    )
    return Reply(show_agent(row))


def _require(reader: Reader, owner: int, *, number: int | None = None, external_id: str | None = None) -> AgentRow:
    row = find_agent(reader, owner, number=number, external_id=external_id)
    if row is None:
        raise RequestError("user_not_found", "User not found")
    return row
