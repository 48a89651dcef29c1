"""Judges what a caller sends: a key, a key in the form of a JWT, or a token of another issuer. owners.py remembers.

Whatever is wrong with a credential, the answer is the same.
"""

import hashlib
import hmac
from dataclasses import dataclass

import msgspec

from jobwire.domain.errors import RequestError
from jobwire.service.call import Principal
from jobwire.service.issuers import Issuers, find_issuer
from jobwire.service.keys import hash_secret, is_key_id, read_key
from jobwire.service.plans import Plan, change_plan
from jobwire.service.tokens import OWN_ISSUER, SignedToken, read_token
from jobwire.store import accounts, rates
from jobwire.store.contract import OwnerRow, Reader, Store

CACHE_MS = 1_000
USE_INTERVAL_MS = 60_000
OWNER_NAME_CHARS_MAX = 64

_DUMMY_HASH = hash_secret("no key has this secret")


@dataclass(frozen=True, slots=True)
class Known:
    """Who a credential belongs to, as found out at `since`; to be asked again at `until` (Unix ms)."""

    principal: Principal
    since: int
    until: int


class Credentials:
    """The judge of one ledger's credentials; `plan` has the limits of owners that have none of their own."""

    def __init__(self, store: Store, issuers: Issuers, *, plan: Plan) -> None:
        self._store = store
        self._issuers = issuers
        self._plan = plan

    async def judge(self, token: str, now: int) -> Known:
        """Who a credential belongs to at `now`. RequestError unauthorized, owner_suspended; unavailable while an
        issuer's keys cannot be fetched."""
        key = read_key(token)
        if key is not None:
            return await self._judge_key(key.id, hash_secret(key.secret), now=now)
        signed = read_token(token)
        if signed is None:
            raise refuse_token()
        if signed.claims.get("iss") == OWN_ISSUER:
            return await self._judge_key(signed.header.get("kid", ""), hash_secret(token), now=now)
        return await self._judge_token(signed, now=now)

    async def _judge_key(self, key_id: str, secret_hash: str, *, now: int) -> Known:
        if not is_key_id(key_id):
            raise refuse_token()

        def look(reader: Reader) -> tuple[accounts.KeyHolder | None, Plan]:
            holder = accounts.find_key(reader, key_id)
            return holder, self._plan if holder is None else self._find_plan(reader, holder.owner)

        holder, plan = await self._store.read(look)
        # Compared for unknown ids too: the time an answer takes does not tell which ids exist.
        is_right = hmac.compare_digest(secret_hash, _DUMMY_HASH if holder is None else holder.key.secret_hash)
        if holder is None or not is_right or holder.key.revoked_at is not None:
            raise refuse_token()
        expires_at, used_at = holder.key.expires_at, holder.key.last_used_at
        if expires_at is not None and expires_at <= now:
            raise refuse_token()
        if used_at is None or now - used_at >= USE_INTERVAL_MS:
            # Not awaited: a call does not wait for a note about itself.
            self._store.write(lambda tx: accounts.touch_key(tx, key_id, unless_since=tx.now - USE_INTERVAL_MS))
        principal = _open(holder.owner, key_id, scopes=read_names(holder.key.scopes), plan=plan)
        return Known(principal, now, now + CACHE_MS if expires_at is None else min(now + CACHE_MS, expires_at))

    async def _judge_token(self, token: SignedToken, *, now: int) -> Known:
        issuer = await self._store.read(lambda reader: find_issuer(reader, token))
        vouched = await self._issuers.verify(token, issuer, now=now)
        if issuer is None or vouched is None or not is_owner_name(vouched.owner_name):
            raise refuse_token()
        name = vouched.owner_name

        def look(reader: Reader) -> tuple[OwnerRow, Plan] | None:
            owner = accounts.find_owner(reader, name)
            return None if owner is None else (owner, self._find_plan(reader, owner))

        found = await self._store.read(look)
        if found is None and vouched.makes_owner:
            found = await self._store.write(lambda tx: accounts.get_or_create_owner(tx, name)), self._plan
        if found is None:
            raise refuse_token()
        owner, plan = found
        holder = hashlib.sha256(f"{issuer.iss}\0{name}".encode()).hexdigest()
        principal = _open(owner, f"jwt_{holder[:16]}", scopes=vouched.scopes, plan=plan)
        return Known(principal, now, min(now + CACHE_MS, vouched.until))

    def _find_plan(self, reader: Reader, owner: OwnerRow) -> Plan:
        own = rates.list_owner_limits(reader, owner.id)
        return change_plan(self._plan, own) if own else self._plan


def is_owner_name(name: str) -> bool:
    """Whether an owner may have this name: 1 to 64 printable characters."""
    return 1 <= len(name) <= OWNER_NAME_CHARS_MAX and name.isprintable()


def read_names(text: str) -> frozenset[str]:
    """The names of a JSON array."""
    return frozenset(msgspec.json.decode(text, type=list[str]))


def refuse_token() -> RequestError:
    """The one refusal of a credential, whatever is wrong with it."""
    return RequestError(
        "unauthorized", "the credential is not valid; check that it is complete, live and not expired"
    )


def _open(owner: OwnerRow, key_id: str, *, scopes: frozenset[str], plan: Plan) -> Principal:
    if owner.is_suspended:
        raise RequestError("owner_suspended", "this account is suspended; write to the operator of this API")
    return Principal(
        owner=owner.id,
        owner_name=owner.name,
        key_id=key_id,
        scopes=scopes,
        disabled_systems=read_names(owner.disabled_systems),
        plan=plan,
    )
