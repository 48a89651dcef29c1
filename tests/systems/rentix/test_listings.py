"""Listings over HTTP: reading back, linking, bulk, limits, and what a publication does when the client interferes."""

import re
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from rentix_house import FLAT, Client, PhotoServer, RunningHouse, run_rentix

from jobwire.config import change_settings
from jobwire.kinds.contract import FinalJob
from jobwire.systems.rentix import publishing
from jobwire.systems.rentix.publishing import ROUNDS_MAX, conclude_publication
from jobwire.systems.rentix.records import change_listing, close_job, find_listing, keep_finding
from jobwire.wiring import open_house

NewClient = Callable[[], Client]
TIME = re.compile(r"\d\d:\d\d:\d\d\.\d{3}z")


def publish(client: Client, photos: PhotoServer, *manners: str, **fields: Any) -> dict[str, Any]:
    files = photos.urls(*(manners or ("ok", "ok", "ok")))
    body = {**FLAT, "externalId": "FLAT-77", "announcementStatus": "active", "files": files, **fields}
    return client.put_listing(**body)


def refusal(answer: httpx.Response, status: int) -> Any:
    assert answer.status_code == status, answer.text
    return answer.json()["message"]


@pytest.mark.slow
def test_a_listing_is_read_back_whole_by_either_id(client: Client, photos: PhotoServer) -> None:
    user = client.send("PUT", "/users", json={"externalId": "agent-1", "name": "Ana", "phone": "+37369000000"}).json()
    made = publish(client, photos, userId=user["id"])
    client.wait(made["jobId"])
    listing = client.get(f"/listings/{made['id']}").json()
    assert listing == client.get("/listings/external/FLAT-77").json()
    assert list(listing)[:6] == ["id", "externalId", "publicUrl", "createdAt", "updatedAt", "lastSyncedAt"]
    assert {**FLAT, "id": made["id"], "announcementStatus": "active"}.items() <= listing["formData"].items()
    assert listing["user"] == {
        "id": user["id"],
        "externalId": "agent-1",
        "name": "Ana",
        "phone": "+37369000000",
        "role": None,
    }
    assert [file["optimization"] for file in listing["files"]] == ["success"] * 3
    for file in listing["files"]:
        assert type(file["size"]) is str and file["size"].isdecimal()
        assert client.get(f"/media/{file['id']}").json()["size"] == int(file["size"])


@pytest.mark.slow
def test_a_publication_leaves_texts_and_place_on_the_listing(client: Client, photos: PhotoServer) -> None:
    made = publish(client, photos)
    client.wait(made["jobId"])
    found = client.get(f"/listings/{made['id']}").json()["processing"]
    assert found["sourceLanguage"] == "ro"
    assert found["texts"]["ro"]["text"] == FLAT["announcementDescription"]
    assert found["texts"]["ru"]["status"] == "unavailable"
    assert set(found["facts"]) == {"ro", "ru", "en"} and "350" in found["facts"]["en"]
    assert found["location"]["place"]["name"] == "Chișinău"
    assert found["location"]["sector"]["name"] == "Buiucani"
    assert found["duplicateFiles"] == []


@pytest.mark.slow
def test_the_same_picture_twice_is_reported_and_published(client: Client, photos: PhotoServer) -> None:
    files = [*photos.urls("ok", "ok"), {"url": f"{photos.base}/ok/balcony?again"}]
    made = publish(client, photos, files=files)
    assert client.wait(made["jobId"])["status"] == "completed"
    listing = client.get(f"/listings/{made['id']}").json()
    first, _, third = (file["id"] for file in listing["files"])
    assert listing["processing"]["duplicateFiles"] == [[first, third]]


def test_where_a_photo_was_taken_is_never_shown(client: Client, photos: PhotoServer) -> None:
    files = [*photos.urls("ok", "ok"), {"url": f"{photos.base}/ok/harbour-gps"}]
    made = publish(client, photos, files=files, propertyCoordinates={"lat": 47.0245, "lng": 28.8322})
    assert client.wait(made["jobId"])["status"] == "completed"
    answer = client.get(f"/listings/{made['id']}")
    file = client.get(f"/media/{answer.json()['files'][2]['id']}")
    for text in (TIME.sub("", answer.text.lower()), TIME.sub("", file.text.lower())):
        assert "gps" not in text.replace("harbour-gps", "") and "elsewhere" not in text and "55.0" not in text


