"""Makes tokens, good ones and every kind of bad ones, and serves key sets."""

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from jobwire.service.tokens import TOKEN_DEPTH_MAX
from loopback_site import Asked, LoopbackSite, Reply

ISS, AUD, SCOPE = "https://login.example", "jobs", "jobs:read jobs:write"

RSA_KEY = rsa.generate_private_key(65_537, 2_048)
OTHER_RSA_KEY = rsa.generate_private_key(65_537, 2_048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
ED_KEY = ed25519.Ed25519PrivateKey.generate()
SHARED = "a shared secret of more than 32 bytes"
SIGNERS: Mapping[str, Any] = {"RS256": RSA_KEY, "ES256": EC_KEY, "EdDSA": ED_KEY, "HS256": SHARED}


def pem_of(key: Any) -> str:
    return (
        key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )


def jwk_of(key: Any, algorithm: str, **more: Any) -> dict[str, Any]:
    made = jwt.get_algorithm_by_name(algorithm).to_jwk(key.public_key(), as_dict=True)
    return {name: value for name, value in dict(made).items() if name != "key_ops"} | more


def b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def claims_at(now: int, **changes: Any) -> dict[str, Any]:
    """Good claims at `now` (Unix ms); a change to None leaves the claim out."""
    now_s = now // 1_000
    claims = {"iss": ISS, "aud": AUD, "sub": "ada", "iat": now_s, "exp": now_s + 300, "scope": SCOPE} | changes
    return {name: value for name, value in claims.items() if value is not None}


def sign(header: Mapping[str, Any] | bytes, claims: Mapping[str, Any] | bytes, algorithm: str = "RS256") -> str:
    """A token whose signature is right, whatever its parts say."""
    head, body = (part if isinstance(part, bytes) else json.dumps(part).encode() for part in (header, claims))
    signed = f"{b64(head)}.{b64(body)}"
    return f"{signed}.{b64(sign_bytes(signed.encode(), algorithm))}"


def sign_bytes(signed: bytes, algorithm: str, key: Any = None) -> bytes:
    method = jwt.get_algorithm_by_name(algorithm)
    return bytes(method.sign(signed, method.prepare_key(SIGNERS[algorithm] if key is None else key)))


def hmac_with(secret: bytes, header: Mapping[str, Any], claims: Mapping[str, Any]) -> str:
    signed = f"{b64(json.dumps(header).encode())}.{b64(json.dumps(claims).encode())}"
    return f"{signed}.{b64(hmac.digest(secret, signed.encode(), hashlib.sha256))}"


HEAD = {"alg": "RS256", "kid": "k1", "typ": "JWT"}


def nest(lists: int) -> Any:
    """So many lists in one another; as a claim they are one deeper."""
    return json.loads("[" * lists + "]" * lists)


def forge_all(now: int) -> dict[str, str]:
    """Bad tokens by what is wrong with them: each would be good without that."""

    def with_claims(**changes: Any) -> str:
        return sign(HEAD, claims_at(now, **changes))

    def with_header(**changes: Any) -> str:
        return sign({name: value for name, value in (HEAD | changes).items() if value is not None}, claims_at(now))

    good, now_s = sign(HEAD, claims_at(now)), now // 1_000
    head, body, signature = good.split(".")
    body_text = json.dumps(claims_at(now))
    raw = base64.urlsafe_b64decode(signature + "==")
    pem = pem_of(RSA_KEY).encode()
    none = b64(json.dumps({"alg": "none"}).encode())
    encrypted = b64(json.dumps({"alg": "dir", "enc": "A128GCM"}).encode())
    evil = jwk_of(OTHER_RSA_KEY, "RS256", kid="k1")
    foreign = f"{head}.{body}.{b64(sign_bytes(f'{head}.{body}'.encode(), 'RS256', OTHER_RSA_KEY))}"

    def by_stranger(**header: Any) -> str:
        start = f"{b64(json.dumps(HEAD | header).encode())}.{body}"
        return f"{start}.{b64(sign_bytes(start.encode(), 'RS256', OTHER_RSA_KEY))}"

    return {
        "alg none without a signature": f"{none}.{body}.",
        "alg none with the old signature": f"{none}.{body}.{signature}",
        "alg NoNe": f"{b64(json.dumps(HEAD | {'alg': 'NoNe'}).encode())}.{body}.{signature}",
        "alg absent": sign({"kid": "k1"}, claims_at(now)),
        "alg a list": with_header(alg=["RS256"]),
        "alg in another case": with_header(alg="rs256"),
        "another algorithm of the same key": with_header(alg="RS512"),
        "HS256 with the public key as the secret": hmac_with(pem, HEAD | {"alg": "HS256"}, claims_at(now)),
        "HS256 with the public key, stripped": hmac_with(pem.strip(), HEAD | {"alg": "HS256"}, claims_at(now)),
        "HS256 with an empty secret": hmac_with(b"", HEAD | {"alg": "HS256"}, claims_at(now)),
        "RS256 said, HS256 done": hmac_with(pem, HEAD, claims_at(now)),
        "ES256 with a key of its own": sign(HEAD | {"alg": "ES256"}, claims_at(now), "ES256"),
        "signed by a stranger": foreign,
        "a kid that nobody has": with_header(kid="k2"),
        "a kid that is a path": with_header(kid="../../dev/null"),
        "a kid that is SQL": with_header(kid="k1' OR '1'='1"),
        "a kid that is a number": with_header(kid=1),
        "the kid of a key for encryption": with_header(kid="enc"),
        "jwk of a stranger in the header": by_stranger(jwk=evil),
        "jku of a stranger in the header": by_stranger(jku="http://127.0.0.1:9/keys"),
        "x5u and x5c of a stranger": by_stranger(x5u="http://127.0.0.1:9/chain", x5c=["MIIB"]),
        "a critical extension": with_header(crit=["exp"], exp=now_s + 300),
        "an unencoded payload": with_header(b64=False, crit=["b64"]),
        "a nested token": with_header(cty="JWT"),
        "a token for something else": with_header(typ="dpop+jwt"),
        "no signature": f"{head}.{body}.",
        "two parts": f"{head}.{body}",
        "four parts": f"{good}.{signature}",
        "five parts, encrypted": f"{encrypted}..{body}.{body}.{signature}",
        "a signature cut short": f"{head}.{body}.{b64(raw[:-1])}",
        "a signature with one bit turned": f"{head}.{body}.{b64(bytes([raw[0] ^ 1]) + raw[1:])}",
        "a signature of zeros": f"{head}.{body}.{b64(bytes(256))}",
        "another body under the signature": f"{head}.{with_claims(sub='eve').split('.')[1]}.{signature}",
        "padding": f"{head}.{body}.{signature}==",
        "the other base64 alphabet": f"{head}.{body}.{signature[:-2]}+/",
        "spaces inside": f"{head}. {body}.{signature}",
        "a body that is not base64": f"{head}.{body}=*.{signature}",
        "a signature with bits that do not count": f"{head}.{body}.{signature[:-1]}{chr(ord(signature[-1]) + 1)}",
        "a header that is a list": sign(b'["RS256"]', claims_at(now)),
        "a body that is a text": sign(HEAD, b'"ada"'),
        "a body that is no JSON": sign(HEAD, b"{nope"),
        "a body that is no UTF-8": sign(HEAD, b'{"sub":"\xff"}'),
        "a body in UTF-16": sign(HEAD, body_text.encode("utf-16")),
        "the algorithm twice": sign(b'{"alg":"none","alg":"RS256","kid":"k1"}', claims_at(now)),
        "a claim twice": sign(HEAD, (body_text[:-1] + ', "sub": "eve"}').encode()),
        "a thousand brackets": sign(HEAD, (body_text[:-1] + ', "x": ' + "[" * 1_500 + "]" * 1_500 + "}").encode()),
        "one bracket too many": with_claims(x=nest(TOKEN_DEPTH_MAX)),
        "expired": with_claims(exp=now_s - 31),
        "no expiry": with_claims(exp=None),
        "an expiry as text": with_claims(exp=str(now_s + 300)),
        "an expiry that is true": with_claims(exp=True),
        "an expiry beyond all calendars": with_claims(exp=10**300),
        "an endless expiry": sign(HEAD, body_text.replace(str(now_s + 300), "1e400").encode()),
        "an expiry that is no number": sign(HEAD, body_text.replace(str(now_s + 300), "NaN").encode()),
        "a negative expiry": with_claims(exp=-1),
        "a life longer than allowed": with_claims(exp=now_s + 86_401),
        "not yet valid": with_claims(nbf=now_s + 31),
        "not before a text": with_claims(nbf="now"),
        "issued in the future": with_claims(iat=now_s + 31),
        "no time of issue": with_claims(iat=None),
        "no audience": with_claims(aud=None),
        "another audience": with_claims(aud="mail"),
        "an audience that begins alike": with_claims(aud="jobs2"),
        "audiences without ours": with_claims(aud=["mail", "news"]),
        "audiences with a number": with_claims(aud=["jobs", 1]),
        "an audience that is an object": with_claims(aud={"jobs": True}),
        "no issuer": with_claims(iss=None),
        "another issuer": with_claims(iss="https://evil.example"),
        "an issuer with a slash more": with_claims(iss=ISS + "/"),
        "an issuer that is a list": with_claims(iss=[ISS]),
        "our own name as issuer": with_claims(iss="jobwire"),
        "no subject": with_claims(sub=None),
        "an empty subject": with_claims(sub=""),
        "a subject that is a number": with_claims(sub=1),
        "a subject that is an object": with_claims(sub={"$ne": ""}),
        "an account that is not there": with_claims(sub="nobody"),
        "a subject with a control character": with_claims(sub="ada\0"),
        "a subject with half a character": with_claims(sub="\ud800"),
        "a subject that is too long": with_claims(sub="a" * 65),
        "scopes that are a number": with_claims(scope=7),
        "an id that is a number": with_claims(jti=5),
        "an id that is too long": with_claims(jti="j" * 256),
        "a revoked id": with_claims(jti="stolen"),
        "more than 8,192 characters": sign(HEAD, claims_at(now, pad="x" * 7_000)),
        "a token of nothing": "..",
        "dots": "a.b.c",
    }


class KeyServer(LoopbackSite):
    """A key set on loopback; `fetches` counts, `status` and `body` are what it answers."""

    def __init__(self) -> None:
        super().__init__()
        self.body = b""
        self.status = 200
        self.headers: dict[str, str] = {}
        self.fetches = 0
        self.url = f"{self.base}/keys.json"

    def set_keys(self, *keys: Mapping[str, Any]) -> None:
        self.body = json.dumps({"keys": keys}).encode()

    def answer(self, asked: Asked) -> Reply:
        self.fetches += 1
        return Reply(self.body, self.status, self.headers)


@contextmanager
def serve_keys() -> Iterator[KeyServer]:
    with closing(KeyServer()) as served:
        yield served
