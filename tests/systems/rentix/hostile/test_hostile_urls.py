"""Hostile URLs through the API: refused by name when they are sent, or else when they are fetched; never followed.

The server may fetch from 127.0.0.2 only. A tripwire listens on other addresses of loopback, and every name of the
server under attack leads where names/sitecustomize.py says.
"""

import json
import runpy
import socket
from pathlib import Path

import pytest
from hostile_house import PHOTO_ADDRESS, Agency, HostileHouse
from hostile_photos import HostilePhotos, redirect
from tripwire import ADDRESSES, Tripwire

from jobwire.systems.rentix.fields import PHOTOS_MAX

pytestmark = pytest.mark.slow

JSON = {"Content-Type": "application/json"}
NET = runpy.run_path(str(Path(__file__).parents[3] / "net" / "test_net_hostile_urls.py"))
LATER = [f"http://example.com:{port}/" for port in NET["BAD_PORTS"]]
"""A name is judged by where it leads, so these are refused only when they are fetched."""

CORPUS = [url for url, _ in NET["CORPUS"] if url not in LATER and PHOTO_ADDRESS not in url]
TEXTS = [url for url in CORPUS if not any("\ud800" <= char <= "\udfff" for char in url)]
HOSTS = [host for host in NET["FORBIDDEN_HOSTS"] + NET["UNREADABLE_HOSTS"] if PHOTO_ADDRESS not in host]


def aim(host: str, port: int) -> str:
    """The tripwire's URL at that host, unless the host brings a port of its own."""
    return f"http://{host}/a.jpg" if ":" in host.rpartition("]")[2] else f"http://{host}:{port}/a.jpg"


def import_from(agency: Agency, url: str) -> tuple[int, int]:
    """The numbers of the file and the job of an import."""
    made = agency.call("POST", "/media/upload-from-url", {"url": url})
    return made["mediaId"], made["jobId"]


def require_refused(agency: Agency, media: int, job: int, url: str) -> str:
    """What the customer reads of an import that has failed for good, in the job and in the file alike."""
    status = agency.house.finish(agency, job)
    assert (status["status"], status["isRetryable"]) == ("failed", False), f"{url}: {status}"
    message = status["publicErrorMessage"]
    error = agency.call("GET", f"/media/{media}")["processing"]["error"]
    assert (error["message"], error["isRetryable"]) == (message, False), f"{url}: {error}"
    return str(message)


def test_the_corpus_is_large() -> None:
    assert len(TEXTS) > 250 and len(LATER) == 15


def test_the_tripwire_hears_whoever_connects() -> None:
    with Tripwire() as wire:
        for address in ADDRESSES[:2]:
            with socket.create_connection((address, wire.port)) as connection:
                assert connection.recv(1) == b""
        assert wire.touched == list(ADDRESSES[:2])


def test_a_hostile_url_is_refused_when_a_listing_names_it(house: HostileHouse, tripwire: Tripwire) -> None:
    urls = TEXTS + [aim(host, tripwire.port) for host in HOSTS]
    for start in range(0, len(urls), PHOTOS_MAX):
        page = urls[start : start + PHOTOS_MAX]
        body = {"externalId": "H", "files": [{"url": url} for url in page], "announcementStatus": "active"}
        seen = house.attack("PUT", "/listings", f"files from {start}", content=json.dumps(body), headers=JSON)
        assert seen.status == 400
        assert len(seen.messages) == len(page), set(range(len(page))) - {
            int(m[6:].split("]")[0]) for m in seen.messages
        }
        for place, message in enumerate(seen.messages):
            assert message.startswith(f"files[{place}].url: "), f"{page[place]!r}: {message}"
    assert tripwire.touched == []


def test_a_hostile_url_is_refused_when_it_is_to_be_imported(house: HostileHouse, tripwire: Tripwire) -> None:
    for url in CORPUS + [aim(host, tripwire.port) for host in HOSTS]:
        content = json.dumps({"url": url})
        seen = house.attack("POST", "/media/upload-from-url", repr(url), content=content, headers=JSON)
        assert seen.status == 400, url
        assert seen.messages[0].startswith("url: ") or (url not in TEXTS and "JSON" in seen.messages[0]), url
    assert tripwire.touched == []


