"""What an account may call: by class, with the fields of the IETF draft, on the short way and the long one."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from http_house import Clock, make_services, serve

from house_engines import address_in, open_store
from jobwire.dialects.native import NATIVE
from jobwire.http.app import build_app
from jobwire.http.errors import QUOTA_EXCEEDED
from jobwire.service.credentials import CACHE_MS
from jobwire.service.limits import LIMIT_COUNT_MAX, LIMIT_WINDOW_S_MAX, Limit, Limits
from jobwire.service.owners import Owners
from jobwire.service.plans import parse_plan
from shop_dialect import SHOP


@pytest.fixture
def plan_house(tmp_path: Path) -> Iterator[Any]:
    clock = Clock()
    clock.now -= clock.now % 1_000
    services = make_services(tmp_path, clock)
    owners = Owners(services.store, clock, plan=parse_plan("read=10/60,write=2/60"))
    services = replace(services, owners=owners, limits=Limits(clock, services.store))
    keys = []
    for name in ("ada", "ada", "eve"):
        asyncio.run(owners.create_owner(name))
        keys.append(asyncio.run(owners.create_key(name)).key)
    with serve(build_app(services, (NATIVE, SHOP))) as url:
        yield SimpleNamespace(url=url, owners=owners, clock=clock, keys=keys, services=services)
    services.store.close()


def ask(house: Any, key: str, method: str = "GET", path: str = "/v1/jobs", **options: Any) -> httpx.Response:
    return httpx.request(method, house.url + path, headers={"X-API-Key": key}, **options)


def submit(house: Any, key: str) -> httpx.Response:
    return ask(house, key, "POST", json={"kind": "echo"})


def test_an_owner_s_keys_count_together_and_each_class_by_itself(plan_house: Any) -> None:
    first, second, other = plan_house.keys
    left = [ask(plan_house, key).headers["ratelimit"] for key in (first, second) * 5]
    assert left == [f'"read";r={n};t={60 - 6 * n}' for n in range(9, -1, -1)]
    refused = ask(plan_house, first)
    assert (refused.status_code, refused.json()["code"], refused.headers["retry-after"]) == (429, "rate_limited", "6")
    assert (refused.json()["type"], refused.json()["violated-policies"]) == (QUOTA_EXCEEDED, ["read"])
    assert "details" not in refused.json()
    assert refused.headers["ratelimit"] == '"read";r=0;t=6'
    assert refused.headers["ratelimit-policy"] == '"read";q=10;w=60'
    assert [submit(plan_house, first).status_code for _ in range(3)] == [202, 202, 429]
    assert ask(plan_house, other).status_code == 200
    plan_house.clock.now += 6_000
    assert [ask(plan_house, second).status_code for _ in range(2)] == [200, 429]


def test_the_short_way_of_a_poll_counts_like_the_long_one(plan_house: Any) -> None:
    key = plan_house.keys[0]
    path = submit(plan_house, key).headers["location"]
    answers = [ask(plan_house, key, path=path) for _ in range(11)]
    assert [answer.status_code for answer in answers] == [200] * 10 + [429]
    assert answers[-2].headers["ratelimit"] == '"read";r=0;t=60'


def test_a_vendor_s_own_limits_come_after_and_are_the_ones_shown(plan_house: Any) -> None:
    key = plan_house.keys[0]
    answers = [ask(plan_house, key, path="/shop/api/job?id=1") for _ in range(6)]
    assert [answer.headers["x-left"] for answer in answers] == ["4", "3", "2", "1", "0", "0"]
    assert [answer.status_code for answer in answers] == [404] * 5 + [429]
    # Where the dialect limits nothing, the plan holds all the same and is said in the vendor's headers. The call that
    # the vendor's limit refused has cost it nothing.
    answers = [ask(plan_house, key, path="/shop/api/jobs") for _ in range(6)]
    assert [answer.headers["x-left"] for answer in answers] == ["4", "3", "2", "1", "0", "0"]
    assert [answer.status_code for answer in answers] == [200] * 5 + [429]


def test_me_shows_what_is_left_and_costs_a_read(plan_house: Any) -> None:
    key = plan_house.keys[0]
    submit(plan_house, key)
    limits = ask(plan_house, key, path="/v1/me").json()["limits"]
    assert [(limit["name"], limit["count"], limit["window_s"], limit["remaining"]) for limit in limits] == [
        ("read", 10, 60, 9),
        ("write", 2, 60, 1),
    ]


def test_a_call_to_nowhere_is_counted_too(plan_house: Any) -> None:
    answer = ask(plan_house, plan_house.keys[0], path="/v1/nowhere")
    assert (answer.status_code, answer.headers["ratelimit"]) == (404, '"read";r=9;t=6')


def test_an_owner_may_have_limits_of_its_own_or_none(plan_house: Any) -> None:
    owners, (key, *_) = plan_house.owners, plan_house.keys
    asyncio.run(owners.set_limit("ada", "read", Limit("read", 1, 60, flows=True)))
    asyncio.run(owners.set_limit("ada", "write", None))
    assert [ask(plan_house, key).status_code for _ in range(2)] == [200, 429]
    answers = [submit(plan_house, key) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [202] * 4
    assert "ratelimit" not in answers[0].headers
    asyncio.run(owners.drop_limit("ada", "read"))
    # What was spent is still to be paid off.
    plan_house.clock.now += 60_000
    assert ask(plan_house, key).status_code == 200


def test_a_limit_set_by_another_process_holds_within_the_second(plan_house: Any, tmp_path: Path) -> None:
    key = plan_house.keys[0]
    assert ask(plan_house, key).status_code == 200
    other = open_store(address_in(tmp_path), plan_house.clock)
    asyncio.run(Owners(other, plan_house.clock).set_limit("ada", "read", Limit("read", 1, 3_600, flows=True)))
    other.close()
    plan_house.clock.now += CACHE_MS
    assert [ask(plan_house, key).headers["ratelimit-policy"] for _ in range(2)] == ['"read";q=1;w=3600'] * 2


@pytest.mark.parametrize(
    "text", ["", " ", "read=none", "read=1/1", f"write={LIMIT_COUNT_MAX}/{LIMIT_WINDOW_S_MAX}, read=5/5"]
)
def test_a_plan_is_taken_at_its_bounds(text: str) -> None:
    assert all(limit.flows for limit in parse_plan(text).values())


@pytest.mark.parametrize(
    "text",
    [
        *("read", "read=", "read=0/1", "read=1/0", "read=-1/1", "read=1", "all=1/1", "read=1/1s", "read=٣/1"),
        *(f"read={LIMIT_COUNT_MAX + 1}/1", f"read=1/{LIMIT_WINDOW_S_MAX + 1}"),
    ],
)
def test_a_plan_that_says_something_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"no class|the limit of"):
        parse_plan(text)
