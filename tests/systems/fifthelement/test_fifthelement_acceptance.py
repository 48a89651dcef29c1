"""The thirty acceptance cases of the vendor's wire, over real HTTP, in their order."""

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fifthelement_house import Client, GatedSite

from jobwire.systems.fifthelement import members

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
LIMIT_HEADERS = ("x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset")
JOB_KEYS = ["id", "type", "status", "progress", "result", "createdAt", "completedAt"]
RERUN_KEYS = ["id", "type", "status", "originalJobId", "createdAt"]
POLLER = Path(__file__).parent / "pollers" / "poll_job.py"

NewClient = Callable[..., Client]


def refused(answer: httpx.Response, status: int, name: str) -> Any:
    """The error of a refusal, which has the whole envelope."""
    body = answer.json()
    assert (answer.status_code, list(body), body["data"]) == (status, ["data", "error"], None), answer.text
    assert list(body["error"]) == ["name", "message", "details"] and body["error"]["name"] == name
    assert isinstance(body["error"]["message"], str) and isinstance(body["error"]["details"], dict)
    return body["error"]


def bare(client: Client, **headers: str) -> httpx.Response:
    return httpx.get(f"{client.http.base_url}jobs/job_abc123", headers=headers)


@pytest.fixture
def crawling(client: Client, site: GatedSite) -> Iterator[str]:
    """The id of a job that runs, and has begun; it goes on when the test is over."""
    site.gate.clear()
    site.reached.clear()
    job = client.start_crawl(f"{site.base}/gate")
    try:
        assert site.reached.wait(60), client.status(job)
        yield job
    finally:
        site.gate.set()


def test_01_a_waiting_job_is_pending_at_nothing(waiting: Client) -> None:
    job = waiting.start_processing()
    body = waiting.get(f"/jobs/{job}").json()
    assert body["error"] is None and list(body["data"]) == JOB_KEYS
    shown = body["data"]
    assert (shown["id"], shown["type"], shown["status"]) == (job, "document_processing", "pending")
    assert (shown["progress"], shown["result"], shown["completedAt"]) == (0, None, None)
    assert re.fullmatch(r"job_[0-9a-f]{32}", job)


def test_02_a_running_job_has_begun_and_is_not_done(client: Client, crawling: str) -> None:
    shown = client.status(crawling)
    assert list(shown) == JOB_KEYS
    assert (shown["type"], shown["status"], shown["result"]) == ("web_crawling", "running", None)
    assert type(shown["progress"]) is int and 0 < shown["progress"] < 100


def test_03_a_completed_job_has_its_result_and_both_times(client: Client) -> None:
    shown = client.wait(client.start_processing())
    assert list(shown) == JOB_KEYS
    assert (shown["status"], shown["progress"]) == ("completed", 100)
    assert (shown["result"]["documentsProcessed"], shown["result"]["errors"]) == (1, 0)
    assert TIME.fullmatch(shown["createdAt"]) and TIME.fullmatch(shown["completedAt"])


def test_04_a_failed_job_is_a_successful_call_with_a_message(client: Client) -> None:
    job = client.start_failing()
    client.wait(job)
    answer = client.get(f"/jobs/{job}")
    assert (answer.status_code, answer.json()["error"]) == (200, None)
    shown = answer.json()["data"]
    assert (list(shown), shown["status"]) == (JOB_KEYS, "failed")
    assert shown["result"]["message"] and shown["result"]["errors"] == 1 and shown["progress"] == 1


