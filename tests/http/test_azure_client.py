"""The azure dialect as azure-core sees it: its own pollers, against a real server."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from azure.core import PipelineClient
from azure.core.credentials import AzureKeyCredential
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError, map_error
from azure.core.pipeline.policies import AzureKeyCredentialPolicy, RequestIdPolicy
from azure.core.polling import LROPoller
from azure.core.polling.base_polling import LROBasePolling, OperationResourcePolling
from azure.core.rest import HttpRequest
from http_house import House, open_house

from jobwire.dialects.azure import AZURE
from jobwire.domain.outcome import Completed, Failed, PublicError

STATUSES = {404: ResourceNotFoundError}


class Watched(LROBasePolling[Any, Any, Any]):
    """azure-core's polling, which lets a test act where it would sleep."""

    def __init__(self, between: Any, **options: Any) -> None:
        algorithm = OperationResourcePolling(lro_options=options.pop("lro_options", None))
        super().__init__(timeout=60, lro_algorithms=[algorithm], **options)
        self.between = iter(between)
        self.seen: list[str] = []
        self.delays: list[float] = []

    def _delay(self) -> None:
        self.seen.append(self.status())
        self.delays.append(self._extract_delay())
        next(self.between)()


class Azure:
    """A client as Microsoft's generated ones are: a pipeline, a submission, a poller."""

    def __init__(self, house: House, key: str) -> None:
        self.pipelines = PipelineClient[Any, Any](
            house.url, policies=[RequestIdPolicy(), AzureKeyCredentialPolicy(AzureKeyCredential(key), "api-key")]
        )

    def send(self, method: str, path: str, **options: Any) -> Any:
        answer = self.pipelines.send_request(HttpRequest(method, self.pipelines.format_url(path), **options))
        if answer.status_code >= 400:
            map_error(answer.status_code, answer, STATUSES)
            raise HttpResponseError(response=answer)
        return answer

    def begin(self, polling: Watched, body: Any = None, kind: str = "echo") -> LROPoller[Any]:
        request = HttpRequest(
            "POST",
            self.pipelines.format_url(f"/azure/jobs/{kind}:run?api-version=2026-01-01"),
            json=body or {"input": {"text": "hi"}},
        )
        first = self.pipelines._pipeline.run(request)
        return LROPoller(self.pipelines, first, lambda done: done.http_response.json(), polling)


@pytest.fixture
def azured(tmp_path: Path) -> Iterator[House]:
    with open_house(tmp_path, AZURE) as opened:
        yield opened


@pytest.fixture
def azure(azured: House) -> Iterator[Azure]:
    client = Azure(azured, azured.make_key("ada"))
    with client.pipelines:
        yield client


def nothing() -> None:
    """Between two polls nothing happens."""


@pytest.mark.parametrize(
    ("lro_options", "shows_monitor"),
    [(None, False), ({"final-state-via": "location"}, False), ({"final-state-via": "operation-location"}, True)],
    ids=["by resourceLocation", "by Location", "by the operation itself"],
)
def test_the_poller_follows_an_operation_to_its_result(
    azured: House, azure: Azure, lro_options: Any, shows_monitor: bool
) -> None:
    claims: list[Any] = []
    between = [nothing, lambda: claims.extend(azured.claim()), lambda: azured.settle(claims[0], Completed('{"a":1}'))]
    polling = Watched(between, lro_options=lro_options)
    found = azure.begin(polling).result(60)
    assert polling.seen == ["NotStarted", "NotStarted", "Running"] and polling.delays == [1, 1, 1]
    assert (found["result"] if shows_monitor else found) == {"a": 1}
    if shows_monitor:
        assert found["status"] == "Succeeded" and found["percentComplete"] == 100


def test_a_failed_operation_is_the_pollers_error_with_code_and_message(azured: House, azure: Azure) -> None:
    error = PublicError("too_big", "The picture is too big")
    poller = azure.begin(Watched([lambda: azured.fail(error)]))
    with pytest.raises(HttpResponseError, match="too big") as caught:
        poller.result(60)
    assert caught.value.error is not None and caught.value.error.code == "too_big"
    assert poller.status() == "Failed"


def test_a_cancelled_operation_ends_the_poller(azured: House, azure: Azure) -> None:
    cancelled: list[Any] = []

    def cancel() -> None:
        [operation] = azure.send("GET", "/azure/operations").json()["value"]
        cancelled.append(azure.send("POST", f"/azure/operations/{operation['id']}:cancel").json())

    poller = azure.begin(Watched([cancel]))
    with pytest.raises(HttpResponseError, match="canceled"):
        poller.result(60)
    assert poller.status() == "Canceled" and cancelled[0]["status"] == "Canceled"
    again = azure.send("POST", f"/azure/operations/{cancelled[0]['id']}:cancel").json()
    assert again == cancelled[0]


