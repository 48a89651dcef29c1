"""The google dialect as google-api-core sees it: its REST client of operations, against a real server."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from google.api_core import exceptions, operation
from google.api_core.operations_v1 import AbstractOperationsClient
from google.api_core.operations_v1.transports.rest import OperationsRestTransport
from google.api_core.retry import Retry
from google.oauth2.credentials import Credentials
from google.protobuf import json_format, struct_pb2
from google.rpc import error_details_pb2
from http_house import House, open_house
from waiting_callers import DEADLINE_S, Callers

from jobwire.dialects.google import GOOGLE
from jobwire.domain.outcome import Failed, PublicError

PARENT = "locations/global"


class Google:
    """A service's client as Google's generated ones are: it starts operations, and google-api-core follows them."""

    def __init__(self, house: House, key: str) -> None:
        self.http = httpx.Client(base_url=house.url, headers={"X-Goog-Api-Key": key})
        credentials = Credentials(token=key)
        transport = OperationsRestTransport(host=house.url, path_prefix="google/v1", credentials=credentials)
        self.operations = AbstractOperationsClient(transport=transport)
        self.session = transport._session

    def __enter__(self) -> "Google":
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()
        self.session.close()

    def start(self, kind: str = "echo", **body: Any) -> Any:
        answer = self.http.post(f"/google/v1/jobs/{kind}:run", json=body or {"input": {"text": "hi"}})
        if answer.status_code >= 400:
            raise exceptions.from_http_status(answer.status_code, answer.text)
        return json_format.ParseDict(answer.json(), operation.operations_pb2.Operation())

    def follow(self, started: Any, between: Any = ()) -> operation.Operation:
        steps = iter(between)

        def refresh(**_: Any) -> Any:
            next(steps, nothing)()
            return self.operations.get_operation(started.name)

        return operation.Operation(
            started,
            refresh,
            lambda: self.operations.cancel_operation(started.name),
            struct_pb2.Value,
            metadata_type=struct_pb2.Struct,
            polling=Retry(predicate=is_pending, initial=0.001, maximum=0.001, timeout=30),
        )


def is_pending(error: Exception) -> bool:
    return type(error).__name__ == "_OperationNotComplete"


def nothing() -> None:
    """Between two polls nothing happens."""


@pytest.fixture
def googled(tmp_path: Path) -> Iterator[House]:
    with open_house(tmp_path, GOOGLE) as opened:
        yield opened


@pytest.fixture
def google(googled: House) -> Iterator[Google]:
    with Google(googled, googled.make_key("ada")) as client:
        yield client


def plain(message: Any) -> Any:
    return json_format.MessageToDict(message)


@pytest.mark.parametrize("output", ['{"text":"hi"}', "[1,null]", '"word"', "7", "null"])
def test_an_operation_is_followed_to_its_response_whatever_that_is(
    googled: House, google: Google, output: str
) -> None:
    followed = google.follow(google.start(), [nothing, lambda: googled.complete(output)])
    assert json.loads(json_format.MessageToJson(followed.result())) == json.loads(output)
    assert followed.done() and not followed.cancelled()
    told = plain(followed.metadata)
    assert (told["state"], told["kind"], told["progressPercent"]) == ("SUCCEEDED", "echo", 100)


def test_the_metadata_shows_where_an_operation_is(googled: House, google: Google) -> None:
    followed = google.follow(google.start())
    assert plain(followed.metadata)["state"] == "PENDING"
    [claim] = googled.claim()
    googled.report(claim, '{"percent":40,"stage":"sort","done":null,"total":null,"message":null}')
    assert not followed.done()
    told = plain(followed.metadata)
    assert (told["state"], told["progressPercent"], told["stage"], told["endTime"]) == ("RUNNING", 40, "sort", None)


@pytest.mark.parametrize(
    ("code", "raised"),
    [
        ("too_big", exceptions.Unknown),
        ("timeout", exceptions.DeadlineExceeded),
        ("url_invalid", exceptions.InvalidArgument),
    ],
)
def test_a_failed_operation_raises_the_error_of_its_code(
    googled: House, google: Google, code: str, raised: Any
) -> None:
    followed = google.follow(google.start(), [lambda: googled.fail(PublicError(code, "It broke"))])
    with pytest.raises(raised, match="It broke"):
        followed.result()
    info = error_details_pb2.ErrorInfo()
    assert followed.operation.error.details[0].Unpack(info)
    assert (info.reason, info.domain) == (code.upper(), "jobwire")


def test_a_cancelled_operation_has_error_code_1_and_a_second_cancel_does_no_harm(google: Google) -> None:
    followed = google.follow(google.start())
    assert followed.cancel()
    assert followed.cancelled() and not followed.cancel()
    with pytest.raises(exceptions.Cancelled):
        followed.result()
    google.operations.cancel_operation(followed.operation.name)


def test_a_running_operation_is_asked_to_stop_and_says_so(googled: House, google: Google) -> None:
    followed = google.follow(google.start())
    googled.claim()
    assert followed.cancel() and not followed.done()
    assert plain(followed.metadata)["state"] == "CANCELLING"


def test_a_retried_attempt_is_not_done(googled: House, google: Google) -> None:
    followed = google.follow(google.start())
    [claim] = googled.claim()
    googled.settle(claim, Failed(PublicError("busy", "Busy", retryable=True)))
    assert not followed.done() and not followed.operation.HasField("error")


def test_operations_are_listed_page_by_page(google: Google) -> None:
    made = [google.start().name for _ in range(5)]
    pages = google.operations.list_operations(PARENT, page_size=2)
    assert [one.name for one in pages] == made[::-1]
    assert len(list(google.operations.list_operations(PARENT, page_size=5_000))) == 5
    with pytest.raises(exceptions.BadRequest, match="filter"):
        list(google.operations.list_operations(PARENT, filter_="done:true"))
    with pytest.raises(exceptions.BadRequest, match="pageSize"):
        list(google.operations.list_operations(PARENT, page_size=-1))


def test_a_finished_operation_is_deleted_and_a_live_one_is_not(googled: House, google: Google) -> None:
    name = google.start().name
    with pytest.raises(exceptions.BadRequest, match="delete it"):
        google.operations.delete_operation(name)
    googled.complete()
    google.operations.delete_operation(name)
    for call in (google.operations.get_operation, google.operations.delete_operation):
        with pytest.raises(exceptions.NotFound):
            call(name)
    assert list(google.operations.list_operations(PARENT)) == []


def test_wait_answers_the_operation_as_it_is_when_the_time_is_up(google: Google) -> None:
    answer = google.http.post(f"/google/v1/{google.start().name}:wait", json={"timeout": "0.05s"})
    assert (answer.status_code, answer.json()["done"]) == (200, False)


def test_wait_answers_at_the_end_and_takes_any_time(googled: House, google: Google) -> None:
    callers = Callers(googled)
    for body in ({"timeout": "86400s"}, {}, None):
        name = google.start().name
        asked = callers.call(google.http, "POST", f"/google/v1/{name}:wait", json=body)
        googled.complete()
        answer = asked.result(DEADLINE_S)
        assert (answer.status_code, answer.json()["done"]) == (200, True)
    assert google.http.post(f"/google/v1/{name}:wait", json={"timeout": "soon"}).status_code == 400
    callers.close()


def test_a_request_id_is_sent_again_safely(google: Google) -> None:
    body = {"input": {"text": "hi"}, "requestId": "7d0c3a5e-9f11-4f0e-b0f6-2b7a52a2c7a1"}
    assert google.start(**body).name == google.start(**body).name
    with pytest.raises(exceptions.Conflict):
        google.start(**body | {"input": {"text": "ho"}})


def test_a_refusal_is_a_status_with_its_reason(googled: House, google: Google) -> None:
    with pytest.raises(exceptions.NotFound) as caught:
        google.operations.get_operation(f"{PARENT}/operations/job_x")
    assert (caught.value.reason, caught.value.domain) == ("NOT_FOUND", "jobwire")
    refused = google.http.post("/google/v1/jobs/echo:run", json={"input": {}, "colour": "red"}).json()["error"]
    assert (refused["code"], refused["status"]) == (400, "INVALID_ARGUMENT") and "/colour" in refused["message"]
    with Google(googled, "jw_nobody") as nobody:
        unknown = nobody.http.get(f"/google/v1/{PARENT}/operations").json()["error"]
    assert (unknown["code"], unknown["status"]) == (401, "UNAUTHENTICATED")


def test_an_operation_of_somebody_else_is_not_there(googled: House, google: Google) -> None:
    name = google.start().name
    googled.complete()
    with Google(googled, googled.make_key("eve")) as client:
        eve = client.operations
        for call in (eve.get_operation, eve.cancel_operation, eve.delete_operation):
            with pytest.raises(exceptions.NotFound):
                call(name)
        assert list(eve.list_operations(PARENT)) == []
    assert google.operations.get_operation(name).done
