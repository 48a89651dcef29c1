"""Every route of the native dialect over real HTTP."""

from typing import Any

import httpx


def submit(client: httpx.Client, **body: Any) -> dict[str, Any]:
    answer = client.post("/v1/jobs", json={"kind": "echo", "input": {"text": "hi"}} | body)
    assert answer.status_code == 202, answer.text
    job: dict[str, Any] = answer.json()
    return job


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
