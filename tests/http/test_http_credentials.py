"""Who may call: every carrier, every way to get it wrong, scopes, suspension and disabled systems."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from http_house import House, open_house

from jobwire.dialects.native import NATIVE
from shop_dialect import SHOP


@pytest.fixture
def both(tmp_path: Path) -> Iterator[House]:
    with open_house(tmp_path, NATIVE, SHOP) as opened:
        yield opened


def get(house: House, path: str, headers: list[tuple[str, str]]) -> httpx.Response:
    with house.client() as nobody:
        return nobody.get(path, headers=headers)


def test_every_native_carrier_is_taken_and_its_scheme_word_in_any_case(house: House, key: str) -> None:
    for carrier in (("Authorization", f"Bearer {key}"), ("authorization", f"bEaReR   {key}"), ("X-API-Key", key)):
        assert get(house, "/v1/me", [carrier]).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("Authorization", "")],
        [("Authorization", "Bearer")],
        [("Authorization", "Basic YTpi")],
        [("Authorization", "{key}")],
        [("Authorization", "ApiKey {key}")],
        [("Authorization", "Bearer{key}")],
        [("X-API-Key", "")],
        [("X-API-Key", "Bearer {key}")],
        [("X-API-Key", "{key}x")],
        [("X-API-Key", "x{key}")],
        [("Authorization", "Bearer {key} {key}")],
        [("Authorization", "Bearer jw_000000000000_" + "0" * 43 + "_00000000")],
        [("Authorization", "Bearer " + "x" * 513)],
        [("Authorization", "Bearer kl\u00fc")],
        [("Authorization", "Bearer a\tb")],
        [("Cookie", "key={key}")],
    ],
)
def test_no_key_and_a_wrong_key_are_unauthorized(house: House, key: str, headers: list[tuple[str, str]]) -> None:
    sent = [(name, value.replace("{key}", key).encode("latin-1").decode("latin-1")) for name, value in headers]
    for path in ("/v1/me", "/v1/jobs/job_" + "0" * 26):
        with house.client() as nobody:
            raw = [(name.encode(), value.encode("latin-1")) for name, value in sent]
            answer = nobody.get(path, headers=raw)
        assert answer.status_code == 401
        wrong = {"credentials_missing": "", "unauthorized": ', error="invalid_token"'}[answer.json()["code"]]
        assert answer.headers["www-authenticate"] == f'Bearer realm="jobwire"{wrong}'
        assert key not in answer.text


def test_two_credentials_are_refused_even_if_they_are_the_same(house: House, key: str) -> None:
    for headers in (
        [("Authorization", f"Bearer {key}"), ("X-API-Key", key)],
        [("X-API-Key", key), ("X-API-Key", key)],
    ):
        answer = get(house, "/v1/me", headers)
        assert (answer.status_code, answer.json()["code"]) == (400, "credentials_conflict")


def test_another_schemes_word_is_no_second_credential(house: House, key: str) -> None:
    headers = [("Authorization", "Basic YTpi"), ("X-API-Key", key)]
    assert get(house, "/v1/me", headers).status_code == 200


def test_where_the_first_carrier_decides_a_bad_first_is_refused_despite_a_good_second(both: House) -> None:
    key = both.make_key("ada")
    assert get(both, f"/shop/api/jobs?token={key}", []).status_code == 200
    assert get(both, "/shop/api/jobs?token=bad", [("X-Api-Key", key)]).status_code == 200
    bad_first = get(both, "/shop/api/jobs", [("Authorization", "ApiKey bad"), ("X-Api-Key", key)])
    assert (bad_first.status_code, bad_first.json()["error"]["message"]) == (401, "Unauthorized")
    assert bad_first.json()["error"]["note"] == "Invalid or missing token"
    none = get(both, "/shop/api/jobs", [])
    assert (none.status_code, none.json()["error"]["message"]) == (401, "Token required")
    assert "www-authenticate" not in none.headers


def test_a_key_does_what_its_scopes_allow(house: House) -> None:
    reader = house.make_key("ada", scopes=("jobs:read",))
    writer = house.make_key("ada", scopes=("jobs:write",))
    with house.client(reader) as reading, house.client(writer) as writing:
        made = writing.post("/v1/jobs", json={"kind": "echo"})
        assert made.status_code == 202
        path = made.headers["location"]
        assert reading.get(path).status_code == 200
        for answer in (
            writing.get(path),
            reading.post("/v1/jobs", json={"kind": "echo"}),
            reading.post(path + "/cancel"),
        ):
            assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
        assert writing.get("/v1/me").json()["scopes"] == ["jobs:write"]


def test_a_suspended_owner_a_revoked_key_and_a_disabled_system_are_refused(house: House) -> None:
    key, other = house.make_key("ada"), house.make_key("bob")
    with house.client(key) as ada, house.client(other) as bob:
        path = ada.post("/v1/jobs", json={"kind": "echo"}).headers["location"]
        assert ada.get(path).status_code == 200 == bob.get("/v1/me").status_code
        house.change(house.services.owners.suspend("ada"))
        for answer in (ada.get(path), ada.get("/v1/me")):
            assert (answer.status_code, answer.json()["code"]) == (403, "owner_suspended")
        house.change(house.services.owners.activate("ada"))
        house.change(house.services.owners.disable_system("ada", "native"))
        for answer in (ada.get(path), ada.get("/v1/me")):
            assert (answer.status_code, answer.json()["code"]) == (403, "system_disabled")
        house.change(house.services.owners.enable_system("ada", "native"))
        assert ada.get(path).status_code == 200
        house.change(house.services.owners.revoke_key(ada.get("/v1/me").json()["key_id"]))
        assert ada.get(path).status_code == 401
        assert bob.get("/v1/me").status_code == 200
