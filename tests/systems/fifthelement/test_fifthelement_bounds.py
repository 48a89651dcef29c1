"""The bounds of fifthelement's calls, each on both sides."""

import asyncio
import http.client
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from fifthelement_house import MOUNT, Client

from jobwire.dialects.parse import START_MAX as JOBS_START_MAX
from jobwire.domain.job import TOTAL_MAX
from jobwire.store.contract import Transaction
from jobwire.systems.fifthelement.bodies import START_MAX
from jobwire.systems.fifthelement.querying import FOUND_MAX, QUERY_CHARS_MAX
from jobwire.systems.fifthelement.routes_documents import UPLOAD_BYTES_MAX
from jobwire.systems.fifthelement.routes_jobs import IMPORT_BYTES_MAX
from jobwire.systems.fifthelement.routes_tokens import TOKENS_MAX
from jobwire.systems.fifthelement.starting import EXPORT

BOTH = [(0, 200), (1, 400)]


@pytest.mark.parametrize(("extra", "status"), BOTH)
def test_a_page_begins_at_a_bounded_number(waiting: Client, extra: int, status: int) -> None:
    assert waiting.get(f"/jobs?start={JOBS_START_MAX + extra}").status_code == status
    assert waiting.get(f"/repositories?start={START_MAX + extra}").status_code == status


@pytest.mark.parametrize(("extra", "status"), BOTH)
def test_a_question_and_its_answers_are_bounded(waiting: Client, extra: int, status: int) -> None:
    path = f"/repositories/{waiting.make_repository()}/documents/query"
    bodies: list[dict[str, Any]] = [
        {"query": "x" * (QUERY_CHARS_MAX + extra)},
        {"query": "lakes", "limit": FOUND_MAX + extra},
        {"query": "lakes", "limit": 1 - extra},
        {"query": "x" * (1 - extra)},
    ]
    assert [waiting.post(path, json=body).status_code for body in bodies] == [status] * len(bodies)


def test_a_workspace_has_a_bounded_number_of_keys_however_many_ask_at_once(waiting: Client) -> None:
    owner = waiting.running.owner_id(waiting.owner)

    def fill(tx: Transaction) -> None:
        rows = [(f"k{n}", "made before", n) for n in range(TOKENS_MAX - 1)]
        tx.insert("fifthelement_token", ("key_id", "name", "created_at"), rows, owner=owner)

    waiting.running.house.store.write(fill).result()

    def make(number: int) -> int:
        return waiting.post("/user-api-tokens", json={"name": f"key {number}"}).status_code

    with ThreadPoolExecutor(8) as threads:
        assert sorted(threads.map(make, range(8))) == [200] + [400] * 7
    kept = asyncio.run(waiting.running.house.services.owners.list_keys(waiting.owner))
    assert len(kept) == 2, "the caller's own, and the one that was made"


@pytest.mark.slow
def test_jobs_are_counted_up_to_a_bound(waiting: Client) -> None:
    jobs, owner = waiting.running.house.services.jobs, waiting.running.owner_id(waiting.owner)
    repository = waiting.make_repository().replace("-", "")

    def submit(count: int) -> int:
        jobs.admit([jobs.build(owner, EXPORT, {"repository": repository}) for _ in range(count)]).result()
        total: int = waiting.data("GET", "/jobs?limit=1")["pagination"]["total"]
        return total

    submit(TOTAL_MAX // 2)
    assert submit(TOTAL_MAX // 2 - 1) == TOTAL_MAX - 1
    assert submit(1) == TOTAL_MAX
    assert submit(1) == TOTAL_MAX


@pytest.mark.parametrize(
    ("path", "bytes_max"), [("documents/upload?name=a.txt", UPLOAD_BYTES_MAX), ("import", IMPORT_BYTES_MAX)]
)
def test_an_upload_over_its_bound_is_refused_before_it_is_sent(waiting: Client, path: str, bytes_max: int) -> None:
    repository = waiting.make_repository()
    host = waiting.running.base.removeprefix("http://")
    connection = http.client.HTTPConnection(host, timeout=30)
    connection.putrequest("POST", f"{MOUNT}/repositories/{repository}/{path}")
    connection.putheader("Authorization", f"Bearer {waiting.key}")
    connection.putheader("Content-Length", str(bytes_max + 1))
    connection.endheaders()
    answer = connection.getresponse()
    assert (answer.status, answer.getheader("content-type")) == (413, "application/json; charset=utf-8")
    connection.close()


@pytest.mark.slow
def test_an_upload_of_its_bound_is_taken(waiting: Client) -> None:
    path = f"/repositories/{waiting.make_repository()}/documents/upload?name=a.txt"
    assert waiting.post(path, content=b"x" * UPLOAD_BYTES_MAX).status_code == 200
