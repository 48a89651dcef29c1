"""Files made to hurt: each ends in a clear error within its limits, and the worker goes on with the next."""

import asyncio
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

import pytest
from documents_house import DocumentHouse

from jobwire.domain.errors import JobError
from jobwire.kinds.contract import ChildLimits
from jobwire.systems.fifthelement import extracting, extracting_docx, file_types
from jobwire.systems.fifthelement.extracting import ExtractRequest, extract_slice, refuse_long
from jobwire.worker.children import Children

WORD = "word/document.xml"
CHILD_CODES = {"child_memory", "child_cpu", "child_timeout", "child_crashed"}


def make_zip(*members: tuple[str, bytes]) -> bytes:
    body = BytesIO()
    with ZipFile(body, "w", ZIP_DEFLATED) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return body.getvalue()


def make_parts(count: int) -> bytes:
    """A document of words and `count` parts more."""
    return make_zip((WORD, b""), *((f"p{n}", b"") for n in range(count)))


def make_pdf(content: bytes) -> bytes:
    """A PDF of one page whose content unpacks to `content`."""
    packed = zlib.compress(content, 9)
    objects = (
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]/Contents 4 0 R/Resources<</Font<</F 5 0 R>>>>>>",
        b"<</Filter/FlateDecode/Length %d>>stream\n%b\nendstream" % (len(packed), packed),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    )
    body, offsets = b"%PDF-1.4\n", []
    for number, text in enumerate(objects, 1):
        offsets.append(len(body))
        body += b"%d 0 obj%b endobj\n" % (number, text)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    head = b"xref\n0 6\n0000000000 65535 f \n%btrailer<</Size 6/Root 1 0 R>>\n" % table
    return body + head + b"startxref\n%d\n%%%%EOF" % len(body)


def make_page(words: int) -> bytes:
    """A page of many words of 16 characters in one place; 4 KB of file for a million characters."""
    return make_pdf(b"BT /F 1 Tf " + b"(aaaaaaaaaaaaaaaa) Tj " * words + b"ET")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "make", "codes"),
    [
        ("page.html", lambda: b"<html><body>" + b"<p>x</p>" * (50 * 1024 * 1024 // 8), {"document_too_large"}),
        ("zip.docx", lambda: make_zip((WORD, b" " * (65 * 1024 * 1024))), {"document_too_complex"}),
        ("parts.docx", lambda: make_parts(5_000), {"document_too_complex"}),
        (
            "deep.docx",
            lambda: make_zip(("[Content_Types].xml", b"<a>" * 50_000), (WORD, b"<a>" * 50_000)),
            {"document_unreadable"},
        ),
        ("page.pdf", lambda: make_page(70_000), {"document_too_complex"}),
        ("pages.pdf", lambda: make_page(1_000_000), CHILD_CODES),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_bomb_ends_in_an_error_and_the_worker_lives(
    library: DocumentHouse, name: str, make: Callable[[], bytes], codes: set[str]
) -> None:
    repository = library.add_repository()
    assert library.error(library.start_processing(library.add_file(repository, make(), name)))["code"] in codes
    assert library.result(library.start_processing(library.add_text(repository, "Still here.")))["chunks"] == 1


@pytest.mark.slow
def test_a_large_page_is_read_within_the_limits_of_its_child(library: DocumentHouse) -> None:
    page = b"<html><body>" + b"<div><p>Some <b>words</b> of a <a href=/>page</a>.</p></div>\n" * 60_000
    row = library.add_file(library.add_repository(), page, "large.html")
    assert library.result(library.start_processing(row))["chunks"] > 500


@pytest.mark.slow
def test_a_page_that_nests_without_end_is_stopped_by_its_processor_time(tmp_path: Path) -> None:
    source = tmp_path / "deep.html"
    source.write_bytes(b"<html>" + b"<div>" * 1_000_000)
    limits = ChildLimits(memory_bytes_max=extracting.CHILD_MEMORY_BYTES_MAX, cpu_s_max=2, wall_ms_max=60_000)

    async def run() -> None:
        async with Children(preload=[extracting.__name__]) as children:
            argument = f'{{"source": "{source}", "into": "{tmp_path / "text"}"}}'
            await children.run(f"{extracting.__name__}:extract_slice", argument, limits=limits)

    with pytest.raises(JobError) as ended:
        asyncio.run(run())
    assert ended.value.code in CHILD_CODES


@pytest.mark.parametrize("name", ["PDF_BYTES_MAX", "DOCX_BYTES_MAX", "HTML_BYTES_MAX", "TEXT_BYTES_MAX"])
def test_a_file_has_its_limit_by_type(name: str, tmp_path: Path) -> None:
    start = {"PDF": b"%PDF-1.4\n", "DOCX": b"PK\x03\x04word/", "HTML": b"<html>", "TEXT": b"words"}
    most = getattr(extracting, name)
    path = tmp_path / "file"
    for size, is_taken in ((most, True), (most + 1, False)):
        with path.open("wb") as file:
            file.write(start[name.partition("_")[0]] + b" " * file_types.HEAD_BYTES)
            file.truncate(size)
        kind = file_types.detect_type(path, media_type=None).name
        if is_taken:
            extracting._require_size(path, kind)
        else:
            with pytest.raises(JobError, match="more than the limit"):
                extracting._require_size(path, kind)


def test_a_text_has_its_limit() -> None:
    refuse_long(extracting.TEXT_CHARS_MAX)
    with pytest.raises(JobError, match="more than the limit"):
        refuse_long(extracting.TEXT_CHARS_MAX + 1)


def test_a_docx_may_have_as_many_parts_as_its_limit_says(tmp_path: Path) -> None:
    source = tmp_path / "many.docx"
    most = extracting_docx.DOCX_PARTS_MAX
    source.write_bytes(make_parts(most - 1))
    extracting_docx.check_archive(source)
    source.write_bytes(make_parts(most))
    with pytest.raises(JobError, match="parts, more than the limit"):
        extracting_docx.check_archive(source)


def test_a_page_with_more_characters_than_can_be_seen_is_refused(tmp_path: Path, monkeypatch) -> None:
    source = tmp_path / "page.pdf"
    source.write_bytes(make_pdf(b"BT /F 1 Tf (aaaaaaaaaaaaaaaa) Tj ET"))
    request = ExtractRequest(str(source), str(tmp_path / "text"))
    monkeypatch.setattr("jobwire.systems.fifthelement.extracting_pdf.PAGE_CHARS_MAX", 16)
    extract_slice(request)
    monkeypatch.setattr("jobwire.systems.fifthelement.extracting_pdf.PAGE_CHARS_MAX", 15)
    with pytest.raises(JobError, match="more than 15 characters"):
        extract_slice(request)
