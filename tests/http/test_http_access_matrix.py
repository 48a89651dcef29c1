"""Every route of everything that is served, with every sort of caller who may not: nothing is shown, in one way each.

The routes are read off the app as it is wired, so that a new one is in here without a word. A call of a stranger is
byte for byte that for a job which never was.
"""

import asyncio
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import jsonschema_rs
import pytest
from http_house import serve

from house_engines import new_address
from jobwire.config import read_settings
from jobwire.dialects.spec import Route
from jobwire.domain.ids import ID_PREFIX, show_id, show_uuid
from jobwire.domain.job import JobFilter, NewJob
from jobwire.domain.webhooks import sender_of
from jobwire.http.actions import ACTIONS
from jobwire.http.app import build_app
from jobwire.http.errors import find_word
from jobwire.http.site import Site, compile_site
from jobwire.http.webhooks import WEBHOOK_ACTIONS
from jobwire.kinds.registry import make_kind
from jobwire.service.credentials import CACHE_MS
from jobwire.systems.docswrite.records_sites import SiteRow, keep_site
from jobwire.wiring import House, open_house
from shop_dialect import SHOP

SECRET = "only for ada"
ABSENT_ID, ABSENT_NUMBER, ABSENT_WEBHOOK = "job_" + "0" * 26, "999999999", "whe_" + "0" * 26
IDEMPOTENCY_KEY = "the key of ada"
ACCEPTS = ("*/*", "text/event-stream", "application/json")
# What a call says that would do something to what it names, or to all that a filter finds. Others send nothing.
BODIES: dict[str, Any] = {
    "batch": [],
    "cancel_many": {"tag": SECRET},
    "rerun_many": {"tag": SECRET},
    "create_webhook": {"url": "nowhere"},
    "rotate_webhook_secret": {"overlap_s": -1},
    "change_webhook": {"enabled": False},
    "rotate_webhook": {},
    "redeliver": {"since": "2001-01-01T00:00:00Z"},
}
SYSTEMS = ("rentix", "fifthelement", "docswrite", "apidatatools")
CALLERS = ("nobody", "unknown", "expired", "revoked", "suspended", "without system", "without scope")


class Clock:
    now = 1_900_000_000_000

    def __call__(self) -> int:
        return self.now


def echo(text: str = "") -> str:
    """Say it again."""
    return text


@dataclass
class Street:
    """A house with all that can be served, on both sides of the door."""

    house: House
    sites: list[Site]
    clock: Clock
    keys: dict[str, str]
    client: httpx.Client
    webhook: str

    @property
    def routes(self) -> list[tuple[Site, Route]]:
        return [(site, served.route) for site in self.sites for served in site.served]

    def ask(
        self, site: Site, route: Route, caller: str, *, job: tuple[str, str] | None = None, accept: str = "*/*"
    ) -> httpx.Response:
        """A call of this route; `job` is the id and the number of the job it names, or says to name ada's webhook."""
        reference = route.job or site.dialect.job_reference
        job_id, number = job or (ABSENT_ID, ABSENT_NUMBER)
        if site.dialect.ids.form == "uuid":
            job_id = show_uuid(job_id.removeprefix(ID_PREFIX))
        name = job_id if reference.style == "id" else number
        if route.path.startswith("/webhooks/{id}"):
            name = self.webhook if job else ABSENT_WEBHOOK
        path = site.dialect.mount + re.sub(r"\{\w+\}", name, route.path)
        params = {reference.name: name} if reference.place == "query" else {}
        headers = {"Accept": accept}
        if caller != "nobody":
            carrier = next(one for one in site.dialect.credentials if one.place == "header")
            headers[carrier.name] = f"{carrier.scheme or ''} {self.keys[caller]}".strip()
        self.clock.now += 60_000
        body = {reference.name: name} if reference.place == "body" else None
        if route.wait is not None and route.wait.place == "body":
            body = {route.wait.name: 0}
        body = BODIES.get(route.action or "", body)
        return self.client.request(route.method, path, params=params, headers=headers, json=body)

    @property
    def sender(self) -> tuple[str, str]:
        """The job that is to send ada's webhook a message."""
        [row] = self.house.store.find(sender_of(1), JobFilter()).result(5)
        return show_id(row.key), str(row.number)

    def make_job(self, kind: str, *, is_final: bool) -> tuple[str, str]:
        """A job of ada's."""
        store = self.house.store
        job = NewJob(
            key="0123456789" + f"{self.clock.now:016d}",
            owner=1,
            kind=kind,
            queue="of-nobody",
            input=json.dumps({"text": SECRET}),
            tags=json.dumps([SECRET]),
        )
        self.clock.now += 1
        [receipt] = store.submit([job]).result(5)
        if is_final:
            store.cancel(1, [receipt.number]).result(5)
        return show_id(job.key), str(receipt.number)


