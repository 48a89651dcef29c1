"""Many submissions in one call: in order, each with its own result, or all as one."""

import json
from typing import Any

import httpx
import msgspec
import pytest
from http_house import House, open_house

from jobwire.dialects.bulk import BATCH_MAX, BatchAnswer
from jobwire.dialects.spec import BATCH_BYTES_MAX

NDJSON = {"Content-Type": "application/x-ndjson"}
DAY_MS = 24 * 3_600_000


def item(text: str = "hi", **fields: Any) -> dict[str, Any]:
    return {"kind": "echo", "input": {"text": text}, **fields}


def send(client: httpx.Client, items: Any, query: str = "", **headers: str) -> dict[str, Any]:
    answer = client.post(f"/v1/jobs/batch{query}", json=items, headers=headers, timeout=60)
    assert answer.status_code == 200, answer.text
    msgspec.json.decode(answer.content, type=BatchAnswer)
    told: dict[str, Any] = answer.json()
    return told


def count_jobs(house: House) -> int:
    found: int = house.services.store.read(lambda r: r.query("SELECT count(*) FROM job")).result(10)[0][0]
    return found


def test_a_batch_has_one_result_an_item_in_order(client: httpx.Client) -> None:
    told = send(client, [item("a"), item("b", priority=1), item("c", delay=60)])
    assert [told[name] for name in ("accepted", "replayed", "refused")] == [3, 0, 0]
    assert [result["index"] for result in told["results"]] == [0, 1, 2]
    jobs = [client.get(result["links"]["self"]).json() for result in told["results"]]
    assert [job["id"] for job in jobs] == [result["id"] for result in told["results"]]
    assert [(job["priority"], job["phase"]) for job in jobs] == [(5, "waiting"), (1, "waiting"), (5, "scheduled")]
    assert [result["status"] for result in told["results"]] == [202] * 3


def test_a_bad_item_says_where_and_why_and_costs_no_other(house: House, client: httpx.Client) -> None:
    bad: list[Any] = [
        item(text=7), item(color="red"), {"kind": "nope"}, [], item(idempotency_key=""), item(tags=["x"] * 21),
        item(idempotency_key=7), item(delay=-1), item(text="x" * 1_000_001),
    ]  # fmt: skip
    told = send(client, [item(), *bad, item()])
    assert (told["accepted"], told["refused"], count_jobs(house)) == (2, len(bad), 2)
    results = told["results"]
    assert [result["status"] for result in results] == [202, *[400] * 8, 413, 202]
    pointers = [result["error"]["errors"][0]["pointer"] for result in results[1:-2]]
    assert pointers == [
        "/input/text", "/color", "/kind", "", "/idempotency_key", "/tags", "/idempotency_key", "/delay",
    ]  # fmt: skip
    assert {result["error"]["request_id"] for result in results[1:-1]} == {results[1]["error"]["request_id"]}


def test_lines_are_read_one_by_one(house: House, client: httpx.Client) -> None:
    lines = [
        json.dumps(item("a")),
        "",
        '{"kind": "echo"',
        "  ",
        json.dumps(item(text=7)),
        json.dumps(item("b")) + "\r",
    ]
    answer = client.post("/v1/jobs/batch", content="\n".join(lines), headers=NDJSON)
    told = answer.json()
    assert answer.status_code == 200 and count_jobs(house) == 2
    assert [result["status"] for result in told["results"]] == [202, 400, 400, 202]
    assert [result.get("line") for result in told["results"]] == [1, 3, 5, 6]
    broken, wrong = (result["error"] for result in told["results"][1:3])
    assert (broken["code"], wrong["errors"][0]["pointer"]) == ("malformed_json", "/input/text")
    assert broken["detail"].startswith("line 3: ")


def test_an_atomic_batch_is_accepted_or_leaves_nothing(house: House, client: httpx.Client) -> None:
    answer = client.post("/v1/jobs/batch?atomic=true", json=[item(), item(text=7), item(color="red")])
    assert (answer.status_code, answer.json()["code"], count_jobs(house)) == (400, "invalid_request", 0)
    assert [fault["pointer"] for fault in answer.json()["errors"]] == ["/1/input/text", "/2/color"]
    assert answer.json()["detail"].startswith("2 of 3 jobs are not valid, and none was accepted")
    assert send(client, [item(), item()], "?atomic=true")["accepted"] == 2
    keyed = [item(), item("other", idempotency_key="k")]
    assert send(client, [item("first", idempotency_key="k")])["accepted"] == 1
    answer = client.post("/v1/jobs/batch?atomic=true", json=keyed)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/1/idempotency_key")
    assert count_jobs(house) == 3
    assert client.post("/v1/jobs/batch?atomic=maybe", json=[]).json()["errors"][0]["pointer"] == "/atomic"