def test_a_poller_goes_on_from_its_token(azured: House, azure: Azure) -> None:
    # A poller works in a thread of its own from its start: this one stands still until the other one is done.
    released = threading.Event()
    first = azure.begin(Watched([released.wait]))
    token = first.continuation_token()
    azured.complete('["done"]')
    restored = Watched([]).from_continuation_token(
        token, client=azure.pipelines, deserialization_callback=lambda done: done.http_response.json()
    )
    poller = LROPoller(*restored, Watched([]))
    assert poller.result(60) == ["done"]
    released.set()
    assert first.result(60) == ["done"]


def test_a_retried_attempt_is_still_running(azured: House, azure: Azure) -> None:
    def fail_once() -> None:
        [claim] = azured.claim()
        azured.settle(claim, Failed(PublicError("busy", "Busy", retryable=True)))

    def come_back() -> None:
        azured.clock.now += 3_600_000
        azured.services.store.promote().result(10)
        azured.complete()

    polling = Watched([fail_once, come_back])
    assert azure.begin(polling).result(60) == {"text": "hi"}
    assert polling.seen == ["NotStarted", "Running"]


def test_a_refusal_has_azures_error_and_its_header(azured: House, azure: Azure) -> None:
    with pytest.raises(ResourceNotFoundError) as caught:
        azure.send("GET", "/azure/operations/job_x")
    assert caught.value.error is not None and caught.value.error.code == "NotFound"
    with pytest.raises(HttpResponseError) as caught_too:
        azure.send("POST", "/azure/jobs/echo:run", json={"input": {"text": 7}, "colour": "red"})
    refused = caught_too.value.response
    assert refused is not None
    assert (refused.status_code, refused.headers["x-ms-error-code"]) == (400, "InvalidRequest")
    [fault] = refused.json()["error"]["innererror"]["errors"]
    assert fault["pointer"] == "/colour" and fault["detail"].startswith("unknown field; there are input, queue, ")
    with pytest.raises(HttpResponseError) as caught_last:
        azure.send("POST", "/azure/jobs/echo:run", json={"input": {"text": 7}})
    assert caught_last.value.response is not None
    assert "/input/text" in caught_last.value.response.text()
    with azured.client() as nobody:
        assert nobody.get("/azure/operations").json()["error"]["code"] == "Unauthorized"


def test_an_operation_id_is_sent_again_safely(azure: Azure) -> None:
    sent = {"json": {"input": {"text": "hi"}}, "headers": {"Operation-Id": "11111111-2222"}}
    first, second = (azure.send("POST", "/azure/jobs/echo:run", **sent) for _ in range(2))
    assert first.json()["id"] == second.json()["id"]
    with pytest.raises(HttpResponseError) as caught:
        azure.send("POST", "/azure/jobs/echo:run", **sent | {"json": {"input": {"text": "ho"}}})
    assert caught.value.error is not None and caught.value.error.code == "OperationIdReused"


def test_a_list_goes_on_by_its_next_link(azure: Azure) -> None:
    made = [azure.send("POST", "/azure/jobs/echo:run", json={}).json()["id"] for _ in range(5)]
    seen, link = [], "/azure/operations?top=2&status=NotStarted&api-version=1"
    while link:
        page = azure.send("GET", link).json()
        seen += [operation["id"] for operation in page["value"]]
        link = page.get("nextLink", "")
    assert seen == made[::-1]


def test_a_result_is_refused_before_its_time_and_an_operation_is_deleted_after(azured: House, azure: Azure) -> None:
    first = azure.send("POST", "/azure/jobs/echo:run", json={"input": {"text": "hi"}})
    assert first.status_code == 202 and first.headers["retry-after"] == "1"
    where = first.headers["operation-location"]
    assert where.startswith(azured.url) and first.headers["location"] == f"{where}/result"
    for refused in (("GET", f"{where}/result"), ("DELETE", where)):
        with pytest.raises(HttpResponseError) as caught:
            azure.send(*refused)
        assert caught.value.status_code == 409
    azured.complete()
    gone = azure.send("DELETE", where)
    assert (gone.status_code, gone.content) == (204, b"")
    with pytest.raises(ResourceNotFoundError):
        azure.send("GET", where)


def test_an_operation_of_somebody_else_is_not_there(azured: House, azure: Azure) -> None:
    where = azure.send("POST", "/azure/jobs/echo:run", json={}).headers["operation-location"]
    azured.complete()
    with httpx.Client(headers={"api-key": azured.make_key("eve")}) as eve:
        for method, path in (
            ("GET", where),
            ("GET", f"{where}/result"),
            ("POST", f"{where}:cancel"),
            ("DELETE", where),
        ):
            assert eve.request(method, path).status_code == 404
    assert azure.send("GET", where).json()["status"] == "Succeeded"
