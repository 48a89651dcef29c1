"""Every route of the native dialect over real HTTP."""

import json
from typing import Any

import httpx
import pytest
from http_house import House

from jobwire.domain.outcome import CancelConfirmed, Completed, Failed, PublicError
from jobwire.http.requests import read_query

PROGRESS = '{"percent":62.5,"stage":"sort","done":5,"total":8,"message":"half"}'
BROKEN = PublicError("too_big", "It is too big", retryable=False, details='{"limit":3}')


def submit(client: httpx.Client, **body: Any) -> dict[str, Any]:
    answer = client.post("/v1/jobs", json={"kind": "echo", "input": {"text": "hi"}} | body)
    assert answer.status_code == 202, answer.text
    job: dict[str, Any] = answer.json()
    return job


def read(client: httpx.Client, job: dict[str, Any]) -> dict[str, Any]:
    answer = client.get(job["links"]["self"])
    assert answer.status_code == 200
    again: dict[str, Any] = answer.json()
    return again


# submit


def test_a_submission_is_accepted_with_its_place_and_when_to_ask_again(client: httpx.Client) -> None:
    answer = client.post("/v1/jobs", json={"kind": "echo", "input": {"text": "hi"}, "tags": ["a", "b"]})
    job = answer.json()
    assert answer.status_code == 202
    assert answer.headers["location"] == f"/v1/jobs/{job['id']}" == job["links"]["self"]
    assert answer.headers["retry-after"] == "1"
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    assert job == client.get(answer.headers["location"]).json()
    assert job["phase"] == "waiting" and job["position"] == 0 and job["tags"] == ["a", "b"]
    assert job["created_at"] == "2030-03-17T17:46:40.123Z"


def test_a_submission_may_choose_queue_priority_and_time(client: httpx.Client) -> None:
    job = submit(client, queue="slow", priority=2, run_at="2030-03-17T18:00:00Z", deadline="2030-03-17T19:00:00Z")
    assert (job["queue"], job["priority"], job["phase"]) == ("slow", 2, "scheduled")
    assert (job["run_at"], job["deadline_at"]) == ("2030-03-17T18:00:00.000Z", "2030-03-17T19:00:00.000Z")
    assert submit(client, delay=60)["run_at"] == "2030-03-17T17:47:40.123Z"


def test_the_same_idempotency_key_gives_the_same_job(client: httpx.Client, stranger: httpx.Client) -> None:
    body = {"kind": "echo", "input": {"text": "hi"}, "delay": 5}
    first = client.post("/v1/jobs", json=body, headers={"Idempotency-Key": '"k-1"'})
    again = client.post("/v1/jobs", json=body, headers={"Idempotency-Key": "k-1"})
    assert again.status_code == 202 and again.json()["id"] == first.json()["id"]
    assert "idempotency-replayed" not in first.headers and again.headers["idempotency-replayed"] == "true"
    other = client.post("/v1/jobs", json=body | {"delay": 6}, headers={"Idempotency-Key": "k-1"})
    assert (other.status_code, other.json()["code"]) == (422, "unprocessable")
    theirs = stranger.post("/v1/jobs", json=body, headers={"Idempotency-Key": "k-1"})
    assert theirs.status_code == 202 and theirs.json()["id"] != first.json()["id"]
    assert client.post("/v1/jobs", json=body, headers={"Idempotency-Key": "k" * 256}).status_code == 400


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ({"input": {}}, ["/kind"]),
        ({"kind": "ecko"}, ["/kind"]),
        ({"kind": "echo", "input": {"text": 5, "times": "x"}}, ["/input/text", "/input/times"]),
        ({"kind": "echo", "input": {"nope": 1}}, ["/input/nope"]),
        ({"kind": "echo", "input": []}, ["/input"]),
        ({"kind": "echo", "priority": 10}, ["/priority"]),
        ({"kind": "echo", "queue": "a b"}, ["/queue"]),
        ({"kind": "echo", "tags": [""]}, ["/tags/0"]),
        ({"kind": "echo", "deadline": "2001-01-01T00:00:00Z"}, ["/deadline"]),
        ({"kind": "echo", "run_at": "2099-01-01T00:00:00Z"}, ["/run_at"]),
        ({"kind": "echo", "colour": "x", "color": 1}, ["/colour", "/color"]),
        ({"kind": "echo", "webhook": "x"}, ["/webhook"]),
        ({"kind": "echo", "webhook": 5}, ["/webhook"]),
        ({"kind": "echo", "webhook": {"url": "http://10.0.0.1/"}}, ["/webhook/url"]),
        ({"kind": "echo", "webhook": {"url": "http://127.0.0.1/", "events": ["job.done"]}}, ["/webhook/events/0"]),
    ],
)
def test_a_wrong_submission_is_told_where(client: httpx.Client, body: Any, pointers: list[str]) -> None:
    answer = client.post("/v1/jobs", json=body)
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["code"] == "invalid_request" and problem["title"] == "Bad Request" and problem["status"] == 400
    assert problem["request_id"] == answer.headers["x-request-id"]
    assert [fault["pointer"] for fault in problem["errors"]] == pointers
    assert client.get("/v1/jobs").json()["jobs"] == []


