"""The form of a signed token (JWS compact, RFC 7515), read strictly, and of a key that wears it. issuers.py judges.

Read strictly, because two readers that disagree on a token are the usual hole: every part is canonical base64url,
every object has each name once, and numbers are numbers. Nothing here trusts what it reads.
"""

import base64
import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

OWN_ISSUER = "jobwire"
TOKEN_CHARS_MAX = 8_192
TOKEN_DEPTH_MAX = 16
KEY_BYTES = 32

_SHAPE = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)")
_TYPES = frozenset(("jwt", "at+jwt", "application/jwt", "application/at+jwt"))


@dataclass(frozen=True, slots=True)
class SignedToken:
    """A well-formed token whose signature nobody has looked at: `signed` are the bytes that it is said to cover."""

    header: Mapping[str, Any]
    claims: Mapping[str, Any]
    signed: bytes = field(repr=False)
    signature: bytes = field(repr=False)


def read_token(text: str) -> SignedToken | None:
    """The parts of a token, or None unless it is one whose header asks for nothing that we do not do.

    Not done: critical extensions, nested or unencoded payloads, types other than JWT. `jku`, `x5u`, `jwk` and `x5c`
    are never followed.
    """
    shape = _SHAPE.fullmatch(text) if len(text) <= TOKEN_CHARS_MAX else None
    if shape is None:
        return None
    try:
        header, claims = _read_object(shape[1]), _read_object(shape[2])
        signature = _decode(shape[3])
    except (ValueError, RecursionError):
        return None
    if not _is_plain(header):
        return None
    return SignedToken(header, claims, f"{shape[1]}.{shape[2]}".encode(), signature)


def _is_plain(header: Mapping[str, Any]) -> bool:
    kind, kid = header.get("typ", "JWT"), header.get("kid", "")
    return (
        isinstance(header.get("alg"), str)
        and isinstance(kid, str)
        and isinstance(kind, str)
        and kind.lower() in _TYPES
        and not {"crit", "b64", "cty", "zip", "enc"} & header.keys()
    )


def _decode(part: str) -> bytes:
    raw = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    if _encode(raw) != part:
        raise ValueError("not canonical")
    return raw


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def _read_object(part: str) -> Mapping[str, Any]:
    value = json.loads(_decode(part).decode(), object_pairs_hook=_read_pairs, parse_constant=_refuse_constant)
    if not isinstance(value, dict):
        raise ValueError("no object")
    _check_depth(value)
    return value


def _check_depth(value: Any) -> None:
    """Not left to the interpreter's own bound, which differs from one Python to the next."""
    level, depth = [value], 0
    while level := [inner for inner in level if isinstance(inner, dict | list)]:
        depth += 1
        if depth > TOKEN_DEPTH_MAX:
            raise ValueError("too deep")
        level = [inner for outer in level for inner in (outer.values() if isinstance(outer, dict) else outer)]


def _read_pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    read = dict(pairs)
    if len(read) != len(pairs):
        raise ValueError("a name twice")
    return read


def _refuse_constant(word: str) -> None:
    raise ValueError(word)


def make_own_token(key_id: str, owner_name: str, *, issued_at: int, expires_at: int | None) -> str:
    """A key in the form of a JWT. Times are Unix ms.

    It is signed with a key that nobody keeps: the ledger has the hash of the whole token, and takes exactly this one.
    """
    header = {"alg": "HS256", "kid": key_id, "typ": "JWT"}
    claims: dict[str, Any] = {"iss": OWN_ISSUER, "sub": owner_name, "iat": issued_at // 1_000}
    if expires_at is not None:
        claims["exp"] = expires_at // 1_000
    signed = ".".join([_encode(msgspec.json.encode(part)) for part in (header, claims)])
    signature = hmac.digest(secrets.token_bytes(KEY_BYTES), signed.encode(), hashlib.sha256)
    return f"{signed}.{_encode(signature)}"