def strip(answer: httpx.Response, *sent: str) -> tuple[int, str, list[tuple[str, str]]]:
    """What a stranger could learn from: all but what was sent, the request's id, the time and the caller's limits."""
    own = re.compile(r"x-request-id|date|content-length|.*(limit|left|reset).*")
    headers = sorted((name, value) for name, value in answer.headers.items() if not own.fullmatch(name))
    # The number of a job may be that of a status.
    names = [name for name in sent if name != str(answer.status_code)]
    known = "|".join(map(re.escape, (answer.headers["x-request-id"], *names)))
    return answer.status_code, re.sub(rf"\b({known})\b", "…", answer.text), headers


@pytest.fixture(scope="module")
def street(house_engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Street]:
    clock = Clock()
    # No worker answers the tools: a call becomes a job at once.
    environment = {"JOBWIRE_FILES": str(tmp_path_factory.mktemp("files")), "APIDATATOOLS_SYNC_MS": "1"}
    settings = read_settings(environment, db=new_address(), systems="all", dialects="azure,google")
    house = open_house(settings, [make_kind(echo, name="echo")], clock=clock)
    # These jobs have no inputs that their kinds' hooks could read.
    house.store.final_hooks.clear()
    # What is wired, and one dialect more that has what the others lack.
    wired = [site.dialect for _, site in house.build_app()._mounts]
    dialects = [*dict.fromkeys(dialect.name for dialect in wired)]
    chosen = [next(dialect for dialect in wired if dialect.name == name) for name in dialects] + [SHOP]
    keys = asyncio.run(make_callers(house, chosen, clock))
    with serve(build_app(house.services, chosen)) as url, httpx.Client(base_url=url, timeout=20) as client:
        shown, _ = asyncio.run(house.services.webhooks.create(1, f"https://hooks.example/{SECRET.replace(' ', '-')}"))
        asyncio.run(house.services.webhooks.send_test(1, shown.endpoint.id))
        sites = [compile_site(dialect, house.services) for dialect in chosen]
        yield Street(house, sites, clock, keys, client, shown.endpoint.id)
    house.close()


async def make_callers(house: House, dialects: list[Any], clock: Clock) -> dict[str, str]:
    owners = house.services.owners
    every = sorted({"jobs:read", "jobs:write"} | {r.scope for d in dialects for r in d.routes if r.scope is not None})
    for name in ("ada", "eve", "sue", "dis"):
        await owners.create_owner(name)

    async def key(name: str, **options: Any) -> str:
        return (await owners.create_key(name, **({"scopes": every} | options))).key

    revoked = await owners.create_key("ada", scopes=every)
    await owners.revoke_key(revoked.id)
    made = {
        "own": await key("ada"),
        "foreign": await key("eve"),
        "unknown": "jw_000000000000_" + "0" * 43 + "_00000000",
        "expired": await key("ada", expires_at=clock() + 1),
        "revoked": revoked.key,
        "suspended": await key("sue"),
        "without system": await key("dis"),
        "without scope": await key("ada", scopes=("nothing:at.all",)),
    }
    await owners.suspend("sue")
    for dialect in dialects:
        await owners.disable_system("dis", dialect.name)
    clock.now += CACHE_MS
    return made


