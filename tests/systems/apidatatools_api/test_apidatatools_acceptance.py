"""The vendor's acceptance cases over real HTTP."""

import asyncio
import json
import re
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from apidatatools_house import MOUNT, Customer, FileServer, RunningTools, run_tools

from jobwire.domain.ids import read_uuid
from jobwire.systems.apidatatools.quota import month_of, read_usage
from jobwire.systems.apidatatools.routes_tools import BODY_BYTES_MAX

RESULT_KEYS = {"status", "request_id", "file", "preview"}
UNAUTHORIZED = {"status": "error", "error": "UNAUTHORIZED", "details": {"message": "Missing authorizer context"}}
FORBIDDEN = {"status": "error", "error": "FORBIDDEN", "details": {"message": "Access denied"}}
ABSENT = {"status": "error", "error": "JOB_NOT_FOUND", "details": {"message": "Job not found"}}


def say(code: str, message: str) -> dict[str, Any]:
    return {"status": "error", "error": code, "details": {"message": message}}


def fetch(url: str, **options: Any) -> httpx.Response:
    return httpx.get(url, timeout=60, **options)


def test_1_a_small_body_is_formatted_at_once_and_its_file_can_be_fetched(customer: Customer) -> None:
    answer = customer.run("json-formatter", '{"k":1}', tab_space="2", source_type="body")
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body.keys() == RESULT_KEYS
    assert body["status"] == "success"
    assert uuid.UUID(body["request_id"])
    assert '{\n  "k": 1\n}' in body["preview"]
    assert re.fullmatch(r"apidatatools_convert_[A-Za-z0-9_-]{92}\.json", body["file"].rpartition("/")[2])
    file = fetch(body["file"])
    assert file.status_code == 200
    assert file.text == body["preview"]


def test_2_without_headers_the_body_is_indented_by_one(customer: Customer) -> None:
    answer = customer.run("json-formatter", '{"k":1}')
    assert answer.status_code == 200
    assert '{\n "k": 1\n}' in answer.json()["preview"]


