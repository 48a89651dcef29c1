"""The form of an API key: `jw_<id>_<secret>_<crc32>`. owners.py makes, keeps and checks keys.

The id finds the key, the secret proves it, and the checksum tells a mistyped or cut key without asking the ledger.
62 letters and digits keep a key in one piece under a double click; 43 of them hold 256 random bits, which is why
one round of SHA-256 is enough to keep the secret.
"""

import hashlib
import re
import secrets
import zlib
from dataclasses import dataclass, field

KEY_PREFIX = "jw_"
ID_LENGTH = 12
SECRET_LENGTH = 43
KEY_LENGTH = len(KEY_PREFIX) + ID_LENGTH + 1 + SECRET_LENGTH + 1 + 8

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_ID_SHAPE = re.compile(r"[0-9A-Za-z]{12}")
_SHAPE = re.compile(r"(jw_([0-9A-Za-z]{12})_([0-9A-Za-z]{43}))_([0-9a-f]{8})")


@dataclass(frozen=True, slots=True)
class KeyText:
    """A well-formed key: its public id and its secret."""

    id: str
    secret: str = field(repr=False)


def make_key_text() -> KeyText:
    """A new key from the system's random source."""
    return KeyText(_random_text(ID_LENGTH), _random_text(SECRET_LENGTH))


def _random_text(length: int) -> str:
    return "".join([secrets.choice(_ALPHABET) for _ in range(length)])


def show_key(key: KeyText) -> str:
    """The key as its holder sends it."""
    body = f"{KEY_PREFIX}{key.id}_{key.secret}"
    return f"{body}_{zlib.crc32(body.encode()):08x}"


def read_key(token: str) -> KeyText | None:
    """The parts of a key, or None unless `token` has the form and its checksum is right."""
    shape = _SHAPE.fullmatch(token)
    if shape is None or f"{zlib.crc32(shape[1].encode()):08x}" != shape[4]:
        return None
    return KeyText(shape[2], shape[3])


def is_key_id(text: str) -> bool:
    """Whether a key could have this id."""
    return _ID_SHAPE.fullmatch(text) is not None


def hash_secret(secret: str) -> str:
    """What the ledger keeps of a secret: SHA-256 in hex."""
    return hashlib.sha256(secret.encode()).hexdigest()
