"""Repositories over HTTP: create, list, read, change, delete, and ask. routes_documents.py has what is in them."""

from typing import Any

from jobwire.dialects.parse import read_form
from jobwire.domain.errors import RequestError
from jobwire.service.call import Call, Reply
from jobwire.store.contract import Reader, Transaction
from jobwire.systems.fifthelement.bodies import (
    QueryBody,
    RepositoryBody,
    RepositoryChange,
    clean_text,
    name_repository,
    read_page,
)
from jobwire.systems.fifthelement.ids import show_document_id
from jobwire.systems.fifthelement.querying import query
from jobwire.systems.fifthelement.records import (
    RepositoryRow,
    add_repository,
    change_repository,
    count_repositories,
    delete_repository,
    find_repository,
    list_repositories,
)
from jobwire.systems.fifthelement.views import show_page, show_repository


async def post_repository(call: Call) -> Reply:
    """Create a repository."""
    owner, body = call.principal.owner, read_form(RepositoryBody, call.body)
    row = await call.services.store.write(
        lambda tx: add_repository(
            tx,
            owner,
            name=clean_text(body.name),
            type=body.type,
            vector_store=clean_text(body.vector_store),
            batch_model=body.batch_model and clean_text(body.batch_model),
        )
    )
    return Reply(show_repository(row))


async def get_repositories(call: Call) -> Reply:
    """A page of the workspace's repositories, oldest first."""
    owner, (start, limit) = call.principal.owner, read_page(call.query)

    def read(reader: Reader) -> tuple[list[RepositoryRow], int]:
        return list_repositories(reader, owner, start=start, limit=limit), count_repositories(reader, owner)

    rows, total = await call.services.store.read(read)
    items = [show_repository(row) for row in rows]
    return Reply(show_page("repositories", items, total=total, start=start, limit=limit))


async def get_repository(call: Call) -> Reply:
    """One repository."""
    owner, repository = call.principal.owner, name_repository(call.params)
    row = await call.services.store.read(lambda reader: expect_repository(reader, owner, repository))
    return Reply(show_repository(row))


async def put_repository(call: Call) -> Reply:
    """Change what the body names of a repository."""
    owner, repository = call.principal.owner, name_repository(call.params)
    body = read_form(RepositoryChange, call.body)
    sent = {name: getattr(body, name) for name in body.__struct_fields__}
    changes: dict[str, Any] = {
        name: clean_text(value) if isinstance(value, str) else value
        for name, value in sent.items()
        if value is None or isinstance(value, str)
    }

    def change(tx: Transaction) -> RepositoryRow:
        return change_repository(tx, owner, expect_repository(tx, owner, repository)._replace(**changes))

    return Reply(show_repository(await call.services.store.write(change)))


async def remove_repository(call: Call) -> Reply:
    """Delete a repository with all that is in it; its jobs are cancelled."""
    owner, repository = call.principal.owner, name_repository(call.params)

    def delete(tx: Transaction) -> None:
        delete_repository(tx, owner, expect_repository(tx, owner, repository).id)

    await call.services.store.write(delete)
    return Reply({"deleted": True})


async def post_query(call: Call) -> Reply:
    """Ask a repository: the passages that are nearest to the question in meaning, best first."""
    owner, repository = call.principal.owner, name_repository(call.params)
    body = read_form(QueryBody, call.body)
    await call.services.store.read(lambda reader: expect_repository(reader, owner, repository))
    found = await query(call.services, owner, repository, text=clean_text(body.query), limit=body.limit)
    return Reply({"results": [{**one, "documentId": show_document_id(one["documentId"])} for one in found]})


def expect_repository(reader: Reader, owner: int, repository: str) -> RepositoryRow:
    """The repository a call names; RequestError repository_not_found."""
    row = find_repository(reader, owner, repository)
    if row is None:
        raise RequestError("repository_not_found", "Repository not found")
    return row
