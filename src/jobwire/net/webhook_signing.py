"""Standard Webhooks signatures: `v1` (HMAC-SHA256) with the standard library, `v1a` (ed25519) with cryptography.

Secrets are not stored: they are derived from a key of the operator's, the endpoint's name and a generation.
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Literal, NamedTuple

Scheme = Literal["v1", "v1a"]

SECRET_PREFIX, PUBLIC_PREFIX = "whsec_", "whpk_"
KEY_ID_CHARS = 16


class SecretName(NamedTuple):
    """Names a secret: whose it is, its number, and the id of the key it was derived from."""

    holder: str
    generation: int
    key_id: str


class Keyring:
    """The keys that secrets are derived from, the first for new ones; each of 32 bytes."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._keys = {_derive(key, "key id").hex()[:KEY_ID_CHARS]: key for key in keys}
        self.newest = next(iter(self._keys))

    def has(self, key_id: str) -> bool:
        """Whether secrets of that key can be derived here."""
        return key_id in self._keys

    def show_secret(self, name: SecretName, scheme: Scheme) -> str:
        """What its owner is given to verify with: `whsec_…`, or the public key `whpk_…`. KeyError without its key."""
        seed = self._find_seed(name, scheme)
        return SECRET_PREFIX + _base64(seed) if scheme == "v1" else PUBLIC_PREFIX + _base64(_public_key(seed))

    def sign(self, name: SecretName, scheme: Scheme, content: bytes) -> str:
        """One signature with its version before it. KeyError without its key."""
        seed = self._find_seed(name, scheme)
        made = hmac.digest(seed, content, "sha256") if scheme == "v1" else _sign_ed25519(seed, content)
        return f"{scheme},{_base64(made)}"

    def _find_seed(self, name: SecretName, scheme: Scheme) -> bytes:
        return _derive(self._keys[name.key_id], scheme, name.holder, str(name.generation))


def make_key(text: str) -> bytes:
    """A key for the ring from any secret text."""
    return hashlib.sha256(b"jobwire webhooks\0" + text.encode()).digest()


def write_headers(
    keyring: Keyring, secrets: Sequence[SecretName], *, scheme: Scheme, id_: str, at_s: int, body: bytes
) -> Mapping[str, str]:
    """The headers of one attempt, with a signature of every secret. KeyError if one cannot be derived here."""
    content = f"{id_}.{at_s}.".encode() + body
    return {
        "webhook-id": id_,
        "webhook-timestamp": str(at_s),
        "webhook-signature": " ".join(keyring.sign(name, scheme, content) for name in secrets),
    }


def can_sign(scheme: Scheme) -> bool:
    """Whether this installation has what the scheme takes."""
    return scheme == "v1" or find_spec("cryptography") is not None


def _derive(key: bytes, *parts: str) -> bytes:
    # The length of each part stands before it: no two lists have the same text.
    return hmac.digest(key, "".join(f"{len(part)}:{part}" for part in parts).encode(), "sha256")


def _public_key(seed: bytes) -> bytes:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415 - an extra

    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()


def _sign_ed25519(seed: bytes, content: bytes) -> bytes:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415 - an extra

    return Ed25519PrivateKey.from_private_bytes(seed).sign(content)


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
