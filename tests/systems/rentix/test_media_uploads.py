"""Files over HTTP: imports, signed uploads, and what is refused."""

import hashlib
import json
import re
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from rentix_house import FLAT, Client, PhotoServer, RunningHouse, photo, run_rentix

from bucket_server import KEYS, make_bucket
from house_engines import address_in, open_store
from jobwire.systems.rentix import SYSTEM
from jobwire.wiring import migrate_system

NewClient = Callable[[], Client]


def announce(client: Client, body: bytes, **fields: Any) -> dict[str, Any]:
    sent = {"fileName": "a.jpg", "contentType": "image/jpeg", "size": len(body), **fields}
    answer = client.send("POST", "/media/signed-url", json=sent)
    assert answer.status_code == 200, answer.text
    announced: dict[str, Any] = answer.json()
    return announced


def test_a_signed_upload_is_optimised_and_published(client: Client, photos: PhotoServer) -> None:
    body = photo("balcony")
    announced = announce(client, body, externalId="photo-1")
    assert set(announced) == {"mediaId", "uploadUrl", "expiresAt"}
    early = client.send("POST", f"/media/{announced['mediaId']}/complete")
    assert early.status_code == 409
    put = httpx.put(announced["uploadUrl"], content=body, headers={"Content-Type": "image/jpeg"})
    assert put.status_code == 200, put.text
    done = client.send("POST", f"/media/{announced['mediaId']}/complete").json()
    assert (done["mediaId"], done["status"]) == (announced["mediaId"], "pending")
    assert client.wait(done["jobId"])["resultData"] == {"mediaId": announced["mediaId"], "finalStatus": "success"}
    repeat = client.send("POST", f"/media/{announced['mediaId']}/complete").json()
    assert repeat == {"mediaId": announced["mediaId"], "status": "success", "jobId": None}
    files = photos.urls("ok", "ok", "ok")[1:]
    listing = client.put_listing(
        **FLAT, externalId="A", announcementStatus="active", fileIds=[announced["mediaId"]], files=files
    )
    assert client.wait(listing["jobId"])["status"] == "completed"
    assert client.get("/listings/external/A").json()["files"][0]["externalId"] == "photo-1"


def test_an_upload_link_is_for_its_own_file_only(client: Client, new_client: NewClient) -> None:
    body = photo("balcony")
    mine, theirs = announce(client, body), announce(new_client(), body)
    swapped = mine["uploadUrl"].replace(f"/media/{mine['mediaId']}/", f"/media/{theirs['mediaId']}/")
    assert httpx.put(swapped, content=body).status_code == 403
    assert httpx.put(mine["uploadUrl"].replace("agency=", "agency=9"), content=body).status_code == 403
    assert httpx.put(mine["uploadUrl"].partition("?")[0], content=body).status_code == 403


def test_an_upload_must_be_the_announced_size_and_comes_once(client: Client) -> None:
    body = photo("balcony")
    url = announce(client, body)["uploadUrl"]
    assert httpx.put(url, content=body[:-1]).status_code == 400
    assert httpx.put(url, content=body).status_code == 200
    assert httpx.put(url, content=body).status_code == 409


def send_head_only(url: str, size_bytes: int) -> bytes:
    """The answer's first line to an upload of which only the head is sent."""
    place = urlsplit(url)
    with socket.create_connection((place.hostname, place.port), 20) as connection:
        head = f"PUT {place.path}?{place.query} HTTP/1.1\r\nHost: x\r\nContent-Length: {size_bytes}\r\n\r\n"
        connection.sendall(head.encode())
        return connection.recv(100).partition(b"\r\n")[0]


def test_an_upload_that_may_not_come_is_refused_before_its_first_byte(client: Client) -> None:
    body = photo("balcony")
    url = announce(client, body)["uploadUrl"]
    assert send_head_only(url.partition("?")[0], len(body)) == b"HTTP/1.1 403 Forbidden"
    assert send_head_only(url.replace("agency=", "agency=9"), len(body)) == b"HTTP/1.1 403 Forbidden"
    assert send_head_only(url, len(body) - 1) == b"HTTP/1.1 400 Bad Request"
    assert httpx.put(url, content=body).status_code == 200
    assert send_head_only(url, len(body)) == b"HTTP/1.1 409 Conflict"


def test_an_upload_without_a_length_is_measured_when_it_is_here(client: Client) -> None:
    body = photo("balcony")
    url = announce(client, body)["uploadUrl"]
    assert httpx.put(url, content=iter([body, b"more"])).status_code == 400
    assert httpx.put(url, content=iter([body])).status_code == 200


def test_a_file_that_is_not_there_yet_cannot_be_published(client: Client, new_client: NewClient) -> None:
    awaited = announce(client, b"x")["mediaId"]
    foreign = announce(new_client(), b"x")["mediaId"]
    body = {"externalId": "A", "fileIds": [awaited, foreign]}
    assert client.send("PUT", "/listings", json=body).json()["message"] == [
        f"fileIds: the file {awaited} has not been uploaded yet",
        f"fileIds: there is no file {foreign}",
    ]


def test_what_is_no_photo_fails_for_good(client: Client, photos: PhotoServer) -> None:
    sent = {"url": f"{photos.base}/text/a"}
    made = client.send("POST", "/media/upload-from-url", json=sent).json()
    status = client.wait(made["jobId"])
    assert (status["status"], status["isRetryable"]) == ("failed", False)
    media = client.get(f"/media/{made['mediaId']}").json()
    assert media["optimization"] == "failed" and media["processing"]["error"]["isRetryable"] is False


