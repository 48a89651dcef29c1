"""Reading tokens and key sets that anybody may have written: never an accident, never two readings of one token."""

import base64
import json
from typing import Any

from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from hypothesis import example, given
from hypothesis import strategies as st
from jwt.algorithms import RSAAlgorithm

from jobwire.service.signatures import read_key_set
from jobwire.service.tokens import TOKEN_CHARS_MAX, make_own_token, read_token

KEY = json.loads(RSAAlgorithm.to_jwk(generate_private_key(65_537, 2_048).public_key()))
GOOD = make_own_token("0123456789ab", "ada", issued_at=1_700_000_000_000, expires_at=1_800_000_000_000)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=8,
)


def b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


@given(st.text(max_size=200) | st.text(alphabet="abcXYZ019-_.=", max_size=200))
@example("\ud800.a.b")
@example("." * TOKEN_CHARS_MAX)
def test_any_text_is_a_token_or_none(text: str) -> None:
    read_token(text)


@given(st.integers(0, len(GOOD) - 1), st.characters(codec="ascii"))
def test_a_token_that_differs_in_one_character_is_read_as_something_else(place: int, character: str) -> None:
    first, second = read_token(GOOD), read_token(GOOD[:place] + character + GOOD[place + 1 :])
    assert first is not None
    if character != GOOD[place] and second is not None:
        assert (second.header, second.claims, second.signature) != (first.header, first.claims, first.signature)


@given(header=json_values, claims=json_values)
def test_any_json_in_a_token_is_read_or_refused(header: Any, claims: Any) -> None:
    parts = [b64(json.dumps(part).encode()) for part in (header, claims)]
    token = read_token(f"{parts[0]}.{parts[1]}.AAAA")
    if token is not None:
        assert isinstance(token.header["alg"], str) and isinstance(token.claims, dict)


@given(st.dictionaries(st.sampled_from([*KEY, "kid", "use", "alg", "crv", "x", "d", "key_ops"]), json_values))
def test_a_key_set_with_any_key_is_read_and_a_good_one_beside_it_is_found(changes: dict[str, Any]) -> None:
    body = json.dumps({"keys": [{**KEY, **changes}, {**KEY, "kid": "good, and long enough"}]}).encode()
    for algorithm in ("RS256", "ES256", "EdDSA"):
        try:
            keys = read_key_set(algorithm, body)
        except ValueError as error:
            # Python writes numbers that JSON has not.
            assert "no JSON Web Key Set" in str(error)
        else:
            assert ("good, and long enough" in keys) == (algorithm == "RS256")