def test_a_listing_without_a_place_is_published_without_one(client: Client, photos: PhotoServer) -> None:
    files = photos.urls("ok", "ok", "ok")
    made = client.put_listing(externalId="APT-001", announcementStatus="active", files=files)
    assert client.wait(made["jobId"])["status"] == "completed"
    assert client.get(f"/listings/{made['id']}").json()["processing"]["location"] is None


def test_one_bad_photo_of_four_does_not_stop_the_publication(client: Client, photos: PhotoServer) -> None:
    made = publish(client, photos, "ok", "missing", "ok", "ok")
    assert client.wait(made["jobId"])["status"] == "completed"
    files = client.get(f"/listings/{made['id']}").json()["files"]
    assert [file["optimization"] for file in files] == ["success", "failed", "success", "success"]
    error = client.get(f"/media/{files[1]['id']}").json()["processing"]["error"]
    assert error["code"] == "fetch_status" and "404" in error["message"] and error["isRetryable"] is False


def test_a_retry_fetches_no_photo_again_that_succeeded(client: Client, photos: PhotoServer) -> None:
    names = ("ok/balcony?once", "ok/pavilion?once", "once/living-room?once")
    made = publish(client, photos, files=[{"url": f"{photos.base}/{name}"} for name in names])
    assert client.wait(made["jobId"])["status"] == "completed"
    assert [photos.hits[f"/{name}"] for name in names] == [1, 1, 2]


def test_a_repeat_of_the_same_body_fetches_nothing_again(client: Client, photos: PhotoServer) -> None:
    files = [{"url": f"{photos.base}/ok/{name}?repeat"} for name in ("balcony", "pavilion", "living-room")]
    first = publish(client, photos, files=files)
    client.wait(first["jobId"])
    again = publish(client, photos, files=files)
    assert again["jobId"] > first["jobId"] and again["status"] == "pending_active"
    assert client.wait(again["jobId"])["status"] == "completed"
    assert [photos.hits[f"/ok/{name}?repeat"] for name in ("balcony", "pavilion", "living-room")] == [1, 1, 1]


def test_a_known_external_file_id_reuses_the_stored_file(client: Client, photos: PhotoServer) -> None:
    files = [{**file, "externalFileId": f"photo-{n}"} for n, file in enumerate(photos.urls("ok", "ok", "ok"))]
    first = publish(client, photos, files=files)
    client.wait(first["jobId"])
    moved = [{**file, "url": f"{photos.base}/missing/moved"} for file in files]
    second = publish(client, photos, externalId="FLAT-78", files=moved)
    assert client.wait(second["jobId"])["status"] == "completed"
    ids = [[file["id"] for file in client.get(f"/listings/{made['id']}").json()["files"]] for made in (first, second)]
    assert ids[0] == ids[1] and photos.hits["/missing/moved"] == 0


def test_a_new_price_on_an_active_listing_starts_no_job(client: Client, photos: PhotoServer) -> None:
    made = publish(client, photos)
    client.wait(made["jobId"])
    cheaper = client.put_listing(id=made["id"], announcementValue=300, files=photos.urls("ok", "ok", "ok"))
    assert (cheaper["status"], cheaper["jobId"]) == ("active", None)
    more = client.put_listing(id=made["id"], files=photos.urls("ok", "ok", "ok", "ok"))
    assert more["status"] == "pending_active"
    client.wait(more["jobId"])
    moved = client.put_listing(id=made["id"], propertyAddress="Bălți, str. Kiev")
    assert moved["status"] == "pending_active"
    assert client.wait(moved["jobId"])["status"] == "completed"
    found = client.get(f"/listings/{made['id']}").json()["processing"]
    assert found["location"]["place"]["name"] == "Bălți"


def test_a_change_during_the_publication_is_published_too(client: Client, photos: PhotoServer) -> None:
    photos.gate.clear()
    photos.reached.clear()
    try:
        made = publish(client, photos, "ok", "gate", "ok")
        assert photos.reached.wait(30)
        changed = client.put_listing(externalId="FLAT-77", propertyAddress="Bălți, str. Kiev")
        assert (changed["status"], changed["jobId"]) == ("pending_active", made["jobId"])
    finally:
        photos.gate.set()
    assert client.wait(made["jobId"])["status"] == "completed"
    found = client.get(f"/listings/{made['id']}").json()["processing"]
    assert found["location"]["place"]["name"] == "Bălți"