def test_3_the_content_type_is_not_trusted(customer: Customer) -> None:
    answer = customer.http.post(
        "/text-minify-api", content="some   plain\n\ntext", headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 200, answer.text
    assert answer.json().keys() == RESULT_KEYS


def test_4_csv_without_a_content_type_becomes_json_of_texts(customer: Customer) -> None:
    answer = customer.run("csv-to-json", "a,b\n1,2.50\n")
    assert answer.status_code == 200, answer.text
    assert json.loads(fetch(answer.json()["file"]).text) == [{"a": "1", "b": "2.50"}]


def test_5_url_mode_makes_a_job(waiting: Customer, files: FileServer) -> None:
    answer = waiting.run("json-formatter", json.dumps({"url": files.base + "/good.json"}), source_type="url")
    assert answer.status_code == 202
    body = answer.json()
    assert body.keys() == {"status", "job_id", "request_id", "message", "retry_after"}
    assert body["status"] == "queued"
    assert str(uuid.UUID(body["job_id"])) == body["job_id"]
    assert uuid.UUID(body["job_id"]).version == 4
    assert isinstance(body["retry_after"], int)


def test_6_a_new_job_is_queued_with_a_message_and_when_to_come_again(waiting: Customer, files: FileServer) -> None:
    job = waiting.start("json-formatter", files.base + "/good.json")
    answer = waiting.get(f"/status-api/{job}")
    assert answer.status_code == 200
    body = answer.json()
    assert body.keys() == {"job_id", "status", "created_at", "updated_at", "message", "retry_after"}
    assert (body["job_id"], body["status"]) == (job, "queued")
    assert isinstance(body["message"], str)
    assert body["retry_after"] > 0
    assert all(type(body[name]) is int and len(str(body[name])) == 10 for name in ("created_at", "updated_at"))


def test_7_both_spellings_give_the_same_bytes(customer: Customer, waiting: Customer, files: FileServer) -> None:
    job = waiting.start("json-formatter", files.base + "/good.json")
    first, second = (waiting.get(f"/{path}/{job}").json() for path in ("jobs", "status-api"))
    assert {**first, "retry_after": 0} == {**second, "retry_after": 0}
    done = customer.start("json-formatter", files.base + "/good.json")
    customer.wait(done)
    assert customer.get(f"/jobs/{done}").content == customer.get(f"/status-api/{done}").content


def test_8_a_job_at_work_is_processing(customer: Customer, files: FileServer) -> None:
    files.gate.clear()
    job = customer.start("json-formatter", files.base + "/gate/good.json")
    body = customer.wait(job, "processing")
    files.gate.set()
    assert body.keys() == {"job_id", "status", "created_at", "updated_at", "message", "retry_after"}
    assert customer.wait(job)["status"] == "success"


def test_9_a_done_job_has_what_the_synchronous_call_answers(customer: Customer, files: FileServer) -> None:
    body = customer.wait(customer.start("json-formatter", files.base + "/good.json", tab_space="2"))
    assert body.keys() == {"job_id", "status", "created_at", "updated_at", "result"}
    assert body["status"] == "success"
    assert body["result"].keys() == RESULT_KEYS
    assert fetch(body["result"]["file"]).text == body["result"]["preview"]


def test_10_broken_json_behind_a_url_is_a_failed_job_with_its_place(customer: Customer, files: FileServer) -> None:
    job = customer.start("json-formatter", files.base + "/bad.json")
    body = customer.wait(job)
    assert customer.get(f"/jobs/{job}").status_code == 200
    assert body.keys() == {"job_id", "status", "created_at", "updated_at", "error"}
    assert body["status"] == "failed"
    assert body["error"].keys() == {"code", "message", "details"}
    assert body["error"]["code"] == "INVALID_JSON"
    assert (body["error"]["details"]["line"], body["error"]["details"]["column"]) == (4, 1)


def test_11_broken_json_in_the_body_is_refused_with_its_place(customer: Customer) -> None:
    answer = customer.run("json-formatter", '{\n "a": 1,\n "b": 2,\n}\n')
    assert answer.status_code == 400
    body = answer.json()
    assert body.keys() == {"status", "error", "details"}
    assert (body["status"], body["error"]) == ("error", "INVALID_JSON")
    assert (body["details"]["line"], body["details"]["column"]) == (4, 1)
    assert body["details"]["message"]


PATHS = [
    ("POST", "/json-formatter-api"),
    ("POST", "/upload-api"),
    ("GET", "/jobs/x"),
    ("GET", "/jobs/"),
    ("GET", "/status-api/3b0d5b5e-6c1f-4f0e-a0a7-0a3a2d6f9c11"),
    ("GET", "/status-api"),
]


@pytest.mark.parametrize("headers", [{}, {"x-api-key": "jw_wrong"}], ids=["12-no-key", "13-wrong-key"])
def test_12_13_without_a_known_key_every_path_answers_401(
    running_tools: RunningTools, headers: dict[str, str]
) -> None:
    for method, path in PATHS:
        answer = httpx.request(method, running_tools.base + MOUNT + path, content=b"{", headers=headers, timeout=60)
        assert (answer.status_code, answer.json()) == (401, UNAUTHORIZED), path


@pytest.mark.parametrize("path", ["/status-api", "/status-api/", "/jobs", "/jobs/"])
def test_14_a_status_without_an_id_is_told_so(customer: Customer, path: str) -> None:
    answer = customer.get(path)
    assert (answer.status_code, answer.json()) == (400, say("INVALID_JOB_ID", "job_id is required"))


@pytest.mark.parametrize("job", ["not-a-uuid", "123", "3b0d5b5e6c1f4f0ea0a70a3a2d6f9c11"])
def test_15_what_is_no_uuid_is_no_id(customer: Customer, job: str) -> None:
    for path in ("status-api", "jobs"):
        answer = customer.get(f"/{path}/{job}")
        assert (answer.status_code, answer.json()) == (400, say("INVALID_JOB_ID", "job_id is invalid"))


def test_16_an_unknown_job_is_not_found(customer: Customer) -> None:
    answer = customer.get(f"/status-api/{uuid.uuid4()}")
    assert (answer.status_code, answer.json()) == (404, ABSENT)


def test_17_somebody_elses_job_is_forbidden(
    customer: Customer, new_customer: Callable[[], Customer], files: FileServer
) -> None:
    job = customer.start("json-formatter", files.base + "/good.json")
    for path in ("status-api", "jobs"):
        answer = new_customer().get(f"/{path}/{job}")
        assert (answer.status_code, answer.json()) == (403, FORBIDDEN)


def test_18_a_deleted_job_is_not_found(
    customer: Customer, new_customer: Callable[[], Customer], files: FileServer
) -> None:
    job = customer.start("json-formatter", files.base + "/good.json")
    customer.wait(job)
    jobs, key = customer.running.house.services.jobs, read_uuid(job)

    async def remove() -> None:
        await jobs.remove(customer.owner, await jobs.read(customer.owner, key=key))

    asyncio.run(remove())
    for caller in (customer, new_customer()):
        answer = caller.get(f"/status-api/{job}")
        assert (answer.status_code, answer.json()) == (404, ABSENT)


def test_19_status_calls_are_limited_and_cost_no_units(customer: Customer, files: FileServer) -> None:
    job = customer.start("json-formatter", files.base + "/good.json")
    customer.wait(job)
    used = count_used(customer)
    answers = [customer.get(f"/{path}/{job}") for _ in range(60) for path in ("jobs", "status-api")]
    answers.append(customer.get(f"/jobs/{job}"))
    limited = answers[-1]
    assert limited.status_code == 429
    assert limited.json() == say("RATE_LIMITED", "Too many status requests. Please slow down.")
    assert int(limited.headers["retry-after"]) > 0
    assert sum(answer.status_code == 200 for answer in answers) <= 120
    assert count_used(customer) == used == 1


def count_used(customer: Customer) -> int:
    house = customer.running.house
    month = month_of(house.services.clock())
    usage = house.store.read(lambda reader: read_usage(reader, customer.owner, month=month, units_max=0)).result()
    return usage.used


def test_20_a_fault_of_the_storage_is_an_internal_error(
    new_customer: Callable[[], Customer], monkeypatch: pytest.MonkeyPatch
) -> None:
    customer = new_customer()

    def fail(*_: Any, **__: Any) -> Any:
        raise OSError("the disk is gone")

    monkeypatch.setattr(customer.running.house.store, "get", fail)
    answer = customer.get(f"/status-api/{uuid.uuid4()}")
    assert (answer.status_code, answer.json()) == (500, say("INTERNAL_ERROR", "Failed to process job"))


def test_21_an_upload_is_announced_sent_and_converted(customer: Customer) -> None:
    announced = customer.announce("stock.csv")
    assert re.fullmatch(r"upl_[0-9a-f]{32}", announced["upload_id"])
    fields = announced["upload"]["fields"]
    assert fields["key"] == f"user_{customer.owner}/{announced['upload_id']}/stock.csv"
    assert fields["x-amz-meta-original-filename"] == "stock.csv"
    assert customer.send_form(announced, b"sku,price\nA1,1.10\n").status_code == 204
    answer = customer.run("csv-to-json", json.dumps({"file": fields["key"]}), source_type="file")
    assert answer.status_code == 202, answer.text
    body = customer.wait(answer.json()["job_id"])
    assert body["status"] == "success"
    assert json.loads(fetch(body["result"]["file"]).text) == [{"sku": "A1", "price": "1.10"}]


@pytest.mark.parametrize("name", ["a.b.csv", "../x.csv", "x.exe", "", ".csv", "é.csv", "a" * 117 + ".csv", None, 7])
def test_22_a_name_that_cannot_be_one_is_refused(customer: Customer, name: Any) -> None:
    answer = customer.http.post("/upload-api", json={} if name is None else {"filename": name})
    assert answer.status_code == 400
    assert answer.json()["error"] in ("INVALID_FILENAME", "INVALID_FILE_EXTENSION")


def test_23_a_form_with_another_key_is_refused(customer: Customer) -> None:
    announced = customer.announce("stock.csv")
    fields = announced["upload"]["fields"]
    answer = customer.send_form(announced, b"x", fields={**fields, "key": fields["key"].replace("stock", "other")})
    assert (answer.status_code, answer.json()) == (403, FORBIDDEN)


def test_24_another_accounts_file_is_forbidden_and_an_unknown_one_not_found(
    customer: Customer, new_customer: Callable[[], Customer]
) -> None:
    key = customer.upload("mine.json", b"{}")
    stranger = new_customer()
    answer = stranger.run("json-formatter", json.dumps({"file": key}), source_type="file")
    assert (answer.status_code, answer.json()) == (403, FORBIDDEN)
    for absent in ("nonsense", f"user_{customer.owner}/upl_{'0' * 32}/mine.json", key.replace("mine", "thine")):
        answer = customer.run("json-formatter", json.dumps({"file": absent}), source_type="file")
        assert (answer.status_code, answer.json()) == (404, say("FILE_NOT_FOUND", "File not found"))


def test_25_a_tool_takes_its_own_extensions_only(customer: Customer, files: FileServer) -> None:
    key = customer.upload("stock.csv", b"a\n")
    answer = customer.run("json-formatter", json.dumps({"file": key}), source_type="file")
    assert (answer.status_code, answer.json()["error"]) == (400, "INVALID_FILE_EXTENSION")
    for path in ("/good.csv", "/good", "/good?x=.json"):
        answer = customer.run("json-formatter", json.dumps({"url": files.base + path}), source_type="url")
        assert (answer.status_code, answer.json()["error"]) == (400, "INVALID_FILE_EXTENSION")


def test_26_an_unknown_source_type_is_refused(customer: Customer) -> None:
    answer = customer.run("json-formatter", "{}", source_type="ftp")
    assert (answer.status_code, answer.json()["error"]) == (400, "INVALID_SOURCE_TYPE")


def test_26_an_option_out_of_bounds_is_refused(customer: Customer) -> None:
    for value in ("0", "-1", "two"):
        answer = customer.run("json-formatter", "{}", tab_space=value)
        assert (answer.status_code, answer.json()["error"]) == (400, "INVALID_HEADER")


@pytest.fixture
def guarded(house_engine: str, tmp_path: Path) -> Iterator[RunningTools]:
    """A house that may fetch from nowhere but the public internet."""
    with run_tools(tmp_path, JOBWIRE_FETCH_ALLOW="") as house:
        yield house


def test_27_what_is_not_public_is_never_fetched(guarded: RunningTools, files: FileServer) -> None:
    customer = guarded.make_client("guarded")
    port = urlsplit(files.base).port
    hits = files.hits.total()
    for url in (
        "file:///etc/passwd.json",
        f"http://127.0.0.1:{port}/good.json",
        f"http://localhost:{port}/good.json",
        f"http://2130706433:{port}/good.json",
        f"http://[::ffff:127.0.0.1]:{port}/good.json",
        "http://169.254.169.254/good.json",
        "http://10.0.0.1/good.json",
        "ftp://example.com/good.json",
        "http://user@example.com/good.json",
    ):
        answer = customer.run("json-formatter", json.dumps({"url": url}), source_type="url")
        assert (answer.status_code, answer.json()["error"]) == (400, "INVALID_URL"), url
    assert files.hits.total() == hits


@pytest.mark.slow
def test_28_a_body_over_the_limit_is_refused(customer: Customer) -> None:
    def send() -> Iterator[bytes]:
        yield b"[" + b"1" * BODY_BYTES_MAX

    answer = customer.http.post("/json-formatter-api", content=send())
    assert (answer.status_code, answer.json()["error"]) == (413, "PAYLOAD_TOO_LARGE")
    declared = customer.http.post("/json-formatter-api", content=b"1" * (BODY_BYTES_MAX + 1))
    assert (declared.status_code, declared.json()["error"]) == (413, "PAYLOAD_TOO_LARGE")


def test_29_the_json_of_url_mode_is_read_whatever_its_type(customer: Customer, files: FileServer) -> None:
    answer = customer.http.post(
        "/json-formatter-api",
        content=json.dumps({"url": files.base + "/good.json"}),
        headers={"x-source-type": "url", "Content-Type": "application/x-www-form-urlencoded"},
    )
    assert answer.status_code == 202


def test_an_unreachable_url_is_a_failed_job(customer: Customer, files: FileServer) -> None:
    body = customer.wait(customer.start("json-formatter", files.base + "/missing.json"))
    assert body["status"] == "failed"
    assert body["error"]["code"] == "URL_FETCH_FAILED"