# read


def test_a_poll_follows_a_job_to_its_end(house: House, client: httpx.Client) -> None:
    job = submit(client)
    [claim] = house.claim()
    house.report(claim, PROGRESS)
    running = client.get(job["links"]["self"])
    assert running.json()["phase"] == "running" and running.json()["attempt"] == 1
    assert running.json()["progress"] == json.loads(PROGRESS)
    assert "position" not in running.json() and running.headers["retry-after"] == "1"
    house.settle(claim, Completed('{"text":"hi"}'))
    done = client.get(job["links"]["self"])
    assert done.json()["phase"] == "completed" and done.json()["result"] == {"text": "hi"}
    assert done.json()["progress"]["percent"] == 100.0
    assert "retry-after" not in done.headers


def test_a_failed_job_is_a_200_that_tells_the_customer_and_hides_the_rest(house: House, client: httpx.Client) -> None:
    job = submit(client)
    house.fail(BROKEN)
    answer = client.get(job["links"]["self"])
    assert answer.status_code == 200 and answer.json()["phase"] == "failed"
    assert answer.json()["error"] == {
        "code": "too_big", "message": "It is too big", "retryable": False, "details": {"limit": 3},
    }  # fmt: skip
    assert "secret" not in answer.text


def test_positions_count_the_jobs_before(client: httpx.Client) -> None:
    jobs = [submit(client) for _ in range(3)]
    assert [read(client, job)["position"] for job in jobs] == [0, 1, 2]


def test_an_unchanged_job_is_not_sent_again(house: House, client: httpx.Client) -> None:
    job = submit(client)
    [claim] = house.claim()
    first = client.get(job["links"]["self"])
    etag = first.headers["etag"]
    assert etag == f'"{first.json()["version"]}"'
    assert first.headers["cache-control"] == "private, no-cache"
    for named in (etag, f"W/{etag}", f'"x", {etag}', "*"):
        same = client.get(job["links"]["self"], headers={"If-None-Match": named})
        assert (same.status_code, same.content) == (304, b"")
        assert same.headers["etag"] == etag and same.headers["retry-after"] == "1"
    assert client.get(job["links"]["self"], headers={"If-None-Match": '"0"'}).status_code == 200
    house.report(claim, PROGRESS)
    assert client.get(job["links"]["self"], headers={"If-None-Match": etag}).status_code == 200


def test_a_waiting_job_that_moves_up_is_sent_again(house: House, client: httpx.Client) -> None:
    submit(client)
    second = submit(client)
    before = client.get(second["links"]["self"])
    assert client.get(second["links"]["self"], headers={"If-None-Match": before.headers["etag"]}).status_code == 304
    house.claim()
    after = client.get(second["links"]["self"], headers={"If-None-Match": before.headers["etag"]})
    assert after.status_code == 200 and after.json()["position"] == 0
    assert after.json()["version"] == before.json()["version"]


def test_head_says_what_get_would_say_without_the_body(client: httpx.Client) -> None:
    job = submit(client)
    for path in (job["links"]["self"], "/v1/jobs", "/v1/me", "/healthz", "/openapi.json"):
        head, get = client.head(path), client.get(path)
        assert head.status_code == get.status_code == 200 and head.content == b""
        assert head.headers["content-length"] == str(len(get.content))
        assert head.headers["content-type"] == get.headers["content-type"]


