"""What a customer is told of waiting, over real HTTP: the estimate in a status, and submissions that are refused."""

from dataclasses import replace

import pytest
from http_house import open_house

from jobwire.dialects.native import NATIVE
from jobwire.dialects.spec import LIVE_PHASES, Field
from jobwire.domain.outcome import Completed
from jobwire.domain.run_times import Tally, bucket_of
from jobwire.store.estimates import RunGroup, add_runs, set_slots

SUBMISSION = {"kind": "echo", "input": {"text": "hi"}}


def staff(house, slots=1, *, run_ms=10_000, runs=20):
    """A live worker whose jobs have taken `run_ms` each."""
    group = RunGroup("default", "echo", 1, bucket_of(run_ms))

    def tell(tx):
        set_slots(tx, "w1", {"default": slots})
        add_runs(tx, {group: Tally(runs, runs * run_ms * 1_000)})

    house.services.store.write(tell).result(10)
    house.services.store.heartbeat("w1", lease_ms=60_000).result(10)


def fill(house, client, waiting=0):
    """One job that runs, and so many behind it."""
    client.post("/v1/jobs", json=SUBMISSION)
    [claim] = house.claim()
    for _ in range(waiting):
        assert client.post("/v1/jobs", json=SUBMISSION).status_code == 202
    return claim


# when to ask again


def test_who_polls_is_told_to_come_at_the_likely_end_in_every_dialect(tmp_path):
    field = replace(
        NATIVE, name="field", mount="/field", is_conditional=False,
        job=(Field("id", "id"), Field("retry", "retry_after_s", when=LIVE_PHASES)),
    )  # fmt: skip
    with open_house(tmp_path, NATIVE, field) as house, house.client(house.make_key("ada")) as client:
        staff(house)
        fill(house, client, waiting=2)
        made = client.post("/v1/jobs", json=SUBMISSION)
        assert 33 <= int(made.headers["retry-after"]) <= 37
        for mount in ("/v1", "/field"):
            path = f"{mount}/jobs/{made.json()['id']}"
            told = client.get(path)
            assert told.headers["retry-after"] == made.headers["retry-after"]
            assert told.json().get("retry", int(told.headers["retry-after"])) == int(told.headers["retry-after"])
            assert client.get(f"{path}/result").headers["retry-after"] == told.headers["retry-after"]
        seen = {"If-None-Match": client.get(f"/v1/jobs/{made.json()['id']}").headers["etag"]}
        same = client.get(f"/v1/jobs/{made.json()['id']}", headers=seen)
        assert (same.status_code, same.headers["retry-after"]) == (304, made.headers["retry-after"])


def test_who_cancels_a_running_job_is_told_when_to_ask_as_any_poll_is(house, client):
    path = client.post("/v1/jobs", json=SUBMISSION).headers["location"]
    house.claim()
    house.clock.now += 60_000
    cancelled = client.post(f"{path}/cancel")
    assert cancelled.json()["phase"] == "cancelling" and int(cancelled.headers["retry-after"]) > 10
    assert cancelled.headers["retry-after"] == client.get(path).headers["retry-after"]
    waiting = client.post("/v1/jobs", json=SUBMISSION).headers["location"]
    ended = client.post(f"{waiting}/cancel")
    assert (ended.json()["phase"], ended.headers.get("retry-after")) == ("cancelled", None)


def test_who_polls_a_job_of_which_nothing_is_known_comes_ever_more_rarely(house, client):
    path = client.post("/v1/jobs", json=SUBMISSION).headers["location"]
    house.claim()
    told = []
    for _ in range(4):
        told.append(int(client.get(path).headers["retry-after"]))
        house.clock.now += 20_000
    assert told == sorted(told) and told[0] == 1 and 14 <= told[-1] <= 16


def test_nobody_is_told_to_come_sooner_than_the_dialect_says(tmp_path):
    with (
        open_house(tmp_path, replace(NATIVE, retry_after_s=7)) as house,
        house.client(house.make_key("ada")) as client,
    ):
        assert client.post("/v1/jobs", json=SUBMISSION).headers["retry-after"] == "7"


