"""Several dialects on one origin: mounts, each one's errors, limits, endpoints, uploads and hooks."""

import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from http_house import House, open_house

from jobwire.dialects.native import NATIVE
from jobwire.dialects.spec import Route
from jobwire.domain.errors import RequestError
from jobwire.http.app import build_app
from jobwire.service.call import Call, Reply
from shop_dialect import SHOP

UPLOAD_BYTES_MAX = 3_000_000


async def show_call(call: Call) -> Reply:
    body = {
        "method": call.method, "path": call.path, "params": dict(call.params), "query": dict(call.query),
        "owner": call.principal.owner_name, "body": call.body, "base_url": call.base_url, "id": call.request_id,
        "agent": call.headers["user-agent"],
    }  # fmt: skip
    return Reply(body, status=201, headers={"X-Extra": "yes"})


async def weigh_upload(call: Call) -> Reply:
    assert call.upload is not None and call.principal.owner == 0
    return Reply({"size": call.upload.stat().st_size, "path": str(call.upload)})


async def fail_oddly(call: Call) -> Reply:
    raise RuntimeError("the secret is in /etc/secret")


async def refuse(call: Call) -> Reply:
    code = call.query["code"]
    details = {"errors": [{"pointer": "/a", "detail": "no a"}, {"pointer": "/b", "detail": "no b"}]}
    raise RequestError(code, "There is a reason.", details=details, retry_after_s=7)


async def split_headers(call: Call) -> Reply:
    return Reply(None, headers={"X-Bad": "a\r\nSet-Cookie: x"})


async def empty(call: Call) -> Reply:
    return Reply(None, status=204)


EXTENDED = replace(
    SHOP,
    routes=(
        *SHOP.routes,
        Route("POST", "/things/{id}/parts/{part}", endpoint=show_call, body="json", limits=()),
        Route("GET", "/things/{id}", endpoint=show_call, limits=()),
        Route("GET", "/things/special", endpoint=empty, limits=()),
        Route("PUT", "/upload", endpoint=weigh_upload, body="upload", body_bytes_max=UPLOAD_BYTES_MAX, is_open=True),
        Route("GET", "/odd", endpoint=fail_oddly, limits=()),
        Route("GET", "/refuse", endpoint=refuse, limits=()),
        Route("GET", "/split", endpoint=split_headers, limits=()),
    ),
)


@pytest.fixture
def both(tmp_path: Path) -> Iterator[House]:
    with open_house(tmp_path, NATIVE, EXTENDED) as opened:
        yield opened


@pytest.fixture
def shop(both: House) -> Iterator[httpx.Client]:
    with both.client(headers={"X-Api-Key": both.make_key("ada")}) as opened:
        yield opened


def submit(shop: httpx.Client) -> Any:
    answer = shop.post("/shop/api/job", json={"kind": "say_again", "input": {"text": "hi"}})
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


# mounts and paths


def test_each_dialect_answers_under_its_mount_and_its_aliases(both: House, shop: httpx.Client) -> None:
    job = submit(shop)
    for mount in ("/shop/api", "/old"):
        assert shop.get(f"{mount}/job?id={job['id']}").json()["data"] == job
        assert shop.get(f"{mount}/job/?id={job['id']}").json()["data"] == job
    with both.client(both.make_key("ada")) as native:
        assert native.get("/v1/jobs").json()["jobs"][0]["kind"] == "echo"


def test_a_job_of_a_kind_that_a_dialect_has_no_word_for_is_not_found_in_it(both: House, shop: httpx.Client) -> None:
    with both.client(both.make_key("ada")) as native:
        native.post("/v1/jobs", json={"kind": "slow"})
    answer = shop.get("/shop/api/job?id=1")
    assert (answer.status_code, answer.json()["error"]["name"]) == (404, "Not_Found")
    assert shop.get("/shop/api/jobs").json()["data"]["jobs"] == []


@pytest.mark.parametrize(
    "path", ["/v1", "/v1/", "/v1/nope", "/v1/jobs/", "/v1//jobs", "/v1/jobs/%ff", "/", "/v2/jobs", "/v1x"]
)
def test_a_path_without_a_route_is_a_404_of_its_dialect(both: House, path: str) -> None:
    with both.client() as nobody:
        answer = nobody.get(path)
    assert answer.status_code == 404 and answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "no_route"


def test_the_shops_404_and_405_have_its_shape(shop: httpx.Client) -> None:
    missing = shop.get("/shop/api/nope")
    assert (missing.status_code, missing.json()["data"], missing.json()["error"]["name"]) == (404, None, "Not_Found")
    for method in ("PUT", "PATCH", "OPTIONS"):
        wrong = shop.request(method, "/shop/api/job")
        assert (wrong.status_code, wrong.headers["allow"]) == (405, "DELETE, GET, HEAD, POST")
        assert wrong.json()["error"]["name"] == "Method_Not_Allowed"


