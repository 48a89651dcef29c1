"""Five APIs of the market, declared as tables only, answer their documented calls on a real server."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from http_house import House, open_house

from jobwire.domain.outcome import Completed, Failed, PublicError
from jobwire.kinds.registry import make_kind
from market_cases import APIFY_STORY, OPENAI_STORY, PROGRESS, REPLICATE_STORY, SHOPIFY_STORY, STORIES, Call, Story
from market_tables import FIRECRAWL, MARKET, OPENAI, SHOPIFY


def batch(
    input_file_id: str, endpoint: str, completion_window: str, metadata: dict[str, str] | None = None
) -> None: ...
def hello(text: str) -> None: ...
def crawl(url: str, limit: int = 10, scrapeOptions: dict[str, Any] | None = None) -> None: ...  # noqa: N803
def actor(startUrls: list[str] | None = None) -> None: ...  # noqa: N803
def export(query: str) -> None: ...


@pytest.fixture
def market(tmp_path: Path) -> Iterator[House]:
    with open_house(tmp_path, *MARKET) as opened:
        for handler in (batch, hello, crawl, actor, export):
            opened.services.registry.add(make_kind(handler, name=handler.__name__))
        yield opened


class Customer:
    """Who makes one story's calls, with the key where the API has it."""

    def __init__(self, house: House, story: Story, name: str = "ada") -> None:
        carrier = story.dialect.credentials[0]
        key = house.make_key(name)
        self.http = httpx.Client(
            base_url=house.url + story.dialect.mount,
            headers={carrier.name: key if carrier.scheme is None else f"{carrier.scheme} {key}"},
        )
        self.origin = house.url

    def call(self, call: Call, job_id: str = "") -> Any:
        """Make a call and compare its whole answer; an id in a text counts as the one given."""
        answer = self.send(call, job_id)
        assert (answer.status_code, answer.json()) == (call.status, fill(call.answer, job_id, self.origin))
        return answer.json()

    def send(self, call: Call, job_id: str) -> httpx.Response:
        return self.http.request(call.method, fill(call.path, job_id, ""), json=fill(call.body, job_id, ""))

    def submit(self, story: Story) -> str:
        answer = self.send(story.submit, "")
        job_id = answer.json()
        for key in story.id_at:
            job_id = job_id[key]
        assert re.fullmatch(story.id_pattern, job_id), job_id
        assert (answer.status_code, answer.json()) == (
            story.submit.status,
            fill(story.submit.answer, job_id, self.origin),
        )
        return str(job_id)


def fill(value: Any, job_id: str, origin: str) -> Any:
    if isinstance(value, str):
        return value.replace("{id}", job_id).replace("{origin}", origin)
    if isinstance(value, dict):
        return {key: fill(one, job_id, origin) for key, one in value.items()}
    return [fill(one, job_id, origin) for one in value] if isinstance(value, list) else value


def showing(story: Story, *changes: dict[str, Any]) -> Call:
    """The status call with these changes in what it answers."""
    answer = json.loads(json.dumps(story.status.answer))
    job = answer
    for key in story.status_at:
        job = job[key]
    for change in changes:
        job.update(change)
    return replace(story.status, answer=answer)


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.dialect.name)
class TestEveryStory:
    def test_a_job_is_followed_from_its_submission_to_its_result(self, market: House, story: Story) -> None:
        ada = Customer(market, story)
        with ada.http:
            job_id = ada.submit(story)
            ada.call(showing(story), job_id)
            [claim] = market.claim()
            market.report(claim, json.dumps(PROGRESS))
            ada.call(showing(story, story.running, story.progress), job_id)
            market.settle(claim, Completed(json.dumps(story.output)))
            ada.call(showing(story, story.running, story.progress, story.completed), job_id)

    def test_a_waiting_job_is_cancelled(self, market: House, story: Story) -> None:
        ada = Customer(market, story)
        with ada.http:
            ada.call(story.cancel, ada.submit(story))

    def test_a_failed_job_tells_why(self, market: House, story: Story) -> None:
        ada = Customer(market, story)
        with ada.http:
            job_id = ada.submit(story)
            [claim] = market.claim()
            error = PublicError("invalid_json_line", "Not JSON", details='{"line":3}')
            market.settle(claim, Failed(error, internal="/secret"))
            ada.call(showing(story, story.failed), job_id)

    def test_a_job_of_nobody_or_of_somebody_else_is_not_there(self, market: House, story: Story) -> None:
        ada, eve = Customer(market, story), Customer(market, story, "eve")
        with ada.http, eve.http:
            job_id = ada.submit(story)
            status = story.dialect.errors["not_found"].status
            for other in (story.id_of_nobody, job_id):
                eve.call(replace(story.status, status=status, answer=story.nobody), other)
                assert eve.send(story.cancel, other).json() == fill(story.nobody, other, "")
            ada.call(showing(story), job_id)