def test_an_import_is_repeated_after_a_failure_and_kept_after_success(client: Client, photos: PhotoServer) -> None:
    def start(url: str) -> dict[str, Any]:
        sent = {"url": photos.base + url, "externalId": "photo-1"}
        made: dict[str, Any] = client.send("POST", "/media/upload-from-url", json=sent).json()
        return made

    first = start("/missing/a")
    assert client.wait(first["jobId"])["status"] == "failed"
    second = start("/ok/balcony")
    assert second["mediaId"] == first["mediaId"] and second["status"] == "pending"
    assert client.wait(second["jobId"])["status"] == "completed"
    third = start("/ok/pavilion")
    assert (third["mediaId"], third["status"], third["jobId"]) == (first["mediaId"], "success", None)


def test_a_repeat_while_the_import_waits_gives_the_same_job(waiting: Client, photos: PhotoServer) -> None:
    sent = {"url": f"{photos.base}/ok/balcony", "externalId": "photo-1"}
    first = waiting.send("POST", "/media/upload-from-url", json=sent).json()
    assert waiting.send("POST", "/media/upload-from-url", json=sent).json() == first


@pytest.mark.parametrize("url", ["http://169.254.169.254/latest", "http://10.0.0.1/a.jpg", "file:///etc/passwd"])
def test_a_hostile_url_is_refused_when_it_is_sent(client: Client, url: str) -> None:
    answer = client.send("POST", "/media/upload-from-url", json={"url": url})
    assert answer.status_code == 400 and answer.json()["message"][0].startswith("url:")


def test_another_agencys_file_does_not_exist(client: Client, new_client: NewClient) -> None:
    number = announce(client, b"x", externalId="mine")["mediaId"]
    foreign = new_client()
    for method, path in (
        ("GET", f"/media/{number}"),
        ("DELETE", f"/media/{number}"),
        ("POST", f"/media/{number}/complete"),
        ("GET", "/media/external/mine"),
    ):
        assert foreign.send(method, path).status_code == 404, (method, path)
    assert client.get("/media/external/mine").json()["id"] == number


def test_deleting_a_file_takes_it_off_its_listings(client: Client, photos: PhotoServer) -> None:
    client.put_listing(externalId="A", files=photos.urls("ok", "ok"))
    first, second = (file["id"] for file in client.get("/listings/external/A").json()["files"])
    assert client.send("DELETE", f"/media/{first}").json() == {"deleted": True}
    assert [file["id"] for file in client.get("/listings/external/A").json()["files"]] == [second]


def held_by(running: RunningHouse, media: int) -> set[str]:
    sql = "SELECT sha256 FROM file_hold WHERE holder = :holder AND expires_at IS NULL"
    rows = running.house.store.read(lambda r: r.query(sql, holder=f"rentix:media:{media}")).result(20)
    return {sha256 for (sha256,) in rows}


def test_a_file_holds_its_bytes_until_it_is_deleted(client: Client, running: RunningHouse) -> None:
    body = photo("balcony")
    announced = announce(client, body)
    media = announced["mediaId"]
    assert held_by(running, media) == set()
    assert httpx.put(announced["uploadUrl"], content=body).status_code == 200
    upload = {hashlib.sha256(body).hexdigest()}
    assert held_by(running, media) == upload
    client.wait(client.send("POST", f"/media/{media}/complete").json()["jobId"])
    shown = client.get(f"/media/{media}").json()
    named = set(re.findall(r"/v1/files/([0-9a-f]{64})/", json.dumps(shown)))
    assert named and held_by(running, media) == named | upload
    assert client.send("DELETE", f"/media/{media}").status_code == 200
    assert held_by(running, media) == set()


def test_files_of_before_hold_what_they_name_once_the_tables_are_brought_forward(tmp_path: Path) -> None:
    store = open_store(address_in(tmp_path))
    one, two, three = (f"{n:064x}" for n in range(3))
    named = {"original": {"sha256": one}, "variants": [{"sha256": two}, {"sha256": one}]}
    report = json.dumps(named, separators=(",", ":"))
    insert = (
        "INSERT INTO rentix_media (id, owner, optimization, upload_sha256, report, created_at, updated_at)"
        " VALUES (:id, 1, 'success', :upload, :report, 0, 0)"
    )
    try:
        for migrations in (SYSTEM.migrations[:1], SYSTEM.migrations):
            store.write(lambda tx, ms=migrations: migrate_system(tx, replace(SYSTEM, migrations=ms))).result(20)
            if len(migrations) == 1:
                store.write(lambda tx: tx.execute(insert, id=1, upload=one, report=report)).result(20)
                store.write(lambda tx: tx.execute(insert, id=2, upload=three, report=None)).result(20)
        rows = store.read(lambda r: r.query("SELECT holder, sha256 FROM file_hold")).result(20)
    finally:
        store.close()
    assert set(rows) == {("rentix:media:1", one), ("rentix:media:1", two), ("rentix:media:2", three)}


@pytest.mark.slow
def test_a_photo_comes_and_is_optimised_in_a_bucket(sqlite_file: Path, photos: PhotoServer) -> None:
    body = photo("balcony")
    with run_rentix(sqlite_file.parent, JOBWIRE_FILES=str(make_bucket()), **KEYS) as house:
        client = house.make_client("bucket")
        announced = announce(client, body)
        put = httpx.put(announced["uploadUrl"], content=body, headers={"Content-Type": "image/jpeg"})
        assert put.status_code == 200, put.text
        done = client.send("POST", f"/media/{announced['mediaId']}/complete").json()
        assert client.wait(done["jobId"])["status"] == "completed"
        links = re.findall(r'"([^"]*/v1/files/[^"]*)"', client.get(f"/media/{announced['mediaId']}").text)
        assert links
        for link in links:
            kept = httpx.get(link if link.startswith("http") else house.base + link)
            assert kept.headers["content-type"].startswith("image/")
            assert len(kept.content) == int(kept.headers["content-length"]) > 1_000
