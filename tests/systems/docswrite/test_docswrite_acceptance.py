"""The thirty acceptance cases of the vendor's wire, over real HTTP and a real WordPress, in their order."""

import asyncio
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from docswrite_house import Client, Google, RunningHouse, link, run_docswrite
from wordpress_site import WordPressSite

from jobwire.service.issuers import NewIssuer
from manual_clock import ManualClock

pytestmark = pytest.mark.slow

KEYS = ["id", "state", "progress", "returnValue", "failedReason", "timestamp", "processedOn", "finishedOn"]
UNAUTHORIZED = {"error": True, "message": "Unauthorized", "details": "Invalid or missing access token"}
NOT_FOUND = {"error": True, "message": "Job not found", "details": "No job found with the provided ID"}
DENIED = {
    "error": True,
    "message": "Access denied",
    "details": "You can only check the status of jobs that you created",
}
FULL = {
    "title": "Harvest notes",
    "slug": "harvest-notes",
    "tags": "bees, honey",
    "categories": "Garden, Field work",
    "state": "publish",
    "author": "Maria O'Neill",
    "date": "2024-02-03 10:00:00",
    "excerpt": "What we saw.",
    "post_type": "post",
    "featured_image_alt_text": "A hive",
    "export_settings": {
        "compress_images": True,
        "demote_headings": True,
        "convert_to_webp": True,
        "first_image_as_featured_image": True,
        "add_no_follow_to_external_links": True,
        "bold_as_strong": True,
        "wp_content_editor": "gutenberg",
    },
    "yoast_settings": {"yoast_focuskw": "bees", "yoast_metadesc": "All about bees"},
    "rankmath_settings": {"rank_math_focus_keyword": "bees"},
    "newspack_settings": {"newspack_post_subtitle": "A subtitle"},
}


def bare(running: RunningHouse, path: str = "/export", body: Any = None, **options: Any) -> httpx.Response:
    return httpx.post(f"{running.base}/api{path}", json=body, timeout=60, **options)


def is_refusal(answer: httpx.Response, status: int) -> bool:
    body = answer.json()
    return answer.status_code == status and list(body) == ["error", "message", "details"] and body["error"] is True


@pytest.mark.parametrize("carrier", ["query", "x-access-token", "Authorization", "x-api-key"])
def test_01_02_03_a_document_is_taken_with_the_token_in_each_place(
    stopped: RunningHouse, waiting: Client, carrier: str
) -> None:
    token = f"Bearer {waiting.key}" if carrier == "Authorization" else waiting.key
    options: dict[str, Any] = {"params": {"token": token}} if carrier == "query" else {"headers": {carrier: token}}
    answer = bare(stopped, body={"google_docs_url": link("doc-one")}, **options)
    assert answer.status_code == 200
    body = answer.json()
    assert list(body) == ["error", "message", "data"]
    assert (body["error"], body["message"]) == (False, "Post added to queue")
    assert isinstance(body["data"]["jobId"], str) and body["data"]["jobId"].startswith("job-")


def test_02_a_key_in_the_form_of_a_jwt_is_a_token(stopped: RunningHouse, site: WordPressSite) -> None:
    client = stopped.make_client("JWT customer", site, as_jwt=True)
    assert client.key.count(".") == 2
    assert client.status(client.export(link("doc-jwt")))["state"] == "waiting"


def test_02_a_token_of_the_operators_issuer_is_a_token_in_each_place(tmp_path: Path, google: Google) -> None:
    with run_docswrite(tmp_path, google, workers=0) as house:
        house.make_client("ada")
        issuer, secret, now = "https://login.example", "s" * 32, round(time.time())
        scopes = ("jobs:read", "jobs:write")
        asyncio.run(house.house.services.owners.issuers.add(NewIssuer(issuer, "jobs", "HS256", scopes, key=secret)))
        claims = {"iss": issuer, "aud": "jobs", "sub": "ada", "iat": now, "exp": now + 300}
        for key, status in ((secret, 404), ("another secret of 32 characters.", 401)):
            token = jwt.encode(claims, key, "HS256")
            places = ({"x-access-token": token}, {"Authorization": f"Bearer {token}"}, {"x-api-key": token})
            for options in (*({"headers": place} for place in places), {"params": {"token": token}}):
                answer = bare(house, "/job/status", {"jobId": "job-0123456789ab"}, **options)
                assert answer.status_code == status, (options, answer.text)


