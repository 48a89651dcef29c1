"""Repositories, documents, keys and lists of jobs over HTTP: what is kept, what is refused, what goes with what."""

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from fifthelement_house import Client, GatedSite

from jobwire.kinds.faults import input_fields
from jobwire.systems.fifthelement.bodies import METADATA_BYTES_MAX, NAME_CHARS_MAX, TITLE_CHARS_MAX
from jobwire.systems.fifthelement.ids import make_id, show_repository_id
from jobwire.systems.fifthelement.importing import ImportInput
from jobwire.systems.fifthelement.texts import INLINE_BYTES_MAX

NewClient = Callable[..., Client]
ABSENT = show_repository_id(make_id(1_900_000_000_000))


def code_of(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["name"]


class TestRepositories:
    def test_one_is_made_read_changed_and_deleted(self, waiting: Client) -> None:
        made = waiting.data("POST", "/repositories", json={"name": "Handbook", "type": "memory"})
        assert list(made) == ["id", "name", "type", "vectorStore", "batchModel", "createdAt", "updatedAt"]
        assert (made["name"], made["type"], made["batchModel"]) == ("Handbook", "memory", None)
        path = f"/repositories/{made['id']}"
        changed = waiting.data("PUT", path, json={"name": "Guide", "batchModel": "small"})
        assert (changed["name"], changed["type"], changed["batchModel"]) == ("Guide", "memory", "small")
        assert waiting.data("PUT", path, json={"batchModel": None})["batchModel"] is None
        assert waiting.data("GET", path)["name"] == "Guide"
        assert waiting.data("DELETE", path) == {"deleted": True}
        assert code_of(waiting.get(path)) == (404, "NotFoundError")
        assert code_of(waiting.send("DELETE", path)) == (404, "NotFoundError")

    def test_the_list_has_pages(self, waiting: Client) -> None:
        ids = [waiting.make_repository(f"R{number}") for number in range(3)]
        page = waiting.data("GET", "/repositories?start=1&limit=1")
        assert [row["id"] for row in page["repositories"]] == [ids[1]]
        assert page["pagination"] == {"total": 3, "start": 1, "limit": 1}

    def test_another_workspaces_repository_answers_like_none(self, new_client: NewClient) -> None:
        mine, foreign = new_client(), new_client()
        repository = mine.make_repository()
        document = mine.make_document(repository)["id"]
        calls: list[tuple[str, str, Any]] = [
            ("GET", "", None),
            ("PUT", "", {"name": "Mine"}),
            ("DELETE", "", None),
            ("GET", "/documents", None),
            ("POST", "/documents", {"title": "A", "content": "B"}),
            ("GET", f"/documents/{document}", None),
            ("PUT", f"/documents/{document}", {"title": "Mine"}),
            ("DELETE", f"/documents/{document}", None),
            ("POST", "/documents/query", {"query": "lakes"}),
            ("POST", "/regenerate", {}),
            ("POST", "/export", {}),
            ("POST", "/crawl", {"url": "https://example.org"}),
        ]
        for method, path, body in calls:
            theirs = foreign.send(method, f"/repositories/{repository}{path}", json=body)
            absent = foreign.send(method, f"/repositories/{ABSENT}{path}", json=body)
            assert theirs.status_code == 404 and theirs.content == absent.content, path
        assert mine.data("GET", f"/repositories/{repository}/documents")["pagination"]["total"] == 1

    def test_a_name_has_its_bounds(self, waiting: Client) -> None:
        for name, status in (("x" * NAME_CHARS_MAX, 200), ("x" * (NAME_CHARS_MAX + 1), 400), ("", 400)):
            assert waiting.post("/repositories", json={"name": name}).status_code == status

    @pytest.mark.parametrize("name", ["here", "123", "repo_1"])
    def test_what_is_no_id_is_refused(self, waiting: Client, name: str) -> None:
        answer = waiting.get(f"/repositories/{name}")
        assert code_of(answer) == (400, "ValidationError")
        assert answer.json()["error"]["details"] == {"parameter": "repositoryId"}


class TestDocuments:
    def test_one_is_made_with_its_job_in_one_answer(self, waiting: Client) -> None:
        repository = waiting.make_repository()
        made = waiting.make_document(repository, "Text\0 of a lake", metadata={"language": "en"})
        assert (made["content"], made["metadata"]) == ("Text of a lake", {"language": "en"})
        assert made["id"].startswith("doc_") and made["status"] == "Processing"
        assert waiting.status(made["jobId"])["status"] == "pending"
        listed = waiting.data("GET", f"/repositories/{repository}/documents")["documents"]
        assert [row["id"] for row in listed] == [made["id"]]

    def test_it_is_ready_when_its_job_has_completed(self, client: Client) -> None:
        repository = client.make_repository()
        made = client.make_document(repository)
        assert client.wait(made["jobId"])["status"] == "completed"
        assert client.data("GET", f"/repositories/{repository}/documents/{made['id']}")["status"] == "Ready"

    def test_it_has_failed_when_its_job_has(self, client: Client) -> None:
        repository = client.make_repository()
        made = client.data(
            "POST", f"/repositories/{repository}/documents/upload?name=a.pdf", content=b"%PDF-1.7\nnothing"
        )
        assert client.wait(made["jobId"])["status"] == "failed"
        shown = client.data("GET", f"/repositories/{repository}/documents/{made['id']}")
        assert shown["status"] == "Failed" and shown["error"]["message"]

    def test_a_long_text_is_read_whole(self, waiting: Client) -> None:
        repository = waiting.make_repository()
        for length, is_listed in ((INLINE_BYTES_MAX, True), (INLINE_BYTES_MAX + 1, False)):
            made = waiting.make_document(repository, "ș" * (length // 2) + "x" * (length % 2))
            read = waiting.data("GET", f"/repositories/{repository}/documents/{made['id']}")
            assert len(read["content"].encode()) == length
            last = waiting.data("GET", f"/repositories/{repository}/documents")["documents"][-1]
            assert (last["content"] is not None) is is_listed

    def test_another_title_starts_no_job_and_another_content_does(self, waiting: Client) -> None:
        repository = waiting.make_repository()
        made = waiting.make_document(repository, metadata={"a": 1})
        path = f"/repositories/{repository}/documents/{made['id']}"
        titled = waiting.data("PUT", path, json={"title": "Rivers"})
        assert (titled["title"], titled["jobId"], titled["metadata"]) == ("Rivers", None, {"a": 1})
        changed = waiting.data("PUT", path, json={"content": "A text about rivers.", "metadata": {}})
        assert (changed["content"], changed["metadata"]) == ("A text about rivers.", {})
        assert waiting.status(made["jobId"])["status"] == "cancelled"
        assert waiting.status(changed["jobId"])["status"] == "pending"
        assert waiting.data("GET", path)["status"] == "Processing"

    def test_deleting_one_cancels_its_job(self, waiting: Client) -> None:
        repository = waiting.make_repository()
        made = waiting.make_document(repository)
        path = f"/repositories/{repository}/documents/{made['id']}"
        assert waiting.data("DELETE", path) == {"deleted": True}
        assert waiting.status(made["jobId"])["status"] == "cancelled"
        assert code_of(waiting.get(path)) == (404, "NotFoundError")

    def test_deleting_the_repository_cancels_every_job_in_it(self, waiting: Client) -> None:
        repository = waiting.make_repository()
        jobs = [waiting.make_document(repository)["jobId"] for _ in range(2)]
        jobs.append(waiting.data("POST", f"/repositories/{repository}/regenerate")["id"])
        jobs.append(waiting.data("POST", f"/repositories/{repository}/export", json={})["id"])
        waiting.data("DELETE", f"/repositories/{repository}")
        assert {waiting.status(job)["status"] for job in jobs} == {"cancelled"}

    @pytest.mark.parametrize(
        ("action", "body"), [("crawl", {"url": "http://a.test/"}), ("regenerate", {}), ("export", {})]
    )
    def test_only_the_path_says_which_repository(self, waiting: Client, action: str, body: dict[str, object]) -> None:
        path, other = f"/repositories/{waiting.make_repository()}/{action}", waiting.make_repository()
        refused = waiting.post(path, json={**body, "repository": other})
        assert code_of(refused) == (400, "ValidationError") and "repository" in refused.json()["error"]["details"]
        assert waiting.post(path, json=body).status_code == 200

    def test_a_word_that_is_not_known_is_answered_with_those_that_are(self, waiting: Client) -> None:
        refused = waiting.post(f"/repositories/{waiting.make_repository()}/export", json={"format": "doc"})
        assert code_of(refused) == (400, "ValidationError")
        told = "Invalid enum value 'doc'; there are csv, jsonl, parquet, xlsx"
        assert refused.json()["error"]["details"] == {"format": told}

    def test_a_crawl_whose_repository_goes_is_cancelled(self, client: Client, site: GatedSite) -> None:
        site.gate.clear()
        site.reached.clear()
        repository = client.make_repository()
        job = client.data("POST", f"/repositories/{repository}/crawl", json={"url": f"{site.base}/gate"})["id"]
        assert site.reached.wait(60)
        client.data("DELETE", f"/repositories/{repository}")
        site.gate.set()
        # Also where it comes upon the deletion before it hears of the cancel.
        assert client.wait(job)["status"] == "cancelled"
        assert code_of(client.get(f"/repositories/{repository}")) == (404, "NotFoundError")

    def test_a_rerun_for_a_document_that_is_gone_fails_with_its_code(self, client: Client) -> None:
        repository = client.make_repository()
        made = client.make_document(repository)
        client.wait(made["jobId"])
        client.data("DELETE", f"/repositories/{repository}/documents/{made['id']}")
        again = client.wait(client.data("POST", f"/jobs/{made['jobId']}/rerun")["id"])
        assert (again["status"], again["result"]["code"]) == ("failed", "document_gone")

    def test_metadata_and_titles_have_their_bounds(self, waiting: Client) -> None:
        path = f"/repositories/{waiting.make_repository()}/documents"
        frame = len('{"a":""}')
        for extra, status in ((0, 200), (1, 400)):
            metadata = {"a": "x" * (METADATA_BYTES_MAX - frame + extra)}
            assert waiting.post(path, json={"title": "A", "content": "B", "metadata": metadata}).status_code == status
            title = "x" * (TITLE_CHARS_MAX + extra)
            assert waiting.post(path, json={"title": title, "content": "B"}).status_code == status

    def test_an_upload_needs_a_name_bytes_and_no_form(self, waiting: Client) -> None:
        path = f"/repositories/{waiting.make_repository()}/documents/upload"
        assert code_of(waiting.post(path, content=b"abc")) == (400, "ValidationError")
        assert code_of(waiting.post(f"{path}?name=a.txt", content=b"")) == (400, "ValidationError")
        form = waiting.post(f"{path}?name=a.txt", files={"file": b"abc"})
        assert code_of(form) == (400, "ValidationError") and "--data-binary" in form.json()["error"]["message"]
        made = waiting.data("POST", f"{path}?name=..%2Fa.txt", content=b"abc")
        assert made["title"] == "a.txt"


class TestLists:
    def test_jobs_are_counted_filtered_and_paged(self, waiting: Client) -> None:
        first, second, third = (waiting.start_processing() for _ in range(3))
        waiting.data("POST", f"/jobs/{second}/cancel")
        whole = waiting.data("GET", "/jobs")
        assert [job["id"] for job in whole["jobs"]] == [third, second, first]
        assert whole["pagination"] == {"total": 3, "start": 0, "limit": 20}
        assert whole["jobs"][0] == waiting.status(third)
        page = waiting.data("GET", "/jobs?start=1&limit=1")
        assert [job["id"] for job in page["jobs"]] == [second] and page["pagination"]["total"] == 3
        cancelled = waiting.data("GET", "/jobs?status=cancelled&type=document_processing")
        assert [job["id"] for job in cancelled["jobs"]] == [second] and cancelled["pagination"]["total"] == 1
        assert waiting.data("GET", "/jobs?type=export")["pagination"]["total"] == 0
        assert waiting.data("GET", "/jobs?type=nothing")["jobs"] == []

    @pytest.mark.parametrize("query", ["start=-1", "start=10001", "limit=0", "status=waiting", "page=2"])
    def test_a_filter_that_is_not_known_is_refused(self, waiting: Client, query: str) -> None:
        refused = waiting.get(f"/jobs?{query}")
        assert code_of(refused) == (400, "ValidationError")
        assert list(refused.json()["error"]["details"]) == [query.partition("=")[0]]

    def test_another_workspaces_jobs_are_not_there(self, new_client: NewClient) -> None:
        mine, foreign = new_client(), new_client()
        mine.start_processing()
        assert foreign.data("GET", "/jobs")["pagination"]["total"] == 0


class TestTokens:
    def test_one_is_made_works_and_ends(self, new_client: NewClient) -> None:
        client = new_client(scopes=("jobs:read", "jobs:write", "workspace", "tier:premium"))
        made = client.data("POST", "/user-api-tokens", json={"name": "laptop"})
        assert list(made) == ["id", "name", "token", "createdAt"]
        mine = {"Authorization": f"Bearer {made['token']}"}
        answer = client.get("/repositories", headers=mine)
        assert (answer.status_code, answer.headers["x-ratelimit-limit"]) == (200, "10000")
        listed = client.data("GET", "/user-api-tokens")["tokens"]
        assert [(token["id"], token["name"]) for token in listed] == [(made["id"], "laptop")]
        assert client.data("DELETE", f"/user-api-tokens/{made['id']}") == {"deleted": True}
        asyncio.run(client.running.house.services.owners.forgotten())
        assert code_of(client.get("/repositories", headers=mine)) == (401, "UnauthorizedError")
        assert code_of(client.send("DELETE", f"/user-api-tokens/{made['id']}")) == (404, "NotFoundError")

    def test_a_key_that_only_reads_makes_none(self, new_client: NewClient) -> None:
        client = new_client(scopes=("jobs:read",))
        assert code_of(client.post("/user-api-tokens", json={"name": "laptop"})) == (403, "ForbiddenError")

    def test_another_workspaces_key_is_not_ended(self, new_client: NewClient) -> None:
        mine, foreign = new_client(), new_client()
        made = mine.data("POST", "/user-api-tokens", json={"name": "laptop"})
        assert code_of(foreign.send("DELETE", f"/user-api-tokens/{made['id']}")) == (404, "NotFoundError")
        mine_too = {"Authorization": f"Bearer {made['token']}"}
        assert mine.get("/repositories", headers=mine_too).status_code == 200


def test_no_agent_is_there_and_nothing_makes_up_an_answer(new_client: NewClient) -> None:
    client = new_client(scopes=("jobs:read",))
    refused = client.post("/chat/helper", json={"message": "Where are the lakes?"})
    assert code_of(refused) == (404, "NotFoundError")
    assert refused.json()["error"]["details"]["instead"] == "POST /repositories/{repositoryId}/documents/query"
    assert int(refused.headers["x-ratelimit-remaining"]) < int(refused.headers["x-ratelimit-limit"])
    for body in ({}, {"message": ""}, {"message": 1}):
        wrong = client.post("/chat/helper", json=body)
        assert code_of(wrong) == (400, "ValidationError") and list(wrong.json()["error"]["details"]) == ["message"]
    unable = new_client(scopes=("jobs:write",)).post("/chat/helper", json={"message": "?"})
    assert code_of(unable) == (403, "ForbiddenError")


def test_the_documentation_stands_where_the_vendor_has_it(waiting: Client) -> None:
    page = httpx.get(f"{waiting.running.base}/v1/documentation")
    assert page.status_code == 200 and "/repositories/{repositoryId}/crawl" in page.text
    assert "<h1>Fifthelement API</h1>" in page.text
    assert httpx.get(f"{waiting.running.base}/v1/api/docs").text == page.text


def test_the_documentation_names_every_option_of_an_import(waiting: Client) -> None:
    paths = httpx.get(f"{waiting.running.base}/v1/api/openapi.json").json()["paths"]
    told = next(calls["post"] for path, calls in paths.items() if path.endswith("/import"))
    names = {parameter["name"] for parameter in told["parameters"] if parameter.get("in") == "query"}
    assert names == input_fields(ImportInput).keys() - {"repository"}
