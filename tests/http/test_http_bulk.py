"""Cancel and rerun by filter: told first by a dry run, bounded a call, continued by a cursor."""

from typing import Any

import httpx
import msgspec
import pytest
from http_house import House

from jobwire.dialects.bulk import BULK_MAX, CancelAnswer, RerunAnswer
from jobwire.domain.outcome import PublicError
from jobwire.service.jobs import Jobs

BROKEN = PublicError("broken", "It broke", retryable=False)


def fill(client: httpx.Client, count: int, **fields: Any) -> list[str]:
    batch = [{"kind": "echo", **fields} for _ in range(count)]
    results = client.post("/v1/jobs/batch", json=batch).json()["results"]
    return [result["id"] for result in results]


def phases(client: httpx.Client) -> dict[str, int]:
    found: dict[str, int] = {}
    for job in client.get("/v1/jobs", params={"limit": 100}).json()["jobs"]:
        found[job["phase"]] = found.get(job["phase"], 0) + 1
    return found


def ask(client: httpx.Client, verb: str, headers: dict[str, str] | None = None, **body: Any) -> dict[str, Any]:
    answer = client.post(f"/v1/jobs/{verb}", json=body, headers=headers)
    assert answer.status_code == 200, answer.text
    msgspec.json.decode(answer.content, type=CancelAnswer if verb == "cancel" else RerunAnswer)
    told: dict[str, Any] = answer.json()
    return told


def test_a_dry_run_tells_what_a_cancel_would_meet_and_changes_nothing(
    house: House, client: httpx.Client, stranger: httpx.Client
) -> None:
    fill(client, 12, tags=["x"])
    fill(client, 3)
    fill(stranger, 4, tags=["x"])
    told = ask(client, "cancel", tag="x", dry_run=True)
    assert (told["dry_run"], told["matched"], len(told["sample"]), told["next_cursor"]) == (True, 12, 10, None)
    assert "cancelled" not in told and phases(client) == {"waiting": 15}


def test_a_cancel_by_filter_ends_what_waits_and_asks_what_runs(
    house: House, client: httpx.Client, stranger: httpx.Client
) -> None:
    fill(client, 6, tags=["x"])
    fill(client, 2)
    fill(stranger, 1, tags=["x"])
    house.claim(limit=2)
    house.complete()
    told = ask(client, "cancel", tag="x")
    running = told["cancelling"]
    assert (told["matched"], told["cancelled"] + running, told["too_late"]) == (5, 5, 0) and running >= 1
    assert {job["phase"] for job in told["sample"]} == {"cancelled", "cancelling"}
    assert phases(client).items() >= {"waiting": 2, "cancelled": told["cancelled"], "cancelling": running}.items()
    assert phases(stranger).get("cancelled") is None and phases(stranger).get("cancelling") is None
    again = ask(client, "cancel", tag="x")
    assert (again["matched"], again["cancelled"], again["sample"]) == (0, 0, [])


def test_every_filter_selects(house: House, client: httpx.Client) -> None:
    fill(client, 1, tags=["x"])
    house.clock.now += 60_000
    fill(client, 2, queue="slow", priority=1)
    fill(client, 3, delay=60)
    slow = [{"kind": "slow"}]
    client.post("/v1/jobs/batch", json=slow)

    def matched(**body: Any) -> int:
        count: int = ask(client, "cancel", dry_run=True, **body)["matched"]
        return count

    assert matched(kind="slow") == 1 and matched(kind="echo") == 6
    assert matched(queue="slow") == 3 and matched(tag="x") == 1
    assert matched(phase="scheduled") == 3 and matched(phase="waiting") == 4
    assert matched(created_after="2030-03-17T17:46:41Z") == 6 and matched(created_before="2030-03-17T17:46:41Z") == 1
    assert matched(kind="echo", queue="slow", phase="waiting") == 2
    listed = client.get("/v1/jobs?queue=slow&created_before=2031-01-01T00:00:00Z").json()["jobs"]
    assert len(listed) == 3


def test_a_call_is_bounded_and_goes_on_by_its_cursor(client: httpx.Client) -> None:
    fill(client, 25)
    counts, cursor = [], None
    while True:
        told = ask(client, "cancel", kind="echo", limit=10, cursor=cursor)
        counts.append(told["cancelled"])
        cursor = told["next_cursor"]
        if cursor is None:
            break
    assert counts == [10, 10, 5] and phases(client) == {"cancelled": 25}


