"""Every route of every dialect with another owner's key: nothing of a job, not even that it exists."""

import re
from collections.abc import Iterator

import httpx
import pytest
from http_house import House, open_house

from jobwire.dialects.native import NATIVE
from jobwire.dialects.spec import Dialect, Route
from shop_dialect import SHOP

ROUTES = [
    (dialect, route)
    for dialect in (NATIVE, SHOP)
    for route in dialect.routes
    if route.action in {"status", "cancel", "rerun", "result"}
]
SECRET = "only for ada"


@pytest.fixture(scope="module")
def both(house_engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with open_house(tmp_path_factory.mktemp("strangers"), NATIVE, SHOP) as opened:
        yield opened


def ask(client: httpx.Client, dialect: Dialect, route: Route, *, job_id: str, number: int) -> httpx.Response:
    reference = route.job or dialect.job_reference
    name = job_id if reference.style == "id" else str(number)
    path = dialect.mount + re.sub(r"\{\w+\}", name, route.path)
    params = {reference.name: name} if reference.place == "query" else {}
    return client.request(route.method, path, params=params)


@pytest.mark.parametrize(("dialect", "route"), ROUTES, ids=lambda item: getattr(item, "name", None) or item.path)
def test_a_strangers_answer_is_the_one_for_an_absent_job(both: House, dialect: Dialect, route: Route) -> None:
    ada, eve = both.make_key("ada"), both.make_key("eve")
    shop = {"headers": {"X-Api-Key": eve}} if dialect is SHOP else {}
    with both.client(ada) as hers, both.client(None if shop else eve, **shop) as strangers:
        for is_final in (False, True):
            job = hers.post("/v1/jobs", json={"kind": "echo", "input": {"text": SECRET}, "tags": [SECRET]}).json()
            if is_final:
                both.complete(f'{{"text":"{SECRET}"}}')
            number = both.services.store.get(1, key=job["id"][4:]).result(5)
            assert number is not None
            theirs = ask(strangers, dialect, route, job_id=job["id"], number=number.number)
            absent = ask(strangers, dialect, route, job_id="job_" + "0" * 26, number=10**9)
            assert theirs.status_code == absent.status_code == 404
            assert strip(theirs) == strip(absent)
            after = hers.get(job["links"]["self"]).json()
            assert after["phase"] == ("completed" if is_final else "waiting") and after["version"] == (
                3 if is_final else 1
            )
            if not is_final:
                both.complete()


def strip(answer: httpx.Response) -> tuple[str, dict[str, str]]:
    body = re.sub(r"req_\w+", "", answer.text)
    own = ("x-request-id", "date", "x-left", "x-reset", "content-length")
    return body, {name: value for name, value in answer.headers.items() if name not in own}


def test_a_list_shows_the_callers_jobs_only(both: House) -> None:
    with both.client(both.make_key("ada")) as ada, both.client(both.make_key("mia")) as mia:
        ada.post("/v1/jobs", json={"kind": "echo", "input": {"text": SECRET}})
        assert ada.get("/v1/jobs").json()["jobs"]
        for query in ("", "?phase=waiting", "?kind=echo", f"?tag={SECRET}"):
            assert mia.get("/v1/jobs" + query).json() == {"jobs": [], "next_cursor": None}
        both.complete()


def test_the_table_of_routes_is_not_empty() -> None:
    assert len(ROUTES) == 6
