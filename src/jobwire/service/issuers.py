"""Issuers of signed tokens: who may vouch for whom. tokens.py reads a token, signatures.py checks its signature.

An issuer is kept in the ledger, so that every process takes the same tokens from one moment on.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from ipaddress import ip_address
from math import isfinite
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import msgspec

from jobwire.config import SettingError
from jobwire.domain.errors import RequestError
from jobwire.kinds.spelling import did_you_mean, quote
from jobwire.net.policy import FetchPolicy
from jobwire.service.key_sets import KeySets
from jobwire.service.tokens import OWN_ISSUER, SignedToken
from jobwire.store import accounts, issuers
from jobwire.store.contract import Reader, Store
from jobwire.store.issuers import IssuerRow

ALGORITHMS = ("RS256", "ES256", "EdDSA", "HS256")
ISSUER_CHARS_MAX = 255
TOKEN_ID_CHARS_MAX = 255
LEEWAY_S_DEFAULT = 30
LEEWAY_S_MAX = 60
LIFETIME_S_DEFAULT = 86_400
LIFETIME_S_MAX = 31_536_000
KEY_TEXT_CHARS_MAX = 10_000
TIME_S_MAX = 2**40


@dataclass(frozen=True, slots=True)
class NewIssuer:
    """An issuer as the operator declares it: tokens with this `iss` and `audience`, signed by `algorithm`.

    Give `jwks_url` or `key` (a public key in PEM; for HS256 the shared secret). `owner_prefix` and the text of
    `owner_claim` are the owner's name. A token may do what `scopes` and its own `scope_claim` both allow; without a
    `scope_claim` all of `scopes`.
    """

    iss: str
    audience: str
    algorithm: str
    scopes: Sequence[str]
    jwks_url: str | None = None
    key: str | None = None
    owner_claim: str = "sub"
    owner_prefix: str = ""
    makes_owners: bool = False
    scope_claim: str | None = None
    leeway_s: int = LEEWAY_S_DEFAULT
    lifetime_s_max: int = LIFETIME_S_DEFAULT


class Vouched(NamedTuple):
    """What a token says, if its signature is right: whose it is, what it may do, until when (Unix ms)."""

    owner_name: str
    scopes: frozenset[str]
    until: int
    makes_owner: bool


class Issuers:
    """The issuers of one ledger. `clock` gives Unix milliseconds; key sets are fetched within `policy`."""

    def __init__(self, store: Store, clock: Callable[[], int], policy: FetchPolicy | None = None) -> None:
        self._store = store
        self._clock = clock
        self._key_sets = KeySets(policy or FetchPolicy(), clock)

    async def add(self, new: NewIssuer) -> None:
        """Take this issuer's tokens from now on, in place of what was said of it before.

        RequestError invalid_request says what cannot be; SettingError without the extra `jwt`.
        """
        _check_issuer(new)
        if new.key is not None:
            try:
                load_signatures().read_key_text(new.algorithm, new.key)
            except ValueError as error:
                raise _refuse_value(str(error)) from None
        row = IssuerRow(
            iss=new.iss,
            audience=new.audience,
            algorithm=new.algorithm,
            jwks_url=new.jwks_url,
            key=new.key,
            owner_claim=new.owner_claim,
            owner_prefix=new.owner_prefix,
            makes_owners=int(new.makes_owners),
            scope_claim=new.scope_claim,
            scopes=msgspec.json.encode(sorted(set(new.scopes))).decode(),
            leeway_s=new.leeway_s,
            lifetime_s_max=new.lifetime_s_max,
            created_at=self._clock(),
        )
        await self._store.write(accounts.marked(lambda tx: issuers.keep_issuer(tx, row)))

    async def list_all(self) -> Sequence[IssuerRow]:
        """Every issuer, by name."""
        return await self._store.read(issuers.list_issuers)

    async def remove(self, iss: str) -> None:
        """Take no token of this issuer any more. RequestError not_found."""
        if not await self._store.write(accounts.marked(lambda tx: issuers.drop_issuer(tx, iss))):
            raise await self._unknown(iss)

    async def revoke_token(self, iss: str, jti: str) -> None:
        """Take no token with this `jti` any more. RequestError not_found for an unknown issuer."""
        if not 1 <= len(jti) <= TOKEN_ID_CHARS_MAX:
            raise _refuse_value(f"a token's id has 1 to {TOKEN_ID_CHARS_MAX} characters, not {len(jti)}")
        row = await self._store.read(lambda reader: issuers.find_issuer(reader, iss))
        if row is None:
            raise await self._unknown(iss)
        expires_at = self._clock() + (row.lifetime_s_max + 2 * row.leeway_s) * 1_000
        revoke = accounts.marked(lambda tx: issuers.revoke_token(tx, iss, jti, expires_at=expires_at))
        await self._store.write(revoke)

    async def verify(self, token: SignedToken, issuer: IssuerRow | None, *, now: int) -> Vouched | None:
        """What the token vouches for, if everything about it is right; else None.

        RequestError unavailable while the issuer's keys cannot be fetched.
        """
        # The cheap checks first: nothing is fetched for a token that would be refused anyway.
        if issuer is None or token.header["alg"] != issuer.algorithm:
            return None
        vouched = _read_claims(token.claims, issuer, now=now)
        if vouched is None:
            return None
        signatures = load_signatures()
        if issuer.jwks_url is None:
            key = _read_fixed_key(issuer.algorithm, issuer.key or "")
        else:
            key = await self._key_sets.find(
                issuer.jwks_url,
                token.header.get("kid", ""),
                algorithm=issuer.algorithm,
                read=lambda body: signatures.read_key_set(issuer.algorithm, body),
            )
        if key is None:
            return None
        is_right = signatures.is_signed(issuer.algorithm, key, signed=token.signed, signature=token.signature)
        return vouched if is_right else None

    async def _unknown(self, iss: str) -> RequestError:
        names = [row.iss for row in await self.list_all()]
        return RequestError("not_found", f"there is no issuer {quote(iss)}{did_you_mean(iss, names)}")


def find_issuer(reader: Reader, token: SignedToken) -> IssuerRow | None:
    """The issuer that a token names, unless the token was revoked."""
    iss, jti = token.claims.get("iss"), token.claims.get("jti")
    if not isinstance(iss, str) or not 1 <= len(iss) <= ISSUER_CHARS_MAX or not iss.isprintable():
        return None
    if isinstance(jti, str) and len(jti) <= TOKEN_ID_CHARS_MAX and jti.isprintable():
        return None if issuers.is_revoked(reader, iss, jti) else issuers.find_issuer(reader, iss)
    return issuers.find_issuer(reader, iss) if jti is None else None


def load_signatures() -> Any:
    """The module signatures; SettingError that names the extra where it is not installed."""
    try:
        return import_module("jobwire.service.signatures")
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] not in ("jwt", "cryptography"):
            raise
        raise SettingError("tokens of other issuers need PyJWT: pip install 'jobwire[jwt]'") from error


@lru_cache(maxsize=64)
def _read_fixed_key(algorithm: str, text: str) -> Any:
    return load_signatures().read_key_text(algorithm, text)


def _read_claims(claims: Mapping[str, Any], issuer: IssuerRow, *, now: int) -> Vouched | None:
    """What the claims say at `now` (Unix ms), or None unless all that is required is there and right."""
    now_s, leeway_s = now // 1_000, issuer.leeway_s
    expires_s, issued_s = _read_time(claims.get("exp")), _read_time(claims.get("iat"))
    begins_s = _read_time(claims.get("nbf", 0))
    if expires_s is None or issued_s is None or begins_s is None:
        return None
    is_timely = (
        now_s < expires_s + leeway_s
        and max(begins_s, issued_s) <= now_s + leeway_s
        and expires_s - issued_s <= issuer.lifetime_s_max
    )
    audience = claims.get("aud")
    audiences = audience if isinstance(audience, list) else [audience]
    name, scopes = claims.get(issuer.owner_claim), _read_scopes(claims, issuer)
    if not is_timely or not all(isinstance(one, str) for one in audiences) or issuer.audience not in audiences:
        return None
    if not isinstance(name, str) or not name or scopes is None:
        return None
    until = int((expires_s + leeway_s) * 1_000)
    return Vouched(issuer.owner_prefix + name, scopes, until, bool(issuer.makes_owners))


def _read_time(value: Any) -> float | None:
    """A NumericDate; a text, a truth value or something beyond all calendars is none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if isfinite(value) and 0 <= value <= TIME_S_MAX else None


