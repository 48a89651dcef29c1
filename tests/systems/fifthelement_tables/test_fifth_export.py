"""A repository becomes one file in any format, and the file becomes the same documents again."""

import hashlib
import re
from functools import partialmethod
from typing import Any, get_args

import httpx
import msgspec
import pytest
from table_house import Shelf

from jobwire.domain.phases import Phase
from jobwire.store.contract import Transaction
from jobwire.systems.fifthelement import exporting
from jobwire.systems.fifthelement.ids import show_document_id
from jobwire.systems.fifthelement.records import change_document
from jobwire.systems.fifthelement.records_chunks import put_cut
from jobwire.systems.fifthelement.starting import IMPORT
from jobwire.systems.fifthelement.table_documents import EXPORT_COLUMNS
from jobwire.systems.fifthelement.texts import KeptText
from jobwire.tables.reading import read_rows
from jobwire.tables.spec import Format, Row, Source

ROWS = [
    {"title": '=HYPERLINK("http://x")', "content": "+cmd", "n": 1, "list": [1, {"a": None}]},
    {"title": "Дом у озера", "content": 'line\r\nbreak, "quoted"; ș\ttab', "n": None},
    {"title": "'=1", "content": "'tis _x000D_ 😀", "price": 1.5, "ok": True},
    {"title": "Long", "content": "слово " * 5_000},
]
LINES = b"".join(msgspec.json.encode(row) + b"\n" for row in ROWS)


@pytest.mark.slow
@pytest.mark.parametrize("form", get_args(Format))
def test_an_export_is_taken_back_as_what_it_was(shelf: Shelf, other: Shelf, form: Format) -> None:
    shelf.load(LINES)
    ended = shelf.export(format=form)
    assert ended.phase is Phase.COMPLETED, ended.error
    data = shelf.fetch(ended.result["downloadUrl"])
    assert ended.result["rows"] == ended.result["documentsProcessed"] == len(ROWS)
    assert (ended.result["format"], ended.result["bytes"]) == (form, len(data))
    assert ended.result["sha256"] == hashlib.sha256(data).hexdigest()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", ended.result["expiresAt"])
    assert other.load(data).result["added"] == len(ROWS)
    assert other.texts() == shelf.texts()
    assert other.load(data).result["unchanged"] == len(ROWS)
    before = shelf.documents()
    for _ in range(2):
        again = shelf.load(data).result
        assert [again[name] for name in ("added", "changed", "unchanged")] == [0, 0, len(ROWS)]
    assert shelf.documents() == before, "in the repository it comes from it adds nothing"


def test_an_export_brings_its_repository_back_to_what_it_was(shelf: Shelf) -> None:
    shelf.load(LINES)
    data = shelf.fetch(shelf.export().result["downloadUrl"])
    first, second, *others = shelf.documents()
    text = KeptText("another text", None, "0")

    def change(tx: Transaction) -> None:
        change_document(tx, shelf.owner, first, title=first.title, metadata=first.fields, text=text)
        change_document(tx, shelf.owner, second, title="Another", metadata=second.fields)

    before = shelf.texts()
    shelf.running.house.store.write(change).result()
    again = shelf.load(data).result
    assert [again[name] for name in ("added", "changed", "unchanged")] == [0, 2, len(others)]
    assert shelf.texts() == before
    assert [row.id for row in shelf.documents()] == [first.id, second.id, *(row.id for row in others)]
    assert shelf.load(data).result["unchanged"] == len(ROWS)


