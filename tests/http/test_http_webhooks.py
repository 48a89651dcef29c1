"""The webhooks' routes over real HTTP: what they take, answer and refuse. tests/webhooks has what is sent."""

import asyncio
from typing import Any

import httpx
import pytest
from http_house import WEBHOOK_POLICY, House

from jobwire.dialects.native_webhooks import WEBHOOK_ROUTES
from jobwire.dialects.parse import PAGE_MAX
from jobwire.dialects.webhook_forms import OVERLAP_S_MAX
from jobwire.domain.webhooks import EVENT_TYPES
from jobwire.net.fetch import Fetcher
from jobwire.service.webhook_fields import FILTER_KINDS_MAX
from webhook_jobs import hear_all, make_deliverer, send_due

# Nobody listens on the discard port.
URL = "http://127.0.0.1:9/hook"


def register(client: httpx.Client, **body: Any) -> dict[str, Any]:
    answer = client.post("/v1/webhooks", json={"url": URL} | body)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    assert answer.headers["location"] == f"/v1/webhooks/{made['id']}"
    return made


def send(house: House) -> None:
    async def story() -> None:
        services = house.services
        async with Fetcher(WEBHOOK_POLICY) as fetcher:
            deliverer = make_deliverer(services.store, services.webhooks.keyring, WEBHOOK_POLICY)
            await hear_all(deliverer)
            await send_due(services.store, deliverer, fetcher)

    asyncio.run(story())


def test_a_webhook_is_made_with_a_secret_that_is_shown_once(client: httpx.Client) -> None:
    made = register(client, events=["job.completed", "job.completed"], kinds=["echo"])
    secret = made.pop("secret")
    assert secret.startswith("whsec_") and len(secret) == len("whsec_") + 44
    assert made["events"] == ["job.completed"] and made["kinds"] == ["echo"] and made["scheme"] == "v1"
    assert (made["source"], made["status"], made["failures"], made["retry_at"]) == ("registered", "active", 0, None)
    assert [one["generation"] for one in made["secrets"]] == [1]
    assert client.get(f"/v1/webhooks/{made['id']}").json() == made
    [listed] = client.get("/v1/webhooks").json()["webhooks"]
    assert listed == {name: value for name, value in made.items() if name != "secrets"}


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ({}, ["/url"]),
        ({"url": 5}, ["/url"]),
        ({"url": "ftp://example.org/"}, ["/url"]),
        ({"url": "http://192.168.1.1/"}, ["/url"]),
        ({"url": "http://user:word@127.0.0.1/"}, ["/url"]),
        ({"url": URL, "events": []}, ["/events"]),
        ({"url": URL, "events": ["completed"]}, ["/events/0"]),
        ({"url": URL, "events": ["*"] * (len(EVENT_TYPES) + 2)}, ["/events"]),
        ({"url": URL, "kinds": []}, ["/kinds"]),
        ({"url": URL, "kinds": ["a b"]}, ["/kinds/0"]),
        ({"url": URL, "kinds": ["a"] * (FILTER_KINDS_MAX + 1)}, ["/kinds"]),
        ({"url": URL, "scheme": "v2"}, ["/scheme"]),
        ({"url": URL, "colour": 1}, ["/colour"]),
    ],
)
def test_a_wrong_webhook_is_told_where(client: httpx.Client, body: Any, pointers: list[str]) -> None:
    answer = client.post("/v1/webhooks", json=body)
    assert answer.status_code == 400, answer.text
    assert [fault["pointer"] for fault in answer.json()["errors"]] == pointers


def test_filters_may_be_as_long_as_their_limits(client: httpx.Client) -> None:
    register(client, events=["*", *EVENT_TYPES.values()], kinds=[f"k{n}" for n in range(FILTER_KINDS_MAX)])


