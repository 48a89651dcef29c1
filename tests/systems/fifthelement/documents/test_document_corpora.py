"""Real files of all oddities: what becomes of each class, by count and by name."""

from collections import Counter
from pathlib import Path

import pytest

from jobwire.domain.errors import JobError
from jobwire.systems.fifthelement.chunking import CHUNK_CHARS_MAX
from jobwire.systems.fifthelement.extracting import ExtractReport, ExtractRequest, extract_slice

ENCRYPTED = {
    "crazyones-encrypted-256.pdf",
    "encrypted-file.pdf",
    "libreoffice-writer-password.pdf",
    "r2-user-password.pdf",
    "r3-user-password.pdf",
    "r4-aes-user-password.pdf",
    "r4-user-password.pdf",
    "r5-user-password.pdf",
    "r6-both-passwords.pdf",
    "r6-cleartext-metadata.pdf",
    "r6-user-password.pdf",
}
TEXTLESS = {
    "box.pdf",
    "encrypted_doc_no_id.pdf",
    "git.pdf",
    "imagemagick-ASCII85Decode.pdf",
    "imagemagick-CCITTFaxDecode.pdf",
    "imagemagick-images.pdf",
    "imagemagick-lzw.pdf",
    "issue-3850-1bit-indexed-flate.pdf",
}
PDF_PAGES = 247
DOCX_TEXTLESS = {
    "blk-containing-table.docx",
    "default.docx",
    "doc-coreprops.docx",
    "doc-default.docx",
    "doc-no-coreprops.docx",
    "doc-word-default-blank.docx",
    "having-images.docx",
    "set-no-settings-part.docx",
    "shp-inline-shape-access.docx",
    "sty-behav-props.docx",
    "sty-having-no-styles-part.docx",
    "sty-having-styles-part.docx",
    "tbl-2x2-table.docx",
    "tbl-col-props.docx",
    "tbl-having-tables.docx",
    "tbl-on-off-props.docx",
}


def find_files(corpora: Path, pattern: str) -> list[Path]:
    return sorted(corpora.rglob(pattern))


def find_file(corpora: Path, name: str) -> Path:
    (path,) = corpora.rglob(name)
    return path


def extract(path: Path, into: Path, **wanted: int) -> ExtractReport:
    return extract_slice(ExtractRequest(str(path), str(into), path.name, **wanted))


def classify(paths: list[Path], into: Path) -> tuple[dict[str, list[str]], int]:
    """The names of the files by what becomes of them, and how many pages were read."""
    classes: dict[str, list[str]] = {}
    pages = 0
    for path in paths:
        try:
            report = extract(path, into, slice_ms=60_000)
        except JobError as error:
            classes.setdefault(error.code, []).append(path.name)
            continue
        assert report.pages_done == report.pages and report.chunks is not None
        pages += report.pages
        text = into.read_text()
        assert all(0 < chunk.end - chunk.start <= CHUNK_CHARS_MAX for chunk in report.chunks)
        assert "".join("".join(text[c.start : c.end] for c in report.chunks).split()) == "".join(text.split())
        classes.setdefault("text" if text.strip() else "textless", []).append(path.name)
    return classes, pages


@pytest.mark.slow
def test_every_odd_pdf_ends_in_its_class(corpora: Path, tmp_path: Path) -> None:
    paths = find_files(corpora, "*.pdf")
    classes, pages = classify(paths, tmp_path / "text")
    assert Counter({name: len(files) for name, files in classes.items()}) == {
        "text": 53,
        "textless": 8,
        "document_password_protected": 11,
    }
    assert (len(paths), pages) == (72, PDF_PAGES)
    assert set(classes["textless"]) == TEXTLESS
    assert set(classes["document_password_protected"]) == ENCRYPTED


def test_every_docx_ends_in_its_class(corpora: Path, tmp_path: Path) -> None:
    paths = find_files(corpora, "*.docx")
    classes, _ = classify(paths, tmp_path / "text")
    assert {name: len(files) for name, files in classes.items()} == {"text": 31, "textless": 16}
    assert len(paths) == 47
    assert set(classes["textless"]) == DOCX_TEXTLESS


@pytest.mark.slow
def test_every_pdf_that_is_cut_in_half_is_told_apart_from_a_whole_one(corpora: Path, tmp_path: Path) -> None:
    half, seen = tmp_path / "half.pdf", Counter[str]()
    for path in find_files(corpora, "*.pdf"):
        data = path.read_bytes()
        half.write_bytes(data[: len(data) // 2])
        try:
            extract(half, tmp_path / "text", slice_ms=60_000)
            # Some are linearised, or hold an earlier version of themselves: what is there is a document.
            seen["read"] += 1
        except JobError as error:
            seen[error.code] += 1
    assert set(seen) <= {"read", "document_truncated", "document_unreadable", "document_password_protected"}
    assert seen["document_truncated"] >= 50, seen


def test_every_docx_that_is_cut_in_half_is_truncated(corpora: Path, tmp_path: Path) -> None:
    half = tmp_path / "half.docx"
    for path in find_files(corpora, "*.docx"):
        data = path.read_bytes()
        half.write_bytes(data[: len(data) // 2])
        with pytest.raises(JobError) as refused:
            extract(half, tmp_path / "text")
        assert refused.value.code in {"document_truncated", "document_type_unsupported"}, path.name


def test_slices_of_a_page_each_come_to_the_same_text_as_one_call(corpora: Path, tmp_path: Path) -> None:
    path, into = find_file(corpora, "GeoBase_NHNC1_Data_Model_UML_EN.pdf"), tmp_path / "text"
    whole_report = extract(path, into, slice_ms=60_000)
    whole = into.read_text()
    parts: list[str] = []
    pages = 0
    while pages < whole_report.pages:
        report = extract(path, into, first_page=pages, slice_ms=0)
        assert (report.pages_done, report.pages, report.chunks) == (pages + 1, 19, None)
        pages = report.pages_done
        parts.append(into.read_text())
    assert "\n\n".join(filter(None, parts)) == whole


def test_a_pdf_tells_its_title_and_author(corpora: Path, tmp_path: Path) -> None:
    report = extract(find_file(corpora, "metadata.pdf"), tmp_path / "text")
    assert report.title == "The Title"
    assert report.facts == {
        "author": "Martin Thoma",
        "subject": "The Subject",
        "keywords": "Some Keywords, other keywords; more keywords",
    }


def test_a_docx_gives_headers_paragraphs_and_tables_in_their_order(corpora: Path, tmp_path: Path) -> None:
    into = tmp_path / "text"
    extract(find_file(corpora, "hdr-header-footer.docx"), into)
    assert into.read_text().split("\n\n") == [
        "Header for section-1",
        "section with header",
        "section without header of its own.",
        "Footer for section 1",
    ]
    report = extract(find_file(corpora, "doc-coreprops.docx"), into)
    assert (report.title, report.facts["author"]) == ("Title", "Steve Canny")