@pytest.mark.parametrize("name", ["job_0", "job_" + "0" * 26, "7", "job_" + "w" * 26, "%00", "..%2f..", "job_%C3%28"])
def test_a_job_that_is_not_there_is_not_found(client: httpx.Client, name: str) -> None:
    for method, path in (("GET", ""), ("GET", "/result"), ("POST", "/cancel"), ("POST", "/rerun")):
        answer = client.request(method, f"/v1/jobs/{name}{path}")
        assert answer.status_code == 404 and answer.json()["status"] == 404


# list


def test_pages_walk_through_all_jobs_newest_first(client: httpx.Client) -> None:
    made = [submit(client)["id"] for _ in range(7)]
    seen: list[str] = []
    query: dict[str, Any] = {"limit": 3}
    sizes = []
    while True:
        page = client.get("/v1/jobs", params=query).json()
        seen += [job["id"] for job in page["jobs"]]
        sizes.append(len(page["jobs"]))
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
    assert seen == made[::-1] and sizes == [3, 3, 1]


def test_a_page_holds_a_hundred_jobs_and_not_more(client: httpx.Client) -> None:
    made = [submit(client)["id"] for _ in range(101)]
    page = client.get("/v1/jobs", params={"limit": 100}).json()
    assert [job["id"] for job in page["jobs"]] == made[:0:-1] and page["next_cursor"]
    rest = client.get("/v1/jobs", params={"limit": 100, "cursor": page["next_cursor"]}).json()
    assert [job["id"] for job in rest["jobs"]] == made[:1] and rest["next_cursor"] is None


def test_a_list_is_sifted_by_kind_tag_phase_and_time(house: House, client: httpx.Client) -> None:
    first = submit(client, tags=["x"])
    house.complete()
    house.clock.now += 5_000
    second = submit(client, kind="slow", input={}, tags=["x", "y"])
    third = submit(client, delay=60)

    def ids(**query: str) -> list[str]:
        return [job["id"] for job in client.get("/v1/jobs", params=query).json()["jobs"]]

    assert ids(kind="echo") == [third["id"], first["id"]]
    assert ids(tag="x") == [second["id"], first["id"]]
    assert ids(phase="completed") == [first["id"]]
    assert ids(phase="waiting") == [second["id"]]
    assert ids(phase="scheduled") == [third["id"]]
    assert ids(phase="retrying") == ids(phase="expired") == ids(tag="nope") == []
    assert ids(created_after="2030-03-17T17:46:41Z") == [third["id"], second["id"]]


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=101", "limit=x", "phase=nope", "cursor=!", "created_after=x", "x=1", "kind=A%20B", "tag="],
)
def test_a_list_refuses_what_it_does_not_know(client: httpx.Client, query: str) -> None:
    answer = client.get(f"/v1/jobs?{query}")
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"] == "/" + query.partition("=")[0]


def test_a_rare_phase_in_a_long_list_gives_short_pages_that_go_on(house: House, client: httpx.Client) -> None:
    rare = submit(client)["id"]
    [claim] = house.claim()
    house.settle(claim, Failed(PublicError("busy", "Busy", retryable=True)))
    for _ in range(25):
        submit(client, delay=60)
    pages, cursor = [], ""
    while cursor is not None:
        page = client.get(f"/v1/jobs?phase=retrying&limit=1{cursor and '&cursor=' + cursor}").json()
        pages.append([job["id"] for job in page["jobs"]])
        cursor = page["next_cursor"]
    assert pages == [[], [rare]]


@pytest.mark.parametrize("query", ["kind=%ff", "&".join(f"a{n}=1" for n in range(101))])
def test_a_query_that_cannot_be_read_is_refused(client: httpx.Client, query: str) -> None:
    assert client.get(f"/v1/jobs?{query}").status_code == 400


def test_a_query_may_have_a_hundred_fields() -> None:
    assert len(read_query("&".join(f"a{n}=1" for n in range(100)).encode())) == 100


# cancel, rerun, result


