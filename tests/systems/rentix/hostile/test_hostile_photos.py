"""Hostile photos, fetched and uploaded: each fails by itself, with its reason, and takes no server along."""

import gzip
from typing import Any, NamedTuple

import httpx
import pytest
from hostile_house import FETCH_DEADLINE_MS, MOUNT, Agency, HostileHouse, Seen, check_answer
from hostile_photos import HostilePhotos, Reply, answer, endless, good_photo, hostile_files, redirect

from jobwire.systems.rentix.fields import PHOTOS_MAX
from jobwire.systems.rentix.publishing import REASONS_MAX
from jobwire.systems.rentix.routes_media import UPLOAD_BYTES_MAX

pytestmark = pytest.mark.slow

CUTS = 30


class Fault(NamedTuple):
    """What a photo server does wrong, and what the customer is told."""

    reply: Reply
    code: str
    is_retryable: bool = False


def make_faults(photos: HostilePhotos) -> dict[str, Fault]:
    """Everything by which a photo can fail on its way and on arrival."""
    photo = good_photo("fault")
    bomb = gzip.compress(bytes(64 * 1024 * 1024))
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    return {
        **{name: Fault(answer(body), code) for name, (body, code) in hostile_files().items()},
        "an empty file": Fault(answer(b""), "photo_empty"),
        "404": Fault(answer(b"no", status="404 Not Found"), "fetch_status"),
        "410": Fault(answer(photo, status="410 Gone"), "fetch_status"),
        "401": Fault(answer(photo, status="401 Unauthorized"), "fetch_status"),
        "500": Fault(answer(photo, status="500 Oops"), "fetch_status", True),
        "503": Fault(answer(b"", status="503 Later", Retry_After="0"), "fetch_status", True),
        "a redirect to itself": Fault(redirect("?again"), "fetch_redirects"),
        "a gzip bomb of 64 MiB": Fault(answer(bomb, Content_Encoding="gzip"), "fetch_too_large"),
        "gzip twice": Fault(answer(gzip.compress(bomb), Content_Encoding="gzip, gzip"), "fetch_body_broken"),
        "brotli": Fault(answer(photo, Content_Encoding="br"), "fetch_body_broken"),
        "no gzip at all": Fault(answer(photo, Content_Encoding="gzip"), "fetch_body_broken", True),
        "a length too long": Fault(answer(photo, length=len(photo) + 1), "fetch_body_broken", True),
        "a length too short": Fault(answer(photo, length=len(photo) // 2), "fetch_body_broken", True),
        "a length of 99 GB": Fault(answer(photo, length=99_000_000_000), "fetch_too_large"),
        "a byte more than the limit": Fault(answer(bytes(UPLOAD_BYTES_MAX + 1)), "fetch_too_large"),
        "a flood": Fault(endless(chunked, b"10000\r\n" + bytes(65_536) + b"\r\n"), "fetch_too_large"),
        "headers without an end": Fault(
            endless(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n" * 999), "fetch_body_broken", True
        ),
        "a header without an end": Fault(
            endless(b"HTTP/1.1 200 OK\r\nX: ", b"y" * 65_536), "fetch_body_broken", True
        ),
        "no HTTP": Fault(b"SSH-2.0-OpenSSH_9.6\r\n", "fetch_body_broken", True),
        "a hang-up": Fault(b"", "fetch_body_broken", True),
        "silence": Fault(photos.stall, "fetch_timeout", True),
        "a drip": Fault(photos.drip(photo), "fetch_timeout", True),
    }


@pytest.fixture(scope="module")
def faults(photos: HostilePhotos) -> dict[str, tuple[str, Fault]]:
    """The URL of each fault, and the fault."""
    made = make_faults(photos)
    return {
        name: (photos.put(f"/fault/{place}.jpg", made[name].reply), made[name]) for place, name in enumerate(made)
    }


@pytest.fixture(scope="module")
def agency(house: HostileHouse) -> Agency:
    return house.new_agency()


@pytest.fixture(scope="module")
def good(agency: Agency, photos: HostilePhotos) -> list[dict[str, str]]:
    """Three good photos that are optimised already."""
    files = [{"url": photos.good(f"g{n}"), "externalFileId": f"good-{n}"} for n in range(3)]
    job = agency.publish("GOOD", files)["jobId"]
    assert agency.house.finish(agency, job)["status"] == "completed"
    return files


def require_good(files: list[dict[str, Any]]) -> None:
    assert [file["optimization"] for file in files] == ["success"] * len(files)
    assert all(len(file["variants"]) == 3 and file["processing"]["error"] is None for file in files)


def test_a_listing_with_three_good_photos_is_published_whatever_the_fourth_is(
    house: HostileHouse, agency: Agency, good: list[dict[str, str]], faults: dict[str, tuple[str, Fault]]
) -> None:
    jobs = {
        name: agency.publish(f"4-{place}", [*good, {"url": url}])["jobId"]
        for place, (name, (url, _)) in enumerate(faults.items())
    }
    for place, (name, job) in enumerate(jobs.items()):
        assert house.finish(agency, job)["status"] == "completed", name
        *usable, bad = agency.media_of(f"4-{place}")
        require_good(usable)
        assert bad["optimization"] == "failed" and bad["variants"] == [], name
        error, fault = bad["processing"]["error"], faults[name][1]
        assert (error["code"], error["isRetryable"]) == (fault.code, fault.is_retryable), f"{name}: {error}"
        assert 10 < len(error["message"]) < 500 and error["message"].isprintable(), f"{name}: {error}"
        assert error["code"] != "fetch_timeout" or f"within {FETCH_DEADLINE_MS} ms" in error["message"], error
        listing = agency.call("GET", f"/listings/external/4-{place}")
        assert listing["formData"]["announcementStatus"] == "active", name


def require_failed(agency: Agency, external_id: str, job: int, *, usable: int, total: int) -> dict[str, Any]:
    """The end of a publication without enough photos: how many there were, how many are needed, and why."""
    status = agency.house.finish(agency, job)
    assert status["status"] == "failed", f"{external_id}: {status}"
    counts = f"Failed to process images: {usable} of {total} photos can be used, 3 are needed; photo "
    assert status["publicErrorMessage"].startswith(counts), status
    assert status["publicErrorMessage"].count("; photo ") == min(total - usable, REASONS_MAX)
    listing = agency.call("GET", f"/listings/external/{external_id}")
    assert listing["formData"]["announcementStatus"] == "publish_failed"
    return status


def test_a_listing_of_hostile_photos_fails_with_their_number_and_for_good_unless_one_may_come_back(
    house: HostileHouse, agency: Agency, faults: dict[str, tuple[str, Fault]]
) -> None:
    names = list(faults)
    trios = [names[start : start + 3] for start in range(0, len(names) - 2, 3)]
    jobs = [
        agency.publish(f"3-{place}", [{"url": faults[name][0]} for name in trio])["jobId"]
        for place, trio in enumerate(trios)
    ]
    for place, (trio, job) in enumerate(zip(trios, jobs, strict=True)):
        status = require_failed(agency, f"3-{place}", job, usable=0, total=3)
        assert status["isRetryable"] is any(faults[name][1].is_retryable for name in trio), f"{trio}: {status}"


def test_fifty_bombs_in_one_listing_are_refused_one_by_one(
    house: HostileHouse, agency: Agency, faults: dict[str, tuple[str, Fault]], good: list[dict[str, str]]
) -> None:
    url, _ = faults["a PNG of 30,000 x 30,000 that unpacks whole"]
    bombs = [{"url": f"{url}?{n}", "externalFileId": f"bomb-{n}"} for n in range(PHOTOS_MAX - 2)]
    job = agency.publish("50", good[:2] + bombs)["jobId"]
    assert require_failed(agency, "50", job, usable=2, total=PHOTOS_MAX)["isRetryable"] is False


def test_a_jpeg_cut_anywhere_is_refused_for_good(house: HostileHouse, agency: Agency, photos: HostilePhotos) -> None:
    whole = good_photo("cut")
    cuts = range(1, len(whole), len(whole) // CUTS)
    made = {}
    for cut in cuts:
        url = photos.put(f"/cut/{cut}.jpg", answer(whole[:cut]))
        made[cut] = agency.call("POST", "/media/upload-from-url", {"url": url})
    for cut, each in made.items():
        status = house.finish(agency, each["jobId"])
        assert (status["status"], status["isRetryable"]) == ("failed", False), f"cut at {cut}: {status}"
        error = agency.call("GET", f"/media/{each['mediaId']}")["processing"]["error"]
        wanted = "photo_truncated" if cut > 2 else "photo_type_unsupported"
        assert error["code"] == wanted, f"cut at {cut}: {error}"


def announce(agency: Agency, body: bytes, **fields: Any) -> tuple[int, str]:
    """The number of an announced file, and where to send it."""
    sent = {"fileName": "photo.jpg", "contentType": "image/jpeg", "size": len(body), **fields}
    announced = agency.call("POST", "/media/signed-url", sent)
    return announced["mediaId"], announced["uploadUrl"]


def test_an_uploaded_file_that_is_no_photo_fails_with_the_same_reason(house: HostileHouse, agency: Agency) -> None:
    made = {}
    for name, (body, _) in hostile_files().items():
        media, url = announce(agency, body)
        assert house.http.put(url, content=body).status_code == 200
        made[name] = agency.call("POST", f"/media/{media}/complete")
    for name, (_, code) in hostile_files().items():
        status = house.finish(agency, made[name]["jobId"])
        assert (status["status"], status["isRetryable"]) == ("failed", False), f"{name}: {status}"
        shown = agency.call("GET", f"/media/{made[name]['mediaId']}")
        assert shown["processing"]["error"]["code"] == code and shown["originalUrl"] is None, f"{name}: {shown}"


def put(house: HostileHouse, url: str, **options: Any) -> Seen:
    """The answer to a hostile upload, refused in the vendor's shape."""
    sent: httpx.Response = house.http.put(url, **options)
    seen = Seen(sent.status_code, sent.headers, sent.content)
    check_answer(seen, url, is_known=False)
    return seen


def test_an_upload_that_lies_about_its_size_is_refused_and_may_be_repeated(
    house: HostileHouse, agency: Agency
) -> None:
    body = good_photo("size")
    media, url = announce(agency, body)
    for wrong in (b"", body[:-1], body + b"x"):
        seen = put(house, url, content=wrong)
        assert seen.status == 400 and str(len(wrong)) in seen.messages[0] and str(len(body)) in seen.messages[0]
    too_much = (bytes(1024 * 1024) for _ in range(UPLOAD_BYTES_MAX // (1024 * 1024) + 1))
    for content in (bytes(UPLOAD_BYTES_MAX + 1), too_much):
        seen = put(house, url, content=content)
        assert seen.status == 413 and str(UPLOAD_BYTES_MAX) in seen.messages[0]
    assert agency.send("POST", f"/media/{media}/complete").status_code == 409
    assert house.http.put(url, content=body).status_code == 200
    job = agency.call("POST", f"/media/{media}/complete")["jobId"]
    assert house.finish(agency, job)["status"] == "completed"


def test_an_upload_link_that_was_changed_is_refused(house: HostileHouse, agency: Agency) -> None:
    media, url = announce(agency, b"x")
    path, _, query = url.partition("?")
    fields = dict(field.split("=", 1) for field in query.split("&"))
    hostile = ["", "0", "-1", "9" * 30, "%00", "é", "a" * 5_000, "1e9", "%ff", "' OR 1=1"]
    for name in fields:
        for value in hostile:
            changed = "&".join(f"{field}={value if field == name else kept}" for field, kept in fields.items())
            seen = put(house, f"{path}?{changed}", content=b"x")
            assert seen.status in (400, 403, 410), f"{name} as {value[:20]!r}: {seen.status}"
        left_out = "&".join(f"{field}={kept}" for field, kept in fields.items() if field != name)
        assert put(house, f"{path}?{left_out}", content=b"x").status == 403, name
    assert put(house, f"{house.base}{MOUNT}/media/{media}/upload", content=b"x").status == 403
    assert put(house, url.replace(f"/{media}/", f"/{media + 1}/"), content=b"x").status == 403
    assert house.http.put(url, content=b"x").status_code == 200


def test_the_server_still_publishes_and_is_unharmed(
    house: HostileHouse, agency: Agency, photos: HostilePhotos
) -> None:
    job = agency.publish("AFTER", [{"url": photos.good(f"after-{n}")} for n in range(3)])["jobId"]
    assert house.finish(agency, job)["status"] == "completed"
    require_good(agency.media_of("AFTER"))
    house.check_unharmed()