@pytest.fixture
def capped(tmp_path):
    with open_house(tmp_path, owner_backlog_max=3) as house:
        yield house


@pytest.fixture
def ada(capped):
    with capped.client(capped.make_key("ada")) as client:
        yield client


def count_jobs(house):
    return house.services.store.read(lambda r: r.query("SELECT count(*) FROM job")[0][0]).result(10)


# estimates


def test_a_waiting_job_shows_when_it_starts_and_ends(house, client):
    staff(house)
    fill(house, client, waiting=2)
    job = client.post("/v1/jobs", json=SUBMISSION).json()
    assert job["position"] == 2
    estimate = job["estimate"]
    assert list(estimate) == ["starts_in_p50_s", "starts_in_p90_s", "ends_in_p50_s", "ends_in_p90_s"]
    assert list(estimate.values()) == pytest.approx([25, 29, 35, 39], abs=0.5)
    assert client.get(f"/v1/jobs/{job['id']}").json()["estimate"] == estimate


def test_a_running_job_shows_when_it_ends(house, client):
    staff(house)
    fill(house, client)
    [job] = client.get("/v1/jobs").json()["jobs"]
    assert job["phase"] == "running"
    assert list(job["estimate"].values()) == [0.0, 0.0, 10.0, 10.0]
    house.clock.now += 4_000
    [job] = client.get("/v1/jobs").json()["jobs"]
    assert job["estimate"]["ends_in_p50_s"] == 6.0


def test_a_scheduled_job_shows_an_estimate_and_no_position(house, client):
    staff(house)
    job = client.post("/v1/jobs", json={**SUBMISSION, "delay": 600}).json()
    assert job["phase"] == "scheduled"
    assert "position" not in job
    assert job["estimate"]["starts_in_p50_s"] == 600.0


def test_nothing_is_said_where_nothing_is_known(house, client):
    job = client.post("/v1/jobs", json=SUBMISSION).json()
    assert job["estimate"] is None
    staff(house)
    house.complete()
    job = client.get(f"/v1/jobs/{job['id']}").json()
    assert (job["phase"], job["estimate"]) == ("completed", None)


def test_time_that_passes_is_no_new_version(house, client):
    staff(house)
    running = fill(house, client, waiting=1)
    job = client.post("/v1/jobs", json=SUBMISSION).json()
    first = client.get(f"/v1/jobs/{job['id']}")
    etag = {"If-None-Match": first.headers["etag"]}
    house.clock.now += 3_000
    staff(house, run_ms=20_000, runs=500)
    assert client.get(f"/v1/jobs/{job['id']}", headers=etag).status_code == 304
    house.clock.now += 6_000
    later = client.get(f"/v1/jobs/{job['id']}")
    assert later.headers["etag"] == first.headers["etag"]
    assert later.json()["estimate"] != first.json()["estimate"]
    house.settle(running, Completed("1"))
    house.claim()
    moved = client.get(f"/v1/jobs/{job['id']}", headers=etag)
    assert (moved.status_code, moved.json()["position"]) == (200, 0)


def test_the_description_of_the_api_has_the_estimate(house, client):
    text = client.get("/openapi.json").text
    assert "starts_in_p50_s" in text
    assert '"max_wait"' in text


# the backlog of an account


def test_an_account_may_have_so_many_unfinished_jobs_and_no_more(capped, ada):
    staff(capped)
    claim = fill(capped, ada, waiting=2)
    refused = ada.post("/v1/jobs", json=SUBMISSION)
    assert refused.status_code == 429
    problem = refused.json()
    assert problem["code"] == "backlog_full"
    assert problem["details"] == {"unfinished": 3, "limit": 3, "expected_wait_s": pytest.approx(25, abs=0.5)}
    assert refused.headers["retry-after"] == "9"
    assert count_jobs(capped) == 3
    capped.settle(claim, Completed("1"))
    assert ada.post("/v1/jobs", json=SUBMISSION).status_code == 202
    assert ada.post("/v1/jobs", json=SUBMISSION).status_code == 429


