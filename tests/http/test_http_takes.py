"""A submission in a vendor's form, beside what the same body says about repetition and about waiting."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from http_house import House, open_house
from waiting_callers import DEADLINE_S, Callers

from jobwire.dialects.google import GOOGLE
from jobwire.dialects.spec import Wait

RUN = "/google/v1/jobs/echo:run"
VENDOR = replace(
    GOOGLE,
    natural_key="order.no",
    routes=(replace(GOOGLE.routes[0], wait=Wait("patience", "body")), *GOOGLE.routes[1:]),
)


def body(**more: Any) -> dict[str, Any]:
    return {"input": {"text": "hi"}, **more}


@pytest.fixture
def vendor(house_engine: str, tmp_path: Path) -> Iterator[House]:
    with open_house(tmp_path, VENDOR) as opened:
        yield opened


@pytest.fixture
def ada(vendor: House) -> Iterator[httpx.Client]:
    with vendor.client(vendor.make_key("ada")) as client:
        yield client


def test_a_natural_key_is_found_in_the_body_that_was_sent(ada: httpx.Client) -> None:
    first = ada.post(RUN, json=body(order={"no": "A-1"}))
    again = ada.post(RUN, json=body(order={"no": "A-1"}))
    assert (first.status_code, again.json()["name"]) == (200, first.json()["name"])
    assert again.headers["idempotency-replayed"] == "true"
    assert ada.post(RUN, json=body(order={"no": "A-2"})).json()["name"] != first.json()["name"]
    other = ada.post(RUN, json={"input": {"text": "ho"}, "order": {"no": "A-1"}})
    assert other.json()["error"]["status"] == "ALREADY_EXISTS"
    assert "/order/no" in ada.post(RUN, json=body(order={"no": []})).json()["error"]["message"]


def test_a_wait_is_found_in_the_body_that_was_sent(vendor: House, ada: httpx.Client) -> None:
    callers = Callers(vendor)
    answer = callers.call(ada, "POST", RUN, json=body(patience="30s"))
    vendor.complete()
    assert answer.result(DEADLINE_S).json()["done"] is True
    callers.close()
    assert "/patience" in ada.post(RUN, json=body(patience=61)).json()["error"]["message"]


def test_what_nothing_reads_is_still_refused_at_its_place(ada: httpx.Client) -> None:
    assert "/colour" in ada.post(RUN, json=body(colour="red")).json()["error"]["message"]
    assert "/tags" in ada.post(RUN, json=body(tags=5)).json()["error"]["message"]