def test_the_app_serves_more_than_the_native_dialect(street: Street) -> None:
    names = [site.dialect.name for site in street.sites]
    assert len(names) == len(set(names)) >= 3
    assert {"native", "azure", "google", *SYSTEMS} <= set(names)
    assert {route.action for _, route in street.routes if route.action is not None} == set(ACTIONS)


@pytest.mark.slow
def test_whoever_may_not_call_a_route_is_told_so_in_one_way(street: Street) -> None:
    wanted = {
        "nobody": "credentials_missing",
        "unknown": "unauthorized",
        "expired": "unauthorized",
        "revoked": "unauthorized",
        "suspended": "owner_suspended",
        "without system": "system_disabled",
        "without scope": "forbidden",
    }
    assert tuple(wanted) == CALLERS
    for site, route in street.routes:
        if route.is_open:
            continue
        for caller, code in wanted.items():
            if caller == "without scope" and route.scope is None:
                continue
            answer = street.ask(site, route, caller)
            about = (site.dialect.name, route.method, route.path, caller)
            assert answer.status_code == find_word(site.dialect, code).status, about
            assert SECRET not in answer.text
        bad = [strip(street.ask(site, route, caller)) for caller in ("unknown", "expired", "revoked")]
        assert bad[0] == bad[1] == bad[2], (site.dialect.name, route.path)


@pytest.mark.slow
@pytest.mark.parametrize("accept", ACCEPTS)
def test_a_foreign_key_gets_what_an_absent_job_gets_on_every_route(street: Street, accept: str) -> None:
    webhook = asyncio.run(street.house.services.webhooks.read(1, street.webhook))
    for site, route in street.routes:
        # One of several tools is like the other; a job's number must not grow into those that answers have.
        kinds = list(site.dialect.kinds or {"echo": ""})[:2]
        for kind in kinds:
            for is_final in (False, True):
                job = street.make_job(kind, is_final=is_final)
                before = street.house.store.get(1, number=int(job[1])).result(5)
                theirs = street.ask(site, route, "foreign", job=job, accept=accept)
                absent = street.ask(site, route, "foreign", accept=accept)
                about = (site.dialect.name, route.method, route.path, kind, is_final)
                # A name that was sent may come back in what is refused; nothing else differs.
                known = strip(absent, ABSENT_ID, ABSENT_NUMBER, ABSENT_WEBHOOK)
                if site.dialect.tells_others and route.action == "status":
                    assert theirs.status_code == find_word(site.dialect, "forbidden").status, about
                else:
                    assert strip(theirs, *job, street.webhook) == known, about
                assert SECRET not in theirs.text and SECRET.replace(" ", "-") not in theirs.text
                assert street.house.store.get(1, number=int(job[1])).result(5) == before, about
    assert asyncio.run(street.house.services.webhooks.read(1, street.webhook)) == webhook


@pytest.mark.slow
def test_the_job_that_sends_webhooks_is_absent_for_everybody_on_every_route(street: Street) -> None:
    job = street.sender
    before = street.house.store.get(sender_of(1), number=int(job[1])).result(5)
    for site, route in street.routes:
        if route.path.startswith("/webhooks/{id}") or (site.dialect.tells_others and route.action == "status"):
            continue
        names, about = (*job, ABSENT_ID, ABSENT_NUMBER), (site.dialect.name, route.method, route.path)
        if re.search(r"\{\w+\}", route.path) or (route.job or site.dialect.job_reference).place != "path":
            absent = strip(street.ask(site, route, "own"), *names)
            assert strip(street.ask(site, route, "own", job=job), *names) == absent, about
        assert job[0] not in street.ask(site, route, "own").text, about
    assert street.house.store.get(sender_of(1), number=int(job[1])).result(5) == before


