"""From a file nobody trusts to text, facts and chunks; one call does a slice of it. documents.py goes on until done.

Pure and synchronous: a file in, a file of text out. Meant for a child process held to LIMITS. A PDF is read page by
page, and a call ends after about `slice_ms`: so progress can be told, and a retry starts where the last call ended.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import msgspec

from jobwire.domain.errors import JobError
from jobwire.kinds.contract import ChildLimits
from jobwire.systems.fifthelement.chunking import CHUNK_CHARS_MAX, Chunk, cut_text
from jobwire.systems.fifthelement.extracting_docx import read_docx
from jobwire.systems.fifthelement.extracting_pdf import read_pages
from jobwire.systems.fifthelement.extracting_plain import Extracted, read_plain, read_table
from jobwire.systems.fifthelement.extracting_web import read_html, read_markdown
from jobwire.systems.fifthelement.file_types import (
    CSV,
    DOCX,
    EMPTY,
    ENCRYPTED_OFFICE,
    EXECUTABLE,
    HTML,
    MARKDOWN,
    MEDIA_TYPES,
    PDF,
    TEXT,
    FileType,
    detect_type,
)

PDF_BYTES_MAX: Final = 100 * 1024 * 1024
DOCX_BYTES_MAX: Final = 50 * 1024 * 1024
TEXT_BYTES_MAX: Final = 32 * 1024 * 1024
HTML_BYTES_MAX: Final = 16 * 1024 * 1024
"""A page of this size takes 600 MB and 2.4 s of processor; its tree is about 25 times as large as the page."""
MARKDOWN_BYTES_MAX: Final = 4 * 1024 * 1024
TEXT_CHARS_MAX: Final = 20_000_000
SLICE_MS: Final = 1_000
"""Of processor time: a busy machine makes no more slices. Each costs about 40 ms for its child and its commit."""

CHILD_MEMORY_BYTES_MAX: Final = 1024 * 1024 * 1024
CHILD_CPU_S_MAX: Final = 30
CHILD_WALL_MS_MAX: Final = 60_000
LIMITS: Final = ChildLimits(
    memory_bytes_max=CHILD_MEMORY_BYTES_MAX, cpu_s_max=CHILD_CPU_S_MAX, wall_ms_max=CHILD_WALL_MS_MAX
)

BYTES_MAX: Final[Mapping[str, int]] = {
    PDF: PDF_BYTES_MAX,
    DOCX: DOCX_BYTES_MAX,
    HTML: HTML_BYTES_MAX,
    MARKDOWN: MARKDOWN_BYTES_MAX,
    CSV: TEXT_BYTES_MAX,
    TEXT: TEXT_BYTES_MAX,
}
"""What one file may have, by type."""

_READERS: Final[Mapping[str, Callable[[bytes], Extracted]]] = {
    HTML: read_html,
    MARKDOWN: read_markdown,
    CSV: read_table,
    TEXT: read_plain,
}


class ExtractRequest(msgspec.Struct, frozen=True):
    """The file `source`, called `name`, to be read from page `first_page` on; the text is written to `into`."""

    source: str
    into: str
    name: str = ""
    media_type: str | None = None
    first_page: int = 0
    slice_ms: int = SLICE_MS


class ExtractReport(msgspec.Struct, frozen=True):
    """What one call came to: the text in `into` is that of the pages from the first asked for to `pages_done`.

    `pages` are those of the whole file: 1 where the type has none. `chunks` are there when one call has read it all.
    """

    media_type: str
    pages_done: int
    pages: int
    title: str | None
    facts: dict[str, str]
    warnings: list[str]
    chars: int
    chunks: list[Chunk] | None = None


class CutRequest(msgspec.Struct, frozen=True):
    """The text in the file `source`, to be cut."""

    source: str
    chars_max: int = CHUNK_CHARS_MAX


def extract_slice(request: ExtractRequest) -> ExtractReport:
    """Write the text of some pages, or of all of a file without pages.

    Raises JobError, never retryable: document_empty, document_type_refused, document_type_unsupported,
    document_password_protected, document_truncated, document_unreadable, document_too_large, document_too_complex.
    """
    path = Path(request.source)
    found = detect_type(path, name=request.name, media_type=request.media_type)
    require_readable(found.name)
    _require_size(path, found.name)
    warnings = [_tell_disagreement(found)] if found.disagrees and request.first_page == 0 else []
    done = pages = 1
    if found.name == PDF:
        part = read_pages(path, request.first_page, slice_ms=request.slice_ms)
        title = part.facts.pop("title", None)
        lost = tuple(f"page {number} cannot be read" for number in part.unreadable)
        extracted = Extracted("\n\n".join(filter(None, part.texts)), title, part.facts, lost)
        done, pages = request.first_page + len(part.texts), part.pages
    elif found.name == DOCX:
        extracted = read_docx(path)
    else:
        extracted = _READERS[found.name](path.read_bytes())
    refuse_long(len(extracted.text))
    Path(request.into).write_bytes(extracted.text.encode())
    return ExtractReport(
        media_type=MEDIA_TYPES[found.name],
        pages_done=done,
        pages=pages,
        title=extracted.title,
        facts=dict(extracted.facts),
        warnings=[*warnings, *extracted.warnings],
        chars=len(extracted.text),
        chunks=cut_text(extracted.text) if (request.first_page, done) == (0, pages) else None,
    )


def cut_file(request: CutRequest) -> list[Chunk]:
    """The chunks of a whole text; JobError document_too_large."""
    text = Path(request.source).read_bytes().decode()
    refuse_long(len(text))
    return cut_text(text, chars_max=request.chars_max)


def refuse_long(chars: int) -> None:
    """JobError document_too_large for a text of more than TEXT_CHARS_MAX characters."""
    if chars > TEXT_CHARS_MAX:
        raise JobError(
            "document_too_large",
            f"the document has {chars:,} characters of text, more than the limit of {TEXT_CHARS_MAX:,}; split it",
            details={"chars": chars, "limit": TEXT_CHARS_MAX},
        )


def require_readable(name: str) -> None:
    """Refuse what is no document, each sort with its own code."""
    if name in MEDIA_TYPES:
        return
    if name == EMPTY:
        raise JobError("document_empty", "the file is empty; send it again")
    if name == EXECUTABLE:
        raise JobError("document_type_refused", "the file is a program or script; programs are not taken")
    if name == ENCRYPTED_OFFICE:
        raise JobError(
            "document_password_protected", "the document is protected with a password; send it without one"
        )
    raise JobError(
        "document_type_unsupported",
        f"the file is of type {name!r}; send one of: {', '.join(MEDIA_TYPES)}",
        details={"detected": name, "supported": list(MEDIA_TYPES)},
    )


def _require_size(path: Path, name: str) -> None:
    size_bytes, most = path.stat().st_size, BYTES_MAX[name]
    if size_bytes > most:
        raise JobError(
            "document_too_large",
            f"the file has {size_bytes:,} bytes, more than the limit of {most:,} for {name}; split it",
            details={"size_bytes": size_bytes, "limit_bytes": most},
        )


def _tell_disagreement(found: FileType) -> str:
    return f"the file says it is {found.claimed} and is {found.name}; it was read as {found.name}"
