"""Read a document's file into a Document and its pictures: isolate `read_source` with limits.LIMITS.

All sources become a page first, and one reader (flow.py) reads pages.
"""

from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Final, Literal
from urllib.parse import unquote

import msgspec
from lxml.html import HtmlElement
from markdown_it import MarkdownIt
from mdit_py_plugins.footnote import footnote_plugin

from jobwire.domain.errors import JobError
from jobwire.systems.docswrite.archive import Archive, explain_unreadable, open_archive
from jobwire.systems.docswrite.document import Block, Document, Heading, Line, NoteMark, plain, walk_lines
from jobwire.systems.docswrite.docx import MAIN_PART, read_docx
from jobwire.systems.docswrite.flow import Reader
from jobwire.systems.docswrite.notes import take_notes
from jobwire.systems.docswrite.shelf import PictureSource, Shelf, SkippedPicture
from jobwire.systems.docswrite.tables import take_settings
from jobwire.systems.docswrite.tree import (
    check_markup_size,
    decode_text,
    explain_empty,
    explain_too_deep,
    find_page_title,
    find_sheet,
    parse_html,
)

SOURCE_BYTES_MAX: Final = 64 * 1024 * 1024
TITLE_CHARS_MAX: Final = 300
DOCUMENT_NAME: Final = "document.json"

Form = Literal["html", "zip", "docx", "markdown"]
_FORMS: Final[dict[str, Form]] = {
    ".html": "html",
    ".htm": "html",
    ".zip": "zip",
    ".docx": "docx",
    ".md": "markdown",
    ".markdown": "markdown",
    ".txt": "markdown",
}
_PAGES: Final = (".html", ".htm")
_NESTING_MAX: Final = 10_000  # above it markdown-it leaves text out; the tree has a limit that says so
_ZIP: Final = b"PK"
_PASSWORD: Final = b"\xd0\xcf\x11\xe0"  # Word puts a protected document, like the old .doc, into such a file

FindEmbedded = Callable[[str], bytes | None]


class SourceRequest(msgspec.Struct, frozen=True):
    """A document's file, its form, and a folder (made if missing) for its pictures and DOCUMENT_NAME."""

    path: str
    form: Form
    folder: str


class Source(msgspec.Struct, frozen=True):
    """What a document contains beside its text, which is in DOCUMENT_NAME of the folder (`load_document`).

    `settings` are those of its own settings table, names in small letters. `pictures` are in the order in which they
    appear, `skipped` those that are left out.
    """

    title: str
    settings: dict[str, str]
    pictures: list[PictureSource]
    skipped: list[SkippedPicture]


def find_form(name: str, path: Path) -> Form:
    """The form of a file by its name's ending and its first bytes; JobError document_type_unsupported for others."""
    form = _FORMS.get(PurePosixPath(name.lower()).suffix)
    with path.open("rb") as file:
        is_zip = file.read(4).startswith(_ZIP)
    if is_zip:
        return "docx" if form == "docx" else "zip"
    if form in ("html", "markdown"):
        return form
    raise JobError(
        "document_type_unsupported",
        f"the file {name[:80]!r} is not a document we read; send .docx, .md, .html or the .zip of a web page",
    )


def read_source(request: SourceRequest) -> Source:
    """Read the document, write DOCUMENT_NAME and the embedded pictures into the folder, and describe it.

    The same bytes in give the same files out. Raises JobError (permanent) document_empty, document_unreadable,
    document_too_large, document_too_deep or document_too_many_pictures.
    """
    path, folder = Path(request.path), Path(request.folder)
    if (size_bytes := path.stat().st_size) > SOURCE_BYTES_MAX:
        raise JobError(
            "document_file_too_large",
            f"the file has {size_bytes:,} bytes, more than the limit of {SOURCE_BYTES_MAX:,}; "
            "make its pictures smaller",
        )
    folder.mkdir(parents=True, exist_ok=True)
    try:
        return _read(path, request.form, folder)
    except RecursionError:
        raise explain_too_deep() from None


def load_document(folder: Path) -> Document:
    """The document that read_source has written into a folder."""
    return msgspec.json.decode((folder / DOCUMENT_NAME).read_bytes(), type=Document)


