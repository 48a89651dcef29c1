"""Publications with a translator and a geocoder on loopback: their answers are used, their failures told apart."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rentix_house import FLAT, Client, PhotoServer, run_rentix

from loopback_site import Asked, LoopbackSite, Reply

pytestmark = pytest.mark.slow

PLACE = {"lat": "47.03", "lon": "28.80", "display_name": "here", "place_rank": 30}


class Providers(LoopbackSite):
    """LibreTranslate's and Nominatim's shape; `statuses` are answered first, one a request."""

    def __init__(self) -> None:
        super().__init__()
        self.statuses: list[int] = []

    def answer(self, asked: Asked) -> Reply:
        status = self.statuses.pop(0) if self.statuses else 200
        if not asked.body:
            return Reply(json.dumps([PLACE]).encode(), status)
        text = json.loads(asked.body)
        return Reply(json.dumps({"translatedText": f"[{text['target']}] {text['q']}"}).encode(), status)


@pytest.fixture
def providers() -> Iterator[Providers]:
    server = Providers()
    yield server
    server.close()


def publish(client: Client, photos: PhotoServer) -> tuple[dict[str, Any], dict[str, Any]]:
    files = photos.urls("ok", "ok", "ok")
    made = client.put_listing(**FLAT, externalId="A", announcementStatus="active", files=files)
    status = client.wait(made["jobId"])
    return status, client.get(f"/listings/{made['id']}").json()["processing"]


def test_translations_and_street_coordinates_are_used(
    tmp_path: Path, photos: PhotoServer, providers: Providers
) -> None:
    with run_rentix(tmp_path, RENTIX_LIBRETRANSLATE_URL=providers.base, RENTIX_NOMINATIM_URL=providers.base) as house:
        status, found = publish(house.make_client("Agency"), photos)
    assert status["status"] == "completed"
    assert found["texts"]["ru"]["engine"] == "libretranslate"
    assert found["texts"]["en"]["text"].startswith("[en] ")
    assert (found["location"]["coordinates"], found["location"]["precision"]) == (
        {"lat": 47.03, "lng": 28.8},
        "exact",
    )


@pytest.mark.parametrize("setting", ["RENTIX_LIBRETRANSLATE_URL", "RENTIX_NOMINATIM_URL"])
def test_a_provider_that_is_busy_once_only_costs_an_attempt(
    tmp_path: Path, photos: PhotoServer, providers: Providers, setting: str
) -> None:
    providers.statuses = [503]
    with run_rentix(tmp_path, **{setting: providers.base}) as house:
        status, _ = publish(house.make_client("Agency"), photos)
    assert status["status"] == "completed" and not providers.statuses


@pytest.mark.parametrize("setting", ["RENTIX_LIBRETRANSLATE_URL", "RENTIX_NOMINATIM_URL"])
def test_a_provider_that_is_away_fails_retryably_without_naming_its_host(
    tmp_path: Path, photos: PhotoServer, providers: Providers, setting: str
) -> None:
    providers.close()
    with run_rentix(tmp_path, **{setting: providers.base}) as house:
        status, _ = publish(house.make_client("Agency"), photos)
    assert (status["status"], status["isRetryable"]) == ("failed", True)
    assert "127.0.0.1" not in status["publicErrorMessage"]


def test_a_geocoder_that_refuses_is_the_operators_affair(
    tmp_path: Path, photos: PhotoServer, providers: Providers
) -> None:
    providers.statuses = [403]
    with run_rentix(tmp_path, RENTIX_NOMINATIM_URL=providers.base) as house:
        status, found = publish(house.make_client("Agency"), photos)
    assert status["status"] == "completed"
    assert found["location"]["sector"]["name"] == "Buiucani" and found["location"]["precision"] == "sector"
