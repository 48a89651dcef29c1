"""Running a job again: anew, with another input, from a step on; safely repeated."""

from typing import Any

import httpx
import pytest
from http_house import House

from jobwire.domain.outcome import Completed, Failed, PublicError
from jobwire.domain.settlement import Lease
from jobwire.store.contract import Claim

BROKEN = PublicError("broken", "It broke", retryable=False)


def submit(client: httpx.Client) -> dict[str, Any]:
    job: dict[str, Any] = client.post("/v1/jobs", json={"kind": "echo", "input": {"text": "hi"}}).json()
    return job


def run_steps(house: House, *names: str) -> Claim:
    """Claim the next job and complete these steps of it; they all share a millisecond."""
    [claim] = house.claim()
    for name in names:
        saved = house.services.store.save_step(Lease(claim.number, claim.fence), name=name, output=f'"{name}!"')
        assert saved.result(10)
    return claim


def rerun(client: httpx.Client, job: dict[str, Any], headers: dict[str, str] | None = None, **body: Any) -> Any:
    return client.post(f"/v1/jobs/{job['id']}/rerun", json=body, headers=headers)


def kept(house: House, claim: Claim) -> dict[str, str]:
    return house.services.store.steps(claim.number).result(10)


@pytest.mark.parametrize(("from_step", "names"), [("c", []), ("a", ["c"]), ("b", ["c", "a"]), (None, [])], ids=str)
def test_a_rerun_from_a_step_keeps_the_outputs_of_those_before_it(
    house: House, client: httpx.Client, from_step: str | None, names: list[str]
) -> None:
    job = submit(client)
    house.settle(run_steps(house, "c", "a", "b"), Completed("1"))
    answer = rerun(client, job, from_step=from_step)
    assert (answer.status_code, answer.json()["rerun_of"], answer.json()["phase"]) == (202, job["id"], "waiting")
    [claim] = house.claim()
    assert kept(house, claim) == {name: f'"{name}!"' for name in names}
    # A worker looks for steps behind a fence above 1 only.
    assert claim.fence == (2 if names else 1) and claim.attempt == 1


def test_a_rerun_of_a_failed_job_goes_on_at_the_step_that_failed(house: House, client: httpx.Client) -> None:
    job = submit(client)
    house.settle(run_steps(house, "fetch", "cut"), Failed(BROKEN))
    assert rerun(client, job, from_step="upload").status_code == 202
    assert list(kept(house, run_steps(house, "upload"))) == ["fetch", "cut", "upload"]


def test_a_step_that_a_completed_job_does_not_have_is_refused(house: House, client: httpx.Client) -> None:
    job = submit(client)
    house.settle(run_steps(house, "fetch", "cut"), Completed("1"))
    answer = rerun(client, job, from_step="cutt")
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (400, "/from_step")
    assert "its steps are: 'fetch', 'cut'" in answer.json()["detail"]


def test_a_rerun_of_a_rerun_keeps_steps_in_their_order(house: House, client: httpx.Client) -> None:
    job = submit(client)
    house.settle(run_steps(house, "z", "y"), Failed(BROKEN))
    second = rerun(client, job, from_step="x").json()
    house.settle(run_steps(house, "x"), Failed(BROKEN))
    third = rerun(client, second, from_step="x").json()
    assert (third["rerun_of"], third["root_id"]) == (second["id"], job["id"])
    assert list(kept(house, run_steps(house))) == ["z", "y"]


def test_a_rerun_may_have_another_input_that_is_checked_like_a_submission(house: House, client: httpx.Client) -> None:
    job = submit(client)
    house.complete()
    wrong = rerun(client, job, input={"text": 7})
    assert (wrong.status_code, wrong.json()["errors"][0]["pointer"]) == (400, "/input/text")
    huge = rerun(client, job, input={"text": "x" * 1_000_001})
    assert (huge.status_code, huge.json()["code"]) == (413, "payload_too_large")
    assert rerun(client, job, input={"text": "new"}).status_code == 202
    assert [claim.input for claim in house.claim(limit=5)] == ['{"text":"new"}']


def test_a_rerun_with_a_key_happens_once(house: House, client: httpx.Client) -> None:
    job = submit(client)
    house.complete()
    first = rerun(client, job, headers={"Idempotency-Key": "r"})
    again = rerun(client, job, headers={"Idempotency-Key": "r"})
    assert first.json()["id"] == again.json()["id"] != job["id"]
    assert "idempotency-replayed" not in first.headers and again.headers["idempotency-replayed"] == "true"
    other = rerun(client, job, headers={"Idempotency-Key": "r"}, input={"text": "other"})
    assert (other.status_code, other.json()["code"]) == (422, "unprocessable")
    assert rerun(client, job).json()["id"] != first.json()["id"]


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"", None, 202),
        (b"{}", "application/json", 202),
        (b"{}", "text/plain", 415),
        (b"[]", "application/json", 400),
        (b'{"from_step": 7}', "application/json", 400),
        (b'{"from_step": ""}', "application/json", 400),
        (b'{"form_step": "a"}', "application/json", 400),
        (b"{", "application/json", 400),
    ],
)
def test_the_body_of_a_rerun_may_be_left_out_but_not_be_wrong(
    house: House, client: httpx.Client, content: bytes, kind: str | None, status: int
) -> None:
    job = submit(client)
    house.complete()
    headers = {} if kind is None else {"Content-Type": kind}
    answer = client.post(f"/v1/jobs/{job['id']}/rerun", content=content, headers=headers)
    assert answer.status_code == status, answer.text