def test_05_a_cancelled_job_has_the_key_result(waiting: Client) -> None:
    job = waiting.start_processing()
    shown = waiting.data("POST", f"/jobs/{job}/cancel")
    assert (list(shown), shown["status"], shown["result"]) == (JOB_KEYS, "cancelled", None)
    assert waiting.status(job) == shown


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["completed", "failed", "cancelled"])
def test_06_the_documented_poller_ends_by_itself(client: Client, site: GatedSite, ending: str) -> None:
    site.gate.clear()
    match ending:
        case "completed":
            job = client.start_processing()
        case "failed":
            job = client.start_failing()
        case _:
            job = client.start_crawl(f"{site.base}/gate")
    command = [sys.executable, str(POLLER), str(client.http.base_url).rstrip("/"), client.key, job, "0.2"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as poller:
        if ending == "cancelled":
            assert poller.stdout is not None and poller.stdout.readline().startswith("Job ")
            client.data("POST", f"/jobs/{job}/cancel")
        told, faults = poller.communicate(timeout=60)
    site.gate.set()
    assert (poller.returncode, faults) == (0, "")
    assert told.splitlines()[-1].startswith(f"Job {ending}: ")


def test_07_no_credential_is_refused_with_the_whole_envelope(client: Client) -> None:
    refused(bare(client), 401, "UnauthorizedError")


@pytest.mark.parametrize("scheme", ["ApiKey", "Basic"])
def test_08_another_scheme_is_refused(client: Client, scheme: str) -> None:
    refused(bare(client, Authorization=f"{scheme} {client.key}"), 401, "UnauthorizedError")


def test_09_a_wrong_token_is_refused(client: Client) -> None:
    refused(bare(client, Authorization=f"Bearer {client.key[:-1]}x"), 401, "UnauthorizedError")
    refused(bare(client, Authorization="Bearer wrong"), 401, "UnauthorizedError")


@pytest.mark.parametrize("name", ["not!an!id", "{jobId}", "job_", "job_" + "a" * 65, "12345"])
def test_10_what_is_no_id_is_refused(client: Client, name: str) -> None:
    error = refused(client.get(f"/jobs/{name}"), 400, "ValidationError")
    assert error["details"] == {"parameter": "id"} and "'id'" in error["message"]
    refused(client.post(f"/jobs/{name}/rerun"), 400, "ValidationError")


@pytest.mark.parametrize("name", ["job_abc123", "job_" + "a" * 64, "01890a5d-ac96-774b-bcce-b302099a8057"])
def test_11_an_unknown_id_is_not_found(client: Client, name: str) -> None:
    refused(client.get(f"/jobs/{name}"), 404, "NotFoundError")


def test_12_the_dashed_uuid_names_the_same_job(waiting: Client) -> None:
    job = waiting.start_processing()
    digits = job.removeprefix("job_")
    dashed = "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
    for form in (dashed, dashed.upper(), f"{job}/", f"{dashed}/"):
        assert waiting.status(form)["id"] == job


def test_13_another_workspaces_job_answers_like_none(new_client: NewClient) -> None:
    mine, foreign = new_client(), new_client()
    theirs = foreign.get(f"/jobs/{mine.start_processing()}")
    absent = foreign.get("/jobs/job_abc123")
    assert (theirs.status_code, theirs.content) == (absent.status_code, absent.content)


def test_14_a_member_without_permission_is_refused(new_client: NewClient) -> None:
    client = new_client(scopes=("jobs:read", "jobs:write", "workspace"))
    job, store = client.start_processing(), client.running.house.store
    owner = client.running.owner_id(client.owner)
    for email, permissions in (("ana@example.org", ["jobs:read"]), ("ion@example.org", [])):
        store.write(
            lambda tx, email=email, may=permissions: members.set_member(tx, owner, email=email, permissions=may)
        ).result()
    reader, nobody = ({"X-User-Identifier": name} for name in ("Ana@Example.org", "ion@example.org"))
    assert client.get(f"/jobs/{job}", headers=reader).status_code == 200
    lacks = refused(client.post("/repositories", json={"name": "A"}, headers=reader), 403, "ForbiddenError")
    assert "who it acts for" in lacks["message"] and "jobs:write" in lacks["message"]
    refused(client.get(f"/jobs/{job}", headers=nobody), 403, "ForbiddenError")
    assert client.post("/repositories", json={"name": "A"}).status_code == 200


def test_15_a_user_key_ignores_the_identifier(new_client: NewClient) -> None:
    client = new_client()
    owner = client.running.owner_id(client.owner)
    client.running.house.store.write(
        lambda tx: members.set_member(tx, owner, email="ion@example.org", permissions=[])
    ).result()
    job = client.start_processing()
    assert client.get(f"/jobs/{job}", headers={"X-User-Identifier": "ion@example.org"}).status_code == 200


@pytest.mark.parametrize("name", ["nobody@example.org", "01890a5d-ac96-774b-bcce-b302099a8057"])
def test_16_an_unmatched_identifier_is_the_system_user(new_client: NewClient, name: str) -> None:
    client = new_client(scopes=("jobs:read", "jobs:write", "workspace"))
    job = client.start_processing()
    assert client.get(f"/jobs/{job}", headers={"X-User-Identifier": name}).status_code == 200


def test_17_a_failed_job_runs_again_as_a_new_one(client: Client) -> None:
    job = client.start_failing()
    client.wait(job)
    again = client.data("POST", f"/jobs/{job}/rerun")
    assert list(again) == RERUN_KEYS
    assert (again["originalJobId"], again["status"], again["type"]) == (job, "pending", "document_processing")
    assert again["id"] != job and TIME.fullmatch(again["createdAt"])
    ended = client.wait(again["id"])
    assert list(ended) == [*JOB_KEYS, "originalJobId"] and ended["originalJobId"] == job


def test_18_a_completed_job_runs_again_and_stays_as_it_was(client: Client) -> None:
    job = client.start_processing()
    before = client.wait(job)
    again = client.data("POST", f"/jobs/{job}/rerun")
    assert list(again) == RERUN_KEYS and again["originalJobId"] == job and again["id"] != job
    assert client.wait(again["id"])["result"]["documentsProcessed"] == 1
    assert client.status(job) == before
    third = client.data("POST", f"/jobs/{again['id']}/rerun")
    assert third["originalJobId"] == again["id"], "a rerun of a rerun names its parent"


def test_19_a_live_job_does_not_run_again(waiting: Client, client: Client, crawling: str) -> None:
    for caller, job in ((waiting, waiting.start_processing()), (client, crawling)):
        error = refused(caller.post(f"/jobs/{job}/rerun"), 400, "ValidationError")
        assert error["message"] == "Job is still active"


def test_20_a_cancelled_job_does_not_run_again(waiting: Client) -> None:
    job = waiting.start_processing()
    waiting.data("POST", f"/jobs/{job}/cancel")
    refused(waiting.post(f"/jobs/{job}/rerun"), 400, "ValidationError")


def test_21_an_unknown_job_does_not_run_again(client: Client) -> None:
    refused(client.post("/jobs/job_abc123/rerun"), 404, "NotFoundError")


@pytest.mark.parametrize("options", [{"content": b"{junk"}, {"content": b"x", "headers": {"Content-Type": "a/b"}}])
def test_22_a_rerun_takes_no_notice_of_a_body(client: Client, options: dict[str, Any]) -> None:
    job = client.start_processing()
    client.wait(job)
    assert list(client.data("POST", f"/jobs/{job}/rerun", **options)) == RERUN_KEYS


@pytest.mark.parametrize("missing", ["content", "title"])
def test_23_a_document_without_a_field_is_refused_by_its_name(waiting: Client, missing: str) -> None:
    body = {"title": "A", "content": "B"}
    del body[missing]
    answer = waiting.post(f"/repositories/{waiting.make_repository()}/documents", json=body)
    assert missing in refused(answer, 400, "ValidationError")["details"]


def test_24_a_document_of_another_type_is_refused(waiting: Client) -> None:
    path = f"/repositories/{waiting.make_repository()}/documents"
    refused(waiting.post(path, content="text", headers={"Content-Type": "text/plain"}), 400, "ValidationError")


def test_25_a_body_over_the_limit_is_refused(waiting: Client) -> None:
    path = f"/repositories/{waiting.make_repository()}/documents"
    frame = len(b'{"title":"A","content":""}')
    for size, status in ((8 * 1024 * 1024, 200), (8 * 1024 * 1024 + 1, 413)):
        body = b'{"title":"A","content":"' + b"x" * (size - frame) + b'"}'
        answer = waiting.post(path, content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code == status
    refused(answer, 413, "ValidationError")


def test_26_a_page_is_counted_from_its_start(waiting: Client) -> None:
    path = f"/repositories/{waiting.make_repository()}/documents"
    for query in ("start=-1", "limit=abc", "limit=0", "limit=201"):
        assert refused(waiting.get(f"{path}?{query}"), 400, "ValidationError")["details"]
    assert waiting.data("GET", path) == {"documents": [], "pagination": {"total": 0, "start": 0, "limit": 50}}
    assert waiting.data("GET", f"{path}?limit=200")["pagination"]["limit"] == 200


@pytest.mark.slow
def test_27_the_1001st_call_of_an_hour_is_refused(new_client: NewClient) -> None:
    client = new_client(scopes=("jobs:read",))
    for expected in range(999, -1, -1):
        answer = client.get("/jobs/job_abc123")
        assert (answer.headers["x-ratelimit-limit"], answer.headers["x-ratelimit-remaining"]) == (
            "1000",
            str(expected),
        )
    answer = client.get("/jobs/job_abc123")
    refused(answer, 429, "RateLimitError")
    assert [answer.headers[name] for name in LIMIT_HEADERS[:2]] == ["1000", "0"]
    assert 1 <= int(answer.headers["retry-after"]) <= 3_600


@pytest.mark.parametrize(
    ("scopes", "count"),
    [
        (("tier:standard",), "1000"),
        (("tier:premium",), "10000"),
        (("tier:enterprise",), "100000"),
        (("tier:enterprise:25000",), "25000"),
        (("tier:unknown",), "1000"),
    ],
)
def test_27_a_tier_has_a_count_of_its_own(new_client: NewClient, scopes: tuple[str, ...], count: str) -> None:
    client = new_client(scopes=("jobs:read", *scopes))
    assert client.get("/jobs/job_abc123").headers["x-ratelimit-limit"] == count
    assert client.get("/repositories").headers["x-ratelimit-limit"] == count


def test_28_every_answer_to_a_key_tells_its_limit(waiting: Client) -> None:
    repository, job = waiting.make_repository(), waiting.start_processing()
    answers = [
        waiting.get(f"/jobs/{job}"),
        waiting.get("/jobs/not!an!id"),
        waiting.get("/jobs/job_abc123"),
        waiting.get("/nowhere"),
        waiting.send("DELETE", f"/jobs/{job}"),
        waiting.post(f"/repositories/{repository}/documents", content="a"),
        waiting.post(f"/jobs/{job}/rerun"),
        waiting.get("/repositories"),
    ]
    assert [answer.status_code for answer in answers] == [200, 400, 404, 404, 405, 400, 400, 200]
    left = [int(answer.headers["x-ratelimit-remaining"]) for answer in answers]
    assert left == list(range(left[0], left[0] - len(answers), -1))
    assert all(name in answer.headers for answer in answers for name in LIMIT_HEADERS)
    assert not any(name in bare(waiting).headers for name in LIMIT_HEADERS)


def test_29_a_running_job_is_cancelled_and_its_progress_stays(client: Client, crawling: str) -> None:
    before = client.status(crawling)
    shown = client.data("POST", f"/jobs/{crawling}/cancel")
    assert (shown["status"], shown["result"]) == ("cancelled", None)
    assert before["progress"] <= shown["progress"] < 100
    assert client.status(crawling) == shown
    refused(client.post(f"/jobs/{crawling}/cancel"), 400, "ValidationError")


def test_30_a_job_is_not_deleted(waiting: Client) -> None:
    answer = waiting.send("DELETE", f"/jobs/{waiting.start_processing()}")
    refused(answer, 405, "ValidationError")
    assert answer.headers["allow"] == "GET, HEAD"
