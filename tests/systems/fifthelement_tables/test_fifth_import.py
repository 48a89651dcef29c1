"""Rows of a file become documents: the good ones, or none; once, however often the file comes."""

import csv
import io
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from table_house import Shelf

from jobwire.domain.phases import Phase
from jobwire.store.contract import Transaction
from jobwire.systems.fifthelement import bodies
from jobwire.systems.fifthelement.ids import show_repository_id
from jobwire.systems.fifthelement.records import PROCESSING, READY, delete_document, delete_repository
from jobwire.systems.fifthelement.starting import DOCUMENT_PROCESSING, IMPORT
from jobwire.systems.fifthelement.table_documents import (
    BAD_ROWS_SHOWN,
    KEY_CHARS_MAX,
    METADATA_BYTES_MAX,
    TITLE_CHARS_MAX,
)
from jobwire.systems.fifthelement.texts import INLINE_BYTES_MAX
from jobwire.tables.spec import Column
from jobwire.tables.xlsx_writer import open_xlsx
from loopback_site import Asked, LoopbackSite, Reply

HOMES = "title,content,price\nA,first,100\nB,second,200\n"


def test_rows_become_documents_in_their_order(shelf: Shelf) -> None:
    ended = shelf.load(HOMES, types={"price": "number"})
    assert ended.phase is Phase.COMPLETED, ended.error
    assert shelf.texts() == [("A", "first", {"price": 100.0}), ("B", "second", {"price": 200.0})]
    assert ended.result == {
        "documentsProcessed": 2, "errors": 0, "rows": 2, "format": "csv", "added": 2, "changed": 0, "unchanged": 0,
    }  # fmt: skip
    assert {row.status for row in shelf.documents()} == {READY}


def test_a_table_of_anything_becomes_readable_documents(shelf: Shelf) -> None:
    shelf.load("city,rooms,note\nChișinău,3,\nBălți,2,new\n")
    assert shelf.texts() == [
        ("Chișinău", "city: Chișinău\nrooms: 3", {"rooms": "3", "note": ""}),
        ("Bălți", "city: Bălți\nrooms: 2\nnote: new", {"rooms": "2", "note": "new"}),
    ]


def test_columns_may_be_named(shelf: Shelf) -> None:
    shelf.load("n;title;text\n1;no;yes\n", title="n", content="text", types={"n": "integer"})
    assert shelf.texts() == [("1", "yes", {"title": "no"})]


