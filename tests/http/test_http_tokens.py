"""Tokens of other issuers: good ones open their account, bad ones of every kind get one and the same answer."""

import asyncio
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import token_forge as forge
from http_house import Clock, make_services, serve
from token_forge import (
    AUD,
    EC_KEY,
    ED_KEY,
    HEAD,
    ISS,
    RSA_KEY,
    SIGNERS,
    KeyServer,
    claims_at,
    jwk_of,
    nest,
    pem_of,
    sign,
)

from house_engines import new_address
from jobwire.config import SettingError, read_settings
from jobwire.dialects.native import NATIVE
from jobwire.domain.errors import RequestError
from jobwire.http.app import build_app
from jobwire.net.policy import FetchPolicy
from jobwire.service import issuers as issuers_module
from jobwire.service.issuers import (
    ISSUER_CHARS_MAX,
    KEY_TEXT_CHARS_MAX,
    LEEWAY_S_MAX,
    LIFETIME_S_MAX,
    TOKEN_ID_CHARS_MAX,
    Issuers,
    NewIssuer,
)
from jobwire.service.key_sets import FRESH_MS, KEY_SET_BYTES_MAX, REFRESH_INTERVAL_MS, RETRY_INTERVAL_MS, STALE_MS
from jobwire.service.owners import CACHE_MS, Owners
from jobwire.service.services import Services
from jobwire.service.signatures import KEYS_MAX
from jobwire.service.tokens import TOKEN_CHARS_MAX, TOKEN_DEPTH_MAX
from jobwire.wiring import open_house
from shop_dialect import SHOP

SCOPES = ("jobs:read", "jobs:write")


@dataclass
class Gate:
    """A house with one issuer whose keys are fetched."""

    services: Services
    clock: Clock
    keys: KeyServer
    client: httpx.Client

    def add(self, **changes: Any) -> None:
        declared = {"iss": ISS, "audience": AUD, "algorithm": "RS256", "scopes": SCOPES, "jwks_url": self.keys.url}
        asyncio.run(self.services.owners.issuers.add(NewIssuer(**(declared | changes))))
        self.clock.now += CACHE_MS

    def ask(self, token: str, path: str = "/v1/me") -> httpx.Response:
        return self.client.get(path, headers={"Authorization": f"Bearer {token}"})

    def good(self, **changes: Any) -> str:
        return sign(HEAD, claims_at(self.clock.now, **changes))


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Gate]:
    clock = Clock()
    services = make_services(tmp_path, clock)
    policy = FetchPolicy.from_setting("127.0.0.0/8")
    owners = Owners(services.store, clock, issuers=Issuers(services.store, clock, policy))
    services = replace(services, owners=owners)
    asyncio.run(owners.create_owner("ada"))
    with (
        forge.serve_keys() as keys,
        serve(build_app(services, (NATIVE, SHOP))) as url,
        httpx.Client(base_url=url, timeout=20) as client,
    ):
        keys.set_keys(jwk_of(RSA_KEY, "RS256", kid="k1"), jwk_of(RSA_KEY, "RS256", kid="enc", use="enc"))
        opened = Gate(services, clock, keys, client)
        opened.add(scope_claim="scope")
        yield opened
    services.store.close()


def strip(answer: httpx.Response) -> tuple[int, str, list[tuple[str, str]]]:
    # The request ids, which are also in the bodies, grow.
    own = ("x-request-id", "date", "content-length")
    headers = sorted((name, value) for name, value in answer.headers.items() if name not in own)
    return answer.status_code, answer.text.replace(answer.headers["x-request-id"], ""), headers


def test_every_bad_token_gets_the_same_401_and_nothing_of_it_comes_back(gate: Gate) -> None:
    asyncio.run(gate.services.owners.issuers.revoke_token(ISS, "stolen"))
    bad = forge.forge_all(gate.clock.now)
    assert len(bad) >= 80
    wanted = strip(gate.ask("jw_000000000000_" + "0" * 43 + "_00000000"))
    assert wanted[0] == 401
    for what, token in bad.items():
        assert strip(gate.ask(token)) == wanted, what
        assert strip(gate.client.get("/v1/me", headers={"X-API-Key": token})) == wanted, what
    assert gate.ask(gate.good()).status_code == 200
    names = gate.services.store.read(lambda reader: reader.query("SELECT name FROM owner")).result(5)
    assert names == [("ada",)]
    # One fetch for the first token, one for the unknown key ids of a whole minute.
    assert gate.keys.fetches <= 2


def test_the_short_way_of_a_poll_takes_no_bad_token_either(gate: Gate) -> None:
    path = "/v1/jobs/job_" + "0" * 26
    assert gate.ask(gate.good(), path).status_code == 404
    assert gate.ask(gate.good(), path).status_code == 404
    for what, token in forge.forge_all(gate.clock.now).items():
        if what != "a revoked id":
            assert gate.ask(token, path).status_code == 401, what