def test_keys_of_items_find_what_they_named_before(client: httpx.Client, stranger: httpx.Client) -> None:
    first = send(client, [item("a", idempotency_key="a"), item("b", idempotency_key="b")])
    again = send(client, [item("b", idempotency_key="b"), item("a", idempotency_key="a"), item("c")])
    assert [result["id"] for result in again["results"][:2]] == [result["id"] for result in first["results"][::-1]]
    assert [result["replayed"] for result in again["results"]] == [True, True, False]
    assert (again["accepted"], again["replayed"]) == (1, 2)
    other = send(client, [item("z", idempotency_key="a")])["results"][0]
    assert (other["status"], other["error"]["code"]) == (422, "unprocessable")
    twins = send(client, [item("t", idempotency_key="t"), item("t", idempotency_key="t")])["results"]
    assert twins[0]["id"] == twins[1]["id"] and [twin["replayed"] for twin in twins] == [False, True]
    single = client.post("/v1/jobs", json=item("a"), headers={"Idempotency-Key": "a"})
    assert single.json()["id"] == first["results"][0]["id"]
    assert send(stranger, [item("a", idempotency_key="a")])["accepted"] == 1


def test_a_batch_with_a_key_can_be_sent_again_whole(house: House, client: httpx.Client) -> None:
    items = [item("same"), item("same"), item(text=7)]
    first = send(client, items, **{"Idempotency-Key": "b-1"})
    again = send(client, items, **{"Idempotency-Key": "b-1"})
    assert [result.get("id") for result in again["results"]] == [result.get("id") for result in first["results"]]
    assert (again["accepted"], again["replayed"], again["refused"], count_jobs(house)) == (0, 2, 1, 2)
    house.clock.now += DAY_MS
    assert send(client, items, **{"Idempotency-Key": "b-1"})["accepted"] == 2


def test_a_backlog_takes_as_many_of_a_batch_as_it_has_room_for(tmp_path: Any) -> None:
    with open_house(tmp_path, owner_backlog_max=5) as house, house.client(house.make_key("ada")) as client:
        told = send(client, [item() for _ in range(8)])
        assert (told["accepted"], told["refused"], count_jobs(house)) == (5, 3, 5)
        assert {result["error"]["code"] for result in told["results"][5:]} == {"backlog_full"}
        assert [result.get("retry_after_s", 0) > 0 for result in told["results"]] == [False] * 5 + [True] * 3
        assert client.post("/v1/jobs/batch?atomic=true", json=[item()]).status_code == 429


@pytest.mark.slow
def test_a_batch_holds_ten_thousand_jobs_and_not_more(house: House, client: httpx.Client) -> None:
    told = send(client, [item(idempotency_key=f"k{n}") for n in range(BATCH_MAX)])
    assert told["accepted"] == len({result["id"] for result in told["results"]}) == BATCH_MAX == count_jobs(house)
    answer = client.post("/v1/jobs/batch", json=[{}] * (BATCH_MAX + 1))
    assert (answer.status_code, answer.json()["details"]) == (413, {"limit_jobs": 10_000})
    lines = client.post("/v1/jobs/batch", content=b"{}\n" * (BATCH_MAX + 1), headers=NDJSON)
    assert lines.status_code == 413


@pytest.mark.slow
def test_a_batch_has_a_body_of_its_own_size(client: httpx.Client) -> None:
    line = json.dumps(item("x" * 999_000)).encode()
    body = line + b"\n" * (BATCH_BYTES_MAX - len(line))
    assert client.post("/v1/jobs/batch", content=body, headers=NDJSON).json()["accepted"] == 1
    assert client.post("/v1/jobs/batch", content=body + b"\n", headers=NDJSON).status_code == 413


@pytest.mark.parametrize(
    ("content", "kind", "status", "code"),
    [
        (b"[]", "application/json", 200, None),
        (b"", "application/x-ndjson", 200, None),
        (b"{}", "application/json", 400, "invalid_request"),
        (b"[", "application/json", 400, "malformed_json"),
        (b"", "application/json", 400, "malformed_json"),
        (b"[]", "text/plain", 415, "unsupported_media_type"),
    ],
)
def test_what_is_no_batch_is_refused(
    client: httpx.Client, content: bytes, kind: str, status: int, code: str | None
) -> None:
    answer = client.post("/v1/jobs/batch", content=content, headers={"Content-Type": kind})
    assert (answer.status_code, answer.json().get("code")) == (status, code)


def test_items_that_would_not_be_valid_any_more_are_found_by_their_keys(house: House, client: httpx.Client) -> None:
    items = [item("a", deadline="2030-03-17T17:50:00Z", idempotency_key="a"), item("b")]
    first = send(client, items, **{"Idempotency-Key": "b-2"})
    house.clock.now += 600_000
    again = send(client, items, **{"Idempotency-Key": "b-2"})
    assert [result["id"] for result in again["results"]] == [result["id"] for result in first["results"]]
    assert again["replayed"] == 2
    assert send(client, items[:1], "?atomic=true")["replayed"] == 1
    other = send(client, [items[0] | {"priority": 1}])["results"][0]
    assert (other["status"], other["error"]["code"]) == (422, "unprocessable")
    assert send(client, [items[0] | {"idempotency_key": "new"}])["results"][0]["status"] == 400


@pytest.mark.parametrize(("line", "place"), [(b"  {", 3), (b"\t\x0c{", 3), (b"\r\n\r\n{", 5), (b"{", 3)])
def test_blank_lines_count_as_lines_and_not_as_jobs(client: httpx.Client, line: bytes, place: int) -> None:
    answer = client.post("/v1/jobs/batch", content=b"\n \n" + line + b"\n", headers=NDJSON)
    [result] = answer.json()["results"]
    assert (result["line"], result["status"]) == (place, 400)