def test_hiding_a_listing_cancels_its_publication(waiting: Client, photos: PhotoServer) -> None:
    made = publish(waiting, photos)
    hidden = waiting.put_listing(externalId="FLAT-77", announcementStatus="hidden")
    assert (hidden["status"], hidden["jobId"]) == ("hidden", None)
    status = waiting.status(made["jobId"])
    assert list(status) == ["id", "type", "status", "publicErrorMessage", "isRetryable", "createdAt", "completedAt"]
    assert (status["status"], status["publicErrorMessage"]) == ("failed", "Operation was cancelled")
    assert status["isRetryable"] is False
    assert waiting.get(f"/listings/{made['id']}").json()["formData"]["announcementStatus"] == "hidden"


def test_a_listing_whose_publication_somebody_else_cancels_has_failed(
    waiting: Client, stopped: RunningHouse, photos: PhotoServer
) -> None:
    """As `jobwire cancel` does it: in a process that knows nothing of rentix."""
    made = publish(waiting, photos)
    settings = stopped.house.settings
    with closing(open_house(change_settings(settings, systems="none"))) as operator:
        owner = operator.store.read(lambda reader: reader.query("SELECT max(owner) FROM rentix_listing")).result(10)
        operator.store.cancel(owner[0][0], [made["jobId"]]).result(10)
    assert waiting.status(made["jobId"])["status"] == "failed"

    def look() -> str | None:
        status: str = waiting.get(f"/listings/{made['id']}").json()["formData"]["announcementStatus"]
        return None if status == "pending_active" else status

    assert stopped.wait_until(look) == "publish_failed"
    assert waiting.get("/agency").json()["limits"]["monthlyListings"]["used"] == 0


@pytest.mark.slow
def test_the_monthly_limit_counts_publications_and_gives_failed_ones_back(
    tmp_path: Path, photos: PhotoServer
) -> None:
    with run_rentix(tmp_path, RENTIX_MONTHLY_LISTINGS="1") as house:
        client = house.make_client("Agency")
        failed = publish(client, photos, "missing", "ok", "ok")
        client.wait(failed["jobId"])
        assert client.get("/agency").json()["limits"]["monthlyListings"] == {"used": 0, "limit": 1}
        made = publish(client, photos, externalId="FLAT-78")
        client.wait(made["jobId"])
        client.wait(publish(client, photos, externalId="FLAT-78")["jobId"])
        assert client.get("/agency").json()["limits"]["monthlyListings"]["used"] == 1
        body = {"externalId": "FLAT-79", "announcementStatus": "active", "files": photos.urls("ok", "ok", "ok")}
        message = refusal(client.send("PUT", "/listings", json=body), 403)
        assert message.startswith("Monthly listing limit reached: 1 of 1")


def test_a_listing_of_another_agency_does_not_exist(new_client: NewClient) -> None:
    mine, foreign = new_client(), new_client()
    number = mine.put_listing(externalId="FLAT-77")["id"]
    for method, path, body in (
        ("GET", f"/listings/{number}", None),
        ("GET", "/listings/external/FLAT-77", None),
        ("POST", f"/listings/{number}/link", {"externalId": "x"}),
        ("DELETE", f"/listings/{number}/link", None),
        ("PUT", "/listings", {"id": number, "announcementValue": 1}),
    ):
        answer = foreign.send(method, path, json=body)
        assert answer.status_code == 404, (method, path)
        assert answer.json() == {"statusCode": 404, "message": "Listing not found", "error": "Not Found"}
    assert foreign.put_listing(externalId="FLAT-77")["created"] is True


def test_external_ids_are_compared_by_exact_case(client: Client) -> None:
    client.put_listing(externalId="APT-001")
    assert client.get("/listings/external/apt-001").status_code == 404
    assert client.put_listing(externalId="apt-001")["created"] is True


def test_an_external_id_may_hold_anything_a_path_can_encode(client: Client) -> None:
    made = client.put_listing(externalId="a/b c?é#1")
    assert client.get("/listings/external/a%2Fb%20c%3F%C3%A9%231").json()["id"] == made["id"]


def test_linking_and_unlinking(client: Client) -> None:
    number = client.put_listing(externalId="old")["id"]
    other = client.put_listing(externalId="taken")["id"]
    linked = client.send("POST", f"/listings/{number}/link", json={"externalId": "new"})
    assert linked.json() == {"id": number, "externalId": "new", "linked": True}
    conflict = client.send("POST", f"/listings/{number}/link", json={"externalId": "taken"})
    assert str(other) in refusal(conflict, 409)
    assert refusal(client.send("POST", f"/listings/{number}/link", json={}), 400) == ["externalId is required"]
    unlinked = client.send("DELETE", f"/listings/{number}/link")
    assert unlinked.json() == {"id": number, "externalId": "new", "unlinked": True}
    assert client.get(f"/listings/{number}").json()["externalId"] is None