def test_04_all_fields_are_taken_and_echoed(waiting: Client) -> None:
    sent = {"google_docs_url": link("doc-full"), **FULL, "unknown": 1, "excerpt": None}
    data = waiting.post("/export", sent).json()["data"]
    assert data == {
        **{name: value for name, value in sent.items() if name not in ("unknown", "excerpt")},
        "jobId": data["jobId"],
    }


def test_05_no_credential_is_unauthorized(stopped: RunningHouse) -> None:
    answer = bare(stopped, body={"google_docs_url": link("doc-one")})
    assert (answer.status_code, answer.json()) == (401, UNAUTHORIZED)


def test_06_the_first_credential_decides(stopped: RunningHouse, waiting: Client) -> None:
    answer = bare(
        stopped,
        body={"google_docs_url": link("doc-one")},
        params={"token": waiting.key},
        headers={"x-access-token": "wrong"},
    )
    assert (answer.status_code, answer.json()) == (401, UNAUTHORIZED)


@pytest.mark.parametrize(
    "body", [{}, {"google_docs_url": None}, {"google_docs_url": " "}, {"google_docs_url": "https://example.com/d/1"}]
)
def test_07_a_missing_or_strange_document_is_refused(waiting: Client, body: dict[str, Any]) -> None:
    answer = waiting.post("/export", body)
    assert is_refusal(answer, 400) and "google_docs_url" in answer.json()["details"]


def test_08_states_have_six_spellings(waiting: Client) -> None:
    answer = waiting.post("/export", {"google_docs_url": link("doc-one"), "state": "live"})
    assert is_refusal(answer, 400) and answer.json()["message"] == "Bad Request"
    for state in ("publish", "published", "draft", "future", "pending", "private"):
        answer = waiting.post("/export", {"google_docs_url": link("doc-one"), "state": state})
        assert (answer.status_code, answer.json()["data"]["state"]) == (200, state)


def test_09_a_date_that_is_none_is_refused(waiting: Client) -> None:
    answer = waiting.post("/export", {"google_docs_url": link("doc-one"), "date": "2031-02-30 10:00:00"})
    assert is_refusal(answer, 400) and "date" in answer.json()["details"]


def test_10_a_body_that_is_no_json_is_refused(waiting: Client) -> None:
    for path in ("/export", "/job/status"):
        headers = {"content-type": "application/json"}
        assert is_refusal(waiting.http.post(path, content=b"{", headers=headers), 400)
        assert is_refusal(waiting.http.post(path, data={"google_docs_url": link("doc-one")}), 400)
        assert is_refusal(waiting.http.post(path, json=[1]), 400)


def test_11_a_body_over_the_limit_is_refused(waiting: Client) -> None:
    assert is_refusal(waiting.post("/export", {"title": "x" * 300_000}), 413)


def test_12_a_new_job_waits(waiting: Client) -> None:
    job = waiting.export(link("doc-one"))
    answer = waiting.post("/job/status", {"jobId": job})
    assert (answer.status_code, answer.headers["retry-after"]) == (200, "1")
    assert list(answer.json()) == ["success", "data"] and answer.json()["success"] is True
    data = answer.json()["data"]
    assert list(data) == KEYS
    assert (data["id"], data["state"], data["progress"], data["returnValue"]) == (job, "waiting", 0, {})
    assert data["failedReason"] is data["processedOn"] is data["finishedOn"] is None