def test_a_405_of_the_native_dialect_names_what_is_allowed(both: House) -> None:
    with both.client() as nobody:
        for path, allow in (
            ("/v1/jobs", "GET, HEAD, POST"),
            ("/v1/jobs/job_x/cancel", "POST"),
            ("/v1/me", "GET, HEAD"),
        ):
            answer = nobody.delete(path)
            assert (answer.status_code, answer.headers["allow"], answer.json()["code"]) == (
                405, allow, "method_not_allowed",
            )  # fmt: skip


def test_two_dialects_cannot_share_a_mount_nor_two_routes_a_path(both: House) -> None:
    with pytest.raises(ValueError, match="share '/old'"):
        build_app(both.services, [SHOP, replace(SHOP, name="other", mount="/x")])
    with pytest.raises(ValueError, match="two routes claim GET"):
        build_app(both.services, [replace(SHOP, routes=(*SHOP.routes, Route("GET", "/jobs", "list")))])


# job references


@pytest.mark.parametrize("query", ["", "?id=", "?id=abc", "?id=-1", "?id=1.5", "?id=0", "?ID=1", "?id=" + "9" * 30])
def test_a_broken_reference_is_told_in_the_dialects_words(shop: httpx.Client, query: str) -> None:
    answer = shop.get("/shop/api/job" + query)
    expected = "id is required" if query in {"", "?id=", "?ID=1"} else "id must be a positive integer"
    assert (answer.status_code, answer.json()["error"]["message"]) == (400, expected)


def test_a_reference_may_come_encoded_or_beside_other_fields(shop: httpx.Client) -> None:
    number = submit(shop)["id"]
    for query in (f"id={number}", f"id=%3{number}", f"x=1&id={number}", f"id=7777&id={number}"):
        assert shop.get(f"/shop/api/job?{query}").json()["data"]["id"] == number


def test_a_route_may_answer_in_a_shape_of_its_own(shop: httpx.Client) -> None:
    number = submit(shop)["id"]
    answer = shop.delete(f"/shop/api/job?id={number}")
    assert answer.json() == {"success": True, "data": {"cancelled": True}, "error": None}


# limits