# Enough for every resource of a system to be looked for.
ANY_BODY = {
    "name": "x", "title": "x", "content": "x", "query": "x", "externalId": "of-eve", "operations": [],
    "url": "https://x.example/x.csv",
}  # fmt: skip


def keep_things(street: Street) -> dict[tuple[str, str, str], str]:
    """Something of ada's in every place where a system keeps things: by system, first segment and parameter."""

    def make(system: str, path: str, *, method: str = "POST", **sent: Any) -> dict[str, Any]:
        [dialect] = [site.dialect for site in street.sites if site.dialect.name == system]
        carrier = dialect.credentials[0]
        key = {carrier.name: f"{carrier.scheme or ''} {street.keys['own']}".strip()}
        answer = street.client.request(method, dialect.mount + path, headers=key, **sent)
        assert answer.status_code < 300, answer.text
        made: dict[str, Any] = answer.json().get("data", answer.json())
        return made

    named = {"externalId": "of-ada", "name": SECRET, "title": SECRET}
    picture = {"externalId": "of-ada", "contentType": "image/jpeg", "fileName": "x", "size": 100}
    repository = make("fifthelement", "/repositories", json={"name": SECRET})["id"]
    text = {"title": SECRET, "content": SECRET}
    site = SiteRow("", 1, f"https://{SECRET}.example", SECRET, "https://s.example", "ada", "sealed", 1, 0)
    kept = {
        ("rentix", "listings", "id"): make("rentix", "/listings", method="PUT", json=named)["id"],
        ("rentix", "users", "id"): make("rentix", "/users", method="PUT", json=named)["id"],
        ("rentix", "media", "id"): make("rentix", "/media/signed-url", json=picture)["mediaId"],
        **{("rentix", place, "externalId"): "of-ada" for place in ("listings", "users", "media")},
        ("fifthelement", "repositories", "repositoryId"): repository,
        ("fifthelement", "repositories", "documentId"): make(
            "fifthelement", f"/repositories/{repository}/documents", json=text
        )["id"],
        ("fifthelement", "user-api-tokens", "tokenId"): make("fifthelement", "/user-api-tokens", json=named)["id"],
        ("docswrite", "documents", "id"): make(
            "docswrite", "/documents", params={"name": f"{SECRET}.html"}, content=b"<p>x</p>"
        )["document_id"],
        ("docswrite", "sites", "id"): street.house.store.write(lambda tx: keep_site(tx, site)).result(5).id,
    }
    return {place: str(name) for place, name in kept.items()}


def forget(name: str) -> str:
    """A name of the same form that nobody has."""
    return "9" * 9 if name.isdecimal() else name[:-1] + ("0" if name[-1] != "0" else "1")


def check_described(document: Any, answer: httpx.Response, path: str) -> None:
    """Assert that the dialect's own description has this answer."""
    responses = document["paths"][path][answer.request.method.lower()]["responses"]
    response = responses.get(str(answer.status_code)) or responses[f"{answer.status_code // 100}XX"]
    [(_, content)] = response["content"].items()
    schema = {**content["schema"], "components": document["components"]}
    jsonschema_rs.Draft202012Validator(schema).validate(answer.json())


