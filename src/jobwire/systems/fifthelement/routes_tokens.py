"""A user's API keys over HTTP: make, list, revoke."""

from typing import Any, Final

from jobwire.dialects.parse import read_form
from jobwire.domain.errors import RequestError
from jobwire.service.call import Call, Reply
from jobwire.service.owners import NewKey
from jobwire.store import accounts
from jobwire.store.contract import Reader, Transaction
from jobwire.systems.fifthelement.bodies import TokenBody, clean_text
from jobwire.systems.fifthelement.members import WORKSPACE_SCOPE
from jobwire.systems.fifthelement.views import moment

TOKENS_MAX: Final = 100


async def post_token(call: Call) -> Reply:
    """A new key that may do what its maker may; it is shown this once."""
    principal, services = call.principal, call.services
    name = clean_text(read_form(TokenBody, call.body).name)
    scopes = sorted(principal.scopes - {WORKSPACE_SCOPE})

    def make(tx: Transaction) -> tuple[NewKey, int]:
        accounts.hold_owner(tx, principal.owner)
        if _count(tx, principal.owner) >= TOKENS_MAX:
            limit = f"The workspace has {TOKENS_MAX} keys, which is the limit; delete one first"
            raise RequestError("conflict", limit)
        made = services.owners.create_key_in(tx, principal.owner_name, scopes=scopes)
        tx.execute(
            "INSERT INTO fifthelement_token (owner, key_id, name, created_at) VALUES (:owner, :id, :name, :now)",
            owner=principal.owner,
            id=made.id,
            name=name,
            now=tx.now,
        )
        return made, tx.now

    made, created_at = await services.store.write(make)
    return Reply({"id": made.id, "name": name, "token": made.key, "createdAt": moment(created_at)})


async def get_tokens(call: Call) -> Reply:
    """The keys made here, oldest first, without their secrets."""
    owner = call.principal.owner

    def read(reader: Reader) -> list[dict[str, Any]]:
        found = reader.query(
            "SELECT key_id, name, created_at FROM fifthelement_token WHERE owner = :owner"
            " ORDER BY created_at, key_id",
            owner=owner,
        )
        return [{"id": key, "name": name, "createdAt": moment(created_at)} for key, name, created_at in found]

    return Reply({"tokens": await call.services.store.read(read)})


async def remove_token(call: Call) -> Reply:
    """End a key that was made here, within a second everywhere."""
    owner, key_id = call.principal.owner, call.params["tokenId"]

    def forget(tx: Transaction) -> int:
        return tx.execute(
            "DELETE FROM fifthelement_token WHERE owner = :owner AND key_id = :id",
            owner=owner,
            id=key_id.replace("\0", ""),
        )

    if not await call.services.store.write(forget):
        raise RequestError("token_not_found", "Token not found")
    await call.services.owners.revoke_key(key_id)
    return Reply({"deleted": True})


def _count(reader: Reader, owner: int) -> int:
    return int(reader.query("SELECT COUNT(*) FROM fifthelement_token WHERE owner = :owner", owner=owner)[0][0])