def _read(path: Path, form: Form, folder: Path) -> Source:
    with path.open("rb") as file:
        if file.read(4) == _PASSWORD:
            raise explain_unreadable("it has a password or is an old .doc; save it as .docx without one")
    match form:
        case "html":
            check_markup_size(path.stat().st_size)
            return _read_page(decode_text(path.read_bytes()), folder, _find_none)
        case "markdown":
            check_markup_size(path.stat().st_size)
            return _read_page(_render_markdown(decode_text(path.read_bytes())), folder, _find_none)
        case "docx":
            return _read_word(path, folder)
        case "zip":
            with open_archive(path) as archive:
                if MAIN_PART in archive.names:
                    return _read_word(path, folder)
                name = _find_page(archive)
                return _read_page(decode_text(archive.read_markup(name)), folder, _finding_beside(archive, name))


def _read_word(path: Path, folder: Path) -> Source:
    text, find_embedded = read_docx(path)
    return _read_page(text, folder, find_embedded)


def _find_none(place: str) -> bytes | None:
    return None


def _render_markdown(text: str) -> str:
    parser = MarkdownIt("commonmark", {"html": False, "maxNesting": _NESTING_MAX}).enable(["table", "strikethrough"])
    rendered: str = parser.use(footnote_plugin).render(text)
    return rendered


def _find_page(archive: Archive) -> str:
    pages = [name for name in archive.names if name.lower().endswith(_PAGES) and "__MACOSX" not in name]
    if not pages:
        raise explain_unreadable("the zip has no web page (.html)")
    return min(pages, key=lambda name: (name.count("/"), name))


def _finding_beside(archive: Archive, page: str) -> FindEmbedded:
    folder = PurePosixPath(page).parent

    def find(place: str) -> bytes | None:
        name = unquote(place).removeprefix("./")
        return None if "://" in name else archive.find_picture(str(folder / name))

    return find


def _read_page(text: str, folder: Path, find_embedded: FindEmbedded) -> Source:
    if not text.strip():
        raise explain_empty()
    root = parse_html(text)
    notes = take_notes(root)
    shelf = Shelf(folder, find_embedded)
    reader = Reader(find_sheet(root), shelf, notes=notes.marks, anchors=_find_anchors(root))
    settings, blocks = take_settings(reader.read_blocks(root))
    title, blocks = _take_title(plain(reader.title), blocks)
    document = Document(
        (title or find_page_title(root) or _find_first_heading(blocks))[:TITLE_CHARS_MAX],
        blocks,
        [reader.read_line(body) for body in notes.bodies],
    )
    if not any(document.blocks) and not document.title:
        raise explain_empty()
    (folder / DOCUMENT_NAME).write_bytes(msgspec.json.encode(document))
    return Source(document.title, settings, list(shelf.sources.values()), shelf.skipped)


def _find_anchors(root: HtmlElement) -> dict[str, str]:
    """What links of the page lead to, with the anchor each gets: `h.1x` becomes `h-1x`."""
    hrefs = {href[1:] for link in root.iter("a") if (href := link.get("href", "")).startswith("#")}
    headings = root.xpath("//h1|//h2|//h3|//h4|//h5|//h6")
    named = {
        name
        for heading in headings
        for element in (heading, *heading.iter("a"))
        if (name := element.get("id") or element.get("name"))
    }
    return {name: anchor for name in hrefs & named if (anchor := _to_anchor(name))}


def _to_anchor(name: str) -> str:
    return "".join(char if char.isascii() and char.isalnum() else "-" for char in name).strip("-")[:80]


def _take_title(title: str, blocks: list[Block]) -> tuple[str, list[Block]]:
    """A document that opens with its only heading of level 1 has that for a title: a post shows its title itself."""
    if title or not blocks or not isinstance(first := blocks[0], Heading) or first.level != 1:
        return title, blocks
    if sum(isinstance(block, Heading) and block.level == 1 for block in blocks) > 1 or _has_marks(first.line):
        return title, blocks
    return plain(first.line), blocks[1:]


def _has_marks(line: Line) -> bool:
    return any(isinstance(part, NoteMark) for part in line)


def _find_first_heading(blocks: list[Block]) -> str:
    return next((plain(block.line) for block in blocks if isinstance(block, Heading)), "") or next(
        (text for line in walk_lines(blocks) if (text := plain(line))), ""
    )