def test_a_name_is_refused_where_it_leads_to_a_forbidden_address_or_port(
    house: HostileHouse, photos: HostilePhotos, tripwire: Tripwire
) -> None:
    agency, port = house.new_agency(), tripwire.port
    names = [
        f"http://{host}.evil.test:{port}/a.jpg"
        for host in (
            "127-0-0-1", "127-0-0-3", "10-0-0-1", "169-254-169-254", "0-0-0-0", "192-168-0-1", "255-255-255-255",
            "127-0-0-2.127-0-0-1", "127-0-0-1.127-0-0-2", "169-254-169-254.8-8-8-8", "8-8-8-8",
            "localhost.localdomain",
        )
    ]  # fmt: skip
    names += [f"http://{house.base.removeprefix('http://').replace('127.0.0.1', '127-0-0-1.evil.test')}/healthz"]
    made = [(url, *import_from(agency, url)) for url in LATER + names]
    for url, media, job in made:
        message = require_refused(agency, media, job, url)
        assert "is not allowed" in message and url.split("/")[2].partition(":")[0] in message
        assert "127.0.0" not in message and "169.254" not in message, "the message tells where a name leads"
    assert tripwire.touched == []
    media, job = import_from(agency, photos.good("named").replace(PHOTO_ADDRESS, "127-0-0-2.good.test"))
    assert house.finish(agency, job)["status"] == "completed", "these names lead nowhere, so the test proves nothing"


TARGETS = [
    "http://127.0.0.1:{port}/a", "http://127.0.0.3:{port}/a", "//127.0.0.1:{port}/a", "http://localhost:{port}/a",
    "http://[::1]:{port}/a", "http://[::ffff:127.0.0.1]:{port}/a", "http://0.0.0.0:{port}/a", "http://[::]:{port}/a",
    "http://2130706433:{port}/a", "http://0x7f000001:{port}/a", "http://127.1:{port}/a", "http://0177.0.0.1:{port}/a",
    "http://127-0-0-1.evil.test:{port}/a", "http://127.0.0.2@127.0.0.1:{port}/a", "http://127.0.0.1:{port}\\@127.0.0.2/",
    "HTTP://127.0.0.1.:{port}/a", "https://127.0.0.1:{port}/a", "http://169.254.169.254/latest/meta-data/",
    "file:///etc/passwd", "data:image/jpeg;base64,/9j/", "gopher://127.0.0.1:{port}/_x", "javascript:alert(1)",
    "ftp://127.0.0.1:{port}/a", "http://", "/loop", "",
]  # fmt: skip


def test_a_redirect_is_judged_like_any_url_and_never_followed_into_the_house(
    house: HostileHouse, photos: HostilePhotos, tripwire: Tripwire
) -> None:
    agency = house.new_agency()
    photos.put("/loop", redirect("/loop"))
    made = []
    for place, target in enumerate(TARGETS):
        location = target.format(port=tripwire.port)
        last = photos.put(
            f"/turn/{place}", redirect(location, "307 Temporary Redirect" if place % 2 else "302 Found")
        )
        first = photos.put(f"/first/{place}", redirect(last, "301 Moved Permanently"))
        made.append((location, *import_from(agency, first if place % 3 else last)))
    for location, media, job in made:
        message = require_refused(agency, media, job, location)
        assert message.startswith(("fetching from '", "the URL ", "the redirect ", f"the host '{PHOTO_ADDRESS}'")), (
            message
        )
    assert tripwire.touched == []
    assert photos.hits["/loop"] <= 4


def test_a_listing_with_three_good_photos_is_published_without_those_from_hostile_names(
    house: HostileHouse, photos: HostilePhotos, tripwire: Tripwire
) -> None:
    agency = house.new_agency()
    good = [{"url": photos.good(f"kept-{n}")} for n in range(3)]
    evil = [
        {"url": f"http://127-0-0-1.evil.test:{tripwire.port}/a.jpg"},
        {"url": photos.put("/turn/listing", redirect(f"http://127.0.0.1:{tripwire.port}/"))},
    ]
    job = agency.publish("A", good + evil)["jobId"]
    assert house.finish(agency, job)["status"] == "completed"
    *usable, named, turned = agency.media_of("A")
    assert [file["optimization"] for file in usable] == ["success"] * 3
    for file in (named, turned):
        assert file["optimization"] == "failed" and file["processing"]["error"]["code"] == "url_forbidden"
    job = agency.publish("B", [*evil, {"url": LATER[0]}])["jobId"]
    status = house.finish(agency, job)
    assert (status["status"], status["isRetryable"]) == ("failed", False)
    assert status["publicErrorMessage"].startswith(
        "Failed to process images: 0 of 3 photos can be used, 3 are needed"
    )
    assert tripwire.touched == []


@pytest.mark.parametrize("path", ["files", "url"])
def test_a_password_in_a_url_is_never_repeated(house: HostileHouse, path: str) -> None:
    agency, url = house.new_agency(), "https://crm:hunter2@photos.example.com/a.jpg"
    if path == "url":
        answer = agency.send("POST", "/media/upload-from-url", json={"url": url})
    else:
        answer = agency.send("PUT", "/listings", json={"externalId": "A", "files": [{"url": url}]})
    assert answer.status_code == 400 and "hunter2" not in answer.text


def test_the_server_is_unharmed_and_kept_every_promise(house: HostileHouse, tripwire: Tripwire) -> None:
    house.check_unharmed()
    assert tripwire.touched == []
    assert "hunter2" not in "".join(house.log)
