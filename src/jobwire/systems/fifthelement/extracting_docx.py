"""DOCX to text: paragraphs and tables in their order, headers and footers once, the core properties."""

import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import docx
from docx.document import Document
from docx.opc.exceptions import PackageNotFoundError
from docx.table import Table
from docx.text.paragraph import Paragraph
from lxml.etree import XMLSyntaxError

from jobwire.domain.errors import JobError
from jobwire.systems.fifthelement.extracting_plain import Extracted, clean_text

DOCX_PARTS_MAX: Final = 5_000
DOCX_UNPACKED_BYTES_MAX: Final = 200 * 1024 * 1024
DOCX_XML_BYTES_MAX: Final = 64 * 1024 * 1024
"""Of one part: its tree takes about ten times as much memory."""
TABLE_DEPTH_MAX: Final = 16

_CORE: Final = ("author", "subject", "keywords", "category", "comments", "language")
_XML: Final = (".xml", ".rels")


def read_docx(path: Path) -> Extracted:
    """The text of a Word document.

    Raises JobError document_truncated, document_unreadable or document_too_complex.
    """
    check_archive(path)
    try:
        document = docx.Document(str(path))
        text = "\n\n".join((*_say_margins(document, "header"), *_say(document), *_say_margins(document, "footer")))
        core = document.core_properties
        facts = {name: clean_text(said) for name in _CORE if (said := getattr(core, name, ""))}
        return Extracted(clean_text(text), title=clean_text(core.title or "") or None, facts=facts)
    except (PackageNotFoundError, XMLSyntaxError, KeyError, ValueError, AttributeError, zipfile.BadZipFile) as error:
        # The parts do not fit together: a missing one is a KeyError, a wrong type a ValueError.
        raise JobError(
            "document_unreadable", "the DOCX is damaged and cannot be read; save it anew and send it again"
        ) from error


def check_archive(path: Path) -> None:
    """Refuse a bomb by what the archive says of itself: no reader takes more out of it than it says."""
    try:
        with zipfile.ZipFile(path) as archive:
            parts = archive.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise JobError(
            "document_truncated", "the DOCX ends in the middle; it was not uploaded whole, send it again"
        ) from error
    unpacked = sum(part.file_size for part in parts)
    largest = max((part.file_size for part in parts if part.filename.lower().endswith(_XML)), default=0)
    for what, found, most in (
        ("parts", len(parts), DOCX_PARTS_MAX),
        ("bytes unpacked", unpacked, DOCX_UNPACKED_BYTES_MAX),
        ("bytes in one part", largest, DOCX_XML_BYTES_MAX),
    ):
        if found > most:
            raise JobError(
                "document_too_complex",
                f"the DOCX has {found:,} {what}, more than the limit of {most:,}; send a smaller document",
                details={"found": found, "limit": most},
            )
    if any(part.flag_bits & 1 for part in parts):
        raise JobError("document_password_protected", "the DOCX is protected with a password; send it without one")


def _say(container: Any, depth: int = 0) -> Iterator[str]:
    """The paragraphs and tables of a body, header or cell, in order."""
    for item in container.iter_inner_content():
        if isinstance(item, Paragraph):
            yield item.text
        elif isinstance(item, Table) and depth < TABLE_DEPTH_MAX:
            yield "\n".join(_say_rows(item, depth))


def _say_rows(table: Table, depth: int) -> Iterator[str]:
    for row in table.rows:
        # A merged cell is given once for each place it covers.
        cells = list(dict.fromkeys(cell._tc for cell in row.cells))
        named = {cell._tc: cell for cell in row.cells}
        said = (" ".join("\n".join(_say(named[cell], depth + 1)).split()) for cell in cells)
        yield "\t".join(said)


def _say_margins(document: Document, margin: str) -> Iterable[str]:
    """The headers or footers of all sections, each text once."""
    said: dict[str, None] = {}
    for section in document.sections:
        for part in (getattr(section, f"first_page_{margin}"), getattr(section, margin)):
            if not part.is_linked_to_previous:
                text = "\n".join(_say(part)).strip()
                if text:
                    said[text] = None
    return said
