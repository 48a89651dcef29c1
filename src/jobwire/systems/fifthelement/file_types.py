"""Tells what a file is by its bytes: a document we read, something we do not, or something nobody should send.

Binary types are known by their signatures; what is text is told apart by how it looks, and only where that leaves a
choice (any text is Markdown, too) by what the file calls itself. extracting.py reads what is named here.
"""

import csv
import re
import string
import zipfile
from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Final, NamedTuple

import filetype

PDF, DOCX, HTML, MARKDOWN, CSV, TEXT = "pdf", "docx", "html", "markdown", "csv", "text"
EXECUTABLE: Final = "executable"
ENCRYPTED_OFFICE: Final = "encrypted-office"
EMPTY: Final = "empty"

MEDIA_TYPES: Final[Mapping[str, str]] = {
    PDF: "application/pdf",
    DOCX: "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    HTML: "text/html",
    MARKDOWN: "text/markdown",
    CSV: "text/csv",
    TEXT: "text/plain",
}
"""The types that are read, by their names here."""

HEAD_BYTES: Final = 8_192
CSV_ROWS_TRIED: Final = 20
CSV_ROWS_MIN: Final = 3
"""Lines of prose with equally many commas are rare from the third on."""

_SUFFIXES: Final[Mapping[str, str]] = {
    ".pdf": PDF,
    ".docx": DOCX,
    ".html": HTML,
    ".htm": HTML,
    ".xhtml": HTML,
    ".md": MARKDOWN,
    ".markdown": MARKDOWN,
    ".csv": CSV,
    ".tsv": CSV,
    ".txt": TEXT,
    ".text": TEXT,
}
_BY_MEDIA_TYPE: Final = {media_type: name for name, media_type in MEDIA_TYPES.items()}
_TEXTUAL: Final = frozenset({HTML, MARKDOWN, CSV, TEXT})
_PROGRAMS: Final = (
    b"MZ",
    b"\x7fELF",
    b"\xca\xfe\xba\xbe",
    b"\xcf\xfa\xed\xfe",
    b"\xce\xfa\xed\xfe",
    b"\0asm",
    b"dex\n",
)
_SCRIPT: Final = re.compile(rb"(?:\xef\xbb\xbf)?\s*(?:#!\s*/|<\?php\b|<\?=)", re.IGNORECASE)
_OLE: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_OLE_ENCRYPTED: Final = "EncryptedPackage".encode("utf-16-le")
_PDF_MARK: Final = b"%PDF-"
_UTF_16_32: Final = (b"\xff\xfe", b"\xfe\xff")
_HTML_HEAD: Final = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html|head|body|title|meta)\b",
    re.IGNORECASE | re.DOTALL,
)
_HTML_TAG: Final = re.compile(
    rb"</?(?:p|div|a|span|h[1-6]|ul|ol|li|table|tr|td|br|section|article|main)\b[^<>]*>", re.I
)
_HTML_TAGS_MIN: Final = 4
_MARKDOWN_LINE: Final = re.compile(
    rb"^(?:#{1,6} \S|[-*+] \S|\d{1,3}\. \S|```|> \S|\|.*\|\s*$)|\[[^\]\n]+\]\([^)\n]+\)", re.M
)
_MARKDOWN_LINES_MIN: Final = 3
_DELIMITERS: Final = ",;\t|"
_BINARY: Final = frozenset(range(32)) - set(string.whitespace.encode()) - {0x1B, 0x08}


class FileType(NamedTuple):
    """What a file is, and what it calls itself (None if nothing we know)."""

    name: str
    claimed: str | None

    @property
    def disagrees(self) -> bool:
        """Whether the file is something else than it says."""
        return self.claimed is not None and self.claimed != self.name


def detect_type(path: Path, *, name: str = "", media_type: str | None = None) -> FileType:
    """Name the type of the file at `path`, called `name` and declared as `media_type` by its sender."""
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    claimed = _SUFFIXES.get(PurePath(name).suffix.lower()) or _read_media_type(media_type)
    return FileType(_name_binary(head, path) or _name_text(head, claimed), claimed)


def _read_media_type(media_type: str | None) -> str | None:
    return _BY_MEDIA_TYPE.get((media_type or "").partition(";")[0].strip().lower())


def _name_binary(head: bytes, path: Path) -> str | None:
    """A type known by its signature, `binary` for bytes that are no text; None for text."""
    if not head.strip(string.whitespace.encode() + b"\0"):
        return EMPTY
    if head.startswith(_PROGRAMS) or _SCRIPT.match(head):
        return EXECUTABLE
    # Readers look for the mark in the first kilobyte: mail gateways and scanners write before it.
    if _PDF_MARK in head[:1024]:
        return PDF
    if head.startswith(b"PK"):
        return _name_zip(path)
    if head.startswith(_OLE):
        return ENCRYPTED_OFFICE if _OLE_ENCRYPTED in path.read_bytes() else "office-97"
    guessed = filetype.guess(head)
    if guessed is not None:
        return str(guessed.extension)
    return None if head.startswith(_UTF_16_32) or not _BINARY.intersection(head) else "binary"


def _name_zip(path: Path) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError):
        # Cut short: the directory of a zip is at its end. The parser says so.
        return DOCX if b"word/" in path.read_bytes()[:1_048_576] else "zip"
    if "word/document.xml" in names:
        return DOCX
    for prefix, found in (("xl/", "xlsx"), ("ppt/", "pptx"), ("META-INF/", "jar"), ("content.xml", "open-document")):
        if any(name.startswith(prefix) for name in names):
            return found
    return "docx" if "[Content_Types].xml" in names and any(n.startswith("word/") for n in names) else "zip"


def _name_text(head: bytes, claimed: str | None) -> str:
    if head.startswith(_UTF_16_32):
        head = head.decode("utf-16", "ignore").encode()
    if _HTML_HEAD.match(head) or len(_HTML_TAG.findall(head)) >= _HTML_TAGS_MIN:
        # Markdown may carry tags; a page's own head leaves no doubt.
        return MARKDOWN if claimed == MARKDOWN and not _HTML_HEAD.match(head) else HTML
    if claimed == MARKDOWN:
        return MARKDOWN
    if claimed != TEXT and find_delimiter(head.decode("utf-8", "replace"), rows_min=2 if claimed == CSV else None):
        return CSV
    if claimed is None and len(_MARKDOWN_LINE.findall(head)) >= _MARKDOWN_LINES_MIN:
        return MARKDOWN
    return TEXT


def find_delimiter(sample: str, *, rows_min: int | None = None) -> str | None:
    """What parts the columns of a table's first rows, each as wide as the others; None if it looks like no table."""
    lines = sample.splitlines()
    # The last line of a sample may be half a line.
    tried = lines[: min(CSV_ROWS_TRIED, len(lines) - (len(sample) >= HEAD_BYTES // 2 and len(lines) > CSV_ROWS_MIN))]
    best = (1, "")
    for delimiter in _DELIMITERS:
        try:
            rows = [row for row in csv.reader(tried, delimiter=delimiter, strict=True) if row]
        except csv.Error:
            continue
        widths = {len(row) for row in rows}
        if len(rows) >= (rows_min or CSV_ROWS_MIN) and len(widths) == 1:
            best = max(best, (widths.pop(), delimiter), key=lambda found: found[0])
    return best[1] or None