def test_a_waiting_job_is_cancelled_at_once_and_only_once(client: httpx.Client) -> None:
    job = submit(client)
    answer = client.post(job["links"]["cancel"])
    assert answer.status_code == 200 and answer.json()["phase"] == "cancelled"
    assert "retry-after" not in answer.headers
    again = client.post(job["links"]["cancel"])
    assert (again.status_code, again.json()["code"]) == (409, "conflict")
    assert again.json()["details"] == {"phase": "cancelled"}


def test_a_running_job_is_asked_to_stop(house: House, client: httpx.Client) -> None:
    job = submit(client)
    [claim] = house.claim()
    answer = client.post(job["links"]["cancel"], content=b"not json, and not read")
    assert (answer.status_code, answer.json()["phase"]) == (200, "cancelling")
    house.settle(claim, CancelConfirmed())
    assert read(client, job)["phase"] == "cancelled"


def test_a_rerun_is_a_new_job_that_names_where_it_came_from(house: House, client: httpx.Client) -> None:
    first = submit(client, tags=["t"])
    early = client.post(f"/v1/jobs/{first['id']}/rerun")
    assert (early.status_code, early.json()["code"]) == (409, "conflict")
    house.complete()
    answer = client.post(f"/v1/jobs/{first['id']}/rerun")
    second = answer.json()
    assert answer.status_code == 202 and answer.headers["location"] == second["links"]["self"]
    assert (second["rerun_of"], second["root_id"], second["tags"]) == (first["id"], first["id"], ["t"])
    house.complete()
    third = client.post(second["links"]["self"] + "/rerun").json()
    assert (third["rerun_of"], third["root_id"]) == (second["id"], first["id"])
    assert read(client, third) == third
    assert read(client, first)["root_id"] == first["id"]


def test_a_result_comes_alone_when_the_job_has_completed(house: House, client: httpx.Client) -> None:
    job = submit(client)
    early = client.get(job["links"]["self"] + "/result")
    assert (early.status_code, early.json()["code"], early.headers["retry-after"]) == (409, "not_finished", "1")
    house.complete('{"text":"hi"}')
    answer = client.get(job["links"]["self"] + "/result")
    assert (answer.status_code, answer.content) == (200, b'{"text":"hi"}')


def test_the_result_of_a_failed_job_is_a_conflict_with_its_error(house: House, client: httpx.Client) -> None:
    job = submit(client)
    house.fail(BROKEN)
    answer = client.get(job["links"]["self"] + "/result")
    assert (answer.status_code, answer.json()["code"]) == (409, "job_failed")
    assert answer.json()["details"]["error"]["code"] == "too_big" and "secret" not in answer.text
    cancelled = submit(client)
    client.post(cancelled["links"]["cancel"])
    answer = client.get(cancelled["links"]["self"] + "/result")
    assert (answer.status_code, answer.json()["details"]) == (409, {"phase": "cancelled", "error": None})


# me and the server's own pages


def test_me_says_who_calls(client: httpx.Client) -> None:
    me = client.get("/v1/me").json()
    assert (me["owner"], me["scopes"], me["limits"]) == ("ada", ["jobs:read", "jobs:write"], [])
    assert me["key_id"] in client.headers["authorization"]


def test_the_server_says_that_it_is_up_and_ready(house: House) -> None:
    with house.client() as nobody:
        assert nobody.get("/healthz").json() == {"status": "ok"}
        assert nobody.get("/readyz").json() == {"status": "ok"}
        assert nobody.post("/healthz").status_code == 404


def test_a_ledger_that_is_closed_is_not_ready_and_is_asked_once_a_second(house: House) -> None:
    with house.client() as nobody:
        assert nobody.get("/readyz").status_code == 200
        house.services.store.close()
        house.clock.now += 999
        assert nobody.get("/readyz").status_code == 200
        house.clock.now += 1
        assert nobody.get("/healthz").status_code == 200
        answer = nobody.get("/readyz")
        assert (answer.status_code, answer.json()) == (503, {"status": "unavailable"})


def test_a_submission_a_list_and_a_poll_show_the_same_exact_place(client: httpx.Client) -> None:
    made = [submit(client) for _ in range(6)]
    listed = client.get("/v1/jobs").json()["jobs"]
    polled = [read(client, job) for job in made]
    for shown in (made, polled, list(reversed(listed))):
        assert [(job["position"], job["blocked_by"]) for job in shown] == [(n, None) for n in range(6)]