def test_one_accounts_backlog_is_not_anothers(capped, ada):
    for _ in range(3):
        assert ada.post("/v1/jobs", json=SUBMISSION).status_code == 202
    assert ada.post("/v1/jobs", json=SUBMISSION).status_code == 429
    with capped.client(capped.make_key("eve")) as eve:
        assert eve.post("/v1/jobs", json=SUBMISSION).status_code == 202


def test_a_refusal_says_when_to_come_back_even_if_the_wait_is_unknown(ada):
    for _ in range(3):
        ada.post("/v1/jobs", json=SUBMISSION)
    refused = ada.post("/v1/jobs", json=SUBMISSION)
    assert refused.json()["details"]["expected_wait_s"] is None
    assert refused.headers["retry-after"] == "10"


def test_a_known_submission_is_answered_however_full_the_backlog_is(capped, ada):
    key = {"Idempotency-Key": "one"}
    first = ada.post("/v1/jobs", json=SUBMISSION, headers=key).json()
    for _ in range(2):
        ada.post("/v1/jobs", json=SUBMISSION)
    assert ada.post("/v1/jobs", json=SUBMISSION, headers=key).json()["id"] == first["id"]
    refused = {"Idempotency-Key": "two"}
    assert ada.post("/v1/jobs", json=SUBMISSION, headers=refused).status_code == 429
    capped.complete()
    assert ada.post("/v1/jobs", json=SUBMISSION, headers=refused).status_code == 202


def test_a_rerun_counts_like_any_submission(capped, ada):
    first = ada.post("/v1/jobs", json=SUBMISSION).json()
    capped.complete()
    for _ in range(3):
        ada.post("/v1/jobs", json=SUBMISSION)
    assert ada.post(f"/v1/jobs/{first['id']}/rerun").status_code == 429


# the longest wait


@pytest.mark.parametrize(("max_wait", "status"), [(24, 503), ("24s", 503), (26, 202), ("26s", 202), (None, 202)])
def test_a_job_is_only_taken_if_it_is_likely_to_start_in_time(house, client, max_wait, status):
    staff(house)
    fill(house, client, waiting=2)
    answer = client.post("/v1/jobs", json={**SUBMISSION, "max_wait": max_wait})
    assert answer.status_code == status
    assert count_jobs(house) == (4 if status == 202 else 3)
    if status == 503:
        assert answer.json()["code"] == "overloaded"
        assert answer.json()["details"] == {"expected_wait_s": pytest.approx(25, abs=0.5), "max_wait_s": 24.0}
        assert 1 <= int(answer.headers["retry-after"]) <= 2


def test_a_job_that_starts_at_once_is_taken_with_any_longest_wait(house, client):
    staff(house)
    assert client.post("/v1/jobs", json={**SUBMISSION, "max_wait": "1ms"}).status_code == 202
    assert client.post("/v1/jobs", json={**SUBMISSION, "max_wait": "1ms"}).status_code == 503


def test_the_longest_wait_begins_when_the_job_is_due(house, client):
    staff(house)
    fill(house, client, waiting=2)
    later = {**SUBMISSION, "max_wait": 1}
    assert client.post("/v1/jobs", json={**later, "delay": 20}).status_code == 503
    assert client.post("/v1/jobs", json={**later, "delay": 30}).status_code == 202


def test_a_wait_that_nobody_can_tell_refuses_nothing(house, client):
    assert client.post("/v1/jobs", json={**SUBMISSION, "max_wait": 1}).status_code == 202


@pytest.mark.parametrize("max_wait", ["soon", 0, -1, "8d", True, [], 604_801])
def test_a_longest_wait_is_a_duration(house, client, max_wait):
    refused = client.post("/v1/jobs", json={**SUBMISSION, "max_wait": max_wait})
    assert refused.status_code == 400
    assert refused.json()["errors"][0]["pointer"] == "/max_wait"
