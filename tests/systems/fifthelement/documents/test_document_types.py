"""What a file is, whatever it calls itself, and how each type is read."""

from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

import docx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobwire.domain.errors import JobError
from jobwire.systems.fifthelement.chunking import CHUNK_CHARS_MAX, cut_text
from jobwire.systems.fifthelement.crawl_charsets import decode_page
from jobwire.systems.fifthelement.extracting import ExtractReport, ExtractRequest, extract_slice
from jobwire.systems.fifthelement.extracting_plain import clean_text
from jobwire.systems.fifthelement.file_types import detect_type


def make_docx() -> bytes:
    document = docx.Document()
    document.add_heading("Încălzire", 1)
    document.add_paragraph("Два котла и насос.")
    table = document.add_table(2, 2)
    for cell, text in zip((c for row in table.rows for c in row.cells), ("part", "price", "pump", "40"), strict=True):
        cell.text = text
    document.sections[0].header.paragraphs[0].text = "Manual"
    document.sections[0].footer.paragraphs[0].text = "Page foot"
    body = BytesIO()
    document.save(body)
    return body.getvalue()


def make_zip(**members: bytes) -> bytes:
    body = BytesIO()
    with ZipFile(body, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return body.getvalue()


MARKDOWN = "# Pumps\n\nFirst *prime* the [pump](http://x/).\n\n- one\n- two\n\n| a | b |\n|---|---|\n| 1 | 2 |\n"
TABLE = "name;city\nAna;Bălți\nIon;Soroca\n"
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600)

TYPES = {
    "a page": (b"<!DOCTYPE html><p>x", "", "html"),
    "a page behind a comment": (b"\n<!-- x -->\n<html><body>x", "", "html"),
    "a fragment of a page": (b"<p>a</p><p>b</p><div>c</div>", "notes.txt", "html"),
    "prose with an angle": (b"if a < b then b > a", "", "text"),
    "Markdown by its look": (MARKDOWN.encode(), "", "markdown"),
    "Markdown by its name": (b"plain words", "x.md", "markdown"),
    "a list in a text file": (MARKDOWN.encode(), "x.txt", "text"),
    "a table": (TABLE.encode(), "", "csv"),
    "a table of two lines": (b"a,b\n1,2\n", "x.csv", "csv"),
    "prose that says it is a table": (b"a, b and c\nanother line\n", "x.csv", "text"),
    "prose with commas": (b"One, two.\nThree, four, five.\nSix.\n", "", "text"),
    "a PDF under another name": (b"%PDF-1.4\n%%EOF", "x.docx", "pdf"),
    "a PDF behind rubbish": (b"\0\0\r\n%PDF-1.4\n%%EOF", "", "pdf"),
    "a Word document": (make_docx(), "x.pdf", "docx"),
    "a workbook": (make_zip(**{"xl/workbook.xml": b"<x/>"}), "x.docx", "xlsx"),
    "an archive": (make_zip(a=b"x"), "x.docx", "zip"),
    "a picture": (b"\x89PNG\r\n\x1a\n" + bytes(50), "x.pdf", "png"),
    "a program for Windows": (b"MZ" + bytes(200), "x.pdf", "executable"),
    "a program for Linux": (b"\x7fELF\x02" + bytes(200), "x.txt", "executable"),
    "a script": (b"#!/bin/sh\nrm -rf /\n", "x.txt", "executable"),
    "a PHP script": (b"<?php system($_GET['c']);", "x.html", "executable"),
    "an encrypted document": (OLE + "EncryptedPackage".encode("utf-16-le"), "x.docx", "encrypted-office"),
    "an old document": (OLE, "x.docx", "office-97"),
    "nothing": (b"", "x.txt", "empty"),
    "blanks": (b" \n\t\n", "x.txt", "empty"),
    "bytes": (bytes(range(1, 32)) * 9, "x.txt", "binary"),
    "UTF-16": ("Привет, мир".encode("utf-16"), "", "text"),
}


@pytest.mark.parametrize("case", TYPES)
def test_a_type_is_told_by_the_bytes(case: str, tmp_path: Path) -> None:
    data, name, expected = TYPES[case]
    path = tmp_path / "file"
    path.write_bytes(data)
    assert detect_type(path, name=name).name == expected


def test_a_media_type_with_parameters_is_a_claim_as_a_suffix_is(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"plain words")
    assert detect_type(path, media_type="text/markdown; charset=utf-8").name == "markdown"
    assert detect_type(path, media_type="application/pdf").disagrees


def extract(tmp_path: Path, data: bytes, name: str = "") -> tuple[str, ExtractReport]:
    source, into = tmp_path / "source", tmp_path / "text"
    source.write_bytes(data)
    report = extract_slice(ExtractRequest(str(source), str(into), name))
    return into.read_text(), report


def test_a_word_document_is_read_in_the_order_of_its_parts(tmp_path: Path) -> None:
    text, report = extract(tmp_path, make_docx())
    assert text == "Manual\n\nÎncălzire\n\nДва котла и насос.\n\npart\tprice\npump\t40\n\nPage foot"
    assert report.chunks == [(0, len(text))]


