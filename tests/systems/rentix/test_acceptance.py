"""The thirty acceptance cases of the vendor's wire, over real HTTP, in their order."""

import asyncio
import json
import re
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from rentix_house import FLAT, Client, PhotoServer, RunningHouse, canonical, run_rentix

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
LIMIT_HEADERS = ("x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset")

NewClient = Callable[[], Client]


def publish(client: Client, photos: PhotoServer, *manners: str, external_id: str = "FLAT-77") -> dict[str, object]:
    files = photos.urls(*(manners or ("ok", "ok", "ok")))
    return client.put_listing(**FLAT, externalId=external_id, announcementStatus="active", files=files)


def bare(client: Client, **headers: str) -> httpx.Response:
    return httpx.get(f"{client.running.base}/api/v1/agency", headers=headers)


def test_01_the_agency_is_read_with_the_authorization_header(client: Client) -> None:
    answer = client.get("/agency")
    assert answer.status_code == 200
    body = answer.json()
    assert body["name"].startswith("Customer ")
    assert body["limits"]["monthlyListings"] == {"used": 0, "limit": 1000}
    assert body["isCrmEnabled"] is True and body["status"] == "active" and isinstance(body["id"], int)


@pytest.mark.parametrize("scheme", ["ApiKey", "apikey", "APIKEY"])
def test_01_the_scheme_word_is_compared_without_case(client: Client, scheme: str) -> None:
    assert bare(client, Authorization=f"{scheme} {client.key}").status_code == 200


def test_02_the_agency_is_read_with_the_x_api_key_header(client: Client) -> None:
    assert bare(client, **{"X-API-Key": client.key}).status_code == 200


def test_03_both_headers_are_refused_even_with_the_same_key(client: Client) -> None:
    answer = bare(client, **{"Authorization": f"ApiKey {client.key}", "X-API-Key": client.key})
    assert (answer.status_code, answer.json()["message"]) == (400, "Multiple authentication methods provided")


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer something"}])
def test_04_no_key_is_refused_with_the_whole_error_body(client: Client, headers: dict[str, str]) -> None:
    answer = bare(client, **headers)
    assert answer.status_code == 401
    assert answer.json() == {"statusCode": 401, "message": "API key is required", "error": "Unauthorized"}


def test_05_a_wrong_key_is_refused(client: Client) -> None:
    answer = bare(client, Authorization="ApiKey wrong")
    assert (answer.status_code, answer.json()["message"]) == (401, "Invalid API key")
    assert bare(client, Authorization=f"ApiKey {client.key[:-1]}x").json()["message"] == "Invalid API key"


def test_06_a_suspended_agency_is_refused(running: RunningHouse) -> None:
    client = running.make_client("Suspended")
    asyncio.run(running.house.services.owners.suspend("Suspended"))
    answer = client.get("/agency")
    assert (answer.status_code, answer.json()["message"]) == (403, "Agency is suspended")


def test_06_an_agency_without_the_crm_is_refused(running: RunningHouse) -> None:
    client = running.make_client("Without CRM")
    asyncio.run(running.house.services.owners.disable_system("Without CRM", "rentix"))
    answer = client.get("/agency")
    assert (answer.status_code, answer.json()["message"]) == (403, "CRM is not enabled for this agency")


def test_07_a_new_external_id_creates_a_draft(client: Client) -> None:
    body = client.put_listing(externalId="FLAT-77", announcementValue=350)
    assert body == {
        "id": body["id"],
        "externalId": "FLAT-77",
        "status": "draft",
        "publicUrl": f"https://rentix.md/announcement/{body['id']}",
        "created": True,
        "jobId": None,
    }


def test_08_the_same_external_id_updates_the_listing(client: Client) -> None:
    first = client.put_listing(externalId="FLAT-77", announcementValue=350)
    second = client.put_listing(externalId="FLAT-77", announcementValue=340)
    assert second["id"] == first["id"] and second["updated"] is True and "created" not in second
    assert client.get(f"/listings/{first['id']}").json()["formData"]["announcementValue"] == 340