def test_13_14_a_job_runs_and_completes(client: Client, google: Google) -> None:
    url = google.share("doc-slow", pictures=("hive", "queen"))
    gate = google.gates["doc-slow"] = threading.Event()
    job = client.export(url)
    running = client.running.wait_until(lambda: now if (now := client.status(job))["state"] == "active" else None)
    assert list(running) == KEYS and 0 < running["progress"] < 100 and running["returnValue"] == {}
    gate.set()
    ended = client.wait(job)
    assert list(ended) == KEYS
    assert (ended["state"], ended["progress"], ended["failedReason"]) == ("completed", 100, None)
    assert ended["timestamp"] <= ended["processedOn"] <= ended["finishedOn"]
    assert all(len(str(ended[name])) == 13 for name in ("timestamp", "processedOn", "finishedOn"))
    value = ended["returnValue"]
    assert value["error"] is False and isinstance(value["data"]["id"], int) and value["post_url"].startswith("http")


def test_15_a_failure_says_why(client: Client, google: Google) -> None:
    google.share("doc-private")
    google.statuses["doc-private"] = 403
    ended = client.wait(client.export(link("doc-private")))
    assert ended["state"] == "failed" and ended["returnValue"] == {}
    assert "Anyone with the link" in ended["failedReason"]


def test_16_a_date_ahead_delays_the_job(client: Client, google: Google, site: WordPressSite) -> None:
    date = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=4)
    job = client.export(google.share("doc-later"), date=f"{date:%Y-%m-%d %H:%M:%S}", state="publish")
    assert client.status(job)["state"] == "delayed"
    ended = client.wait(job)
    assert ended["state"] == "completed", ended
    assert ended["processedOn"] >= date.timestamp() * 1_000
    post = ended["returnValue"]["data"]["id"]
    assert site.count("posts", f"ID = {post} AND post_date_gmt = '{date:%Y-%m-%d %H:%M:%S}'") == 1


def test_17_18_19_the_queue_is_part_of_the_name(waiting: Client) -> None:
    job = waiting.export(link("doc-one"))
    assert waiting.post("/job/status", {"jobId": job, "queueType": "post"}).json()["data"] == waiting.status(job)
    for queue in ("article", "publish", "pseo", "moveFile"):
        answer = waiting.post("/job/status", {"jobId": job, "queueType": queue})
        assert (answer.status_code, answer.json()) == (404, NOT_FOUND)
    for queue in ("nonsense", 7, ["post"]):
        assert is_refusal(waiting.post("/job/status", {"jobId": job, "queueType": queue}), 400)


@pytest.mark.parametrize("body", [{}, {"jobId": ""}, {"jobId": "  "}, {"jobId": 42}, {"jobId": None}])
def test_20_a_status_without_a_job_is_refused(waiting: Client, body: dict[str, Any]) -> None:
    answer = waiting.post("/job/status", body)
    assert is_refusal(answer, 400) and "jobId" in answer.json()["details"]


def test_21_an_unknown_job_is_not_found(waiting: Client) -> None:
    for job in ("job-0123456789ab", "42", "job-abc123", "job-\x0023456789ab", "job-0123456789AB"):
        answer = waiting.post("/job/status", {"jobId": job})
        assert (answer.status_code, answer.json()) == (404, NOT_FOUND)


def test_22_another_customers_job_is_denied(stopped: RunningHouse, waiting: Client) -> None:
    job = waiting.export(link("doc-one"))
    answer = stopped.make_client("Stranger").post("/job/status", {"jobId": job})
    assert (answer.status_code, answer.json()) == (403, DENIED)


def test_23_a_status_without_a_right_token_is_unauthorized(stopped: RunningHouse, waiting: Client) -> None:
    job = waiting.export(link("doc-one"))
    for headers in ({}, {"x-access-token": "wrong"}, {"Authorization": "Bearer wrong"}):
        answer = bare(stopped, "/job/status", {"jobId": job}, headers=headers)
        assert (answer.status_code, answer.json()) == (401, UNAUTHORIZED)