BAD: Mapping[str, tuple[str, int, str | None, str]] = {
    "too few": ("x,y", 3, None, "expected 3 columns, found 2"),
    "too many": ("x,y,1,2", 3, None, "expected 3 columns, found 4"),
    "no number": ("x,y,dear", 3, "price", "Expected `float"),
    "no title": (",y,1", 3, "title", "is empty"),
    "no content": ("x,,1", 3, "content", "is empty"),
    "an open quote": ('x,"y,1', 3, None, "a quote opens"),
    "a quote in the middle": ('x,"y"z,1', 3, None, "a quote closes"),
    "a NUL": ("x,y\0z,1", 3, None, "NUL"),
    "a title too long": (f"{'x' * (TITLE_CHARS_MAX + 1)},y,1", 3, "title", "501 characters"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_row_is_told_with_line_field_and_reason(shelf: Shelf, name: str) -> None:
    row, line, field, reason = BAD[name]
    ended = shelf.load(f"title,content,price\nA,first,1\n{row}\nB,second,2\n", types={"price": "number"})
    assert ended.phase is Phase.COMPLETED, ended.error
    assert [text[0] for text in shelf.texts()] == ["A", "B"]
    (bad,) = ended.result["badRows"]
    assert (bad["line"], bad.get("field")) == (line, field)
    assert reason in bad["reason"]
    assert (ended.result["errors"], ended.result["documentsProcessed"], ended.result["rows"]) == (1, 2, 3)


def test_all_bad_rows_are_in_a_file_and_the_first_in_the_result(shelf: Shelf) -> None:
    count = BAD_ROWS_SHOWN + 5
    ended = shelf.load("title,content\n" + "=x\n" * count + "A,b\n")
    assert len(ended.result["badRows"]) == BAD_ROWS_SHOWN
    table = list(csv.DictReader(io.StringIO(shelf.fetch(ended.result["badRowsUrl"]).decode())))
    assert [int(row["line"]) for row in table] == list(range(2, count + 2))
    assert {row["reason"] for row in table} == {"expected 2 columns, found 1"}


def test_all_or_nothing_keeps_nothing_of_a_file_with_a_bad_row(shelf: Shelf) -> None:
    ended = shelf.load(HOMES + "C\n", mode="all")
    assert (ended.phase, ended.error["code"]) == (Phase.FAILED, "rows_refused")
    assert "line 4" in ended.error["message"]
    assert (ended.error["details"]["errors"], ended.error["details"]["documentsProcessed"]) == (1, 0)
    assert shelf.count() == 0
    assert shelf.load(HOMES, mode="all").result["added"] == 2


def test_the_same_file_again_adds_nothing(shelf: Shelf, other: Shelf) -> None:
    shelf.load(HOMES)
    before = shelf.documents()
    again = shelf.load(HOMES + "C,third,300\nC,third,300\n")
    assert [again.result[name] for name in ("added", "changed", "unchanged")] == [1, 0, 3]
    assert shelf.documents()[:2] == before
    assert other.load(HOMES).result["added"] == 2


def test_a_row_with_a_known_key_changes_its_document(shelf: Shelf) -> None:
    shelf.load(HOMES, key="title")
    before = shelf.documents()
    again = shelf.load(HOMES.replace("second", "other"), key="title")
    assert [again.result[name] for name in ("added", "changed", "unchanged")] == [0, 1, 1]
    after = shelf.documents()
    assert [row.id for row in after] == [row.id for row in before]
    assert [row.content for row in after] == ["first", "other"]
    assert [row.revision for row in after] == [1, 2]
    assert {row.status for row in after} == {READY}
    assert shelf.load(HOMES.replace("second", "other"), key="title").result["unchanged"] == 2


def test_a_key_stands_once_in_a_file(shelf: Shelf) -> None:
    ended = shelf.load(HOMES + "A,again,300\n", key="title")
    assert [(bad["line"], bad["field"], bad["reason"]) for bad in ended.result["badRows"]] == [
        (4, "title", "has the key of line 2")
    ]
    assert [row.content for row in shelf.documents()] == ["first", "second"]


def test_a_key_stands_once_in_a_workbook(shelf: Shelf, tmp_path: Path) -> None:
    path = tmp_path / "book"
    with open_xlsx(path, [Column("title"), Column("content")], sheet_rows_max=2) as writer:
        writer.write([["A", "first"], ["A", "second"], ["", "third"]])
    ended = shelf.load(path, key="title")
    assert [(bad["line"], bad["part"], bad["reason"]) for bad in ended.result["badRows"]] == [
        (2, "Rows 2", "has the key of line 2"),
        (2, "Rows 3", "is empty; every row needs it"),
    ]
    assert [row.content for row in shelf.documents()] == ["first"]


@pytest.mark.parametrize(("chars", "bad"), [(KEY_CHARS_MAX, 0), (KEY_CHARS_MAX + 1, 1)])
def test_a_key_has_a_limit(shelf: Shelf, chars: int, bad: int) -> None:
    assert shelf.load(f"title,content,key\nA,b,{'k' * chars}\n", key="key").result["errors"] == bad


@pytest.mark.parametrize(("size_bytes", "bad"), [(METADATA_BYTES_MAX, 0), (METADATA_BYTES_MAX + 1, 1)])
def test_other_columns_have_a_limit(shelf: Shelf, size_bytes: int, bad: int) -> None:
    assert (METADATA_BYTES_MAX, TITLE_CHARS_MAX) == (bodies.METADATA_BYTES_MAX, bodies.TITLE_CHARS_MAX)
    rest = "n" * (size_bytes - len('{"note":""}'))
    assert shelf.load(f"title,content,note\nA,b,{rest}\n").result["errors"] == bad


def test_a_deleted_document_comes_back_with_its_row(shelf: Shelf) -> None:
    shelf.load(HOMES)
    first = shelf.documents()[0].id
    shelf.running.house.store.write(lambda tx: delete_document(tx, shelf.owner, first)).result()
    again = shelf.load(HOMES)
    assert [again.result[name] for name in ("added", "changed", "unchanged")] == [1, 0, 1]


@pytest.mark.parametrize("chars", [INLINE_BYTES_MAX // 4, INLINE_BYTES_MAX, INLINE_BYTES_MAX + 1, 300_000])
def test_long_texts_are_kept_whole(shelf: Shelf, chars: int) -> None:
    text = ("ș" + "x" * 9) * (chars // 10)
    shelf.load(f'title,content\nA,"{text}"\n')
    assert shelf.texts() == [("A", text, {})]


def test_rows_to_be_processed_start_a_job_each(shelf: Shelf) -> None:
    ended = shelf.load(HOMES, process=True)
    assert ended.phase is Phase.COMPLETED, ended.error
    jobs = [row.job for row in shelf.documents()]
    assert None not in jobs
    assert len(set(jobs)) == 2
    for job in jobs:
        assert job is not None
        assert shelf.wait(job).row.kind == DOCUMENT_PROCESSING


def test_the_files_of_an_archive_become_documents_by_their_bytes(shelf: Shelf) -> None:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("notes/a.md", "# Title\n")
        archive.writestr("notes/empty.txt", "")
        archive.writestr("b.html", "<p>hello</p>")
        archive.writestr("__MACOSX/b.html", "junk")
    ended = shelf.load(data.getvalue())
    assert ended.phase is Phase.COMPLETED, ended.error
    assert (ended.result["format"], ended.result["documentsProcessed"], ended.result["errors"]) == ("zip", 2, 1)
    assert ended.result["badRows"] == [{"line": 2, "reason": "the file is empty", "part": "notes/empty.txt"}]
    rows = {row.title: row for row in shelf.documents()}
    assert rows.keys() == {"a.md", "b.html"}
    blobs = shelf.running.house.services.blobs
    assert rows["a.md"].source_blob is not None
    assert blobs.path_of(rows["a.md"].source_blob).read_bytes() == b"# Title\n"
    assert rows["a.md"].fields["path"] == "notes/a.md"
    assert None not in {row.job for row in rows.values()}
    assert shelf.load(data.getvalue()).result["unchanged"] == 2


@pytest.mark.slow
def test_a_hostile_archive_is_refused_whole(shelf: Shelf) -> None:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("good.txt", "good")
        archive.writestr("bomb.txt", bytes(200 << 20))
    ended = shelf.load(data.getvalue())
    assert (ended.phase, ended.error["code"]) == (Phase.FAILED, "table_archive_bomb")
    assert shelf.count() == 0


class Homes(LoopbackSite):
    """A server of one file on loopback, which this house may fetch from."""

    def answer(self, asked: Asked) -> Reply:
        return Reply(HOMES.encode())


@pytest.fixture
def site() -> Iterator[str]:
    homes = Homes()
    yield f"{homes.base}/homes.csv"
    homes.close()


def test_a_file_is_fetched_through_the_guard(shelf: Shelf, site: str) -> None:
    ended = shelf.wait(shelf.start(IMPORT, url=site, process=False))
    assert ended.phase is Phase.COMPLETED, ended.error
    assert shelf.count() == 2
    forbidden = shelf.wait(shelf.start(IMPORT, url="http://10.0.0.1/homes.csv"))
    assert (forbidden.phase, forbidden.error["code"]) == (Phase.FAILED, "url_forbidden")


def test_only_a_signed_link_leads_to_a_kept_file(shelf: Shelf) -> None:
    link = shelf.keep(HOMES.encode())
    address = link.split("/")[3]
    for source in (address, link.replace("sig=", "sig=0"), link.partition("?")[0], "http://[/"):
        ended = shelf.wait(shelf.start(IMPORT, source=source))
        assert (ended.phase, ended.error["code"]) == (Phase.FAILED, "source_gone")
    nothing = shelf.wait(shelf.start(IMPORT))
    assert nothing.error["code"] == "source_missing"


@pytest.mark.parametrize(
    ("data", "wanted", "code"),
    [
        (b"", {}, "table_empty"),
        (b"a,a\n1,2\n", {}, "table_header"),
        (b"a,b\n1,2\n", {"key": "c"}, "table_column_missing"),
        (b"PAR1 and nothing else", {}, "table_damaged"),
        (b"PK\x03\x04 and nothing else", {}, "table_archive_damaged"),
        (b"a,b\n1,2\n", {"encoding": "utf-99"}, "table_encoding"),
        (b"a,b\n1,2\n", {"format": "xlsx"}, "table_archive_damaged"),
    ],
)
def test_a_file_that_is_no_table_fails_for_good(shelf: Shelf, data: bytes, wanted: dict[str, Any], code: str) -> None:
    ended = shelf.load(data, **wanted)
    assert (ended.phase, ended.error["code"], ended.error["retryable"]) == (Phase.FAILED, code, False)
    assert ended.row.attempt == 1


def test_an_import_into_a_deleted_repository_ends(shelf: Shelf, other: Shelf) -> None:
    def submit_and_delete(tx: Transaction) -> None:
        delete_repository(tx, shelf.owner, shelf.repository)

    shelf.load(HOMES)
    shelf.running.house.store.write(submit_and_delete).result()
    gone = shelf.load(HOMES)
    assert (gone.phase, gone.error["code"]) == (Phase.FAILED, "repository_gone")
    foreign = Shelf(shelf.running, shelf.owner, other.repository).load(HOMES)
    assert (foreign.phase, foreign.error["code"]) == (Phase.FAILED, "repository_gone")
    assert shelf.query(f"SELECT COUNT(*) FROM fifthelement_row_key WHERE owner = {shelf.owner}") == [(0,)]
    assert shelf.query("SELECT COUNT(*) FROM fifthelement_import") == [(0,)]


def test_an_archive_waits_for_its_documents(shelf: Shelf) -> None:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("a.pdf", "%PDF-1.7 broken")
    shelf.load(data.getvalue(), mode="all")
    (row,) = shelf.documents()
    assert row.media_type == "application/pdf"
    assert row.status in (PROCESSING, READY, "Failed")


def test_the_call_takes_bytes_or_a_url_and_says_the_rest_in_its_query(shelf: Shelf, site: str) -> None:
    path = f"/repositories/{show_repository_id(shelf.repository)}/import"
    options = {"process": "false", "key": "title", "types": "price:number", "name": "homes.csv"}
    with shelf.open_client() as client:
        first = client.post(path, params=options, content=HOMES.encode()).json()["data"]
        assert (first["type"], first["status"]) == ("import", "pending")
        assert shelf.wait_for(client, first["id"])["result"]["added"] == 2
        second = client.post(path, params={**options, "url": site}).json()["data"]
        assert shelf.wait_for(client, second["id"])["result"]["unchanged"] == 2
        for wrong in (
            {"types": "price:dear"},
            {"mode": "some"},
            {"process": "maybe"},
            {"format": "xls"},
            {"rows": "1"},
            {"url": site},
            {"source": "/v1/files/x"},
        ):
            assert client.post(path, params=wrong, content=HOMES.encode()).status_code == 400
        twice = client.post(path, params={"url": site, "source": "/v1/files/x"}).json()["error"]["details"]
        assert twice == {"url": "says where the file is, and so does source; send one of them"}
        kinds = "boolean, date, datetime, integer, number, text"
        for types, told in (
            ("price", {"types": "'price' is no pair; write column:type, as price:number,built:date"}),
            ("price:dear", {"types/price": f"Invalid enum value 'dear'; there are {kinds}"}),
        ):
            refused = client.post(path, params={"types": types}, content=HOMES.encode()).json()
            assert refused["error"]["details"] == told
        everything = {**options, "mode": "all"}
        bad = client.post(path, params=everything, content=b"title,price\nA,dear\n").json()["data"]
        told = shelf.wait_for(client, bad["id"])["result"]
        assert (told["documentsProcessed"], told["errors"], told["code"]) == (0, 1, "rows_refused")
        assert [(row["line"], row["field"]) for row in told["details"]["badRows"]] == [(2, "price")]
        assert shelf.fetch(told["details"]["badRowsUrl"]).startswith(b"line,")
        form = client.post(path, files={"file": HOMES.encode()})
        assert form.status_code == 400, form.text
        export = client.post(path.replace("import", "export"), json={"format": "csv"}).json()["data"]
        result = shelf.wait_for(client, export["id"])["result"]
        assert result["rows"] == 2
        assert shelf.fetch(result["downloadUrl"]).startswith(b"id,title,content")
        assert [row.fields for row in shelf.documents()] == [{"price": 100.0}, {"price": 200.0}]
        taken = client.post(path, params={"source": result["downloadUrl"], "process": "false"}).json()["data"]
        assert shelf.wait_for(client, taken["id"])["result"]["rows"] == 2
