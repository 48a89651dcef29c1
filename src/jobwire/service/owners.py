"""Owners and API keys: who may call. keys.py has the form of a key, store/accounts.py the tables."""

import hashlib
import hmac
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import msgspec

from jobwire.domain.caps import RUNNING_LIMIT_MAX, Cap
from jobwire.domain.errors import RequestError
from jobwire.domain.order import WEIGHT_MAX
from jobwire.kinds.spelling import did_you_mean, quote
from jobwire.service.call import Principal
from jobwire.service.keys import KeyText, hash_secret, make_key_text, read_key, show_key
from jobwire.store import accounts, policies
from jobwire.store.contract import KeyRow, OwnerRow, Store, Transaction

T = TypeVar("T")

SCOPES_DEFAULT = ("jobs:read", "jobs:write")
SCOPES_MAX = 32
OWNER_NAME_CHARS_MAX = 64
CACHE_MS = 1_000
CACHE_KEYS_MAX = 10_000

_SCOPE_SHAPE = re.compile(r"[a-z0-9_.:-]{1,64}")
_SYSTEM_SHAPE = re.compile(r"[a-z0-9_-]{1,64}")
_DUMMY_HASH = hash_secret("no key has this secret")


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key that was just made: the only moment at which `key` can be read."""

    owner: OwnerRow
    id: str
    key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Known:
    principal: Principal
    since: int
    until: int


class Owners:
    """The accounts of one store. `clock` gives Unix milliseconds; a revocation anywhere is felt within a second."""

    def __init__(self, store: Store, clock: Callable[[], int]) -> None:
        self._store = store
        self._clock = clock
        self._known: dict[bytes, _Known] = {}

    async def create_owner(self, name: str) -> OwnerRow:
        """The owner of that name (1 to 64 printable characters), made if there was none."""
        if not 1 <= len(name) <= OWNER_NAME_CHARS_MAX or not name.isprintable():
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

    async def create_key(
        self, owner_name: str, *, scopes: Sequence[str] = SCOPES_DEFAULT, expires_at: int | None = None
    ) -> NewKey:
        """A new key of an owner; any number may be live at once, so that keys can be rotated.

        Its secret is kept only as a hash. `expires_at` is in Unix milliseconds. RequestError not_found for an
        unknown owner, invalid_request for a scope that cannot be one or an expiry that has passed.
        """
        _check_scopes(scopes)
        if expires_at is not None and expires_at <= self._clock():
            raise RequestError("invalid_request", f"expires_at is {expires_at}, which has passed; give a later time")
        made = make_key_text()
        listed = msgspec.json.encode(sorted(set(scopes))).decode()

        def insert(tx: Transaction) -> OwnerRow:
            owner = _require_owner(tx, owner_name)
            accounts.insert_key(
                tx, KeyRow(made.id, owner.id, hash_secret(made.secret), listed, tx.now, expires_at, None)
            )
            return owner

        return NewKey(await self._store.write(insert), made.id, show_key(made))

    async def list_keys(self, owner_name: str) -> list[KeyRow]:
        """The owner's keys, oldest first, without their secrets."""
        return await self._store.read(lambda reader: accounts.list_keys(reader, owner_name))

    async def revoke_key(self, id: str) -> None:  # noqa: A002 - the word of the API
        """End a key for good, within a second everywhere. RequestError not_found."""
        if not await self._change(lambda tx: accounts.revoke_key(tx, id)):
            raise RequestError("not_found", f"there is no key {quote(id)}; list the owner's keys to find its id")

    def known(self, token: str) -> Principal | None:
        """Who the token belongs to, if that was found out within the last second; never waits."""
        known = self._known.get(_digest(token))
        if known is None or not known.since <= self._clock() < known.until:
            return None
        return known.principal

    async def authenticate(self, token: str) -> Principal:
        """Who the token belongs to. RequestError unauthorized (the same for every reason), owner_suspended."""
        principal = self.known(token)
        if principal is not None:
            return principal
        key = read_key(token)
        if key is None:
            raise _unauthorized()
        # Taken before the ledger is read, so that what is found is never trusted for longer than a second after.
        now = self._clock()
        holder = await self._store.read(lambda reader: accounts.find_key(reader, key.id))
        known = _judge(key, holder, now=now)
        self._remember(_digest(token), known)
        return known.principal

    def _remember(self, digest: bytes, known: _Known) -> None:
        self._known.pop(digest, None)
        while len(self._known) >= CACHE_KEYS_MAX:
            del self._known[next(iter(self._known))]
        self._known[digest] = known

    async def _change(self, work: Callable[[Transaction], T]) -> T:
        changed = await self._store.write(work)
        self._known.clear()
        return changed


def _judge(key: KeyText, holder: accounts.KeyHolder | None, *, now: int) -> _Known:
    kept = _DUMMY_HASH if holder is None else holder.key.secret_hash
    # Compared for unknown ids too: the time an answer takes does not tell which ids exist.
    is_right = hmac.compare_digest(hash_secret(key.secret), kept)
    if holder is None or not is_right or holder.key.revoked_at is not None:
        raise _unauthorized()
    expires_at = holder.key.expires_at
    if expires_at is not None and expires_at <= now:
        raise _unauthorized()
    if holder.owner.is_suspended:
        raise RequestError("owner_suspended", "this account is suspended; write to the operator of this API")
    principal = Principal(
        owner=holder.owner.id,
        owner_name=holder.owner.name,
        key_id=holder.key.id,
        scopes=_read_names(holder.key.scopes),
        disabled_systems=_read_names(holder.owner.disabled_systems),
    )
    until = now + CACHE_MS if expires_at is None else min(now + CACHE_MS, expires_at)
    return _Known(principal, now, until)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="surrogatepass")).digest()


def _read_names(text: str) -> frozenset[str]:
    return frozenset(msgspec.json.decode(text, type=list[str]))


def _check_scopes(scopes: Sequence[str]) -> None:
    if not 1 <= len(scopes) <= SCOPES_MAX:
        raise RequestError("invalid_request", f"a key has 1 to {SCOPES_MAX} scopes, not {len(scopes)}")
    for scope in scopes:
        if _SCOPE_SHAPE.fullmatch(scope) is None:
            raise RequestError("invalid_request", f"{quote(scope)} is no scope; write it like jobs:read")


def _require_owner(tx: Transaction, name: str) -> OwnerRow:
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
    systems = change(_read_names(_require_owner(tx, name).disabled_systems))
    accounts.set_disabled_systems(tx, name, msgspec.json.encode(sorted(systems)).decode())


def _unauthorized() -> RequestError:
    return RequestError("unauthorized", "the API key is not valid; check that it is complete, live and not expired")
