"""Who acts through a key: a header of a workspace key says it, a user key is its user. cli/members.py sets them."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

import msgspec

from jobwire.domain.errors import RequestError
from jobwire.service.call import Principal
from jobwire.service.limits import TIER_SCOPE
from jobwire.service.services import Services
from jobwire.store.contract import Reader, Transaction

IDENTITY_HEADER: Final = "x-user-identifier"
WORKSPACE_SCOPE: Final = "workspace"
PERMISSIONS: Final = ("jobs:read", "jobs:write")
EMAIL_CHARS_MAX: Final = 254

_EMAIL: Final = re.compile(r"[^@\s\0]+@[^@\s\0]+")


class MemberRow(NamedTuple):
    """A member of a workspace and what they may do."""

    email: str
    permissions: frozenset[str]


async def admit(principal: Principal, headers: Mapping[str, str], services: Services) -> Principal:
    """Who calls: with a workspace key the member that the header names, if there is one, else the key's holder."""
    if WORKSPACE_SCOPE not in principal.scopes:
        return principal
    email = read_email(headers[IDENTITY_HEADER])
    member = await services.store.read(lambda reader: find_member(reader, principal.owner, email))
    if member is None:
        return principal
    kept = {scope for scope in principal.scopes if scope in member.permissions or scope.startswith(TIER_SCOPE)}
    return replace(principal, scopes=frozenset(kept))


def read_email(text: str) -> str:
    """An e-mail address as it is compared: without spaces around it, in lower case."""
    return text.strip().lower()


def find_member(reader: Reader, owner: int, email: str) -> MemberRow | None:
    """The member with that address; None if the workspace has none."""
    found = reader.query(
        "SELECT email, permissions FROM fifthelement_member WHERE owner = :owner AND email = :email",
        owner=owner,
        email=email.replace("\0", ""),
    )
    return _read_member(found[0]) if found else None


def list_members(reader: Reader, owner: int) -> list[MemberRow]:
    """The members of a workspace, by address."""
    found = reader.query(
        "SELECT email, permissions FROM fifthelement_member WHERE owner = :owner ORDER BY email", owner=owner
    )
    return [_read_member(row) for row in found]


def set_member(tx: Transaction, owner: int, *, email: str, permissions: Sequence[str]) -> MemberRow:
    """Make somebody a member, or change what they may do; RequestError for what is no address or permission."""
    address = read_email(email)
    if len(address) > EMAIL_CHARS_MAX or _EMAIL.fullmatch(address) is None:
        raise RequestError("invalid_request", f"{email!r} is no e-mail address of up to {EMAIL_CHARS_MAX} characters")
    if unknown := set(permissions) - set(PERMISSIONS):
        raise RequestError(
            "invalid_request", f"{sorted(unknown)[0]!r} is no permission; there are {', '.join(PERMISSIONS)}"
        )
    member = MemberRow(address, frozenset(permissions))
    tx.execute(
        "INSERT INTO fifthelement_member (owner, email, permissions, created_at)"
        " VALUES (:owner, :email, :permissions, :now)"
        " ON CONFLICT (owner, email) DO UPDATE SET permissions = excluded.permissions",
        owner=owner,
        email=address,
        permissions=msgspec.json.encode(sorted(member.permissions)).decode(),
        now=tx.now,
    )
    return member


def remove_member(tx: Transaction, owner: int, email: str) -> bool:
    """End a membership; False if there was none."""
    removed = tx.execute(
        "DELETE FROM fifthelement_member WHERE owner = :owner AND email = :email",
        owner=owner,
        email=read_email(email),
    )
    return removed > 0


def _read_member(row: tuple[str, str]) -> MemberRow:
    return MemberRow(row[0], frozenset(msgspec.json.decode(row[1], type=list[str])))
