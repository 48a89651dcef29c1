"""The optional street geocoder against a real server of Nominatim's shape on loopback."""

import asyncio
from collections.abc import Awaitable, Callable
from ipaddress import ip_network

import pytest
from aiohttp import web

from jobwire.domain.errors import JobError
from jobwire.net.fetch import Fetcher, FetchPolicy
from jobwire.systems.rentix.geocoding import ANSWER_BYTES_MAX, Geocoded, NominatimGeocoder
from jobwire.systems.rentix.location import ADDRESS_CHARS_MAX

HIT = {"lat": "47.0391", "lon": "28.8051", "display_name": "Strada Alba Iulia, Chișinău", "place_rank": 26}
Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


def geocode(answer: Answer, address: str = "Alba Iulia 5, Chișinău", *, deadline_ms: int = 5_000) -> Geocoded | None:
    """What the geocoder makes of a server that answers `/search` with `answer`."""

    async def ask() -> Geocoded | None:
        app = web.Application()
        app.router.add_get("/search", answer)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        policy = FetchPolicy(allow=(ip_network("127.0.0.0/8"),))
        try:
            async with Fetcher(policy) as fetcher:
                geocoder = NominatimGeocoder(fetcher, f"http://{host}:{port}/", deadline_ms=deadline_ms)
                return await geocoder.geocode(address)
        finally:
            await runner.cleanup()

    return asyncio.run(ask())


def answering(payload: object, *, status: int = 200, headers: dict[str, str] | None = None) -> Answer:
    async def answer(request: web.Request) -> web.Response:
        return web.json_response(payload, status=status, headers=headers)

    return answer


def failure_of(answer: Answer, **settings: int) -> JobError:
    with pytest.raises(JobError) as failed:
        geocode(answer, **settings)
    return failed.value


def test_the_request_is_nominatims_search_limited_to_moldova() -> None:
    asked: list[web.Request] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request)
        return web.json_response([HIT])

    assert geocode(answer, "ул. Алба Юлия 5 & Ко, Кишинёв") == Geocoded(
        lat=47.0391, lng=28.8051, display_name="Strada Alba Iulia, Chișinău", precision="street"
    )
    assert dict(asked[0].query) == {
        "format": "jsonv2",
        "q": "ул. Алба Юлия 5 & Ко, Кишинёв",
        "countrycodes": "md",
        "limit": "1",
    }
    assert asked[0].headers["User-Agent"] == "jobwire"


def test_the_longest_address_fits_a_request() -> None:
    assert geocode(answering([HIT]), "щ" * ADDRESS_CHARS_MAX) is not None


def test_an_address_that_the_server_does_not_know_is_none() -> None:
    assert geocode(answering([])) is None


@pytest.mark.parametrize(
    ("rank", "precision"),
    [(30, "exact"), (29, "street"), (26, "street"), (25, "sector"), (17, "sector"), (16, "city"), (13, "city"),
     (12, "region"), (0, "region")],
)  # fmt: skip
def test_the_place_rank_becomes_the_precision(rank: int, precision: str) -> None:
    assert geocode(answering([HIT | {"place_rank": rank}])).precision == precision


@pytest.mark.parametrize("status", [500, 502, 503])
def test_a_broken_server_is_tried_again(status: int) -> None:
    failure = failure_of(answering({}, status=status))
    assert (failure.code, failure.retryable) == ("geocoder_unavailable", True)


@pytest.mark.parametrize(
    ("header", "retry_after_ms"),
    [({"Retry-After": "30"}, 30_000), ({}, None), ({"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}, None)],
)
def test_a_limiting_server_is_tried_again_when_it_says(header: dict[str, str], retry_after_ms: int | None) -> None:
    failure = failure_of(answering({}, status=429, headers=header))
    assert (failure.code, failure.retryable) == ("geocoder_busy", True)
    assert failure.retry_after_ms == retry_after_ms


@pytest.mark.parametrize("status", [302, 400, 401, 403, 404])
def test_a_refusal_is_final(status: int) -> None:
    failure = failure_of(answering({}, status=status, headers={"Location": "/elsewhere"}))
    assert (failure.code, failure.retryable) == ("geocoder_refused", False)


def test_a_silent_server_is_given_up_at_the_deadline_and_tried_again() -> None:
    async def answer(request: web.Request) -> web.Response:
        await asyncio.Event().wait()
        raise AssertionError("nobody sets that event")

    assert failure_of(answer, deadline_ms=200).retryable


@pytest.mark.parametrize(
    "payload",
    [{}, [{}], ["x"], None, [HIT | {"lat": "north"}], [HIT | {"lat": "nan"}], [HIT | {"lat": "91"}],
     [HIT | {"lon": "-181"}], [HIT | {"lat": 47}]],
)  # fmt: skip
def test_an_answer_of_another_shape_is_an_error_and_never_a_point(payload: object) -> None:
    assert failure_of(answering(payload)).code == "geocoder_answer_invalid"


def test_an_answer_over_the_limit_is_refused() -> None:
    assert geocode(answering([HIT | {"display_name": "x" * (ANSWER_BYTES_MAX - 200)}])) is not None
    assert failure_of(answering([HIT | {"display_name": "x" * ANSWER_BYTES_MAX}])).code == "fetch_too_large"
