"""Checks signatures of issuers' tokens: the only file that needs the extra `jwt`. issuers.py loads it when it must.

An algorithm belongs to the issuer, never to the token, and a key is taken only if it is of that algorithm's type: a
public key is never used as a shared secret.
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from jwt.algorithms import get_default_algorithms
from jwt.exceptions import InvalidKeyError

RSA_BITS_MIN = 2_048
RSA_BITS_MAX = 8_192
SECRET_BYTES_MIN = 32
KEYS_MAX = 100

_ALGORITHMS = get_default_algorithms()

_IS_FIT: Mapping[str, Callable[[Any], bool]] = {
    "RS256": lambda key: isinstance(key, RSAPublicKey) and RSA_BITS_MIN <= key.key_size <= RSA_BITS_MAX,
    "ES256": lambda key: isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1),
    "EdDSA": lambda key: isinstance(key, Ed25519PublicKey),
}
_KEY_TYPES = {"RS256": "RSA", "ES256": "EC", "EdDSA": "OKP"}
_NEEDED = {
    "RS256": f"an RSA public key of {RSA_BITS_MIN} to {RSA_BITS_MAX} bits in PEM",
    "ES256": "a public key on the curve P-256 in PEM",
    "EdDSA": "an Ed25519 public key in PEM",
    "HS256": f"a secret of at least {SECRET_BYTES_MIN} bytes that is no public key",
}


def read_key_text(algorithm: str, text: str) -> Any:
    """The key of an issuer that has one; ValueError says what the algorithm needs."""
    raw = text.strip().encode()
    try:
        if algorithm == "HS256":
            # Refuses what looks like a key in PEM or of SSH.
            key: Any = _ALGORITHMS[algorithm].prepare_key(raw)
            is_fit = len(raw) >= SECRET_BYTES_MIN
        else:
            key = load_pem_public_key(raw)
            is_fit = _IS_FIT[algorithm](key)
    except (ValueError, InvalidKeyError, TypeError):
        is_fit = False
    if not is_fit:
        raise ValueError(f"the key does not fit {algorithm}; it needs {_NEEDED[algorithm]}")
    return key


def read_key_set(algorithm: str, body: bytes) -> dict[str, Any]:
    """The keys of a JSON Web Key Set that fit the algorithm, by their id; ValueError if it is none.

    A key without an id has the id "". Keys for encryption and of other types are passed over; of two with one id,
    neither is taken.
    """
    try:
        found = msgspec.json.decode(body, type=dict[str, Any])["keys"]
    except (msgspec.MsgspecError, KeyError) as error:
        raise ValueError(f"this is no JSON Web Key Set: {error}") from None
    if not isinstance(found, list) or len(found) > KEYS_MAX:
        raise ValueError(f"a key set has a list of at most {KEYS_MAX} keys")
    keys: dict[str, Any] = {}
    twice: set[str] = set()
    for jwk in found:
        key = _read_jwk(algorithm, jwk)
        if key is not None:
            name = jwk.get("kid", "")
            twice |= {name} & keys.keys()
            keys[name] = key
    return {name: key for name, key in keys.items() if name not in twice}


def _read_jwk(algorithm: str, jwk: Any) -> Any:
    is_ours = (
        isinstance(jwk, dict)
        and jwk.get("kty") == _KEY_TYPES[algorithm]
        and jwk.get("use", "sig") == "sig"
        and jwk.get("alg", algorithm) == algorithm
        and isinstance(jwk.get("kid", ""), str)
        and "d" not in jwk
    )
    if not is_ours:
        return None
    try:
        key = _ALGORITHMS[algorithm].from_jwk(jwk)
    except Exception:
        # What another party wrote may be wrong in any way; it is then no key, and the others are still read.
        return None
    return key if _IS_FIT[algorithm](key) else None


def is_signed(algorithm: str, key: Any, *, signed: bytes, signature: bytes) -> bool:
    """Whether the signature is the algorithm's, by this key, over these bytes."""
    return bool(signature) and bool(_ALGORITHMS[algorithm].verify(signed, key, signature))