def test_a_webhook_is_changed_in_part_and_switched_off_and_on(client: httpx.Client) -> None:
    made = register(client, events=["job.failed"], kinds=["echo"])
    path = f"/v1/webhooks/{made['id']}"
    changed = client.patch(path, json={"url": URL + "/2", "events": None}).json()
    assert (changed["url"], changed["events"], changed["kinds"]) == (URL + "/2", None, ["echo"])
    off = client.patch(path, json={"enabled": False}).json()
    assert (off["status"], off["disabled_reason"]) == ("disabled", "owner")
    assert client.post(path + "/test").status_code == 409
    assert client.patch(path, json={"enabled": True}).json()["status"] == "active"
    assert client.delete(path).status_code == 204
    assert client.get(path).status_code == client.delete(path).status_code == 404


def test_a_rotation_shows_the_new_secret_and_when_the_old_one_ends(client: httpx.Client) -> None:
    made = register(client)
    path = f"/v1/webhooks/{made['id']}/rotate"
    rotated = client.post(path, json={"overlap_s": 60}).json()
    assert rotated["secret"] != made["secret"]
    assert [(one["generation"], one["expires_at"]) for one in rotated["secrets"]] == [
        (2, None),
        (1, "2030-03-17T17:47:40.123Z"),
    ]
    for overlap_s, status in ((-1, 400), (0, 200), (OVERLAP_S_MAX, 200), (OVERLAP_S_MAX + 1, 400)):
        assert client.post(path, json={"overlap_s": overlap_s}).status_code == status
    first = client.post("/v1/webhooks/secret", json={}).json()
    second = client.post("/v1/webhooks/secret", json={}).json()
    assert (first["generation"], second["generation"]) == (1, 2) and first["secret"] != second["secret"]


def test_the_log_tells_what_came_of_a_message_and_when_it_is_tried_again(house: House, client: httpx.Client) -> None:
    made = register(client)
    path = f"/v1/webhooks/{made['id']}"
    sent = client.post(path + "/test")
    assert sent.status_code == 202
    [row] = client.get(path + "/deliveries").json()["deliveries"]
    assert row["id"] == sent.json()["delivery"] and (row["state"], row["attempts"]) == ("pending", 0)
    send(house)
    [row] = client.get(path + "/deliveries?state=pending").json()["deliveries"]
    assert (row["type"], row["attempts"], row["status"]) == ("webhook.test", 1, None)
    assert row["answer"].startswith("fetch_refused: ") and row["next_attempt_at"] > row["last_attempt_at"]
    assert client.get(path + "/deliveries?state=delivered").json() == {"deliveries": [], "next_cursor": None}
    again = client.post(path + "/redeliver", json={"delivery": row["id"]})
    assert (again.status_code, again.json()["code"]) == (404, "not_found"), "it is not over yet"
    since = client.post(path + "/redeliver", json={"since": "2030-01-01T00:00:00Z"})
    assert (since.status_code, since.json()) == (202, {"redelivered": 0})


def test_pages_hold_everything_once(house: House, client: httpx.Client) -> None:
    ids = [register(client)["id"] for _ in range(3)]
    path = f"/v1/webhooks/{ids[0]}"
    sent = [client.post(path + "/test").json()["delivery"] for _ in range(3)]
    for url, key, wanted in (("/v1/webhooks", "webhooks", ids), (path + "/deliveries", "deliveries", sent)):
        found: list[str] = []
        cursor: dict[str, str] = {}
        while True:
            page = client.get(url, params={"limit": 2, **cursor}).json()
            found += [item["id"] for item in page[key]]
            if page["next_cursor"] is None:
                break
            cursor = {"cursor": page["next_cursor"]}
        assert sorted(found) == sorted(wanted) and len(set(found)) == 3
        for limit, status in (("0", 400), ("1", 200), (str(PAGE_MAX), 200), (str(PAGE_MAX + 1), 400), ("x", 400)):
            assert client.get(url, params={"limit": limit}).status_code == status
        assert client.get(url, params={"colour": "1"}).status_code == 400
    assert client.get(path + "/deliveries", params={"cursor": "1.2"}).status_code == 400
    assert client.get(path + "/deliveries", params={"state": "lost"}).status_code == 400


