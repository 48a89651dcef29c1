"""PDF to text, some pages at a time; extracting.py decides when to stop and go on in another child."""

import time
from pathlib import Path
from typing import Final, NamedTuple

import pypdfium2
import pypdfium2.raw as pdfium

from jobwire.domain.errors import JobError
from jobwire.systems.fifthelement.extracting_plain import clean_text

PAGES_MAX: Final = 20_000
PAGE_CHARS_MAX: Final = 1_000_000
_TAIL_BYTES: Final = 2_048
_FACTS: Final = {"Title": "title", "Author": "author", "Subject": "subject", "Keywords": "keywords"}


class PdfPart(NamedTuple):
    """The texts of pages that follow each other, how many pages there are, and facts such as the author.

    `unreadable` are the numbers, from 1, of pages that are there and cannot be read.
    """

    texts: list[str]
    pages: int
    facts: dict[str, str]
    unreadable: list[int]


def read_pages(path: Path, first: int, *, slice_ms: int) -> PdfPart:
    """The pages from number `first` (from 0) on, as many as are read in `slice_ms`, at least one.

    Raises JobError document_password_protected, document_truncated, document_unreadable or document_too_complex.
    """
    try:
        with pypdfium2.PdfDocument(path) as document:
            return _read_open(document, first, slice_ms)
    except pypdfium2.PdfiumError as error:
        raise _explain(error, path) from error


def _read_open(document: pypdfium2.PdfDocument, first: int, slice_ms: int) -> PdfPart:
    pages = len(document)
    if pages > PAGES_MAX:
        raise JobError(
            "document_too_complex", f"the PDF has {pages:,} pages, more than the limit of {PAGES_MAX:,}; split it"
        )
    until = time.process_time() + slice_ms / 1000
    texts: list[str] = []
    unreadable: list[int] = []
    for number in range(first, pages):
        try:
            texts.append(_read_page(document, number))
        except pypdfium2.PdfiumError:
            texts.append("")
            unreadable.append(number + 1)
        if time.process_time() >= until:
            break
    facts = _read_facts(document) if first == 0 else {}
    return PdfPart(texts, pages, facts, unreadable)


def _read_page(document: pypdfium2.PdfDocument, number: int) -> str:
    page = document[number]
    try:
        text_page = page.get_textpage()
        try:
            if text_page.count_chars() > PAGE_CHARS_MAX:
                raise JobError(
                    "document_too_complex",
                    f"page {number + 1} has more than {PAGE_CHARS_MAX:,} characters; no reader can see them",
                )
            # What lies within the page's edges: beyond them are layers and notes that nobody sees.
            return clean_text(text_page.get_text_bounded())
        finally:
            text_page.close()
    finally:
        page.close()


def _read_facts(document: pypdfium2.PdfDocument) -> dict[str, str]:
    said = document.get_metadata_dict(skip_empty=True)
    return {name: text for key, name in _FACTS.items() if (text := clean_text(said.get(key, "")))}


def _explain(error: pypdfium2.PdfiumError, path: Path) -> JobError:
    code = getattr(error, "err_code", None)
    if code in (pdfium.FPDF_ERR_PASSWORD, pdfium.FPDF_ERR_SECURITY):
        return JobError("document_password_protected", "the PDF is protected with a password; send it without one")
    with path.open("rb") as file:
        file.seek(0, 2)
        file.seek(max(0, file.tell() - _TAIL_BYTES))
        is_cut = b"%%EOF" not in file.read()
    if is_cut:
        return JobError("document_truncated", "the PDF ends in the middle; it was not uploaded whole, send it again")
    return JobError("document_unreadable", "the PDF is damaged and cannot be read; save it anew and send it again")
