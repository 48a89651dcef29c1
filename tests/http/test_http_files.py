"""Kept files: links in results, and what is behind them."""

import re
from typing import Any

import httpx
import msgspec
import pytest
from http_house import House

from jobwire.http.files import LINK_LIFETIME_S

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 20


def keep(house: House, client: httpx.Client, name: str, content_type: str, data: bytes = PNG) -> dict[str, Any]:
    """A completed job whose result holds a kept file; the file as a customer is shown it."""
    blob = house.services.blobs.put_bytes(data)
    client.post("/v1/jobs", json={"kind": "echo"})
    seal = house.services.links.seal(blob.sha256, name=name, content_type=content_type)
    house.complete(describe(blob.sha256, name=name, content_type=content_type, size_bytes=len(data), seal=seal))
    shown: dict[str, Any] = client.get("/v1/jobs").json()["jobs"][0]["result"]["files"][0]
    return shown


def describe(sha256: str, *, name: str, content_type: str, size_bytes: int, seal: str) -> str:
    """A result with one file, as save_file describes it."""
    file = {"sha256": sha256, "name": name, "content_type": content_type, "size_bytes": size_bytes, "seal": seal}
    return msgspec.json.encode({"files": [file]}).decode()


@pytest.mark.parametrize("forged", ["", "0" * 64, "no seal"])
def test_a_description_that_a_customer_sent_gets_no_link(house: House, client: httpx.Client, forged: str) -> None:
    secret = house.services.blobs.put_bytes(b"another owner's plan").sha256
    client.post("/v1/jobs", json={"kind": "echo"})
    house.complete(describe(secret, name="plan.pdf", content_type="application/pdf", size_bytes=20, seal=forged))
    shown = client.get("/v1/jobs").json()["jobs"][0]["result"]["files"][0]
    assert "url" not in shown
    assert shown["sha256"] == secret


def test_a_seal_is_for_one_description_and_never_shown(house: House, client: httpx.Client) -> None:
    file = keep(house, client, "cat.png", "image/png")
    assert "seal" not in file
    links = house.services.links
    seal = links.seal(file["sha256"], name="cat.png", content_type="image/png")
    assert links.is_sealed(file["sha256"], name="cat.png", content_type="image/png", seal=seal)
    assert not links.is_sealed(file["sha256"], name="cat.html", content_type="image/png", seal=seal)
    assert not links.is_sealed(file["sha256"], name="cat.png", content_type="text/html", seal=seal)
    assert not links.is_sealed("0" * 64, name="cat.png", content_type="image/png", seal=seal)


def test_a_kept_file_is_shown_with_a_link_that_needs_no_key(house: House, client: httpx.Client) -> None:
    file = keep(house, client, "cat.png", "image/png")
    assert file["url"].startswith(f"/v1/files/{file['sha256']}/cat.png?")
    with house.client() as nobody:
        answer = nobody.get(file["url"])
        assert (answer.status_code, answer.content) == (200, PNG)
        assert answer.headers["content-type"] == "image/png"
        assert answer.headers["content-disposition"].startswith('inline; filename="cat.png"')
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-security-policy"] == "sandbox; default-src 'none'"
        assert answer.headers["x-request-id"]
        part = nobody.get(file["url"], headers={"Range": "bytes=0-7"})
        assert (part.status_code, part.content) == (206, PNG[:8])
        head = nobody.head(file["url"])
        assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", str(len(PNG)))


@pytest.mark.parametrize(
    ("asked", "status", "first", "end"),
    [
        ("bytes=0-0", 206, 0, 1),
        ("Bytes= 5-9", 206, 5, 10),
        ("bytes=5100-", 206, 5_100, len(PNG)),
        ("bytes=-8", 206, len(PNG) - 8, len(PNG)),
        ("bytes=-999999", 206, 0, len(PNG)),
        (f"bytes=0-{10**18}", 206, 0, len(PNG)),
        (f"bytes={len(PNG)}-", 416, 0, 0),
        ("bytes=-0", 416, 0, 0),
        ("bytes=9-5", 200, 0, len(PNG)),
        ("bytes=0-1,4-5", 200, 0, len(PNG)),
        ("bytes=", 200, 0, len(PNG)),
        ("lines=0-1", 200, 0, len(PNG)),
        ("bytes=٣-٤".encode(), 200, 0, len(PNG)),
    ],
)
def test_a_range_is_served_and_what_is_none_gets_the_whole(
    house: House, client: httpx.Client, asked: str, status: int, first: int, end: int
) -> None:
    url = keep(house, client, "cat.png", "image/png")["url"]
    answer = client.get(url, headers={"Range": asked})
    assert (answer.status_code, answer.content) == (status, PNG[first:end])
    assert answer.headers["content-length"] == str(end - first)
    told = {206: f"bytes {first}-{end - 1}/{len(PNG)}", 416: f"bytes */{len(PNG)}", 200: None}[status]
    assert answer.headers.get("content-range") == told