def test_a_good_token_opens_its_account_with_what_both_allow(gate: Gate) -> None:
    gate.add()
    me = gate.ask(gate.good(scope="jobs:read admin"))
    assert (me.status_code, me.json()["owner"], me.json()["scopes"]) == (200, "ada", ["jobs:read", "jobs:write"])
    gate.add(scope_claim="scope", scopes=("jobs:read", "other"))
    assert gate.ask(gate.good(scope="jobs:read admin")).json()["scopes"] == ["jobs:read"]
    assert gate.ask(gate.good(scope=["other", "jobs:write"])).json()["scopes"] == ["other"]
    assert gate.ask(gate.good(scope=None)).json()["scopes"] == []
    refused = gate.ask(gate.good(scope=None, jti="x"), "/v1/jobs")
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA", "HS256"])
def test_each_algorithm_works_with_a_key_of_its_own(gate: Gate, algorithm: str) -> None:
    key = SIGNERS[algorithm] if algorithm == "HS256" else pem_of(SIGNERS[algorithm])
    gate.add(algorithm=algorithm, jwks_url=None, key=key)
    token = sign({"alg": algorithm}, claims_at(gate.clock.now), algorithm)
    assert gate.ask(token).status_code == 200
    for other in SIGNERS.keys() - {algorithm}:
        assert gate.ask(sign({"alg": other}, claims_at(gate.clock.now), other)).status_code == 401
        assert gate.ask(sign({"alg": algorithm}, claims_at(gate.clock.now), other)).status_code == 401
    assert gate.keys.fetches == 0


@pytest.mark.parametrize(("algorithm", "key"), [("ES256", EC_KEY), ("EdDSA", ED_KEY)])
def test_each_algorithm_works_with_a_key_set(gate: Gate, algorithm: str, key: Any) -> None:
    gate.keys.set_keys(
        jwk_of(key, algorithm, kid="k1"), jwk_of(RSA_KEY, "RS256", kid="k1"), {"kty": "oct", "k": "aa"}
    )
    gate.add(algorithm=algorithm)
    assert gate.ask(sign({"alg": algorithm, "kid": "k1"}, claims_at(gate.clock.now), algorithm)).status_code == 200
    assert gate.ask(sign({"alg": algorithm}, claims_at(gate.clock.now), algorithm)).status_code == 200


def test_times_are_taken_up_to_the_leeway_and_the_longest_life(gate: Gate) -> None:
    now_s = gate.clock.now // 1_000
    for changes in (
        {"exp": now_s - 29},
        {"nbf": now_s + 30},
        {"iat": now_s + 30},
        {"exp": now_s + 86_400},
        {"exp": now_s + 299.5},
        {"aud": ["mail", "jobs"]},
        {"jti": "j" * TOKEN_ID_CHARS_MAX},
        {"x": nest(TOKEN_DEPTH_MAX - 1)},
    ):
        assert gate.ask(gate.good(**changes)).status_code == 200, changes


