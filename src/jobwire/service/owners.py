"""Owners and API keys: who may call. keys.py has the form of a key, credentials.py judges what a caller sends.

Whoever ends a key, an owner or an issuer waits for `forgotten` before telling the operator that it is done.
"""

import asyncio
import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeVar

import msgspec

from jobwire.domain.caps import RUNNING_LIMIT_MAX, Cap
from jobwire.domain.errors import RequestError
from jobwire.domain.order import WEIGHT_MAX
from jobwire.kinds.spelling import did_you_mean, quote
from jobwire.service.call import Principal
from jobwire.service.credentials import CACHE_MS, OWNER_NAME_CHARS_MAX, Credentials, Known, is_owner_name, read_names
from jobwire.service.issuers import Issuers
from jobwire.service.keys import hash_secret, make_key_text, show_key
from jobwire.service.limits import Limit
from jobwire.service.plans import Plan
from jobwire.service.standing import Standing
from jobwire.service.tokens import make_own_token
from jobwire.store import accounts, policies, rates
from jobwire.store.contract import KeyRow, OwnerRow, Reader, Store, Transaction

T = TypeVar("T")

SCOPES_DEFAULT = ("jobs:read", "jobs:write")
SCOPES_MAX = 32
CACHE_KEYS_MAX = 10_000
OVERLAP_MS_DEFAULT = 24 * 3_600_000
OVERLAP_MS_MAX = 90 * 24 * 3_600_000
FORGOTTEN_MS = CACHE_MS + 100