def test_a_rerun_by_filter_takes_what_failed_unless_told_otherwise(house: House, client: httpx.Client) -> None:
    fill(client, 5, tags=["x"])
    for _ in range(2):
        house.fail(BROKEN)
    house.complete()
    told = ask(client, "rerun", tag="x", dry_run=True)
    assert (told["matched"], told["refused"]) == (2, []) and phases(client)["waiting"] == 2
    told = ask(client, "rerun", tag="x")
    assert (told["matched"], told["rerun"], told["replayed"]) == (2, 2, 0)
    assert all(job["rerun_of"] and job["phase"] == "waiting" for job in told["sample"])
    assert phases(client) == {"waiting": 4, "failed": 2, "completed": 1}
    assert ask(client, "rerun", phase="completed")["rerun"] == 1


def test_a_rerun_by_filter_with_a_key_happens_once(house: House, client: httpx.Client) -> None:
    fill(client, 3)
    for _ in range(3):
        house.fail(BROKEN)
    first = ask(client, "rerun", headers={"Idempotency-Key": "night"}, phase="failed")
    again = ask(client, "rerun", headers={"Idempotency-Key": "night"}, phase="failed")
    assert (first["rerun"], again["rerun"], again["replayed"]) == (3, 0, 3)
    assert [job["id"] for job in first["sample"]] == [job["id"] for job in again["sample"]]
    assert phases(client) == {"failed": 3, "waiting": 3}


@pytest.mark.parametrize("verb", ["cancel", "rerun"])
@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, ""),
        ({"dry_run": True}, ""),
        ({"kind": "echo", "limit": 0}, "/limit"),
        ({"kind": "echo", "limit": BULK_MAX + 1}, "/limit"),
        ({"kind": "echo", "limit": -5}, "/limit"),
        ({"kind": "echo", "cursor": "!"}, "/cursor"),
        ({"kind": "A B"}, "/kind"),
        ({"queue": "A B"}, "/queue"),
        ({"phase": "nope"}, "/phase"),
        ({"tag": ""}, "/tag"),
        ({"created_after": "now"}, "/created_after"),
        ({"kind": "echo", "color": "red"}, "/color"),
    ],
)
def test_a_filter_that_cannot_be_meant_is_refused(
    client: httpx.Client, verb: str, body: dict[str, Any], pointer: str
) -> None:
    answer = client.post(f"/v1/jobs/{verb}", json=body)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (400, pointer)


def test_a_call_may_be_bounded_by_a_thousand(client: httpx.Client) -> None:
    assert ask(client, "cancel", kind="echo", limit=BULK_MAX, dry_run=True)["matched"] == 0


@pytest.mark.parametrize(("verb", "phase"), [("cancel", "completed"), ("cancel", "cancelling"), ("rerun", "waiting")])
def test_a_phase_in_which_it_cannot_be_done_is_refused(client: httpx.Client, verb: str, phase: str) -> None:
    answer = client.post(f"/v1/jobs/{verb}", json={"phase": phase})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (400, "/phase")


@pytest.mark.slow
def test_a_call_looks_at_a_thousand_jobs(client: httpx.Client) -> None:
    fill(client, BULK_MAX + 1)
    told = ask(client, "cancel", kind="echo")
    assert (told["matched"], told["cancelled"]) == (BULK_MAX, BULK_MAX) and told["next_cursor"]
    assert ask(client, "cancel", kind="echo", cursor=told["next_cursor"])["cancelled"] == 1


def test_a_job_that_is_deleted_while_many_are_cancelled_is_left_out_of_the_sample(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = fill(client, 2, tags=["t"])
    cancel_many = Jobs.cancel_many

    async def cancel_and_delete(jobs: Jobs, owner: int, rows: Any) -> Any:
        replies = await cancel_many(jobs, owner, rows)
        await jobs.remove(owner, rows[0])
        return replies

    monkeypatch.setattr(Jobs, "cancel_many", cancel_and_delete)
    told = ask(client, "cancel", tag="t")
    assert told["cancelled"] == 2 and [job["id"] for job in told["sample"]] == made[:1]