def test_a_token_is_forgotten_at_its_expiry_even_while_it_is_remembered(gate: Gate) -> None:
    token = gate.good(exp=gate.clock.now // 1_000 - 29)
    left_ms = 1_000 - gate.clock.now % 1_000
    assert gate.ask(token).status_code == 200
    gate.clock.now += left_ms - 1
    assert gate.ask(token).status_code == 200
    gate.clock.now += 1
    assert gate.ask(token).status_code == 401


def test_a_token_is_taken_up_to_its_longest_form(gate: Gate) -> None:
    sizes = [gate.good(pad="x" * pad) for pad in range(5_620, 5_760)]
    fits = max((token for token in sizes if len(token) <= TOKEN_CHARS_MAX), key=len)
    assert TOKEN_CHARS_MAX - 4 <= len(fits) <= TOKEN_CHARS_MAX
    assert gate.ask(fits).status_code == 200
    assert gate.ask(sizes[-1]).status_code == 401


def test_an_owner_s_name_has_the_issuer_s_prefix_and_is_made_where_that_is_allowed(gate: Gate) -> None:
    gate.add(owner_prefix="login:", owner_claim="tenant", makes_owners=True)
    assert gate.ask(gate.good()).status_code == 401
    assert gate.ask(gate.good(tenant="acme")).json()["owner"] == "login:acme"
    assert gate.ask(gate.good(tenant="acme", jti="2")).json()["owner"] == "login:acme"
    assert gate.ask(gate.good(tenant="a" * 59)).status_code == 401
    names = gate.services.store.read(lambda reader: reader.query("SELECT name FROM owner ORDER BY id")).result(5)
    assert names == [("ada",), ("login:acme",)]


def test_a_suspended_owner_s_token_and_a_removed_issuer_are_refused(gate: Gate) -> None:
    token = gate.good()
    assert gate.ask(token).status_code == 200
    asyncio.run(gate.services.owners.suspend("ada"))
    assert (gate.ask(token).status_code, gate.ask(token).json()["code"]) == (403, "owner_suspended")
    asyncio.run(gate.services.owners.activate("ada"))
    asyncio.run(gate.services.owners.issuers.remove(ISS))
    gate.clock.now += CACHE_MS
    assert gate.ask(token).status_code == 401


def test_a_revoked_token_ends_and_its_sisters_live(gate: Gate) -> None:
    first, second = gate.good(jti="one"), gate.good(jti="two")
    assert gate.ask(first).status_code == gate.ask(second).status_code == 200
    asyncio.run(gate.services.owners.issuers.revoke_token(ISS, "one"))
    gate.clock.now += CACHE_MS
    assert (gate.ask(first).status_code, gate.ask(second).status_code) == (401, 200)


# key sets


def test_a_new_key_of_the_issuer_is_found_but_asked_for_once_a_minute(gate: Gate) -> None:
    assert gate.ask(gate.good()).status_code == 200
    gate.keys.set_keys(jwk_of(RSA_KEY, "RS256", kid="k2"))
    renewed = sign(HEAD | {"kid": "k2"}, claims_at(gate.clock.now))
    for _ in range(5):
        assert gate.ask(renewed).status_code == 401
    assert gate.keys.fetches == 1
    gate.clock.now += REFRESH_INTERVAL_MS
    assert gate.ask(renewed).status_code == 200
    assert gate.ask(gate.good()).status_code == 401
    assert gate.keys.fetches == 2


def test_a_key_set_is_fetched_anew_when_it_is_old_and_kept_for_an_hour_while_it_cannot_be(gate: Gate) -> None:
    assert gate.ask(gate.good()).status_code == 200
    gate.keys.status = 500
    gate.clock.now += FRESH_MS
    assert gate.ask(gate.good()).status_code == 200
    assert gate.keys.fetches == 2
    gate.clock.now += STALE_MS - FRESH_MS - 1
    assert gate.ask(gate.good()).status_code == 200
    gate.clock.now += 1
    answer = gate.ask(gate.good(jti="another"))
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert answer.headers["retry-after"] == str(RETRY_INTERVAL_MS // 1_000)
    gate.keys.status = 200
    assert gate.ask(gate.good(jti="a third")).status_code == 503
    gate.clock.now += RETRY_INTERVAL_MS
    assert gate.ask(gate.good()).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'{"keys":{}}',
        b'{"keys":[' + b",".join([b"{}"] * (KEYS_MAX + 1)) + b"]}",
        b'{"keys":[]}' + b" " * KEY_SET_BYTES_MAX,
    ],
)
def test_what_is_no_key_set_is_none(gate: Gate, body: bytes) -> None:
    gate.keys.body = body
    assert gate.ask(gate.good()).status_code == 503


def test_a_redirect_is_not_followed_to_other_keys(gate: Gate) -> None:
    gate.keys.status, gate.keys.headers = 302, {"Location": gate.keys.url}
    assert gate.ask(gate.good()).status_code == 503
    assert gate.keys.fetches == 1


def test_keys_that_do_not_fit_are_passed_over(gate: Gate) -> None:
    good = jwk_of(RSA_KEY, "RS256", kid="k1")
    for keys in (
        [good | {"kid": "k1"}, jwk_of(forge.OTHER_RSA_KEY, "RS256", kid="k1")],
        [good | {"alg": "RS512"}],
        [good | {"n": "AQAB"}],
        [good | {"kid": 1}],
        [good | {"d": "AQAB"}],
        [{"kty": "RSA", "kid": "k1"}, "k1", None],
    ):
        gate.keys.set_keys(*keys)  # type: ignore[arg-type]
        gate.clock.now += FRESH_MS
        assert gate.ask(gate.good()).status_code == 401, keys
    many = [{"kty": "none"}] * (KEYS_MAX - 1)
    gate.keys.set_keys(good, *many)
    gate.clock.now += FRESH_MS
    assert gate.ask(gate.good()).status_code == 200


def test_an_inner_address_is_reached_only_where_the_operator_allows_it(gate: Gate) -> None:
    guarded = Owners(gate.services.store, gate.clock)
    with pytest.raises(RequestError) as refused:
        asyncio.run(guarded.authenticate(gate.good()))
    assert refused.value.code == "unavailable" and gate.keys.fetches == 0