_SCOPE_SHAPE = re.compile(r"[a-z0-9_.:-]{1,64}")
_SYSTEM_SHAPE = re.compile(r"[a-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key that was just made: the only moment at which `key` can be read."""

    owner: OwnerRow
    id: str
    key: str = field(repr=False)


class Owners:
    """The accounts of one store. `clock` gives Unix milliseconds; a revocation anywhere is felt within a second.

    `plan` has the limits of every owner that has none of its own, by class of calls.
    """

    def __init__(
        self,
        store: Store,
        clock: Callable[[], int],
        *,
        issuers: Issuers | None = None,
        plan: Plan = MappingProxyType({}),
    ) -> None:
        self._store = store
        self._clock = clock
        self.issuers = issuers or Issuers(store, clock)
        self._credentials = Credentials(store, self.issuers, plan=plan)
        self._known: dict[bytes, Known] = {}
        self._forgettings = 0
        self.standing = Standing(store, judge=self.authenticate, forget=self._forget)

    async def create_owner(self, name: str) -> OwnerRow:
        """The owner of that name (1 to 64 printable characters), made if there was none."""
        if not is_owner_name(name):
            bounds = f"1 to {OWNER_NAME_CHARS_MAX} printable characters"
            raise RequestError("invalid_request", f"the owner's name {quote(name)} must have {bounds}")
        return await self._store.write(lambda tx: accounts.get_or_create_owner(tx, name))

    async def list_owners(self) -> list[OwnerRow]:
        """Every owner, by name."""
        return await self._store.read(accounts.list_owners)

    async def suspend(self, name: str) -> None:
        """Refuse every call of the owner from now on; jobs that were accepted run on."""
        await self._change(lambda tx: _set_suspended(tx, name, True))

    async def activate(self, name: str) -> None:
        """End a suspension."""
        await self._change(lambda tx: _set_suspended(tx, name, False))

    async def set_share(self, name: str, *, weight: int | None = None, running_max: int | None = None) -> None:
        """Give the owner's later jobs `weight` times the turns, and let at most `running_max` of its jobs run at once
        (0 for any number); None leaves what is. RequestError not_found, or invalid_request with the bounds."""
        if weight is not None and not 1 <= weight <= WEIGHT_MAX:
            bounds = f"a whole number from 1 to {WEIGHT_MAX:,}"
            raise RequestError("invalid_request", f"weight is {weight}; it is {bounds}")
        if running_max is not None and not 0 <= running_max <= RUNNING_LIMIT_MAX:
            bounds = f"1 to {RUNNING_LIMIT_MAX:,}, or 0 for no cap"
            raise RequestError("invalid_request", f"running_max is {running_max}; it is a whole number from {bounds}")
        await self._change(lambda tx: _set_share(tx, name, weight, running_max))

    async def running_caps(self) -> Mapping[int, int]:
        """How many jobs may run at once, by the id of each owner that has a cap."""
        caps = await self._store.read(policies.list_caps)
        return {int(cap.name): cap.count_max for cap in caps.values() if cap.scope == "owner"}

    async def disable_system(self, name: str, system: str) -> None:
        """Refuse the owner's calls to one system."""
        if _SYSTEM_SHAPE.fullmatch(system) is None:
            raise RequestError("invalid_request", f"{quote(system)} is no system's name; use a-z, 0-9, _ and -")
        await self._change(lambda tx: _change_systems(tx, name, lambda systems: systems | {system}))

    async def enable_system(self, name: str, system: str) -> None:
        """Let the owner use a system again."""
        await self._change(lambda tx: _change_systems(tx, name, lambda systems: systems - {system}))

    async def set_limit(self, name: str, class_: str, limit: Limit | None) -> None:
        """Give the owner a limit of its own for a class of calls; None for no limit at all."""
        count, window_s = (0, 1) if limit is None else (limit.count, limit.window_s)
        own = rates.OwnerLimit(class_, count, window_s)
        await self._change(lambda tx: rates.set_owner_limit(tx, _require_owner(tx, name).id, own))

    async def drop_limit(self, name: str, class_: str) -> None:
        """Let the plan of all hold for this class of the owner's calls again."""
        await self._change(lambda tx: rates.drop_owner_limit(tx, _require_owner(tx, name).id, class_))

    async def create_key(
        self,
        owner_name: str,
        *,
        scopes: Sequence[str] = SCOPES_DEFAULT,
        expires_at: int | None = None,
        as_jwt: bool = False,
    ) -> NewKey:
        """A new key of an owner; any number may be live at once, so that keys can be rotated.

        Its secret is kept only as a hash. `expires_at` is in Unix milliseconds. `as_jwt` gives the key the form of a
        JWT, for callers that expect one. RequestError not_found for an unknown owner, invalid_request for a scope
        that cannot be one or an expiry that has passed.
        """
        return await self._store.write(
            lambda tx: self.create_key_in(tx, owner_name, scopes=scopes, expires_at=expires_at, as_jwt=as_jwt)
        )

    def create_key_in(
        self,
        tx: Transaction,
        owner_name: str,
        *,
        scopes: Sequence[str] = SCOPES_DEFAULT,
        expires_at: int | None = None,
        as_jwt: bool = False,
    ) -> NewKey:
        """`create_key` in the transaction that keeps what belongs to the key; errors as there."""
        check_scopes(scopes)
        if expires_at is not None and expires_at <= self._clock():
            raise RequestError("invalid_request", f"expires_at is {expires_at}, which has passed; give a later time")
        listed = msgspec.json.encode(sorted(set(scopes))).decode()
        return _insert_key(tx, _require_owner(tx, owner_name), listed, expires_at=expires_at, as_jwt=as_jwt)

    async def rotate_key(
        self,
        id: str,  # noqa: A002 - the word of the API
        *,
        overlap_ms: int = OVERLAP_MS_DEFAULT,
        as_jwt: bool = False,
    ) -> NewKey:
        """A new key with the scopes and the lifetime of this one, which expires after `overlap_ms`.

        Both are live until then, so that no call has to fail. RequestError not_found; conflict for a key that is not
        live any more, invalid_request for an overlap over 90 days.
        """
        if not 0 <= overlap_ms <= OVERLAP_MS_MAX:
            raise RequestError("invalid_request", f"the overlap is {overlap_ms} ms; it is 0 to {OVERLAP_MS_MAX:,} ms")

        def rotate(tx: Transaction) -> NewKey:
            holder = accounts.find_key(tx, id)
            if holder is None:
                raise _unknown_key(id)
            old = holder.key
            if old.revoked_at is not None or (old.expires_at is not None and old.expires_at <= tx.now):
                raise RequestError("conflict", f"the key {id} is not live any more; create a new one instead")
            expires_at = None if old.expires_at is None else tx.now + old.expires_at - old.created_at
            made = _insert_key(tx, holder.owner, old.scopes, expires_at=expires_at, as_jwt=as_jwt)
            accounts.end_key(tx, id, tx.now + overlap_ms)
            return made

        return await self._change(rotate)

    async def list_keys(self, owner_name: str) -> list[KeyRow]:
        """The owner's keys, oldest first, without their secrets. RequestError not_found for an unknown owner."""

        def find(reader: Reader) -> list[KeyRow]:
            _require_owner(reader, owner_name)
            return accounts.list_keys(reader, owner_name)

        return await self._store.read(find)

    async def revoke_key(self, id: str) -> None:  # noqa: A002 - the word of the API
        """End a key for good, within a second everywhere. RequestError not_found."""
        if not await self._change(lambda tx: accounts.revoke_key(tx, id)):
            raise _unknown_key(id)

    async def forgotten(self) -> None:
        """Returns when every process has forgotten what it knew: from then on no call is served by what was ended."""
        await asyncio.sleep(FORGOTTEN_MS / 1_000)

    def known(self, token: str) -> Principal | None:
        """Who the token belongs to, if that was found out within the last second; never waits."""
        return self.find_known(digest_token(token))

    def find_known(self, digest: bytes) -> Principal | None:
        """As `known`, by the token's digest."""
        known = self._known.get(digest)
        if known is None or not known.since <= self._clock() < known.until:
            return None
        return known.principal

    async def authenticate(self, token: str) -> Principal:
        """Who the token belongs to. RequestError unauthorized (the same for every reason), owner_suspended."""
        principal = self.known(token)
        if principal is not None:
            return principal
        while True:
            forgettings = self._forgettings
            # Taken before the ledger is read, so that what is found is never trusted for longer than a second after.
            known = await self._credentials.judge(token, self._clock())
            if forgettings == self._forgettings:
                self._remember(digest_token(token), known)
                return known.principal

    def _remember(self, digest: bytes, known: Known) -> None:
        self._known.pop(digest, None)
        while len(self._known) >= CACHE_KEYS_MAX:
            del self._known[next(iter(self._known))]
        self._known[digest] = known

    async def _change(self, work: Callable[[Transaction], T]) -> T:
        changed = await self._store.write(accounts.marked(work))
        self._forget()
        self.standing.look()
        return changed

    def _forget(self) -> None:
        self._known.clear()
        self._forgettings += 1


def _insert_key(tx: Transaction, owner: OwnerRow, scopes: str, *, expires_at: int | None, as_jwt: bool) -> NewKey:
    made = make_key_text()
    text = show_key(made)
    kept = made.secret
    if as_jwt:
        text = kept = make_own_token(made.id, owner.name, issued_at=tx.now, expires_at=expires_at)
    accounts.insert_key(tx, KeyRow(made.id, owner.id, hash_secret(kept), scopes, tx.now, expires_at, None))
    return NewKey(owner, made.id, text)


def _unknown_key(key_id: str) -> RequestError:
    return RequestError("not_found", f"there is no key {quote(key_id)}; list the owner's keys to find its id")


def digest_token(token: str) -> bytes:
    """What is remembered in a token's place."""
    return hashlib.sha256(token.encode(errors="surrogatepass")).digest()


def check_scopes(scopes: Sequence[str]) -> None:
    """RequestError invalid_request unless these can be the scopes of a key."""
    if not 1 <= len(scopes) <= SCOPES_MAX:
        raise RequestError("invalid_request", f"a key has 1 to {SCOPES_MAX} scopes, not {len(scopes)}")
    for scope in scopes:
        if _SCOPE_SHAPE.fullmatch(scope) is None:
            raise RequestError("invalid_request", f"{quote(scope)} is no scope; write it like jobs:read")


def _require_owner(tx: Reader, name: str) -> OwnerRow:
    owner = accounts.find_owner(tx, name)
    if owner is None:
        names = [known.name for known in accounts.list_owners(tx)]
        raise RequestError("not_found", f"there is no owner {quote(name)}{did_you_mean(name, names)}")
    return owner


def _set_suspended(tx: Transaction, name: str, is_suspended: bool) -> None:
    _require_owner(tx, name)
    accounts.set_suspended(tx, name, is_suspended)


def _set_share(tx: Transaction, name: str, weight: int | None, running_max: int | None) -> None:
    owner = _require_owner(tx, name)
    if weight is not None:
        policies.set_weight(tx, name, weight)
    if running_max:
        tx.set_cap(Cap("owner", str(owner.id), running_max))
    elif running_max == 0:
        tx.drop_cap("owner", str(owner.id))


def _change_systems(tx: Transaction, name: str, change: Callable[[frozenset[str]], frozenset[str]]) -> None:
    systems = change(read_names(_require_owner(tx, name).disabled_systems))
    accounts.set_disabled_systems(tx, name, msgspec.json.encode(sorted(systems)).decode())