def test_09_publishing_answers_with_a_job(waiting: Client, photos: PhotoServer) -> None:
    waiting.put_listing(externalId="FLAT-77", announcementValue=350)
    body = waiting.put_listing(externalId="FLAT-77", announcementStatus="active", files=photos.urls("ok", "ok", "ok"))
    assert body["status"] == "pending_active" and body["updated"] is True
    assert type(body["jobId"]) is int


def test_10_a_waiting_job_has_a_position_and_no_end(waiting: Client, photos: PhotoServer) -> None:
    job = publish(waiting, photos)["jobId"]
    status = waiting.status(job)
    assert list(status) == ["id", "type", "status", "queuePosition", "createdAt"]
    assert (status["id"], status["type"], status["status"]) == (job, "announcement_finalize", "pending")
    assert type(status["queuePosition"]) is int and status["queuePosition"] >= 0


@pytest.mark.slow
def test_11_the_position_counts_the_jobs_ahead(tmp_path: Path, photos: PhotoServer) -> None:
    with run_rentix(tmp_path, workers=0) as house:
        client = house.make_client("Agency")
        jobs = [publish(client, photos, external_id=f"FLAT-{n}")["jobId"] for n in range(4)]
        assert [client.status(job)["queuePosition"] for job in jobs] == [0, 1, 2, 3]


@pytest.mark.slow
def test_12_a_running_job_has_a_null_position(client: Client, photos: PhotoServer) -> None:
    photos.gate.clear()
    try:
        job = publish(client, photos, "gate", "ok", "ok")["jobId"]
        status = client.wait(job, "processing")
    finally:
        photos.gate.set()
    assert list(status) == ["id", "type", "status", "queuePosition", "createdAt"]
    assert status["queuePosition"] is None
    assert client.wait(job)["status"] == "completed"


@pytest.mark.slow
def test_13_a_finished_job_has_its_result_and_the_listing_is_active(client: Client, photos: PhotoServer) -> None:
    listing = publish(client, photos)
    status = client.wait(listing["jobId"])
    assert list(status) == ["id", "type", "status", "resultData", "createdAt", "completedAt"]
    assert status["status"] == "completed"
    assert status["resultData"] == {
        "announcementId": listing["id"],
        "completedOperations": ["translate_description", "process_location", "analyze_images"],
        "finalStatus": "active",
    }
    assert TIME.fullmatch(status["createdAt"]) and TIME.fullmatch(status["completedAt"])
    assert client.get(f"/listings/{listing['id']}").json()["formData"]["announcementStatus"] == "active"


@pytest.mark.slow
def test_14_a_permanent_failure_is_final(client: Client, photos: PhotoServer) -> None:
    listing = publish(client, photos, "ok", "missing", "ok")
    status = client.wait(listing["jobId"])
    assert list(status) == ["id", "type", "status", "publicErrorMessage", "isRetryable", "createdAt", "completedAt"]
    assert (status["status"], status["isRetryable"]) == ("failed", False)
    assert status["publicErrorMessage"].startswith("Failed to process images: 2 of 3 photos can be used")
    assert client.get(f"/listings/{listing['id']}").json()["formData"]["announcementStatus"] == "publish_failed"


@pytest.mark.slow
def test_15_a_transient_failure_is_retried_to_the_end(tmp_path: Path, photos: PhotoServer) -> None:
    with run_rentix(tmp_path, RENTIX_RETRY_FIRST_MS="600") as house:
        client = house.make_client("Agency")
        files = [{"url": f"{photos.base}/once/balcony?case=15"}, *photos.urls("ok", "ok", "ok")[1:]]
        job = client.put_listing(**FLAT, externalId="FLAT-77", announcementStatus="active", files=files)["jobId"]
        retrying = client.wait(job, "failed_retryable", "pending", "completed")
        final = client.wait(job)
    assert final["status"] == "completed"
    if retrying["status"] == "failed_retryable":
        assert retrying["isRetryable"] is True and "completedAt" not in retrying and "queuePosition" not in retrying
        assert retrying["publicErrorMessage"].startswith("Failed to process images")
    assert photos.hits["/once/balcony?case=15"] == 2


