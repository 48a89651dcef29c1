"""The client's own ids: listings and users are bound to them in the same way. records*.py keep them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from jobwire.domain.errors import RequestError
from jobwire.service.call import Call, Reply
from jobwire.store.contract import Reader, Transaction
from jobwire.systems.rentix.queries import read_number
from jobwire.systems.rentix.validation import read_identity, read_link


class Linked(Protocol):
    """A record that has an id and may have the client's."""

    @property
    def id(self) -> int:
        """Rentix's id."""

    @property
    def external_id(self) -> str | None:
        """The client's id."""


Record = TypeVar("Record", bound=Linked)


@dataclass(frozen=True, slots=True)
class Links(Generic[Record]):
    """The routes and bulk operations that bind one sort of record, which the vendor calls `word`.

    `find(reader, owner, number=…, external_id=…)` gives a record,
    `rename(tx, owner, number, external_id=…)` binds it.
    """

    word: str
    find: Callable[..., Record | None]
    rename: Callable[..., None]

    def require(
        self, reader: Reader, owner: int, *, number: int | None = None, external_id: str | None = None
    ) -> Record:
        """The owner's record by either id; RequestError `<word>_not_found`."""
        row = self.find(reader, owner, number=number, external_id=external_id)
        if row is None:
            raise RequestError(f"{self.word}_not_found", f"{self.word.capitalize()} not found")
        return row

    async def post_link(self, call: Call) -> Reply:
        """Bind the record in the path to the client's id in the body."""
        body = call.body if isinstance(call.body, dict) else {}
        return Reply(await self.link_one(call, {**body, "id": read_number("id", call.params["id"])}))

    async def delete_link(self, call: Call) -> Reply:
        """Unbind the record in the path."""
        return Reply(await self.unlink_one(call, {"id": read_number("id", call.params["id"])}))

    async def link_one(self, call: Call, body: Mapping[str, Any]) -> dict[str, Any]:
        """The answer to one link; raises RequestError."""
        owner, (number, external_id) = call.principal.owner, read_link(body)

        def link(tx: Transaction) -> None:
            self.require(tx, owner, number=number)
            holder = self.find(tx, owner, external_id=external_id)
            if holder is not None and holder.id != number:
                raise RequestError("conflict", f"externalId is already linked to {self.word} {holder.id}")
            self.rename(tx, owner, number, external_id=external_id)

        await call.services.store.write(link)
        return {"id": number, "externalId": external_id, "linked": True}

    async def unlink_one(self, call: Call, body: Mapping[str, Any]) -> dict[str, Any]:
        """The answer to one unlink, with the client's id as it was; raises RequestError."""
        owner, identity = call.principal.owner, read_identity(body)

        def unlink(tx: Transaction) -> Record:
            row = self.require(tx, owner, number=identity.id, external_id=identity.external_id)
            self.rename(tx, owner, row.id, external_id=None)
            return row

        row = await call.services.store.write(unlink)
        return {"id": row.id, "externalId": row.external_id, "unlinked": True}
