"""Uploads and downloads: what is signed, what is refused, what ends."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from apidatatools_house import MOUNT, Customer, RunningTools, run_tools

from jobwire.blobs.links import FileLinks
from jobwire.domain.errors import RequestError
from jobwire.systems.apidatatools import form_data
from jobwire.systems.apidatatools.form_data import cut_file, read_boundary
from jobwire.systems.apidatatools.records import UPLOAD_LIFETIME_S
from jobwire.systems.apidatatools.results import Result, find_result, name_result, read_result
from jobwire.systems.apidatatools.routes_uploads import FORM_FIELDS_BYTES_MAX
from jobwire.systems.apidatatools.tools import TOOLS
from jobwire.systems.apidatatools.tools.contract import Tool


def put_together(*parts: tuple[str, bytes], boundary: str = "b", end: bytes = b"--\r\n") -> bytes:
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="%s"\r\n\r\n'
    body = b"".join((head % name).encode() + content + b"\r\n" for name, content in parts)
    return body + f"--{boundary}".encode() + end


def test_a_form_is_cut_down_to_its_file(tmp_path: Path) -> None:
    content = bytes(range(256)) * 4_000 + b"\r\n--almost\r\n-"
    form = tmp_path / "form"
    form.write_bytes(put_together(("key", b"k"), ("policy", "é".encode()), ("file", content)))
    cut = cut_file(form, b"b")
    assert cut.fields == {"key": "k", "policy": "é"}
    assert cut.size_bytes == len(content)
    assert form.read_bytes() == content


def test_an_empty_file_is_cut_to_nothing(tmp_path: Path) -> None:
    form = tmp_path / "form"
    form.write_bytes(put_together(("file", b"")))
    assert cut_file(form, b"b").size_bytes == 0
    assert form.read_bytes() == b""


HOSTILE = {
    "nothing": b"",
    "text": b"hello",
    "another boundary": put_together(("file", b"x"), boundary="c"),
    "no end": put_together(("file", b"x"), end=b""),
    "no file": put_together(("key", b"x")),
    "a field after the file": put_together(("file", b"x"), ("key", b"k")),
    "a field twice": put_together(("key", b"1"), ("key", b"2"), ("file", b"x")),
    "no name": b"--b\r\nContent-Type: text/plain\r\n\r\nx\r\n--b--\r\n",
    "an endless head": b"--b\r\n" + b"x" * 10_000_000,
    "many parts": put_together(*((f"f{number}", b"") for number in range(10_000)), ("file", b"x")),
    "no text": put_together(("key", b"\xff\xfe"), ("file", b"x")),
    "a head alone": b'--b\r\nContent-Disposition: form-data; name="file"\r\n\r\n',
}


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE.keys())
def test_what_is_no_form_is_refused(tmp_path: Path, body: bytes) -> None:
    form = tmp_path / "form"
    form.write_bytes(body)
    with pytest.raises(RequestError) as refused:
        cut_file(form, b"b")
    assert refused.value.code == "invalid_request"


def test_a_field_and_the_parts_have_a_limit(tmp_path: Path) -> None:
    form = tmp_path / "form"
    most = form_data.FIELD_BYTES_MAX
    form.write_bytes(put_together(("key", b"x" * most), ("file", b"x")))
    assert len(cut_file(form, b"b").fields["key"]) == most
    form.write_bytes(put_together(("key", b"x" * (most + 1)), ("file", b"x")))
    with pytest.raises(RequestError, match=str(most)):
        cut_file(form, b"b")
    fields = [(f"f{number}", b"") for number in range(form_data.PARTS_MAX)]
    form.write_bytes(put_together(*fields[:-1], ("file", b"x")))
    assert len(cut_file(form, b"b").fields) == form_data.PARTS_MAX - 1
    form.write_bytes(put_together(*fields, ("file", b"x")))
    with pytest.raises(RequestError, match="parts"):
        cut_file(form, b"b")


@pytest.mark.parametrize(
    "sent", ["", "text/plain; boundary=x", "multipart/form-data", "multipart/form-data; boundary=" + "x" * 71,
             'multipart/form-data; boundary="é"', "multipart/form-data; boundary=a\r\nb"],
)  # fmt: skip
def test_a_type_without_a_sane_boundary_is_refused(sent: str) -> None:
    if sent.endswith("\r\nb"):
        assert read_boundary(sent) == b"a"
        return
    with pytest.raises(RequestError):
        read_boundary(sent)


def test_a_boundary_is_read_with_and_without_quotes() -> None:
    assert read_boundary('Multipart/Form-Data; boundary="a b"; x=y') == b"a b"
    assert read_boundary("multipart/form-data; charset=utf-8; boundary=----x1") == b"----x1"


FIELDS = ("key", "x-amz-meta-user-id", "x-amz-meta-upload-id", "x-amz-meta-original-filename", "policy",
          "x-amz-signature")  # fmt: skip


def test_every_field_of_a_form_is_signed(customer: Customer) -> None:
    announced = customer.announce("a.json")
    fields = announced["upload"]["fields"]
    assert set(fields) == set(FIELDS)
    for name in FIELDS:
        for changed in ({**fields, name: fields[name] + "0"}, {k: v for k, v in fields.items() if k != name}):
            assert customer.send_form(announced, b"{}", fields=changed).status_code == 403, name
    assert customer.send_form(announced, b"{}", fields={**fields, "acl": "public-read"}).status_code == 403
    assert customer.send_form(announced, b"{}").status_code == 204


def test_a_form_is_good_for_its_own_upload_and_once(customer: Customer) -> None:
    first, second = customer.announce("a.json"), customer.announce("a.json")
    assert customer.send_form(first, b"{}", fields=second["upload"]["fields"]).status_code == 403
    assert customer.send_form(first, b"{}").status_code == 204
    assert customer.send_form(first, b"[]").status_code == 403
    unknown = {"upload": {**second["upload"], "url": second["upload"]["url"][:-1] + "_"}}
    assert customer.send_form(unknown, b"{}").status_code == 403


def test_an_empty_file_is_refused(customer: Customer) -> None:
    answer = customer.send_form(customer.announce("a.json"), b"")
    assert (answer.status_code, answer.json()["error"]) == (400, "EMPTY_BODY")


def test_a_form_without_its_length_is_refused(customer: Customer) -> None:
    url = customer.announce("a.json")["upload"]["url"]
    answer = httpx.post(
        url, content=iter([b"--b"]), headers={"Content-Type": "multipart/form-data; boundary=b"}, timeout=60
    )
    assert (answer.status_code, answer.json()["error"]) == (411, "LENGTH_REQUIRED")


@pytest.fixture
def small(house_engine: str, tmp_path: Path) -> Any:
    """A house whose plan is small."""
    with run_tools(
        tmp_path,
        APIDATATOOLS_FILE_BYTES="1000",
        APIDATATOOLS_STORAGE_BYTES="1500",
        APIDATATOOLS_PENDING_UPLOADS="2",
        APIDATATOOLS_UNITS="2",
    ) as house:
        yield house


@pytest.mark.slow
def test_a_plan_bounds_a_file_and_all_files(small: RunningTools) -> None:
    customer = small.make_client("bounded")
    announced = customer.announce("a.json")
    refused = customer.send_form(announced, b"1" * 1_001)
    assert (refused.status_code, refused.json()["error"]) == (413, "PAYLOAD_TOO_LARGE")
    early = customer.send_form(announced, b"1" * (1_000 + FORM_FIELDS_BYTES_MAX))
    assert (early.status_code, early.json()["error"]) == (413, "PAYLOAD_TOO_LARGE")
    assert customer.send_form(announced, b"1" * 1_000).status_code == 204
    second = customer.announce("b.json")
    over = customer.send_form(second, b"1" * 501)
    assert (over.status_code, over.json()["error"]) == (403, "STORAGE_LIMIT_EXCEEDED")
    assert customer.send_form(second, b"1" * 500).status_code == 204
    full = customer.http.post("/upload-api", json={"filename": "c.json"})
    assert (full.status_code, full.json()["error"]) == (403, "STORAGE_LIMIT_EXCEEDED")


@pytest.mark.slow
def test_a_plan_bounds_the_uploads_that_are_awaited(small: RunningTools) -> None:
    customer = small.make_client("waiting")
    for name in ("a.json", "b.json"):
        customer.announce(name)
    refused = customer.http.post("/upload-api", json={"filename": "c.json"})
    assert (refused.status_code, refused.json()["error"]) == (429, "TOO_MANY_PENDING_UPLOADS")


@pytest.mark.parametrize(
    ("path", "most", "called"),
    [("upload", 10, "upload requests"), ("json-minify", 60, "tool calls")],
)
def test_uploads_and_tools_are_limited_in_a_minute(customer: Customer, path: str, most: int, called: str) -> None:
    answers = [customer.http.post(f"/{path}-api", json={}, headers={"x-source-type": "no"}) for _ in range(most + 1)]
    assert {answer.status_code for answer in answers[:most]} == {400}
    refused = answers[most]
    assert (refused.status_code, refused.json()["error"]) == (429, "RATE_LIMITED")
    assert refused.json()["details"] == {"message": f"Too many {called}. Please slow down."}
    assert int(refused.headers["retry-after"]) > 0


@pytest.mark.slow
def test_units_are_counted_seen_in_the_refusal_and_returned_for_failures(small: RunningTools) -> None:
    customer = small.make_client("metered")
    for _ in range(3):
        assert customer.run("json-formatter", "{").status_code == 400
    for _ in range(2):
        assert customer.run("json-formatter", "{}").status_code == 200
    refused = customer.run("json-formatter", "{}")
    assert refused.status_code == 429
    body = refused.json()
    assert body["error"] == "QUOTA_EXCEEDED"
    assert (body["details"]["units_used"], body["details"]["units_max"]) == (2, 2)
    assert "2 units" in body["details"]["message"]


def test_a_result_is_saved_in_ranges_and_never_a_page(customer: Customer) -> None:
    url = customer.run("json-formatter", '{"k":"0123456789"}').json()["file"]
    whole = httpx.get(url, timeout=60)
    assert whole.headers["x-content-type-options"] == "nosniff"
    assert whole.headers["content-disposition"].startswith('attachment; filename="apidatatools_convert_')
    part = httpx.get(url, headers={"Range": "bytes=2-5"}, timeout=60)
    assert (part.status_code, part.content) == (206, whole.content[2:6])
    assert httpx.head(url, timeout=60).headers["content-length"] == str(len(whole.content))
    for wrong in (url[:-9] + "0000.json", url + "/x", url.replace("apidatatools_convert_", "..%2F")):
        assert httpx.get(wrong, timeout=60).status_code == 404


def change_each(name: str) -> Iterator[str]:
    """The name with each of its characters changed, and cut."""
    for place, letter in enumerate(name):
        yield f"{name[:place]}{'A' if letter != 'A' else 'B'}{name[place + 1 :]}"
    yield from (name[1:], name[:-1], name + "n", name.upper(), name + "?exp=9999999999")


def test_nothing_of_a_result_name_can_be_changed(customer: Customer) -> None:
    links, now = customer.running.house.services.links, customer.running.house.services.clock()
    name = customer.run("json-formatter", "[7]").json()["file"].rpartition("/")[2]
    made = find_result(links, name, now=now)
    assert made is not None
    assert made.content_type == "application/json"
    assert [wrong for wrong in change_each(name) if find_result(links, wrong, now=now)] == []
    for wrong in (name.replace(".json", ".html"), name[:21] + "AAAA" + name[25:], name[:-9] + "AAAA.json"):
        answer = httpx.get(f"{customer.running.base}{MOUNT}/downloads/{wrong}", timeout=60)
        assert (answer.status_code, answer.json()["error"]) == (404, "FILE_NOT_FOUND")


def test_a_result_name_is_good_to_its_last_millisecond_and_under_its_own_key() -> None:
    links = FileLinks(b"s" * 32, lambda: 0)
    result = Result("ab" * 32, "json", 2_000_000_000)
    name = name_result(links, result)
    assert find_result(links, name, now=2_000_000_000_000 - 1) == read_result(name) == result
    assert find_result(links, name, now=2_000_000_000_000) is None
    assert find_result(FileLinks(b"t" * 32, lambda: 0), name, now=0) is None
    assert find_result(FileLinks(b"t" * 32, lambda: 0, keys=[b"u" * 32, b"s" * 32]), name, now=0) == result


@pytest.mark.parametrize("tool", TOOLS.values(), ids=lambda tool: tool.name)
def test_the_ending_of_a_result_tells_its_type(tool: Tool) -> None:
    (wanted,) = [one for one in tool.options if one.header == "x-destination-format"] or [None]
    for choice in wanted.choices if wanted else [""]:
        ending, content_type = tool.name_output({"x-destination-format": choice})
        assert Result("ab" * 32, ending, 1).content_type == content_type


def test_a_result_with_a_random_name_of_an_older_version_is_there_until_it_ends(customer: Customer) -> None:
    house = customer.running.house
    sha256 = house.services.blobs.put_bytes(b"[1]").sha256
    now = house.services.clock()
    for name, expires_at in (("0" * 32, now + 60_000), ("1" * 32, now)):
        asyncio.run(_write(
            customer.running,
            "INSERT INTO apidatatools_download (name, owner, sha256, content_type, expires_at) VALUES"
            f" ('apidatatools_convert_{name}.json', {customer.owner}, '{sha256}', 'application/json', {expires_at})",
        ))  # fmt: skip
    base = f"{customer.running.base}{MOUNT}/downloads/apidatatools_convert_"
    assert httpx.get(f"{base}{'0' * 32}.json", timeout=60).json() == [1]
    assert httpx.get(f"{base}{'1' * 32}.json", timeout=60).status_code == 404
    customer.announce("a.json")
    left = "SELECT COUNT(*) FROM apidatatools_download WHERE owner = :owner"
    assert house.store.read(lambda reader: reader.query(left, owner=customer.owner)).result() == [(1,)]


@pytest.mark.slow
def test_results_and_uploads_end(house_engine: str, tmp_path: Path) -> None:
    with run_tools(tmp_path, APIDATATOOLS_KEPT_HOURS="72") as house:
        customer, services = house.make_client("late"), house.house.services
        url = customer.run("json-formatter", '{"late":[1]}').json()["file"]
        key = customer.upload("a.json", b"{}")
        announced = customer.announce("b.json")
        asyncio.run(_write(house, "UPDATE apidatatools_upload SET expires_at = 1"))
        absent = customer.run("json-formatter", json.dumps({"file": key}), source_type="file")
        assert (absent.status_code, absent.json()["error"]) == (404, "FILE_NOT_FOUND")
        assert customer.send_form(announced, b"{}").status_code == 403
        # Longer than a released file is held: the link's own time counts.
        later_s = services.clock() / 1_000 + 71 * 3_600
        asyncio.run(_write(house, f"DELETE FROM file_hold WHERE expires_at <= {later_s * 1_000:.0f}"))
        collector = house.house.make_collector()
        asyncio.run(collector.collect(later_s))
        assert httpx.get(url, timeout=60).status_code == 200
        asyncio.run(_write(house, "UPDATE file_hold SET expires_at = 1"))
        assert asyncio.run(collector.collect(later_s)) > 0
        gone = httpx.get(url, timeout=60)
        assert (gone.status_code, gone.json()["error"]) == (404, "FILE_NOT_FOUND")


async def _write(house: RunningTools, sql: str) -> None:
    await house.house.store.write(lambda tx: tx.execute(sql))


def test_what_a_job_keeps_has_an_end(customer: Customer) -> None:
    house = customer.running.house
    customer.run("json-formatter", "[1]")
    (row,) = house.store.read(
        lambda reader: reader.query(
            "SELECT COUNT(*), COUNT(h.expires_at), MAX(h.expires_at) FROM file_hold AS h"
            " JOIN job AS j ON h.holder IN ('job:' || j.number, 'apidatatools:result:' || j.number)"
            " WHERE j.owner = :owner",
            owner=customer.owner,
        )
    ).result()
    assert row[0] == row[1] == 2  # what was sent and what was made
    assert row[2] <= house.services.clock() + 24 * UPLOAD_LIFETIME_S * 1_000


def test_a_form_is_refused_where_there_is_no_such_upload(running_tools: RunningTools) -> None:
    answer = httpx.post(f"{running_tools.base}{MOUNT}/storage/upl_{'0' * 32}", files={"file": b"x"}, timeout=60)
    assert answer.status_code == 403


@pytest.mark.slow
def test_refusals_may_have_what_clients_read_in_every_answer(house_engine: str, tmp_path: Path) -> None:
    with run_tools(tmp_path, APIDATATOOLS_FRIENDLY_ERRORS="1") as house:
        customer = house.make_client("friendly")
        refused = customer.get("/jobs/3b0d5b5e-6c1f-4f0e-a0a7-0a3a2d6f9c11")
        assert (refused.status_code, refused.json()) == (404, {
            "status": "error", "error": "JOB_NOT_FOUND", "details": {"message": "Job not found"},
            "message": "Job not found", "retry_after": 2,
        })  # fmt: skip
        limited = [customer.http.post("/upload-api", json={"filename": "no"}) for _ in range(11)][-1]
        assert limited.json()["retry_after"] == int(limited.headers["retry-after"])
