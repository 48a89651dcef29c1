"""Repeating a call safely: keys of headers and of bodies, their life, and what a late repetition gets."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from http_house import House, open_house

from jobwire.dialects.native import NATIVE
from jobwire.dialects.spec import ErrorWord
from jobwire.domain.job import IDEMPOTENCY_MS
from jobwire.domain.outcome import Completed
from jobwire.domain.phases import Phase

BODY = {"kind": "echo", "input": {"text": "hi"}}


def send(client: httpx.Client, key: str | None = None, **fields: Any) -> httpx.Response:
    return client.post("/v1/jobs", json=BODY | fields, headers={} if key is None else {"Idempotency-Key": key})


def test_a_key_lives_for_a_day_to_the_millisecond(house: House, client: httpx.Client) -> None:
    first = send(client, "k").json()["id"]
    house.clock.now += IDEMPOTENCY_MS - 1
    assert send(client, "k").json()["id"] == first
    house.clock.now += 1
    late = send(client, "k")
    assert late.json()["id"] != first and "idempotency-replayed" not in late.headers


def test_the_life_of_keys_is_published(client: httpx.Client) -> None:
    described = client.get("/openapi.json").json()["paths"]["/v1/jobs"]["post"]["parameters"]
    [header] = [one for one in described if one.get("name") == "Idempotency-Key"]
    assert f"within {IDEMPOTENCY_MS // 3_600_000} hours" in header["description"]


def test_a_repetition_shows_the_job_as_it_is_then(house: House, client: httpx.Client) -> None:
    send(client, "k")
    house.complete()
    again = send(client, "k")
    assert (again.status_code, again.json()["phase"], again.headers["idempotency-replayed"]) == (
        202, "completed", "true",
    )  # fmt: skip


def test_a_repetition_after_the_deadline_finds_its_job(house: House, client: httpx.Client) -> None:
    deadline = "2030-03-17T17:50:00Z"
    first = send(client, "k", deadline=deadline).json()["id"]
    house.clock.now += 600_000
    again = send(client, "k", deadline=deadline)
    assert (again.status_code, again.json()["id"], again.headers["idempotency-replayed"]) == (202, first, "true")
    assert send(client, "other", deadline=deadline).status_code == 400
    assert send(client, "k", deadline="2030-03-17T17:51:00Z").status_code == 422
    house.clock.now += IDEMPOTENCY_MS
    assert send(client, "k", deadline=deadline).status_code == 400


def test_a_refused_submission_leaves_its_key_free(client: httpx.Client) -> None:
    assert send(client, "k", input={"text": 7}).status_code == 400
    assert "idempotency-replayed" not in send(client, "k").headers


@pytest.mark.parametrize("natural_key", ["order_id", "input.text", "concurrency_key"])
def test_a_dialect_may_name_a_field_that_names_the_submission(tmp_path: Path, natural_key: str) -> None:
    vendor = replace(NATIVE, natural_key=natural_key)

    def body(name: Any, **fields: Any) -> dict[str, Any]:
        if natural_key == "input.text":
            return {"kind": "echo", "input": {"text": name}, **fields}
        return {"kind": "echo", natural_key: name, **fields}

    with open_house(tmp_path, vendor) as house, house.client(house.make_key("ada")) as client:
        first = client.post("/v1/jobs", json=body("A-1"))
        again = client.post("/v1/jobs", json=body("A-1"))
        assert first.status_code == 202 and again.json()["id"] == first.json()["id"]
        assert again.headers["idempotency-replayed"] == "true"
        assert client.post("/v1/jobs", json=body("A-2")).json()["id"] != first.json()["id"]
        assert client.post("/v1/jobs", json=body("A-1", priority=1)).status_code == 422
        batch = client.post("/v1/jobs/batch", json=[body("A-1"), body("A-3"), body("A-3")]).json()
        assert [result["replayed"] for result in batch["results"]] == [True, False, True]
        headed = client.post("/v1/jobs", json=body("A-1"), headers={"Idempotency-Key": "h"})
        assert headed.json()["id"] != first.json()["id"]
        odd = client.post("/v1/jobs", json=body([]))
        assert (odd.status_code, odd.json()["errors"][0]["pointer"]) == (400, "/" + natural_key.replace(".", "/"))
        nameless = [client.post("/v1/jobs", json={"kind": "echo"}).json()["id"] for _ in range(2)]
        assert nameless[0] != nameless[1]


def test_too_late_a_cancel_or_too_early_a_rerun_says_what_the_job_is_in_the_dialects_word(tmp_path: Path) -> None:
    words = {**NATIVE.phases, Phase.COMPLETED: "all done", Phase.WAITING: "in line"}
    vendor = replace(NATIVE, phases=words, errors={**NATIVE.errors, "conflict": ErrorWord(409)})
    with open_house(tmp_path, vendor) as house, house.client(house.make_key("ada")) as client:
        job = send(client).json()
        early = client.post(f"/v1/jobs/{job['id']}/rerun")
        assert (early.status_code, early.json()["details"]) == (409, {"phase": "in line"})
        assert early.json()["detail"].startswith("the job is in line;")
        [claim] = house.claim()
        asked = client.post(f"/v1/jobs/{job['id']}/cancel")
        assert (asked.status_code, asked.json()["phase"]) == (200, "cancelling")
        house.settle(claim, Completed("1"))
        late = client.post(f"/v1/jobs/{job['id']}/cancel")
        assert (late.status_code, late.json()["details"]) == (409, {"phase": "all done"})
        assert late.json()["detail"] == "the job is all done and can no longer be cancelled"


def test_a_deadline_ends_what_nobody_has_started(house: House, client: httpx.Client) -> None:
    waits = send(client, deadline="2030-03-17T17:47:00.123Z").json()
    later = send(client, deadline="2030-03-17T17:48:00Z", run_at="2030-03-17T17:47:59Z").json()
    [claim] = house.claim()
    started = send(client, deadline="2030-03-17T17:47:00.123Z").json()
    assert claim.key in waits["id"]
    [second] = house.claim()
    assert second.key in started["id"]
    late = send(client, deadline="2030-03-17T17:47:00.123Z").json()
    promote = house.services.store.promote
    house.clock.now += 20_000 - 123 + 122
    promote().result(10)
    assert client.get(late["links"]["self"]).json()["phase"] == "waiting"
    house.clock.now += 2
    promote().result(10)
    job = client.get(late["links"]["self"]).json()
    assert (job["phase"], job["error"]["code"], job["error"]["retryable"]) == ("expired", "expired", True)
    assert client.get(started["links"]["self"]).json()["phase"] == "running"
    assert client.get(later["links"]["self"]).json()["phase"] == "scheduled"
    assert client.post(f"/v1/jobs/{late['id']}/cancel").json()["details"] == {"phase": "expired"}
    assert client.post(f"/v1/jobs/{late['id']}/rerun").json()["deadline_at"] is None


@pytest.mark.parametrize(
    ("deadline", "status"),
    [
        ("2030-03-17T17:46:40.123Z", 400),
        ("2030-03-17T17:46:40.124Z", 202),
        ("2031-03-18T17:46:40.123Z", 202),
        ("2031-03-18T17:46:40.124Z", 400),
        ("2030-03-17T17:46:41", 400),
    ],
)
def test_a_deadline_lies_after_now_and_within_366_days(client: httpx.Client, deadline: str, status: int) -> None:
    answer = send(client, deadline=deadline)
    assert answer.status_code == status, answer.text
    if status == 400:
        assert answer.json()["errors"][0]["pointer"] == "/deadline"