@pytest.mark.parametrize("form", get_args(Format))
def test_an_export_in_parts_is_the_same_file(shelf: Shelf, form: Format, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf.load(LINES)
    whole = shelf.export(format=form).result
    monkeypatch.setattr(exporting, "PART_BYTES", 1)
    monkeypatch.setattr(exporting, "PAGE_ROWS", 3)
    ended = shelf.export(format=form)
    blobs, steps = shelf.running.house.services.blobs, shelf.running.house.store.steps(ended.row.number).result()
    # The last one has nothing left to write.
    assert list(steps) == ["part 1", "part 2", "part 3", "join"]
    read = [_read(blobs.path_of(result["sha256"]), form) for result in (whole, ended.result)]
    assert read[0] == read[1] and len(read[0]) == len(ROWS)
    if form in ("csv", "jsonl"):
        assert ended.result["sha256"] == whole["sha256"]


def test_an_exported_file_has_a_limit_however_many_parts(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf.load(LINES)
    size_bytes = shelf.export(format="csv").result["bytes"]
    monkeypatch.setattr(exporting, "PART_BYTES", 1)
    monkeypatch.setattr(exporting, "PAGE_ROWS", 3)
    monkeypatch.setattr(exporting, "FILE_BYTES_MAX", size_bytes)
    assert shelf.export(format="csv").result["bytes"] == size_bytes
    monkeypatch.setattr(exporting, "FILE_BYTES_MAX", size_bytes - 1)
    assert shelf.export(format="csv").error["code"] == "table_file_too_large"


def test_a_link_of_an_export_is_a_source(shelf: Shelf, other: Shelf) -> None:
    shelf.load(LINES)
    link = shelf.export(format="parquet").result["downloadUrl"]
    ended = other.wait(other.start(IMPORT, source=link, process=False))
    assert ended.phase is Phase.COMPLETED, ended.error
    assert other.texts() == shelf.texts()


def test_lines_show_documents_as_the_api_does(shelf: Shelf) -> None:
    shelf.load(LINES)
    lines = shelf.fetch(shelf.export().result["downloadUrl"]).splitlines()
    shown = [msgspec.json.decode(line) for line in lines]
    assert [list(row) for row in shown] == [[column.name for column in EXPORT_COLUMNS]] * len(ROWS)
    documents = shelf.documents()
    assert [row["id"] for row in shown] == [show_document_id(row.id) for row in documents]
    assert [row["metadata"] for row in shown] == [row.fields for row in documents]


def test_lines_of_an_export_may_lack_what_they_want_and_are_told_so(shelf: Shelf, other: Shelf) -> None:
    shelf.load(LINES)
    lines = shelf.fetch(shelf.export().result["downloadUrl"])
    broken = (
        b'{"id":"doc_x","content":"c"}\n{"title":"t","metadata":"{"}\n{"title":"t","metadata":[1]}\n{"title":"t"}\n'
        + lines.splitlines()[0]
        + b"\n"
    )
    ended = other.load(lines + broken)
    assert [(bad["line"], bad["field"]) for bad in ended.result["badRows"]] == [
        (5, "title"), (6, "metadata"), (7, "metadata"), (9, "id"),
    ]  # fmt: skip
    assert other.texts()[-1] == ("t", "", {})


def test_a_changed_link_leads_nowhere(shelf: Shelf) -> None:
    link = shelf.export().result["downloadUrl"]
    assert shelf.fetch(link) == b""
    assert httpx.get(shelf.running.base + link.replace("exp=1", "exp=2")).status_code == 403


def test_a_text_too_long_for_a_cell_is_an_error_that_says_so(shelf: Shelf) -> None:
    shelf.load(f"title,content\nA,b\nLong,{'x' * 32_768}\n")
    ended = shelf.export(format="xlsx")
    assert (ended.phase, ended.error["code"], ended.error["retryable"]) == (
        Phase.FAILED, "table_cell_too_long", False,
    )  # fmt: skip
    assert ended.error["details"] == {"column": "content", "row": 2, "limit": 32_767}
    assert shelf.export(format="csv").result["rows"] == 2


def test_an_export_shows_nothing_of_another_owner(shelf: Shelf, other: Shelf) -> None:
    shelf.load(LINES)
    foreign = Shelf(shelf.running, other.owner, shelf.repository).export()
    assert (foreign.phase, foreign.error["code"]) == (Phase.FAILED, "repository_gone")


@pytest.mark.parametrize("form", ["jsonl", "parquet"])
def test_chunks_are_exported_with_their_vectors(shelf: Shelf, form: Format, monkeypatch: pytest.MonkeyPatch) -> None:
    long = "x" * 70_000 + "end of it"
    shelf.load(f"title,content\nShort,вот текст\nLong,{long}\n")
    short, longer = (row.id for row in shelf.documents())
    is_sqlite = "sqlite" in type(shelf.running.house.store).__module__
    stored = "x'0000003f000080bf'" if is_sqlite else "'{0.5,-1}'"

    def add(tx: Transaction) -> None:
        for document in (short, longer):
            put_cut(tx, shelf.owner, document, repository=shelf.repository, revision=1, chunks=[])
        for document, place, start, end in (
            (short, 0, 0, 3),
            (short, 1, 4, 9),
            (longer, 0, 70_000, 70_009),
            (longer, 1, 0, 2),
        ):
            tx.execute(
                "INSERT INTO fifthelement_vector VALUES (:owner, :repository, :document, :place, :first, :last,"
                f" 'e5', {stored})",
                owner=shelf.owner,
                repository=shelf.repository,
                document=document,
                place=place,
                first=start,
                last=end,
            )

    shelf.running.house.store.write(add).result()
    read: list[str] = []
    blobs = type(shelf.running.house.services.blobs)
    monkeypatch.setattr(blobs, "read", partialmethod(_note, blobs.read, read))
    ended = shelf.export(format=form, includeVectors=True)
    assert len(read) == 1, "a text is read once for all of its chunks"
    assert ended.phase is Phase.COMPLETED, ended.error
    assert [ended.result[name] for name in ("table", "rows", "documentsProcessed")] == ["chunks", 4, 2]
    path = shelf.running.house.services.blobs.path_of(ended.result["sha256"])
    rows = _read(path, form)
    assert [(row["documentId"], row["chunk"], row["text"]) for row in rows] == [
        (show_document_id(short), 0, "вот"),
        (show_document_id(short), 1, "текст"),
        (show_document_id(longer), 0, "end of it"),
        (show_document_id(longer), 1, "xx"),
    ]
    assert [row["vector"] for row in rows] == [[0.5, -1.0]] * 4
    assert {row["model"] for row in rows} == {"e5"}

    row, text = shelf.documents()[0], KeptText("another text", None, "0")
    shelf.running.house.store.write(
        lambda tx: change_document(tx, shelf.owner, row, title="Short", metadata={}, text=text)
    ).result()
    ended = shelf.export(format=form, includeVectors=True)
    assert (ended.result["rows"], ended.result["documentsProcessed"]) == (2, 1), "old offsets, another text"


def _note(blobs: Any, read: Any, noted: list[str], sha256: str, *part: int) -> Any:
    noted.append(sha256)
    return read(blobs, sha256, *part)


def _read(path: Any, form: Format) -> list[dict[str, Any]]:
    return [row.values for row in read_rows(Source(str(path), form)) if isinstance(row, Row)]