def test_limits_count_every_call_and_tell_what_is_left(both: House, shop: httpx.Client) -> None:
    job = submit(shop)
    left = []
    for _ in range(4):
        answer = shop.get(f"/shop/api/job?id={job['id']}")
        assert answer.status_code == 200 and answer.headers["x-limit"] == "5"
        assert answer.headers["x-reset"] == str(both.clock.now // 1_000 + 61)
        left.append(answer.headers["x-left"])
    assert left == ["3", "2", "1", "0"]
    for _ in range(2):
        refused = shop.get(f"/shop/api/job?id={job['id']}")
        assert (refused.status_code, refused.headers["x-left"], refused.headers["retry-after"]) == (429, "0", "60")
        assert refused.json()["error"]["name"] == "Rate_Limited"
    both.clock.now += 60_000
    assert shop.get(f"/shop/api/job?id={job['id']}").headers["x-left"] == "4"


def test_a_route_with_two_limits_counts_in_both_and_shows_the_last(shop: httpx.Client) -> None:
    body = {"kind": "say_again"}
    answers = [shop.post("/shop/api/job", json=body) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert [answer.headers["x-limit"] for answer in answers] == ["2", "2", "2"]
    # What one of them refuses costs the other nothing.
    assert shop.get("/shop/api/job?id=1").headers["x-left"] == "2"


def test_a_refusal_carries_the_limits_too_and_another_key_has_its_own(both: House, shop: httpx.Client) -> None:
    assert shop.get("/shop/api/job?id=99").headers["x-left"] == "4"
    assert shop.get("/shop/api/job?id=x").headers["x-left"] == "3"
    with both.client(headers={"X-Api-Key": both.make_key("ada")}) as second:
        assert second.get("/shop/api/job?id=99").headers["x-left"] == "4"


# a system's own endpoints


def test_an_endpoint_is_given_the_call_and_its_reply_is_wrapped(both: House, shop: httpx.Client) -> None:
    answer = shop.post(
        "/shop/api/things/a%2Fb/parts/%C3%A9?q=1&q=2&r=%20", json={"x": [1]}, headers={"X-Request-Id": "trace-0001"}
    )
    assert answer.status_code == 201 and answer.headers["x-extra"] == "yes"
    envelope = answer.json()
    assert list(envelope) == ["success", "data", "error"]
    agent = envelope["data"].pop("agent")
    assert agent.startswith("python-httpx")
    assert envelope["data"] == {
        "method": "POST", "path": "/shop/api/things/a%2Fb/parts/%C3%A9", "params": {"id": "a/b", "part": "é"},
        "query": {"q": "2", "r": " "}, "owner": "ada", "body": {"x": [1]}, "base_url": both.url, "id": "trace-0001",
    }  # fmt: skip


def test_a_literal_segment_beats_a_parameter(shop: httpx.Client) -> None:
    answer = shop.get("/shop/api/things/special")
    assert (answer.status_code, answer.content) == (204, b"")
    assert shop.get("/shop/api/things/other").json()["data"]["params"] == {"id": "other"}


def test_an_upload_is_spooled_within_its_own_bound_and_cleared_away(shop: httpx.Client) -> None:
    for size in (0, 1, UPLOAD_BYTES_MAX):
        answer = shop.put("/shop/api/upload", content=b"x" * size)
        assert answer.json()["data"]["size"] == size
        assert not Path(answer.json()["data"]["path"]).exists()
    assert shop.put("/shop/api/upload", content=b"x" * (UPLOAD_BYTES_MAX + 1)).status_code == 413


def test_an_unexpected_error_shows_nothing_and_is_logged_with_its_request_id(
    shop: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        answer = shop.get("/shop/api/odd", headers={"X-Request-Id": "trace-0002"})
    assert answer.status_code == 500 and "secret" not in answer.text
    assert answer.headers["x-request-id"] == "trace-0002"
    assert answer.json()["error"]["name"] == "Internal"
    assert "trace-0002" in caplog.text and "the secret is in /etc/secret" in caplog.text


@pytest.mark.parametrize("path", ["/shop/api/refuse?code=never_heard_of", "/shop/api/split", "/shop/api/refuse"])
def test_a_code_without_a_word_and_a_header_that_ends_its_line_are_our_fault(shop: httpx.Client, path: str) -> None:
    answer = shop.get(path)
    assert answer.status_code == 500 and "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    ("code", "status", "name"),
    [
        ("sold_out", 409, "SoldOut"),
        ("unsupported_media_type", 400, "ValidationError"),
        ("job_failed", 409, "Conflict"),
    ],
)
def test_a_systems_own_code_and_a_refined_one_have_their_words(
    shop: httpx.Client, code: str, status: int, name: str
) -> None:
    answer = shop.get(f"/shop/api/refuse?code={code}")
    assert (answer.status_code, answer.headers["retry-after"]) == (status, "7")
    assert answer.json() == {
        "data": None,
        "error": {"name": name, "message": "There is a reason.", "faults": ["no a", "no b"]},
    }


# hooks


def test_the_three_hooks_admit_and_show(tmp_path: Path) -> None:
    async def admit(principal: Any, headers: Any, services: Any) -> Any:
        return replace(principal, scopes=frozenset()) if "x-nobody" in headers else principal

    def show_error(status: int, body: Any) -> Any:
        return {"wrapped": status, **body}

    hooked = replace(
        SHOP, hooks={"admit": admit, "show_output": lambda output: {"shown": output}, "show_error": show_error}
    )
    with open_house(tmp_path, hooked) as house, house.client(headers={"X-Api-Key": house.make_key("ada")}) as shop:
        number = submit(shop)["id"]
        house.complete('{"text":"hi"}')
        path = f"/shop/api/job?id={number}"
        assert shop.get(path).json()["data"]["result"]["answer"] == {"shown": {"text": "hi"}}
        refused = shop.get(path, headers={"X-Nobody": "1"})
        assert (refused.status_code, refused.json()["wrapped"]) == (403, 403)


# request ids


@pytest.mark.parametrize("sent", ["trace-0001", "a" * 64, "A.b_c:d-9"])
def test_a_sane_request_id_is_kept(both: House, sent: str) -> None:
    with both.client(both.make_key("ada")) as native:
        path = native.post("/v1/jobs", json={"kind": "echo"}).headers["location"]
        for where in ("/v1/jobs", path, "/v1/nope", "/healthz"):
            assert native.get(where, headers={"X-Request-Id": sent}).headers["x-request-id"] == sent


@pytest.mark.parametrize("sent", ["short", "a" * 65, "with space", "<script>alert", 'quote"quote'])
def test_any_other_request_id_is_replaced_by_one_that_no_other_call_has(both: House, sent: str) -> None:
    with both.client(both.make_key("ada")) as native:
        path = native.post("/v1/jobs", json={"kind": "echo"}).headers["location"]
        given = [
            native.get(where, headers={"X-Request-Id": sent}).headers["x-request-id"]
            for where in ("/v1/me", path) * 3
        ]
    assert len(set(given)) == 6 and all(one.startswith("req_") for one in given)


def test_at_the_root_a_dialect_answers_its_own_paths_only(tmp_path: Path) -> None:
    with open_house(tmp_path, NATIVE, replace(SHOP, aliases=("",))) as house, house.client() as nobody:
        own, other_method = nobody.get("/jobs"), nobody.delete("/jobs")
        missing, mounted = nobody.get("/nope"), nobody.get(f"{SHOP.mount}/nope")
        under_native = nobody.get("/v1/nope")
    assert own.status_code == 401 and other_method.status_code == 405 and mounted.status_code == 404
    for answer in (own, other_method, mounted):
        assert answer.json()["data"] is None and "code" not in answer.json()
    for answer in (missing, under_native):
        assert (answer.status_code, answer.json()["code"]) == (404, "no_route")