def test_a_range_of_another_file_than_is_meant_is_the_whole(house: House, client: httpx.Client) -> None:
    url = keep(house, client, "cat.png", "image/png")["url"]
    tag = client.head(url).headers["etag"]
    for said, status in ((tag, 206), ('"another"', 200), ("Wed, 21 Oct 2015 07:28:00 GMT", 200)):
        answer = client.get(url, headers={"Range": "bytes=0-7", "If-Range": said})
        assert answer.status_code == status, said


def test_a_file_that_is_known_is_not_sent_again(house: House, client: httpx.Client) -> None:
    url = keep(house, client, "cat.png", "image/png")["url"]
    tag = client.head(url).headers["etag"]
    for said, status in ((tag, 304), (f'W/"other", {tag}', 304), ("*", 304), ('"other"', 206)):
        for method in ("GET", "HEAD"):
            answer = client.request(method, url, headers={"Range": "bytes=0-7", "If-None-Match": said})
            assert (answer.status_code, answer.headers["etag"]) == (status, tag), said
            assert answer.content == (PNG[:8] if (status, method) == (206, "GET") else b"")


@pytest.mark.parametrize("content_type", ["text/html", "image/svg+xml", "application/pdf", "not a type"])
def test_a_file_that_could_run_in_a_browser_is_saved_not_shown(
    house: House, client: httpx.Client, content_type: str
) -> None:
    file = keep(house, client, "página.html", content_type)
    answer = client.get(file["url"])
    assert answer.headers["content-disposition"].startswith("attachment; filename=")
    assert "filename*=UTF-8''p%C3%A1gina.html" in answer.headers["content-disposition"]


def test_a_link_that_was_changed_or_has_expired_leads_nowhere(house: House, client: httpx.Client) -> None:
    url = keep(house, client, "cat.png", "image/png")["url"]
    other = house.services.blobs.put_bytes(b"another owner's").sha256
    for changed in (
        url.replace("cat.png", "dog.png"),
        url.replace("image%2Fpng", "text%2Fhtml"),
        re.sub(r"exp=\d+", "exp=9999999999", url),
        re.sub(r"sig=\w+", "sig=" + "0" * 64, url),
        re.sub(r"files/\w+", f"files/{other}", url),
        url.partition("?")[0],
    ):
        answer = client.get(changed)
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    house.clock.now += LINK_LIFETIME_S * 1_000
    answer = client.get(url)
    assert (answer.status_code, answer.json()["code"]) == (410, "gone")


def test_a_file_that_is_no_longer_kept_is_not_found(house: House, client: httpx.Client) -> None:
    file = keep(house, client, "cat.png", "image/png")
    house.services.blobs.delete(file["sha256"])
    assert client.get(file["url"]).status_code == 404


def test_a_job_with_links_is_always_sent_again(house: House, client: httpx.Client) -> None:
    keep(house, client, "cat.png", "image/png")
    path = client.get("/v1/jobs").json()["jobs"][0]["links"]["self"]
    answer = client.get(path, headers={"If-None-Match": "*"})
    assert answer.status_code == 200 and "etag" not in answer.headers
    assert client.get(path + "/result").json()["files"][0]["url"]


def test_what_only_looks_like_a_file_gets_no_link(house: House, client: httpx.Client) -> None:
    client.post("/v1/jobs", json={"kind": "echo"})
    output = '{"sha256":"' + "0" * 64 + '","name":"x","content_type":"y"}'
    house.complete(output)
    path = client.get("/v1/jobs").json()["jobs"][0]["links"]["result"]
    assert client.get(path).text == output