def test_23_a_key_that_may_only_read_changes_nothing(stopped: RunningHouse, waiting: Client) -> None:
    body = {"jobId": waiting.export(link("doc-one"))}
    owners = stopped.house.services.owners
    key = asyncio.run(owners.create_key(waiting.owner, scopes=("jobs:read",))).key
    reader = stopped.open_http("/api", {"x-access-token": key})
    assert reader.post("/job/status", json=body).status_code == reader.get("/sites").status_code == 200
    [site] = reader.get("/sites").json()["data"]
    changing = ("POST /export", "POST /documents", "PUT /documents/x", "DELETE /documents/x", "POST /sites")
    for call in (*changing, f"DELETE /sites/{site['id']}"):
        method, path = call.split()
        answer = reader.request(method, path, json={"google_docs_url": link("doc-one")})
        assert is_refusal(answer, 403) and "jobs:write" in answer.json()["details"], call
    assert reader.get("/sites").json()["data"] == [site]


def test_24_the_first_documented_call_is_answered(stopped: RunningHouse, waiting: Client) -> None:
    job = waiting.export(link("doc-one"))
    headers = {"Authorization": f"Bearer {waiting.key}"}
    assert bare(stopped, "/job/status", {"jobId": job}, headers=headers).status_code == 200


def test_25_26_two_buckets_fill_by_themselves(tmp_path: Path, google: Google, site: WordPressSite) -> None:
    clock = ManualClock()
    with run_docswrite(tmp_path, google, workers=0, clock=clock) as house:
        client = house.make_client("Eager", site)
        answers = [client.post("/export", {"google_docs_url": link("doc-one")}) for _ in range(201)]
        assert [answer.status_code for answer in answers] == [200] * 200 + [429]
        refused = answers[-1]
        assert refused.json() == {"error": True, "message": "Too Many Requests", "details": "Rate limit exceeded"}
        assert refused.headers["retry-after"] == "1"
        assert (answers[0].headers["ratelimit-limit"], answers[0].headers["ratelimit-remaining"]) == ("200", "199")
        assert (refused.headers["ratelimit-remaining"], refused.headers["ratelimit-reset"]) == ("0", "120")
        body = {"jobId": answers[0].json()["data"]["jobId"]}
        polls = [client.post("/job/status", body).status_code for _ in range(501)]
        assert polls == [200] * 500 + [429]
        clock.advance(1_200)
        assert [client.post("/export", {"google_docs_url": link("doc-one")}).status_code for _ in range(3)] == [
            200,
            200,
            429,
        ]
        assert client.post("/job/status", body).status_code == 200


def test_26_a_poller_that_was_refused_sees_the_end(client: Client, google: Google) -> None:
    url = google.share("doc-impatient")
    gate = google.gates["doc-impatient"] = threading.Event()
    body = {"jobId": client.export(url)}
    assert any(client.post("/job/status", body).status_code == 429 for _ in range(5_000))
    gate.set()
    ended = client.running.wait_until(
        lambda: (
            answer
            if (answer := client.post("/job/status", body)).status_code == 200
            and answer.json()["data"]["state"] == "completed"
            else None
        )
    )
    assert ended.json()["data"]["progress"] == 100


def test_28_the_same_document_again_updates_its_post(client: Client, google: Google, site: WordPressSite) -> None:
    url = google.share("doc-again", text="First words.", pictures=("bee",))
    first = client.publish(url, state="publish")
    url = google.share("doc-again", text="Second words.", pictures=("bee",))
    second = client.publish(url)
    assert second["id"] != first["id"]
    assert second["returnValue"]["data"] == first["returnValue"]["data"]
    assert "Second words." in site.read_page(second["returnValue"]["post_url"])


def test_29_the_request_wins_over_the_documents_table(client: Client, google: Google, site: WordPressSite) -> None:
    url = google.share("doc-table", settings={"title": "From the table", "state": "publish", "slug": "table-slug"})
    post = client.publish(url)["returnValue"]
    assert site.count("posts", f"ID = {post['data']['id']} AND post_title = 'From the table'") == 1
    assert "docswrite_settings" not in site.read_page(post["post_url"])
    again = client.publish(url, title="From the request")["returnValue"]
    assert again["data"] == post["data"]
    assert site.count("posts", f"ID = {post['data']['id']} AND post_title = 'From the request'") == 1


def test_30_the_status_is_not_got(waiting: Client) -> None:
    answer = waiting.http.get("/job/status")
    assert is_refusal(answer, 405) and answer.headers["allow"] == "POST"
