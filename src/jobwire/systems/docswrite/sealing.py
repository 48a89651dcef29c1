"""Passwords that are kept must be given back, so they are encrypted: AES-256-GCM, bound to what they belong to.

A sealed text names its key, so that keys can follow one another: the first seals, all of them open.
"""

import base64
import hashlib
import secrets
from collections.abc import Sequence
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_CHARS_MIN: Final = 32

_NONCE_BYTES: Final = 12
_KEY_ID_CHARS: Final = 8


class Sealer:
    """Seals with the first of the keys, opens with all of them. ValueError for a key below KEY_CHARS_MIN."""

    def __init__(self, keys: Sequence[str]) -> None:
        if short := [key for key in keys if len(key) < KEY_CHARS_MIN]:
            raise ValueError(f"a key has {len(short[0])} characters; give at least {KEY_CHARS_MIN} random ones")
        self._ciphers = {_name_key(key): AESGCM(_derive(key, "key")) for key in keys}
        self._newest = _name_key(keys[0])

    def seal(self, secret: str, *, holder: str) -> str:
        """The secret as it may be stored; it opens for this holder only."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = self._ciphers[self._newest].encrypt(nonce, secret.encode(), holder.encode())
        return f"{self._newest}.{base64.urlsafe_b64encode(nonce + sealed).decode()}"

    def open(self, sealed: str, *, holder: str) -> str:
        """The secret. KeyError without its key, ValueError if it was changed or is another holder's."""
        key, _, text = sealed.partition(".")
        raw = base64.urlsafe_b64decode(text)
        try:
            opened = self._ciphers[key].decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], holder.encode())
        except InvalidTag:
            raise ValueError("what is stored was changed, or belongs to somebody else") from None
        return opened.decode()

    def is_newest(self, sealed: str) -> bool:
        """Whether it was sealed with the first of the keys."""
        return sealed.startswith(f"{self._newest}.")


def _derive(key: str, use: str) -> bytes:
    return hashlib.sha256(f"docswrite sites\0{use}\0{key}".encode()).digest()


def _name_key(key: str) -> str:
    return _derive(key, "id").hex()[:_KEY_ID_CHARS]