def test_a_list_is_paged_newest_first(client: Client) -> None:
    ids = [client.put_listing(externalId=f"FLAT-{n}")["id"] for n in range(3)]
    page = client.get("/listings", params={"limit": 2}).json()
    assert [item["id"] for item in page["items"]] == [ids[2], ids[1]]
    assert (page["total"], page["limit"], page["offset"]) == (3, 2, 0)
    assert [item["id"] for item in client.get("/listings?limit=2&offset=2").json()["items"]] == [ids[0]]
    assert client.get("/listings?limit=100").status_code == 200
    assert len(refusal(client.get("/listings?limit=101&offset=-1"), 400)) == 2


def test_bulk_runs_every_operation_in_order(client: Client, photos: PhotoServer) -> None:
    number = client.put_listing(externalId="one")["id"]
    fields = {**FLAT, "announcementStatus": "active", "files": photos.urls("ok", "ok", "ok")}
    operations = [
        {"op": "link", "id": number, "externalId": "uno"},
        {"op": "upsert", "externalId": "two", **fields},
        {"op": "validate", "externalId": "three", "announcementStatus": "active"},
        {"op": "unlink", "externalId": "uno"},
        {"op": "delete", "externalId": "two"},
        {"op": "explode"},
        "nothing",
        {"op": "delete", "id": 999_999},
    ]
    answer = client.send("POST", "/listings/bulk", json={"operations": operations})
    assert answer.status_code == 200
    body = answer.json()
    assert body["summary"] == {"total": 8, "succeeded": 4, "failed": 4}
    assert [result["success"] for result in body["results"]] == [True, True, False, True, True, False, False, False]
    assert [result["index"] for result in body["results"]] == list(range(8))
    assert type(body["results"][1]["jobId"]) is int
    assert body["results"][7]["error"] == {"statusCode": 404, "message": "Listing not found", "error": "Not Found"}
    assert client.get("/listings/external/three").status_code == 404
    assert client.wait(body["results"][1]["jobId"])["status"] == "failed"


def test_the_agents_of_a_listing(client: Client, new_client: NewClient) -> None:
    made = client.send("PUT", "/users", json={"externalId": "a", "name": "Ana"}).json()
    assert made == {"id": made["id"], "externalId": "a", "created": True}
    again = client.send("PUT", "/users", json={"id": made["id"], "phone": "123"}).json()
    assert again == {"id": made["id"], "externalId": "a", "updated": True}
    user = client.get(f"/users/{made['id']}").json()
    assert (user["name"], user["phone"], user["role"]) == ("Ana", "123", None)
    assert client.get("/users/external/a").json() == user
    bulk = client.send("POST", "/users/bulk", json={"operations": [{"op": "upsert", "externalId": "b"}]})
    assert bulk.json()["summary"]["succeeded"] == 1
    assert [item["externalId"] for item in client.get("/users").json()["items"]] == ["a", "b"]
    link = client.send("POST", f"/users/{made['id']}/link", json={"externalId": "b"})
    assert link.status_code == 409
    assert client.send("DELETE", f"/users/{made['id']}/link").json()["unlinked"] is True
    assert new_client().get(f"/users/{made['id']}").status_code == 404
    assert refusal(client.send("PUT", "/listings", json={"externalId": "x", "userId": 10**6}), 400) == [
        "userId: there is no user 1000000"
    ]


def test_the_schema_names_every_field_and_narrows_by_type(client: Client) -> None:
    base = client.get("/reference/schema/base").json()
    assert {field["name"] for field in base["fields"]} >= set(FLAT)
    narrowed = client.get("/reference/schema/contextual?announcementType=rent&propertyType=residential").json()
    types = next(field for field in narrowed["fields"] if field["name"] == "propertySecondaryType")
    assert types["values"] == ["apartment", "house", "room", "other"]
    assert len(refusal(client.get("/reference/schema/contextual?announcementType=lease"), 400)) == 2