def test_openais_list_goes_on_after_an_id(market: House) -> None:
    ada = Customer(market, OPENAI_STORY)
    with ada.http as http:
        made = [ada.submit(OPENAI_STORY) for _ in range(3)]
        first = http.get("/batches?limit=2").json()
        assert [one["id"] for one in first["data"]] == made[:0:-1]
        assert (first["object"], first["first_id"], first["last_id"]) == ("list", made[2], made[1])
        assert first["has_more"] is True
        last = http.get("/batches", params={"limit": 2, "after": made[1]}).json()
        assert [one["id"] for one in last["data"]] == made[:1] and last["has_more"] is False
        assert http.get("/batches", params={"after": "batch_" + "0" * 26}).status_code == 400


def test_replicates_list_goes_on_by_its_url(market: House) -> None:
    ada = Customer(market, REPLICATE_STORY)
    with ada.http as http:
        made = [ada.submit(REPLICATE_STORY) for _ in range(3)]
        first = http.get("/predictions?limit=2").json()
        assert first["previous"] is None and first["next"].startswith(market.url)
        last = http.get(first["next"]).json()
        assert [one["id"] for one in first["results"] + last["results"]] == made[::-1] and last["next"] is None


def test_apifys_abort_of_a_run_that_ended_shows_it_and_a_resurrection_is_a_run(market: House) -> None:
    ada = Customer(market, APIFY_STORY)
    with ada.http as http:
        job_id = ada.submit(APIFY_STORY)
        market.complete('{"defaultDatasetId":"x"}')
        aborted = http.post(f"/actor-runs/{job_id}/abort")
        assert (aborted.status_code, aborted.json()["data"]["status"]) == (200, "SUCCEEDED")
        again = http.post(f"/actor-runs/{job_id}/resurrect")
        assert (again.status_code, again.json()["data"]["status"]) == (200, "READY")
        assert http.delete(f"/actor-runs/{job_id}").status_code == 204
        assert http.get(f"/actor-runs/{job_id}").status_code == 404


def test_apifys_token_may_travel_in_the_query_and_a_run_needs_no_input(market: House) -> None:
    path = f"{market.url}/apify/v2/acts/mTD6bTz2HCjSQHeBn/runs"
    key = market.make_key("ada")
    with httpx.Client() as nobody:
        for options in ({}, {"content": b""}, {"json": {}}, {"content": iter([b"{}"])}):
            started = nobody.post(path, params={"token": key}, **options)
            assert started.status_code == 201, started.text
        assert nobody.post(path).json()["error"]["type"] == "token-not-provided"


def test_shopifys_node_takes_its_id_from_the_variables_too(market: House) -> None:
    ada = Customer(market, SHOPIFY_STORY)
    with ada.http as http:
        job_id = ada.submit(SHOPIFY_STORY)
        body = {"query": "query ($id: ID!) { node(id: $id) { id } }", "variables": {"id": job_id}}
        assert http.post("/graphql.json", json=body).json()["data"]["node"]["id"] == job_id


def test_a_call_that_wants_nothing_we_know_has_no_route(market: House) -> None:
    ada = Customer(market, SHOPIFY_STORY)
    with ada.http as http:
        for body in ({"query": "{ shop { name } }"}, {}, {"query": 7}, []):
            answer = http.post("/graphql.json", json=body)
            assert (answer.status_code, answer.json()["errors"][0]["extensions"]["code"]) == (404, "NO_ROUTE")


@pytest.mark.parametrize(
    ("story", "body", "said"),
    [
        (REPLICATE_STORY, {"version": "x", "input": {}, "webhook": "https://a.example"}, "/webhook"),
        (REPLICATE_STORY, {"version": REPLICATE_STORY.submit.body["version"], "input": {"text": 7}}, "/text"),
        (OPENAI_STORY, {"input_file_id": 7}, "/input_file_id"),
    ],
)
def test_what_is_wrong_with_a_submission_is_told_in_the_vendors_error(
    market: House, story: Story, body: Any, said: str
) -> None:
    ada = Customer(market, story)
    with ada.http as http:
        answer = http.post(story.submit.path, json=body)
        assert answer.status_code == 400 and said in answer.text


def test_a_uuid_is_read_in_any_case_and_every_other_spelling_is_nobodys(market: House) -> None:
    [story] = [one for one in STORIES if one.dialect is FIRECRAWL]
    ada = Customer(market, story)
    with ada.http as http:
        job_id = ada.submit(story)
        assert http.get(f"/crawl/{job_id.upper()}").status_code == 200
        for other in (job_id.replace("-", ""), job_id[:-1], f"job_{job_id}", "x"):
            assert http.get(f"/crawl/{other}").status_code == 404


def test_the_tables_say_it_all() -> None:
    assert [dialect.hooks for dialect in MARKET] == [{}] * 5
    assert all(route.endpoint is None for dialect in MARKET for route in dialect.routes)
    assert {route.method for route in SHOPIFY.routes} == {"POST"} and OPENAI.ids.prefix == "batch_"


def test_a_page_that_cannot_be_read_is_not_the_fault_of_its_cursor(market: House) -> None:
    customer = Customer(market, OPENAI_STORY)
    with customer.http as http:
        page = f"{OPENAI_STORY.submit.path}?after={customer.submit(OPENAI_STORY)}"
        assert http.get(page).status_code == 200
        assert http.get(f"{OPENAI_STORY.submit.path}?after=batch_1").status_code == 400
        market.services.store.close()
        assert http.get(page).status_code == 503
