"""An agency's agents, whom the vendor's API calls users, as portable SQL. records.py has the listings."""

from collections.abc import Mapping
from typing import NamedTuple

from jobwire.store.contract import Reader, Transaction
from jobwire.systems.rentix.records import take_id


class AgentRow(NamedTuple):
    """An agent as stored."""

    id: int
    external_id: str | None
    name: str | None
    phone: str | None
    role: str | None
    created_at: int
    updated_at: int


_COLUMNS = ", ".join(AgentRow._fields)
_AGENT = f"SELECT {_COLUMNS} FROM rentix_agent WHERE owner = :owner "  # noqa: S608 - our own column names


def find_agent(
    reader: Reader, owner: int, *, number: int | None = None, external_id: str | None = None
) -> AgentRow | None:
    """The owner's agent by id, or else by external id; None if absent or another owner's."""
    if number is not None:
        found = reader.query(_AGENT + "AND id = :id", owner=owner, id=number)
    else:
        found = reader.query(_AGENT + "AND external_id = :external", owner=owner, external=external_id)
    return AgentRow(*found[0]) if found else None


def list_agents(reader: Reader, owner: int, *, limit: int, offset: int) -> list[AgentRow]:
    """A page of the owner's agents, oldest first."""
    page = _AGENT + "ORDER BY id LIMIT :limit OFFSET :offset"
    return [AgentRow(*row) for row in reader.query(page, owner=owner, limit=limit, offset=offset)]


def count_agents(reader: Reader, owner: int) -> int:
    """How many agents the owner has."""
    return int(reader.query("SELECT COUNT(*) FROM rentix_agent WHERE owner = :owner", owner=owner)[0][0])


def add_agent(tx: Transaction, owner: int, *, external_id: str | None) -> AgentRow:
    """A new agent without a name yet."""
    row = AgentRow(take_id(tx, "agent"), external_id, None, None, None, tx.now, tx.now)
    tx.execute(
        "INSERT INTO rentix_agent (id, owner, external_id, created_at, updated_at)"
        " VALUES (:id, :owner, :external, :now, :now)",
        id=row.id,
        owner=owner,
        external=external_id,
        now=tx.now,
    )
    return row


def change_agent(tx: Transaction, owner: int, agent: AgentRow, *, fields: Mapping[str, str | None]) -> None:
    """Store the given fields; the others keep their value."""
    tx.execute(
        "UPDATE rentix_agent SET name = :name, phone = :phone, role = :role, updated_at = :now"
        " WHERE owner = :owner AND id = :id",
        name=fields.get("name", agent.name),
        phone=fields.get("phone", agent.phone),
        role=fields.get("role", agent.role),
        now=tx.now,
        owner=owner,
        id=agent.id,
    )


def rename_agent(tx: Transaction, owner: int, agent: int, *, external_id: str | None) -> None:
    """Bind the agent to a client's id, or to none."""
    tx.execute(
        "UPDATE rentix_agent SET external_id = :external, updated_at = :now WHERE owner = :owner AND id = :id",
        external=external_id,
        now=tx.now,
        owner=owner,
        id=agent,
    )