# what an operator may declare


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": ""},
        {"iss": "i" * (ISSUER_CHARS_MAX + 1)},
        {"iss": "jobwire"},
        {"iss": "a\nb"},
        {"audience": ""},
        {"owner_claim": ""},
        {"algorithm": "none"},
        {"algorithm": "RS512"},
        {"algorithm": "HS256"},
        {"jwks_url": None},
        {"key": "x"},
        {"jwks_url": "http://login.example/keys"},
        {"jwks_url": "file:///etc/passwd"},
        {"jwks_url": None, "key": "no key"},
        {"jwks_url": None, "key": pem_of(EC_KEY)},
        {"jwks_url": None, "key": "x" * (KEY_TEXT_CHARS_MAX + 1)},
        {"jwks_url": None, "algorithm": "HS256", "key": "x" * 31},
        {"jwks_url": None, "algorithm": "HS256", "key": pem_of(RSA_KEY)},
        {"leeway_s": -1},
        {"leeway_s": LEEWAY_S_MAX + 1},
        {"lifetime_s_max": 0},
        {"lifetime_s_max": LIFETIME_S_MAX + 1},
    ],
)
def test_an_issuer_that_cannot_be_right_is_refused(gate: Gate, changes: dict[str, Any]) -> None:
    with pytest.raises(RequestError) as refused:
        gate.add(**changes)
    assert refused.value.code == "invalid_request"
    assert "x" * 31 not in refused.value.message


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "i" * ISSUER_CHARS_MAX},
        {"jwks_url": "https://login.example/keys"},
        {"jwks_url": "http://[::1]:8080/keys"},
        {"jwks_url": None, "algorithm": "HS256", "key": "x" * 32},
        {"leeway_s": 0},
        {"leeway_s": LEEWAY_S_MAX},
        {"lifetime_s_max": LIFETIME_S_MAX},
    ],
)
def test_an_issuer_is_taken_at_its_bounds(gate: Gate, changes: dict[str, Any]) -> None:
    gate.add(**changes)


def test_an_unknown_issuer_is_told_with_the_closest_name(gate: Gate) -> None:
    for work in (
        gate.services.owners.issuers.remove(ISS[:-1]),
        gate.services.owners.issuers.revoke_token(ISS[:-1], "x"),
    ):
        with pytest.raises(RequestError, match="did you mean") as refused:
            asyncio.run(work)
        assert refused.value.code == "not_found"
    for jti in ("", "j" * (TOKEN_ID_CHARS_MAX + 1)):
        with pytest.raises(RequestError, match="characters"):
            asyncio.run(gate.services.owners.issuers.revoke_token(ISS, jti))


def test_without_the_extra_the_operator_is_told_which_to_install(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> None:
        raise ModuleNotFoundError("No module named 'jwt'", name="jwt")

    settings = read_settings({}, db=new_address(), systems="none")
    house = open_house(settings)
    asyncio.run(house.services.owners.issuers.add(NewIssuer(ISS, AUD, "RS256", SCOPES, jwks_url="https://x.example")))
    assert house.build_app() is not None
    monkeypatch.setattr(issuers_module, "import_module", absent)
    with pytest.raises(SettingError, match=re.escape("jobwire[jwt]")):
        house.build_app()
    house.close()
    with pytest.raises(SettingError, match=re.escape("jobwire[jwt]")):
        issuers_module.load_signatures()


# keys of our own in the form of a JWT


def test_a_key_in_the_form_of_a_token_works_in_every_carrier_and_ends_when_it_is_revoked(gate: Gate) -> None:
    made = asyncio.run(gate.services.owners.create_key("ada", scopes=("jobs:read",), as_jwt=True))
    assert gate.ask(made.key).json()["key_id"] == made.id
    for headers, query in (({"X-Api-Key": made.key}, ""), ({}, f"?token={made.key}")):
        assert gate.client.get(f"/shop/api/jobs{query}", headers=headers).status_code == 200
    head, body, signature = made.key.split(".")
    for bad in (f"{head}.{body}.{signature[::-1]}", f"{head}.{forge.b64(b'{}')}.{signature}", f"{head}.{body}."):
        assert gate.ask(bad).status_code == 401
    plain = asyncio.run(gate.services.owners.create_key("ada"))
    own = {"iss": "jobwire", "sub": "ada", "iat": gate.clock.now // 1_000}
    for kid in (plain.id, made.id, "", "x", 7):
        assert gate.ask(sign({"alg": "HS256", "kid": kid}, own, "HS256")).status_code == 401
    asyncio.run(gate.services.owners.revoke_key(made.id))
    assert gate.ask(made.key).status_code == 401


def test_a_key_in_the_form_of_a_token_expires_like_any_other(gate: Gate) -> None:
    made = asyncio.run(gate.services.owners.create_key("ada", expires_at=gate.clock.now + 500, as_jwt=True))
    assert gate.ask(made.key).status_code == 200
    gate.clock.now += 500
    assert gate.ask(made.key).status_code == 401
