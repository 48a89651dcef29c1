"""Uploads straight to S3-compatible storage, and everything else of the system with its files there."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from apidatatools_house import Customer, RunningTools, run_tools

from bucket_server import KEYS, make_bucket
from house_fixtures import customer_of
from jobwire.blobs.contract import PARTIAL_AGE_S

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def bucket_tools(house_engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningTools]:
    """A house that keeps its files in a bucket, with a small plan."""
    with run_tools(
        tmp_path_factory.mktemp("bucket"),
        JOBWIRE_FILES=str(make_bucket()),
        APIDATATOOLS_FILE_BYTES="1000",
        APIDATATOOLS_STORAGE_BYTES="1500",
        APIDATATOOLS_PENDING_UPLOADS="2",
        **KEYS,
    ) as house:
        yield house


customer = customer_of("bucket_tools")


def run_on(customer: Customer, key: str, tool: str = "csv-to-json") -> httpx.Response:
    return customer.run(tool, json.dumps({"file": key}), source_type="file")


def test_an_upload_goes_to_the_storage_and_is_converted(customer: Customer) -> None:
    announced = customer.announce("stock.csv")
    upload = announced["upload"]
    blobs = customer.running.house.services.blobs
    assert blobs.inbox is not None
    assert upload["url"] == blobs.inbox.url
    fields = upload["fields"]
    assert fields["key"].endswith(f"/user_{customer.owner}/{announced['upload_id']}/stock.csv")
    assert {"x-amz-algorithm", "x-amz-credential", "x-amz-date", "policy", "x-amz-signature"} <= fields.keys()
    assert customer.send_form(announced, b"sku,price\nA1,1.10\n").status_code == 204
    for _ in range(2):  # taken from the inbox by the first
        answer = run_on(customer, fields["key"])
        assert answer.status_code == 202, answer.text
        body = customer.wait(answer.json()["job_id"])
        assert body["status"] == "success"
    assert blobs.inbox.list_arrived(f"user_{customer.owner}") == {}
    url = body["result"]["file"]
    whole = httpx.get(url, timeout=60)
    assert whole.json() == [{"sku": "A1", "price": "1.10"}]
    assert whole.headers["x-content-type-options"] == "nosniff"
    part = httpx.get(url, headers={"Range": "bytes=-5"}, timeout=60)
    assert (part.status_code, part.content) == (206, whole.content[-5:])


def test_what_is_posted_again_later_changes_nothing(customer: Customer) -> None:
    announced = customer.announce("a.json")
    key = announced["upload"]["fields"]["key"]
    customer.send_form(announced, b"[1]")
    customer.send_form(announced, b"[2]")
    assert customer.wait(run_on(customer, key, "json-minify").json()["job_id"])["result"]["preview"] == "[2]"
    customer.send_form(announced, b"[3]")
    assert customer.wait(run_on(customer, key, "json-minify").json()["job_id"])["result"]["preview"] == "[2]"


def test_only_what_has_come_for_the_caller_is_found(customer: Customer, bucket_tools: RunningTools) -> None:
    announced = customer.announce("stock.csv")
    key = announced["upload"]["fields"]["key"]
    absent = run_on(customer, key)
    assert (absent.status_code, absent.json()["error"]) == (404, "FILE_NOT_FOUND")
    assert customer.send_form(announced, b"a\n1\n").status_code == 204
    stranger = run_on(bucket_tools.make_client(f"stranger-{customer.owner}"), key)
    assert (stranger.status_code, stranger.json()["error"]) == (403, "FORBIDDEN")
    for wrong in (key.replace("stock", "other"), "x/" + key, key + "/..", key.replace("incoming", "ab")):
        answer = run_on(customer, wrong)
        assert (answer.status_code, answer.json()["error"]) == (404, "FILE_NOT_FOUND"), wrong


def test_a_plan_holds_where_the_storage_does_not_hold_to_the_policy(customer: Customer) -> None:
    large = customer.announce("a.csv")
    assert customer.send_form(large, b"1" * 1_001).status_code == 204
    refused = run_on(customer, large["upload"]["fields"]["key"])
    assert (refused.status_code, refused.json()["error"]) == (413, "PAYLOAD_TOO_LARGE")


def test_what_came_is_awaited_no_more_and_counts(customer: Customer) -> None:
    first, second = customer.announce("a.csv"), customer.announce("b.csv")
    refused = customer.http.post("/upload-api", json={"filename": "c.csv"})
    assert (refused.status_code, refused.json()["error"]) == (429, "TOO_MANY_PENDING_UPLOADS")
    assert customer.send_form(first, b"1" * 1_000).status_code == 204
    third = customer.announce("c.csv")
    assert customer.send_form(second, b"1" * 501).status_code == 204
    full = customer.http.post("/upload-api", json={"filename": "d.csv"})
    assert (full.status_code, full.json()["error"]) == (403, "STORAGE_LIMIT_EXCEEDED")
    assert run_on(customer, first["upload"]["fields"]["key"]).json()["error"] == "STORAGE_LIMIT_EXCEEDED"
    assert run_on(customer, third["upload"]["fields"]["key"]).json()["error"] == "FILE_NOT_FOUND"


def test_what_nobody_names_is_swept_after_a_day(customer: Customer) -> None:
    announced = customer.announce("a.csv")
    customer.send_form(announced, b"a\n")
    customer.running.house.services.blobs.sweep_partial(datetime.now(UTC).timestamp() + PARTIAL_AGE_S + 60)
    assert run_on(customer, announced["upload"]["fields"]["key"]).status_code == 404


def test_a_house_without_a_key_of_the_storage_receives_uploads_itself(
    house_engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The storage's client finds its credentials where it looks for them itself.
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    with run_tools(tmp_path, JOBWIRE_FILES=str(make_bucket())) as house:
        customer = house.make_client("through-us")
        announced = customer.announce("a.csv")
        assert announced["upload"]["url"].startswith(house.base)
        key = customer.upload("a.csv", b"a\n1\n")
        assert customer.wait(run_on(customer, key).json()["job_id"])["status"] == "success"