def _read_scopes(claims: Mapping[str, Any], issuer: IssuerRow) -> frozenset[str] | None:
    most = frozenset(msgspec.json.decode(issuer.scopes, type=list[str]))
    if issuer.scope_claim is None:
        return most
    said = claims.get(issuer.scope_claim, "")
    names = said.split(" ") if isinstance(said, str) else said
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        return None
    return most & frozenset(names)


def _check_issuer(new: NewIssuer) -> None:
    texts = {"iss": new.iss, "audience": new.audience, "owner_claim": new.owner_claim}
    for name, text in texts.items():
        if not 1 <= len(text) <= ISSUER_CHARS_MAX or not text.isprintable():
            raise _refuse_value(f"{name} is {quote(text)}; it has 1 to {ISSUER_CHARS_MAX} printable characters")
    if new.iss == OWN_ISSUER:
        raise _refuse_value(f"{OWN_ISSUER!r} is what our own keys are issued by; another issuer needs another name")
    if new.algorithm not in ALGORITHMS:
        choices = ", ".join(ALGORITHMS)
        raise _refuse_value(f"{quote(new.algorithm)} is no algorithm for tokens; choose one of {choices}")
    if (new.jwks_url is None) == (new.key is None):
        raise _refuse_value("an issuer has a URL of its key set or one key: give one of both")
    if new.jwks_url is not None:
        _check_url(new)
    elif len(new.key or "") > KEY_TEXT_CHARS_MAX:
        raise _refuse_value(f"the key has {len(new.key or '')} characters; the most is {KEY_TEXT_CHARS_MAX:,}")
    for name, number, most in (("leeway_s", new.leeway_s, LEEWAY_S_MAX),
                               ("lifetime_s_max", new.lifetime_s_max, LIFETIME_S_MAX)):  # fmt: skip
        least = 0 if name == "leeway_s" else 1
        if not least <= number <= most:
            raise _refuse_value(f"{name} is {number}; it is a whole number from {least} to {most:,}")


def _check_url(new: NewIssuer) -> None:
    if new.algorithm == "HS256":
        raise _refuse_value("a shared secret has no key set that everybody may read; give it as the key")
    parts = urlsplit(new.jwks_url or "")
    if not (parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(parts.hostname or ""))):
        raise _refuse_value(f"the key set's URL is {quote(new.jwks_url or '')}; it must begin with https://")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _refuse_value(message: str) -> RequestError:
    return RequestError("invalid_request", message)