def test_a_submission_names_its_webhook_as_a_url_or_with_events(client: httpx.Client) -> None:
    for webhook in (URL, {"url": URL, "events": ["*"]}, {"url": URL + "/2"}):
        answer = client.post("/v1/jobs", json={"kind": "echo", "webhook": webhook})
        assert answer.status_code == 202, answer.text
    found = client.get("/v1/webhooks?source=submission").json()["webhooks"]
    assert sorted(one["url"] for one in found) == [URL, URL + "/2"]
    assert client.get("/v1/webhooks?source=registered").json()["webhooks"] == []
    path = f"/v1/webhooks/{found[0]['id']}"
    assert client.patch(path, json={"url": URL}).status_code == 409
    assert client.post(path + "/rotate", json={}).status_code == 409
    assert client.patch(path, json={"enabled": False}).json()["status"] == "disabled"


def test_the_same_idempotency_key_with_another_webhook_is_another_submission(client: httpx.Client) -> None:
    key = {"Idempotency-Key": "k-1"}
    assert client.post("/v1/jobs", json={"kind": "echo", "webhook": URL}, headers=key).status_code == 202
    again = client.post("/v1/jobs", json={"kind": "echo", "webhook": URL}, headers=key)
    assert again.headers["idempotency-replayed"] == "true"
    assert client.post("/v1/jobs", json={"kind": "echo", "webhook": URL + "/2"}, headers=key).status_code == 422


BODIES: dict[str, Any] = {
    "change_webhook": {"enabled": False},
    "rotate_webhook": {},
    "redeliver": {"since": "2030-01-01T00:00:00Z"},
}


@pytest.mark.parametrize("route", [r for r in WEBHOOK_ROUTES if "{id}" in r.path], ids=lambda r: r.action)
def test_a_strangers_webhook_is_like_one_that_is_not_there(
    client: httpx.Client, stranger: httpx.Client, route: Any
) -> None:
    made = register(client)
    body = BODIES.get(route.action)
    answers = []
    for id_ in (made["id"], "whe_" + "0" * 26):
        answer = stranger.request(route.method, "/v1" + route.path.replace("{id}", id_), json=body)
        problem = answer.json()
        answers.append((answer.status_code, problem["code"], problem["detail"]))
    assert answers[0] == answers[1] and answers[0][0] == 404
    assert client.get(f"/v1/webhooks/{made['id']}").json()["status"] == "active"
    assert stranger.get("/v1/webhooks").json()["webhooks"] == []


def test_a_key_that_may_only_read_changes_nothing(house: House, client: httpx.Client) -> None:
    made = register(client)
    with house.client(house.make_key("ada", scopes=["jobs:read"])) as reader:
        for route in WEBHOOK_ROUTES:
            path = "/v1" + route.path.replace("{id}", made["id"])
            answer = reader.request(route.method, path, json=BODIES.get(route.action or "", {"url": URL}))
            assert (answer.status_code == 403) == (route.method != "GET"), route


@pytest.mark.parametrize("id_", ["%00", "whe_", "whe_" + "z" * 26, "whe_" + "0" * 25, "%ED%9F%BF", "x" * 5_000, "'"])
def test_what_cannot_be_an_id_is_not_there(client: httpx.Client, id_: str) -> None:
    for route in WEBHOOK_ROUTES:
        if "{id}" in route.path:
            path = "/v1" + route.path.replace("{id}", id_)
            answer = client.request(route.method, path, json=BODIES.get(route.action or ""))
            assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), route
    assert client.get(f"/v1/webhooks?cursor={id_}").status_code == 400
    made = register(client)
    again = client.post(f"/v1/webhooks/{made['id']}/redeliver", json={"delivery": "\x00"})
    assert again.status_code == 404
