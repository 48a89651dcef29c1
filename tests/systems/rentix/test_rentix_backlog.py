"""An agency with too much unfinished is refused in the vendor's words, and nothing of its call is stored."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from rentix_house import FLAT, Client, PhotoServer, run_rentix

REFUSED = {"statusCode": 429, "message": "Too Many Requests", "error": "Too Many Requests"}


@pytest.fixture
def agency(tmp_path: Path) -> Iterator[Client]:
    with run_rentix(tmp_path, workers=0, JOBWIRE_OWNER_BACKLOG_MAX="2") as house:
        yield house.make_client("Full Agency")


def publish(agency: Client, photos: PhotoServer, name: str):
    body = {**FLAT, "externalId": name, "announcementStatus": "active", "files": photos.urls("ok", "ok", "ok")}
    return agency.send("PUT", "/listings", json=body)


@pytest.mark.slow
def test_a_listing_beyond_the_backlog_is_refused_whole(agency: Client, photos: PhotoServer) -> None:
    for name in ("one", "two"):
        assert publish(agency, photos, name).status_code == 200
    refused = publish(agency, photos, "three")
    assert (refused.status_code, refused.json()) == (429, REFUSED)
    assert int(refused.headers["retry-after"]) >= 1
    assert agency.get("/listings/external/three").status_code == 404
    assert publish(agency, photos, "two").status_code == 200, "its job is live already: no new one is made"


@pytest.mark.slow
def test_a_bulk_call_reports_the_refusal_of_each_operation(agency: Client, photos: PhotoServer) -> None:
    operations = [
        {
            "op": "upsert",
            **FLAT,
            "externalId": f"bulk-{number}",
            "announcementStatus": "active",
            "files": photos.urls("ok", "ok", "ok"),
        }
        for number in range(3)
    ]
    results = agency.send("POST", "/listings/bulk", json={"operations": operations}).json()["results"]
    assert [result["success"] for result in results] == [True, True, False]
    assert results[2]["error"] == REFUSED


@pytest.mark.slow
def test_the_place_in_the_queue_is_the_exact_one(agency: Client, photos: PhotoServer) -> None:
    jobs = [publish(agency, photos, name).json()["jobId"] for name in ("one", "two")]
    assert [agency.status(job)["queuePosition"] for job in jobs] == [0, 1]
