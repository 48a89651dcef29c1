"""The short way of a poll: the same bytes as the long way, and silent about everything it is not sure of."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from http_house import House, open_house

from jobwire.dialects.azure import AZURE
from jobwire.dialects.google import GOOGLE
from jobwire.dialects.native import NATIVE
from jobwire.domain.outcome import Failed, PublicError
from jobwire.http.endpoint import Exchange, serve_exchange
from market_tables import OPENAI
from shop_dialect import SHOP

FREE_SHOP = replace(SHOP, credentials=SHOP.credentials[:2])
FREE_OPENAI = replace(OPENAI, kinds=None)


@pytest.fixture(scope="module")
def both(house_engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with open_house(tmp_path_factory.mktemp("fast"), NATIVE, FREE_SHOP) as opened:
        yield opened


def scope_of(
    path: str, key: str, *headers: tuple[bytes, bytes], method: str = "GET", carrier: str = ""
) -> dict[str, Any]:
    path, _, query = path.partition("?")
    own = (b"x-api-key", key.encode()) if path.startswith("/shop") else (b"authorization", b"Bearer " + key.encode())
    return {
        "type": "http", "method": method, "path": path, "raw_path": path.encode(), "query_string": query.encode(),
        "headers": [(b"host", b"x"), *([own] if key else []), *headers, (b"x-request-id", b"trace-0001")],
        "scheme": "http", "server": ("x", 80),
    }  # fmt: skip


async def receive() -> dict[str, Any]:
    return {"type": "http.request", "body": b"", "more_body": False}


async def go_long(house: House, scope: dict[str, Any]) -> list[Any]:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    site, path = house.app._find_site(scope["path"])
    await serve_exchange(Exchange(site, path, scope, receive, "trace-0001"), send)
    return sent


async def go_short(house: House, scope: dict[str, Any], key: str) -> list[Any] | None:
    await house.services.owners.authenticate(key)
    answer = await house.app._status.answer(scope)
    if answer is None:
        return None
    length = [] if answer.status == 304 else [(b"content-length", b"%d" % len(answer.body))]
    return [
        {"type": "http.response.start", "status": answer.status, "headers": [*answer.headers, *length]},
        {"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else answer.body},
    ]


def without_count(sent: list[Any]) -> list[Any]:
    start, body = sent
    headers = sorted((name, value) for name, value in start["headers"] if name != b"x-left")
    return [start | {"headers": headers}, body]


def make_jobs(house: House, key: str) -> dict[str, tuple[str, int]]:
    """One job of the owner in each reachable phase: its id and number by a name."""
    jobs: dict[str, tuple[str, int]] = {}

    def made(name: str, answer: Any) -> Any:
        row = house.services.store.get(house_owner(house, key), key=answer.json()["id"][4:]).result(5)
        assert row is not None
        jobs[name] = (answer.json()["id"], row.number)
        return answer

    with house.client(key) as client:
        body = {"kind": "echo", "input": {"text": "hi"}}
        made("completed", client.post("/v1/jobs", json=body))
        house.complete()
        made("rerun", client.post(f"/v1/jobs/{jobs['completed'][0]}/rerun"))
        house.complete()
        made("failed", client.post("/v1/jobs", json=body))
        house.fail(PublicError("broken", "It broke"))
        made("retrying", client.post("/v1/jobs", json=body))
        [claim] = house.claim()
        house.settle(claim, Failed(PublicError("busy", "Busy", retryable=True)))
        made("cancelling", client.post("/v1/jobs", json=body))
        house.claim()
        client.post(f"/v1/jobs/{jobs['cancelling'][0]}/cancel")
        made("scheduled", client.post("/v1/jobs", json=body | {"delay": 60}))
        made("waiting", client.post("/v1/jobs", json=body))
    return jobs


def house_owner(house: House, key: str) -> int:
    async def find() -> int:
        return (await house.services.owners.authenticate(key)).owner

    return asyncio.run(find())


def test_the_short_way_says_what_the_long_way_says_in_every_phase(both: House) -> None:
    key = both.make_key("ada")
    etags: list[list[tuple[bytes, bytes]]] = [[], [(b"if-none-match", b"*")], [(b"if-none-match", b'"0", "1"')]]

    async def compare(scope: dict[str, Any]) -> None:
        both.clock.now += 60_000
        short = await go_short(both, scope, key)
        assert short is not None, scope["path"]
        assert without_count(short) == without_count(await go_long(both, scope))

    for job_id, number in make_jobs(both, key).values():
        for path in (f"/v1/jobs/{job_id}", f"/shop/api/job?id={number}"):
            asyncio.run(compare(scope_of(path, key, method="HEAD")))
            for headers in etags:
                asyncio.run(compare(scope_of(path, key, *headers)))


@pytest.fixture
def many(tmp_path: Path) -> Iterator[House]:
    with open_house(tmp_path, NATIVE, AZURE, GOOGLE, FREE_OPENAI) as opened:
        yield opened


def test_the_short_way_speaks_every_dialect(many: House) -> None:
    key = many.make_key("ada")
    for name, (job_id, _) in make_jobs(many, key).items():
        for path in (
            f"/azure/operations/{job_id}",
            f"/google/v1/locations/global/operations/{job_id}",
            f"/openai/v1/batches/{job_id.replace('job_', 'batch_')}",
        ):
            scope = scope_of(path, key)
            many.clock.now += 60_000
            short, long = asyncio.run(go_both(many, scope, key))
            assert short is not None, (path, name)
            assert without_count(short) == without_count(long)
            assert long[0]["status"] == 200


@pytest.mark.parametrize(
    "hosts", [[b"jobs.example:8443"], [b"[::1]:80"], [b"a", b"b"], [b'evil"host'], [b"\xff"], []]
)
def test_a_link_begins_with_the_host_that_the_caller_used_on_both_ways(many: House, hosts: list[bytes]) -> None:
    key = many.make_key("ada")
    with many.client(key) as client:
        made = client.post("/v1/jobs", json={"kind": "echo"}).json()
    many.complete()
    scope = scope_of(f"/azure/operations/{made['id']}", key)
    scope["headers"] = [*((b"host", host) for host in hosts), *scope["headers"][1:]]
    scope["scheme"] = "https"
    many.clock.now += 60_000
    short, long = asyncio.run(go_both(many, scope, key))
    assert short is not None and without_count(short) == without_count(long)
    assert b'"resourceLocation":"https://' in long[1]["body"]


@pytest.mark.parametrize("mount", ["/v1/jobs", "/azure/operations"])
def test_a_poll_of_a_completed_job_reads_it_once_also_behind_a_proxy(
    many: House, mount: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = many.make_key("ada")
    with many.client(key) as client:
        path = f"{mount}/{client.post('/v1/jobs', json={'kind': 'echo'}).json()['id']}"
        many.complete()
        for scheme in ("http", "https"):
            proxied = {} if scheme == "http" else {"X-Forwarded-Proto": scheme}
            # The first one tells who calls.
            client.get(path, headers=proxied)
            get, reads = many.services.store.get, []
            monkeypatch.setattr(many.services.store, "get", lambda *a, **o: reads.append(a) or get(*a, **o))  # noqa: B023
            told = client.get(path, headers=proxied)
            monkeypatch.undo()
            assert (told.status_code, len(reads)) == (200, 1)
            assert told.json().get("resourceLocation", scheme).startswith(scheme)


async def go_both(house: House, scope: dict[str, Any], key: str) -> tuple[list[Any] | None, list[Any]]:
    return await go_short(house, scope, key), await go_long(house, scope)


@pytest.mark.parametrize(
    "path",
    [
        "/v1/jobs/job_" + "0" * 26, "/v1/jobs/job_x", "/v1/jobs/{id}/result", "/v1/jobs", "/v1/jobs/{id}/",
        "/v1/jobs/{id}?wait=1", "/v1/jobs/{id}?x=1",
        "//jobs/{id}",
        "/shop/api/job", "/shop/api/job?id=999999", "/shop/api/job?id={number}&x=1", "/shop/api/job?x=1&id={number}",
    ],
)  # fmt: skip
def test_what_the_short_way_is_not_sure_of_it_leaves_to_the_long_one(both: House, path: str) -> None:
    key = both.make_key("ada")
    with both.client(key) as client:
        job = client.post("/v1/jobs", json={"kind": "echo"}).json()
    row = both.services.store.get(house_owner(both, key), key=job["id"][4:]).result(5)
    assert row is not None
    scope = scope_of(path.format(id=job["id"], number=row.number), key)
    assert asyncio.run(go_short(both, scope, key)) is None


def test_it_is_silent_about_a_method_a_credential_a_scope_and_a_limit(both: House) -> None:
    key, blind = both.make_key("bob"), both.make_key("bob", scopes=("jobs:write",))
    with both.client(key) as client:
        job = client.post("/v1/jobs", json={"kind": "echo"}).json()
    path = f"/v1/jobs/{job['id']}"
    row = both.services.store.get(house_owner(both, key), key=job["id"][4:]).result(5)
    assert row is not None
    assert asyncio.run(go_short(both, scope_of(path, key), key)) is not None
    for scope in (
        scope_of(path, key, method="POST"),
        scope_of(path, "", (b"authorization", b"Basic x")),
        scope_of(path, ""),
        scope_of(path, key, (b"x-api-key", key.encode())),
        scope_of(path, key + "x"),
        scope_of(path, "x" * 600),
        scope_of(path, key, (b"prefer", b"wait=1")),
    ):
        assert asyncio.run(go_short(both, scope, key)) is None
    assert asyncio.run(go_short(both, scope_of(path, blind), blind)) is None
    shop = f"/shop/api/job?id={row.number}"
    answered = [asyncio.run(go_short(both, scope_of(shop, key), key)) is not None for _ in range(7)]
    assert answered == [True] * 5 + [False] * 2


def test_a_key_that_was_not_seen_within_a_second_goes_the_long_way(both: House) -> None:
    key = both.make_key("ada")
    with both.client(key) as client:
        path = client.post("/v1/jobs", json={"kind": "echo"}).headers["location"]
    assert asyncio.run(go_short(both, scope_of(path, key), key)) is not None
    both.clock.now += 1_000
    assert asyncio.run(both.app._status.answer(scope_of(path, key))) is None
