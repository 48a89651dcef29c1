"""Over HTTP: what holds a job back is told, and ends being told."""

import httpx
import pytest
from http_house import House
from test_native_routes import read, submit

from jobwire.domain.caps import Cap
from jobwire.domain.outcome import Completed

KEY_CAP = Cap("concurrency_key", "echo", 1)


def test_a_status_tells_what_holds_the_job_back_as_long_as_it_does(house: House, client: httpx.Client) -> None:
    house.services.store.write(lambda tx: tx.set_cap(KEY_CAP)).result(10)
    jobs = [submit(client, concurrency_key="acme") for _ in range(3)]
    assert [(job["position"], job["blocked_by"]) for job in jobs] == [(0, None), (1, None), (2, None)]
    [claim] = house.claim(limit=3)
    assert "blocked_by" not in read(client, jobs[0])
    assert [read(client, job)["blocked_by"] for job in jobs[1:]] == ["concurrency_key"] * 2
    house.settle(claim, Completed("1"))
    after = [read(client, job) for job in jobs[1:]]
    assert [(job["position"], job["blocked_by"]) for job in after] == [(0, None), (1, "concurrency_key")]


def test_an_etag_ends_when_what_holds_the_job_back_does(house: House, client: httpx.Client) -> None:
    house.services.store.write(lambda tx: tx.set_cap(KEY_CAP)).result(10)
    jobs = [submit(client, concurrency_key="acme") for _ in range(2)]
    [claim] = house.claim(limit=2)
    path = jobs[1]["links"]["self"]
    held = client.get(path).headers["etag"]
    assert client.get(path, headers={"If-None-Match": held}).status_code == 304
    house.settle(claim, Completed("1"))
    again = client.get(path, headers={"If-None-Match": held})
    assert (again.status_code, again.json()["blocked_by"]) == (200, None)


@pytest.mark.parametrize("sent", ["", "x" * 256, "a\nb"])
def test_a_concurrency_key_out_of_bounds_is_refused_by_its_pointer(client: httpx.Client, sent: str) -> None:
    answer = client.post("/v1/jobs", json={"kind": "echo", "input": {"text": "hi"}, "concurrency_key": sent})
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"] == "/concurrency_key"


def test_the_same_idempotency_key_with_another_concurrency_key_is_another_body(client: httpx.Client) -> None:
    body = {"kind": "echo", "input": {"text": "hi"}, "concurrency_key": "a"}
    headers = {"Idempotency-Key": "k"}
    assert client.post("/v1/jobs", json=body, headers=headers).status_code == 202
    assert client.post("/v1/jobs", json=body, headers=headers).status_code == 202
    assert client.post("/v1/jobs", json=body | {"concurrency_key": "b"}, headers=headers).status_code == 422


def test_the_description_has_the_words_of_every_cap(client: httpx.Client) -> None:
    text = client.get("/openapi.json").text
    assert '"blocked_by"' in text
    assert '["owner","kind","concurrency_key","rate"]' in text
    assert '"concurrency_key"' in text