@pytest.mark.slow
def test_a_foreign_key_gets_what_an_absent_thing_gets_on_every_route_of_a_system(street: Street) -> None:
    kept = keep_things(street)
    routes = [one for one in street.routes if one[1].endpoint is not None and not one[1].is_open]
    assert {site.dialect.name for site, _ in routes} == set(SYSTEMS)
    lists = [one for one in routes if one[1].method == "GET" and "{" not in one[1].path]
    documents = {
        site.dialect.name: street.client.get(f"{site.dialect.mount}/openapi.json").json() for site in street.sites
    }

    def ask(site: Site, route: Route, caller: str, **names: str) -> httpx.Response:
        carrier = site.dialect.credentials[0]
        headers = {carrier.name: f"{carrier.scheme or ''} {street.keys[caller]}".strip()}
        sent: dict[str, Any] = {"json": ANY_BODY} if route.body.startswith("json") else {}
        if route.body == "upload":
            sent = {"content": b"<p>x</p>", "params": {"name": "x.html"}}
        street.clock.now += 60_000
        path = site.dialect.mount + route.path
        answer = street.client.request(route.method, path.format(**names), headers=headers, **sent)
        check_described(documents[site.dialect.name], answer, path)
        return answer

    before = [ask(site, route, "own").json() for site, route in lists]
    assert json.dumps(before).count(SECRET) >= 4
    for site, route in routes:
        place = (site.dialect.name, route.path.split("/")[1])
        # Jobs have a test of their own, and of agents to chat with nobody has any.
        if place[1] in ("jobs", "chat"):
            continue
        theirs = {name: kept[*place, name] for name in re.findall(r"\{(\w+)\}", route.path)}
        absent = {name: forget(value) for name, value in theirs.items()}
        shown = ask(site, route, "foreign", **theirs)
        assert SECRET not in shown.text, (place, route.path)
        if theirs:
            known = strip(ask(site, route, "foreign", **absent), *absent.values())
            assert strip(shown, *theirs.values()) == known, (place, route.path)
            assert shown.status_code == 404, (place, route.method, route.path, shown.text)
    assert [ask(site, route, "own").json() for site, route in lists] == before


@pytest.mark.parametrize("is_final", [False, True])
def test_who_polls_a_live_job_is_told_when_to_ask_again_in_every_dialect(street: Street, is_final: bool) -> None:
    told = set()
    for site, route in street.routes:
        if route.action == "status" and (route.job or site.dialect.job_reference).find is None:
            job = street.make_job(next(iter(site.dialect.kinds or {"echo": ""})), is_final=is_final)
            answer = street.ask(site, route, "own", job=job)
            if site.dialect.retry_after_s is not None:
                assert answer.status_code == 200, (site.dialect.name, route.path, answer.text)
                assert answer.headers.get("retry-after", "").isdecimal() is not is_final, (
                    site.dialect.name,
                    route.path,
                )
                told.add(site.dialect.name)
    assert told >= {"native", "azure", "google", "rentix", "fifthelement", "apidatatools"}


def test_a_foreign_key_s_batch_is_not_answered_with_a_job_of_the_same_idempotency_key(street: Street) -> None:
    native = next(site for site in street.sites if site.dialect.name == "native")
    sent = [{"kind": "echo", "input": {"text": SECRET}, "idempotency_key": IDEMPOTENCY_KEY}]
    [route] = [route for site, route in street.routes if site is native and route.action == "batch"]
    path = native.dialect.mount + route.path
    answers = []
    for caller in ("own", "foreign"):
        headers = {"Authorization": f"Bearer {street.keys[caller]}"}
        [result] = street.client.post(path, json=sent, headers=headers).json()["results"]
        assert (result["status"], result["replayed"]) == (202, False)
        answers.append(result["id"])
    assert answers[0] != answers[1]


def test_the_owner_s_own_key_finds_the_job_on_every_route_that_names_one(street: Street) -> None:
    named = {"status", "cancel", "rerun", "remove", "result", "events", *WEBHOOK_ACTIONS} - {
        "create_webhook", "delete_webhook",
    }  # fmt: skip
    found = 0
    for site, route in street.routes:
        # A system that finds jobs itself knows those that came through its own routes.
        finds_itself = (route.job or site.dialect.job_reference).find is not None
        if route.action in named and not route.is_open and not finds_itself and route.path != "/webhooks/secret":
            kind = next(iter(site.dialect.kinds or {"echo": ""}))
            answer = street.ask(
                site, route, "own", job=street.make_job(kind, is_final=route.action in ("rerun", "remove", "events"))
            )
            not_now = find_word(site.dialect, "not_finished").status
            assert answer.status_code in (200, 202, 204, not_now), (site.dialect.name, route.path, answer.text)
            found += 1
    assert found >= 15