def test_a_page_is_read_as_it_is_seen(tmp_path: Path) -> None:
    page = (
        "<html lang=en><head><title> A  page </title><meta name=author content=Ana><style>p{}</style></head><body>"
        "<h1>Head</h1><p>One <b>two</b>\n three</p>four<script>alert(1)</script><ul><li>a<li>b</ul>"
        "<table><tr><td>1<td>2</table><pre>x\n  y</pre><template>no</template><p>end</body>"
    )
    text, report = extract(tmp_path, page.encode())
    assert text == "Head\n\nOne two three\n\nfour\n\na\nb\n\n1\t2\n\nx\ny\n\nend"
    assert (report.title, report.facts) == ("A page", {"author": "Ana", "language": "en"})


def test_a_page_in_an_old_encoding_is_read_as_it_says(tmp_path: Path) -> None:
    page = '<html><head><meta charset="windows-1251"></head><body>Кишинёв</body></html>'
    assert extract(tmp_path, page.encode("windows-1251"))[0] == "Кишинёв"


def test_markdown_is_read_without_its_marks(tmp_path: Path) -> None:
    text, report = extract(tmp_path, MARKDOWN.encode(), "x.md")
    assert report.title == "Pumps"
    assert " ".join(text.split()) == "Pumps First prime the pump. one two a b 1 2"


def test_rows_of_a_table_are_lines_that_stand_alone(tmp_path: Path) -> None:
    text, report = extract(tmp_path, TABLE.encode(), "x.csv")
    assert text == "name: Ana; city: Bălți\nname: Ion; city: Soroca"
    assert report.facts == {"columns": "name, city", "rows": "2"}


RUSSIAN = "Улица в Кишинёве была тихая, и только ветер шумел в старых липах. " * 5
GERMAN = "Die Straße ist länger als das Gebäude, für 3 € – schön. "


@pytest.mark.parametrize(
    ("data", "seen", "taken"),
    [
        (RUSSIAN.encode("windows-1251"), RUSSIAN, "cp1251"),
        (GERMAN.encode("cp1252"), GERMAN, "cp1252"),
        # Damaged after good letters: another encoding would garble those.
        (RUSSIAN.encode() + b"\xff", RUSSIAN + "\ufffd", "utf-8, 1 characters could not be read"),
    ],
)
def test_a_text_in_an_unsaid_encoding_is_read_with_a_warning(
    tmp_path: Path, data: bytes, seen: str, taken: str
) -> None:
    text, report = extract(tmp_path, data)
    assert text == seen.strip()
    assert report.warnings == [f"the encoding is not said and was taken for {taken}"]
    assert decode_page(data, "text/html") == seen, "a page is read as a file is"


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "document_empty"),
        (b"MZ" + bytes(200), "document_type_refused"),
        (b"\x89PNG\r\n\x1a\n" + bytes(50), "document_type_unsupported"),
        (OLE, "document_type_unsupported"),
        (OLE + "EncryptedPackage".encode("utf-16-le"), "document_password_protected"),
        (b"%PDF-1.7\n1 0 obj", "document_truncated"),
        (b"%PDF-1.7\nrubbish\n%%EOF", "document_unreadable"),
        (make_docx()[:-400], "document_truncated"),
        (make_zip(**{"word/document.xml": b"<x"}), "document_unreadable"),
        (b"a,b\n" + b"1,2\n" * 3_000 + b'3,"4\n' + b"x" * 140_000, "document_unreadable"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_read_has_a_code_of_its_own(tmp_path: Path, data: bytes, code: str) -> None:
    with pytest.raises(JobError) as refused:
        extract(tmp_path, data, "x.csv" if data.startswith(b"a,b") else "")
    assert (refused.value.code, refused.value.retryable) == (code, False)


texts = st.text(st.one_of(st.characters(codec="utf-8"), st.sampled_from(" \n\t.,;:!?-абвășțîâ")), max_size=6_000)


@given(texts, st.integers(1, 300))
def test_chunks_are_the_text_itself_without_gap_or_overlap(text: str, chars_max: int) -> None:
    chunks = cut_text(text, chars_max=chars_max)
    end = 0
    for chunk in chunks:
        assert end <= chunk.start < chunk.end <= len(text)
        assert chunk.end - chunk.start <= chars_max
        assert not text[end : chunk.start].strip()
        assert text[chunk.start : chunk.end].strip()
        end = chunk.end
    assert not text[end:].strip()


@given(texts)
def test_a_cleaned_text_holds_nothing_a_database_refuses_and_is_clean_already(text: str) -> None:
    cleaned = clean_text(text)
    assert "\0" not in cleaned and "\r" not in cleaned
    cleaned.encode()
    assert clean_text(cleaned) == cleaned


@pytest.mark.parametrize(("chars", "count"), [(CHUNK_CHARS_MAX, 1), (CHUNK_CHARS_MAX + 1, 2)])
def test_a_chunk_has_its_limit(chars: int, count: int) -> None:
    assert len(cut_text("a" * chars)) == count
