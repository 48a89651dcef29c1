"""Owners and their API keys: portable SQL over a Reader or a Transaction, for any engine. Times are Unix ms."""

import secrets
from collections.abc import Callable
from typing import NamedTuple, TypeVar

from jobwire.store.contract import KeyRow, OwnerRow, Reader, Transaction

T = TypeVar("T")

_OWNER = ", ".join(f"o.{name}" for name in OwnerRow._fields)
_KEY = ", ".join(f"k.{name}" for name in KeyRow._fields)


class KeyHolder(NamedTuple):
    """A key and the account it opens."""

    key: KeyRow
    owner: OwnerRow


def marked(work: Callable[[Transaction], T]) -> Callable[[Transaction], T]:
    """The work, which changes what some credential may do, in a form that tells all processes so."""

    def mark_and_work(tx: Transaction) -> T:
        tx.execute(
            "INSERT INTO ledger (name, value) VALUES ('access_mark', :value) "
            "ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            value=secrets.token_hex(8),
        )
        return work(tx)

    return mark_and_work


def read_mark(reader: Reader) -> str:
    """What differs after every change of what a credential may do."""
    rows = reader.query("SELECT value FROM ledger WHERE name = 'access_mark'")
    return str(rows[0][0]) if rows else ""


def find_owner(reader: Reader, name: str) -> OwnerRow | None:
    """The owner of that name."""
    rows = reader.query(f"SELECT {_OWNER} FROM owner AS o WHERE o.name = :name", name=name)  # noqa: S608
    return OwnerRow._make(rows[0]) if rows else None


def get_or_create_owner(tx: Transaction, name: str) -> OwnerRow:
    """The owner of that name, made if there was none."""
    found = find_owner(tx, name)
    if found is not None:
        return found
    tx.execute("UPDATE counter SET value = value + 1 WHERE name = 'owner'")
    tx.execute(
        "INSERT INTO owner (id, name, created_at) SELECT value, :name, :now FROM counter WHERE name = 'owner' "
        "ON CONFLICT (name) DO NOTHING",
        name=name,
        now=tx.now,
    )
    owner = find_owner(tx, name)
    assert owner is not None
    return owner


def hold_owner(tx: Transaction, owner: int) -> None:
    """Let nobody else hold the owner until this transaction ends: what is counted for it stays true."""
    tx.execute("UPDATE owner SET name = name WHERE id = :owner", owner=owner)


def list_owners(reader: Reader) -> list[OwnerRow]:
    """Every owner, by name."""
    rows = reader.query(f"SELECT {_OWNER} FROM owner AS o ORDER BY o.name")  # noqa: S608
    return [OwnerRow._make(row) for row in rows]


def set_suspended(tx: Transaction, name: str, is_suspended: bool) -> bool:
    """Suspend an owner or end that; False if there is no such owner."""
    sql = "UPDATE owner SET is_suspended = :flag WHERE name = :name"
    return tx.execute(sql, flag=int(is_suspended), name=name) == 1


def set_disabled_systems(tx: Transaction, name: str, systems: str) -> None:
    """Replace the JSON array of the systems an owner may not use."""
    tx.execute("UPDATE owner SET disabled_systems = :systems WHERE name = :name", systems=systems, name=name)


def insert_key(tx: Transaction, key: KeyRow) -> None:
    """Keep a new key."""
    tx.execute(
        "INSERT INTO api_key (id, owner, secret_hash, scopes, created_at, expires_at) "
        "VALUES (:id, :owner, :secret_hash, :scopes, :created_at, :expires_at)",
        id=key.id,
        owner=key.owner,
        secret_hash=key.secret_hash,
        scopes=key.scopes,
        created_at=key.created_at,
        expires_at=key.expires_at,
    )


def find_key(reader: Reader, key_id: str) -> KeyHolder | None:
    """The key of that id with its owner, revoked and expired ones included."""
    sql = f"SELECT {_KEY}, {_OWNER} FROM api_key AS k JOIN owner AS o ON o.id = k.owner WHERE k.id = :id"  # noqa: S608
    rows = reader.query(sql, id=key_id)
    if not rows:
        return None
    width = len(KeyRow._fields)
    return KeyHolder(KeyRow._make(rows[0][:width]), OwnerRow._make(rows[0][width:]))


def list_keys(reader: Reader, owner_name: str) -> list[KeyRow]:
    """The owner's keys, oldest first."""
    sql = (
        f"SELECT {_KEY} FROM api_key AS k JOIN owner AS o ON o.id = k.owner "  # noqa: S608
        "WHERE o.name = :name ORDER BY k.created_at, k.id"
    )
    return [KeyRow._make(row) for row in reader.query(sql, name=owner_name)]


def revoke_key(tx: Transaction, key_id: str) -> bool:
    """Revoke a key for good; its first revocation's time stands. False if there is no such key."""
    sql = "UPDATE api_key SET revoked_at = coalesce(revoked_at, :now) WHERE id = :id"
    return tx.execute(sql, now=tx.now, id=key_id) == 1


def end_key(tx: Transaction, key_id: str, expires_at: int) -> None:
    """Let a key expire then, if it does not before."""
    tx.execute(
        "UPDATE api_key SET expires_at = :at WHERE id = :id AND (expires_at IS NULL OR expires_at > :at)",
        at=expires_at,
        id=key_id,
    )


def touch_key(tx: Transaction, key_id: str, *, unless_since: int) -> None:
    """Note that a key is in use, unless that was noted after `unless_since`."""
    tx.execute(
        "UPDATE api_key SET last_used_at = :now WHERE id = :id AND (last_used_at IS NULL OR last_used_at <= :since)",
        now=tx.now,
        id=key_id,
        since=unless_since,
    )