def test_16_a_transient_failure_at_every_attempt_is_final_but_retryable(client: Client, photos: PhotoServer) -> None:
    listing = publish(client, photos, "ok", "ok", "busy")
    status = client.wait(listing["jobId"])
    assert (status["status"], status["isRetryable"]) == ("failed", True)
    assert TIME.fullmatch(status["completedAt"])
    assert client.get(f"/listings/{listing['id']}").json()["formData"]["announcementStatus"] == "publish_failed"
    again = client.put_listing(externalId="FLAT-77", announcementStatus="active")
    assert again["jobId"] > listing["jobId"]
    client.wait(again["jobId"])


def test_17_a_repeat_while_pending_gives_the_same_job(waiting: Client, photos: PhotoServer) -> None:
    first = publish(waiting, photos)
    second = publish(waiting, photos)
    assert second["jobId"] == first["jobId"]
    other = publish(waiting, photos, external_id="FLAT-78")
    assert other["jobId"] == first["jobId"] + 1, "a second job was made in between"


def test_18_every_fault_of_a_publication_is_named_at_once(client: Client, photos: PhotoServer) -> None:
    fields = {**FLAT, "announcementDescription": "x" * 39}
    body = {**fields, "externalId": "FLAT-77", "announcementStatus": "active", "files": photos.urls("ok", "ok")}
    answer = client.send("PUT", "/listings", json=body)
    assert answer.status_code == 400
    messages = answer.json()["message"]
    assert isinstance(messages, list) and len(messages) == 2
    assert "announcementDescription" in messages[0] and "39" in messages[0]
    assert "3 photos" in messages[1]
    assert client.get("/listings/external/FLAT-77").status_code == 404, "a refused upsert left a listing behind"


@pytest.mark.parametrize("query", ["", "?id=abc", "?id=-1", "?id=1.5", "?id=0", "?id="])
def test_19_a_job_id_must_be_a_positive_integer(client: Client, query: str) -> None:
    answer = client.get(f"/job/status{query}")
    assert (answer.status_code, answer.json()["error"]) == (400, "Bad Request")
    assert answer.json()["statusCode"] == 400


def test_20_an_unknown_job_is_not_found(client: Client) -> None:
    answer = client.get("/job/status?id=99999999")
    assert answer.status_code == 404
    assert answer.json() == {"statusCode": 404, "message": "Job not found", "error": "Not Found"}


def test_21_another_agencys_job_is_not_found(new_client: NewClient, photos: PhotoServer) -> None:
    mine, foreign = new_client(), new_client()
    job = publish(mine, photos)["jobId"]
    theirs = foreign.get(f"/job/status?id={job}")
    assert theirs.status_code == 404
    assert canonical(theirs.json()) == canonical(foreign.get("/job/status?id=99999999").json())
    mine.wait(job)


def test_22_another_content_type_is_refused(client: Client) -> None:
    answer = client.send("PUT", "/listings", content="{}", headers={"Content-Type": "text/plain"})
    assert (answer.status_code, answer.json()["error"]) == (415, "Unsupported Media Type")
    typed = {"Content-Type": "application/json; charset=utf-8"}
    assert client.send("PUT", "/listings", content='{"externalId":"a"}', headers=typed).status_code == 200


def test_23_a_body_over_512_kb_is_refused(client: Client) -> None:
    def put(size: int) -> httpx.Response:
        body = json.dumps({"externalId": "a", "note": ""})
        padded = body[:-2] + "x" * (size - len(body)) + body[-2:]
        assert len(padded) == size
        return client.send("PUT", "/listings", content=padded, headers={"Content-Type": "application/json"})

    assert put(512 * 1024).status_code == 200
    assert put(512 * 1024 + 1).status_code == 413
    answer = put(513 * 1024)
    assert answer.status_code == 413 and answer.json()["statusCode"] == 413


def test_24_invalid_json_is_refused(client: Client) -> None:
    answer = client.send("PUT", "/listings", content="{nope", headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["error"]) == (400, "Bad Request")