def test_the_short_path_of_the_status_works_too(client: Client, photos: PhotoServer) -> None:
    made = publish(client, photos)
    short = httpx.get(
        f"{client.running.base}/job/status?id={made['jobId']}", headers={"Authorization": f"ApiKey {client.key}"}
    )
    assert short.status_code == 200 and short.json()["id"] == made["jobId"]
    client.wait(made["jobId"])


@pytest.mark.parametrize("required", ["announcementValue,propertyType"])
def test_an_operator_may_require_fields(tmp_path: Path, photos: PhotoServer, required: str) -> None:
    with run_rentix(tmp_path, workers=0, RENTIX_REQUIRED_FIELDS=required) as house:
        client = house.make_client("Agency")
        body = {"externalId": "a", "announcementStatus": "active", "files": photos.urls("ok", "ok", "ok")}
        assert refusal(client.send("PUT", "/listings", json=body), 400) == [
            "announcementValue is required to publish a listing",
            "propertyType is required to publish a listing",
        ]


def test_a_photo_that_never_came_has_failed_with_its_publication(client: Client, photos: PhotoServer) -> None:
    made = publish(client, photos, "ok", "ok", "busy")
    assert client.wait(made["jobId"])["status"] == "failed"
    files = client.get(f"/listings/{made['id']}").json()["files"]
    assert [file["optimization"] for file in files] == ["success", "success", "failed"]


def test_a_change_after_the_last_look_of_a_job_gets_a_job_of_its_own(waiting: Client, photos: PhotoServer) -> None:
    store, owner = waiting.running.house.store, waiting.get("/agency").json()["name"]
    made = publish(waiting, photos)
    (found,) = store.read(lambda reader: reader.query("SELECT id FROM owner WHERE name = :name", name=owner)).result()
    store.write(lambda tx: close_job(tx, found[0], made["id"], job=made["jobId"])).result()
    later = publish(waiting, photos, announcementValue=1)
    assert later["jobId"] > made["jobId"]
    for number, status in ((made["jobId"], "pending_active"), (later["jobId"], "active")):
        final = FinalJob(
            number=number,
            owner=found[0],
            kind="announcement_finalize",
            completed=True,
            input=f'{{"listingId":{made["id"]}}}',
            output=None,
            error_message=None,
        )
        store.write(lambda tx, final=final: conclude_publication(tx, final)).result()
        listing = waiting.get(f"/listings/{made['id']}").json()
        assert listing["formData"]["announcementStatus"] == status


def test_a_listing_hidden_while_its_job_runs_can_be_published_again(client: Client, photos: PhotoServer) -> None:
    photos.gate.clear()
    photos.reached.clear()
    try:
        first = publish(client, photos, "gate", "ok", "ok")
        assert photos.reached.wait(30)
        client.put_listing(externalId="FLAT-77", announcementStatus="hidden")
        second = publish(client, photos, "ok", "ok", "ok")
    finally:
        photos.gate.set()
    assert second["jobId"] > first["jobId"]
    assert client.wait(first["jobId"])["publicErrorMessage"] == "Operation was cancelled"
    assert client.wait(second["jobId"])["status"] == "completed"
    assert client.get(f"/listings/{first['id']}").json()["formData"]["announcementStatus"] == "active"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "status", "attempt"), [(ROUNDS_MAX - 1, "completed", 1), (3 * ROUNDS_MAX, "failed", 3)]
)
def test_a_listing_may_change_nine_times_under_its_publication(
    client: Client, running: RunningHouse, photos: PhotoServer, monkeypatch: pytest.MonkeyPatch, *,
    changes: int, status: str, attempt: int,
) -> None:  # fmt: skip
    left = iter(range(changes))

    def change_and_keep(tx: Any, owner: int, listing: int, **kept: Any) -> bool:
        if next(left, None) is not None:
            row = find_listing(tx, owner, number=listing)
            assert row is not None
            change_listing(tx, owner, listing, form=row.fields, status=row.status, agent=row.agent)
        return keep_finding(tx, owner, listing, **kept)

    monkeypatch.setattr(publishing, "keep_finding", change_and_keep)
    job = publish(client, photos)["jobId"]
    ended = client.wait(job)
    assert ended["status"] == status
    if status == "failed":
        assert ended["publicErrorMessage"].startswith(f"The listing was changed {ROUNDS_MAX} times")
        assert ended["isRetryable"] is True
    sql = "SELECT attempt FROM state WHERE number = :number"
    assert running.house.store.read(lambda reader: reader.query(sql, number=job)).result(10) == [(attempt,)]
