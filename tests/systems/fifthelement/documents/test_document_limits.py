"""Each bound of document_processing, on both of its sides, without files of that size."""

from io import BytesIO
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

import docx
import msgspec
import pytest
from test_document_bombs import make_pdf, make_zip

from jobwire.domain.errors import JobError
from jobwire.systems.fifthelement import documents, extracting, extracting_docx, extracting_pdf, processed
from jobwire.systems.fifthelement.extracting import ExtractReport, ExtractRequest, extract_slice
from jobwire.systems.fifthelement.extracting_docx import check_archive
from jobwire.systems.fifthelement.extracting_plain import CSV_FIELD_CHARS_MAX
from jobwire.systems.fifthelement.extracting_web import TITLE_CHARS_MAX
from jobwire.systems.fifthelement.processed import FAILURES_MAX, WARNINGS_MAX, Tally
from jobwire.systems.fifthelement.records_chunks import CutRow

WORD = "word/document.xml"


def extract(tmp_path: Path, data: bytes, name: str = "") -> tuple[str, ExtractReport]:
    source, into = tmp_path / "source", tmp_path / "text"
    source.write_bytes(data)
    report = extract_slice(ExtractRequest(str(source), str(into), name))
    return into.read_text(), report


@pytest.mark.parametrize(("count", "is_taken"), [(0, False), (1, True), (1_000, True), (1_001, False)])
def test_a_job_takes_so_many_documents(count: int, is_taken: bool) -> None:
    if is_taken:
        documents._check_count(count)
        return
    with pytest.raises(JobError) as refused:
        documents._check_count(count)
    assert refused.value.code == "invalid_input"


def test_markdown_has_its_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(extracting.BYTES_MAX, "markdown", 10)
    extract(tmp_path, b"a" * 10, "x.md")
    with pytest.raises(JobError, match="limit of 10 for markdown"):
        extract(tmp_path, b"a" * 11, "x.md")


def test_a_pdf_has_so_many_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extracting_pdf, "PAGES_MAX", 1)
    extract(tmp_path, make_pdf(b""))
    monkeypatch.setattr(extracting_pdf, "PAGES_MAX", 0)
    with pytest.raises(JobError, match="1 pages, more than the limit of 0"):
        extract(tmp_path, make_pdf(b""))


@pytest.mark.parametrize(("limit", "member"), [("DOCX_XML_BYTES_MAX", WORD), ("DOCX_UNPACKED_BYTES_MAX", "a.bin")])
def test_a_docx_unpacks_to_so_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, member: str) -> None:
    monkeypatch.setattr(extracting_docx, limit, 1_000)
    source = tmp_path / "source"
    source.write_bytes(make_zip((member, b" " * 1_000)))
    check_archive(source)
    source.write_bytes(make_zip((member, b" " * 1_001)))
    with pytest.raises(JobError) as refused:
        check_archive(source)
    assert refused.value.code == "document_too_complex"


@pytest.mark.parametrize(("depth", "is_read"), [(extracting_docx.TABLE_DEPTH_MAX, True), (17, False)])
def test_tables_in_tables_are_read_so_deep(tmp_path: Path, depth: int, is_read: bool) -> None:
    document = docx.Document()
    document.add_paragraph("top")
    cell = document.add_table(1, 1).cell(0, 0)
    for _ in range(depth - 1):
        cell = cell.add_table(1, 1).cell(0, 0)
    cell.text = "deepest"
    body = BytesIO()
    document.save(body)
    assert ("deepest" in extract(tmp_path, body.getvalue())[0]) is is_read


@pytest.mark.parametrize(("chars", "is_taken"), [(CSV_FIELD_CHARS_MAX, True), (CSV_FIELD_CHARS_MAX + 1, False)])
def test_a_field_of_a_table_has_its_limit(tmp_path: Path, chars: int, is_taken: bool) -> None:
    data = b"a,b\n" + b"1,2\n" * 3_000 + b"3," + b"x" * chars + b"\n"
    if is_taken:
        assert extract(tmp_path, data, "x.csv")[1].facts["rows"] == "3001"
        return
    with pytest.raises(JobError, match="line 3002"):
        extract(tmp_path, data, "x.csv")


@pytest.mark.parametrize("chars", [TITLE_CHARS_MAX, TITLE_CHARS_MAX + 1])
def test_a_title_is_cut_at_its_limit(tmp_path: Path, chars: int) -> None:
    report = extract(tmp_path, b"<html><title>" + b"t" * chars + b"</title>x")[1]
    assert report.title == "t" * TITLE_CHARS_MAX


@pytest.mark.parametrize("count", [FAILURES_MAX, FAILURES_MAX + 1])
def test_a_result_names_so_many_failures_in_the_order_of_the_documents(count: int) -> None:
    ids = [f"{n:03}" for n in range(count)] + ["good"]
    tally = Tally(ids, documents=1)
    tally.failures = {document: JobError("document_empty", "x") for document in reversed(ids[:-1])}
    result = tally.to_result()
    assert result["errors"] == count
    assert [failure["documentId"] for failure in result["failures"]] == [f"doc_{n:03}" for n in range(FAILURES_MAX)]


@pytest.mark.parametrize("count", [WARNINGS_MAX, WARNINGS_MAX + 1])
def test_a_result_tells_so_many_warnings(count: int) -> None:
    tally = Tally(["a"])
    warnings = msgspec.json.encode([str(n) for n in range(count)]).decode()
    tally.add("a", CutRow("a", 1, 1, 1, "[]", warnings))
    assert len(tally.to_result()["warnings"]) == WARNINGS_MAX


def test_documents_that_fail_differently_fail_their_job_with_a_code_of_its_own() -> None:
    tally = Tally(["a", "b"])
    tally.failures = {"b": JobError("document_empty", "x"), "a": JobError("document_truncated", "cut")}
    with pytest.raises(JobError, match="the first: cut") as failed:
        tally.to_result()
    assert failed.value.code == "documents_failed"
    assert processed.FAILURES_MAX >= len(failed.value.details["failures"]) == 2


def test_a_docx_with_an_encrypted_part_is_protected(tmp_path: Path) -> None:
    body = BytesIO()
    with ZipFile(body, "w", ZIP_DEFLATED) as archive:
        archive.writestr(WORD, b"x")
    data = bytearray(body.getvalue())
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    with pytest.raises(JobError) as refused:
        extract(tmp_path, bytes(data), "x.docx")
    assert refused.value.code == "document_password_protected"