def test_25_the_301st_request_in_a_minute_is_refused(client: Client) -> None:
    for expected in range(299, -1, -1):
        answer = client.get("/job/status?id=99999999")
        assert answer.status_code == 404
        assert answer.headers["x-ratelimit-remaining"] == str(expected)
    refused = client.get("/agency")
    assert refused.status_code == 429
    assert refused.json() == {"statusCode": 429, "message": "Too Many Requests", "error": "Too Many Requests"}
    assert [refused.headers[name] for name in LIMIT_HEADERS[:2]] == ["300", "0"]
    assert int(refused.headers["x-ratelimit-reset"]) > 1_700_000_000
    assert 1 <= int(refused.headers["retry-after"]) <= 60


def test_26_bulk_reports_each_operation(client: Client) -> None:
    def bulk(operations: list[dict[str, object]]) -> httpx.Response:
        return client.send("POST", "/listings/bulk", json={"operations": operations})

    wrong: dict[str, object] = {"op": "upsert", "externalId": "FLAT-78", "announcementValue": "many"}
    assert bulk([wrong] * 101).status_code == 400
    assert bulk([]).status_code == 400
    all_wrong = bulk([wrong] * 100)
    assert all_wrong.status_code == 422
    assert all_wrong.json()["summary"] == {"total": 100, "succeeded": 0, "failed": 100}
    mixed = bulk([{"op": "upsert", "externalId": "FLAT-77", "announcementValue": 1}, wrong])
    assert mixed.status_code == 200
    body = mixed.json()
    assert body["summary"] == {"total": 2, "succeeded": 1, "failed": 1}
    assert body["results"][0]["success"] is True and body["results"][0]["jobId"] is None
    assert body["results"][1] == {
        "index": 1,
        "op": "upsert",
        "success": False,
        "externalId": "FLAT-78",
        "error": {"statusCode": 400, "message": ["announcementValue must be a number"], "error": "Bad Request"},
    }


def test_27_bulk_has_a_limit_of_its_own(client: Client) -> None:
    for expected in range(29, -1, -1):
        answer = client.send("POST", "/listings/bulk", json={"operations": []})
        assert answer.status_code == 400
        assert (answer.headers["x-ratelimit-limit"], answer.headers["x-ratelimit-remaining"]) == ("30", str(expected))
    refused = client.send("POST", "/listings/bulk", json={"operations": []})
    assert refused.status_code == 429 and refused.headers["x-ratelimit-remaining"] == "0"
    assert client.get("/agency").status_code == 200


def test_28_an_imported_picture_is_optimised(client: Client, photos: PhotoServer) -> None:
    url = photos.urls("ok")[0]["url"]
    answer = client.send("POST", "/media/upload-from-url", json={"url": url, "externalId": "FLAT-77-a"})
    assert answer.status_code == 200
    body = answer.json()
    assert body["status"] == "pending" and body["externalId"] == "FLAT-77-a"
    status = client.wait(body["jobId"])
    assert (status["type"], status["status"]) == ("media_optimize", "completed")
    media = client.get(f"/media/{body['mediaId']}").json()
    assert media["optimization"] == "success" and type(media["size"]) is int
    assert [variant["variantSize"] for variant in media["variants"]] == ["128", "512", "1024"]
    assert len(media["blurhash"]) > 6
    for link in (media["originalUrl"], *(variant["url"] for variant in media["variants"])):
        assert httpx.get(link).status_code == 200


def test_29_a_file_is_deleted_once(client: Client, photos: PhotoServer) -> None:
    url = photos.urls("ok")[0]["url"]
    job = client.send("POST", "/media/upload-from-url", json={"url": url, "externalId": "FLAT-77-a"}).json()["jobId"]
    client.wait(job)
    deleted = client.send("DELETE", "/media/external/FLAT-77-a")
    assert (deleted.status_code, deleted.json()) == (200, {"deleted": True})
    assert client.send("DELETE", "/media/external/FLAT-77-a").status_code == 404


def test_a_call_to_nowhere_counts_and_is_told_its_limit(client: Client) -> None:
    first = client.get("/nowhere")
    assert first.status_code == 404
    assert first.headers["X-RateLimit-Limit"] == "300"
    second = client.send("DELETE", "/agency")
    assert second.status_code == 405
    assert int(second.headers["X-RateLimit-Remaining"]) == int(first.headers["X-RateLimit-Remaining"]) - 1
