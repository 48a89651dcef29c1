"""Documents of every kind for the tests of docswrite, and short ways to read and write them."""

import io
import re
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from lxml import html
from PIL import Image

from jobwire.systems.docswrite.content import ContentOptions, ContentRequest, Media, write_content
from jobwire.systems.docswrite.document import Document
from jobwire.systems.docswrite.source import Form, Source, SourceRequest, find_form, load_document, read_source

TAGS = {"p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "li", "blockquote", "pre", "hr", "br"}
TAGS |= {"table", "thead", "tbody", "tr", "td", "th", "figure", "figcaption", "img"}
TAGS |= {"a", "b", "code", "em", "s", "strong", "sub", "sup", "u"}
ATTRIBUTES = {"a": {"href", "id", "rel"}, "img": {"src", "alt"}, "ol": {"start"}, "td": {"colspan", "rowspan"}}
ATTRIBUTES |= {"th": ATTRIBUTES["td"]} | {f"h{level}": {"id"} for level in range(1, 7)}
SAFE = re.compile(r"https?://|mailto:|tel:|#")
MARKUP = re.compile(r"\]\([^)]*\)|^[\s>]*(?:```.*|\|[-:| ]+\||\d+\.)|\\", re.MULTILINE)
SHOWN = re.compile(r"<w:t(?: [^>]*)?>([^<]*)</w:t>|( )")

ROOT = Path(__file__).parents[3]
DOCUMENTS = ROOT / "tests" / "data" / "documents"
PAGES = ("README.md", "CONTRIBUTING.md", "docs/architecture.md", "docs/state_machine.md", "docs/client.md")
MARKDOWN = """# Notes on *bees*

A line with **bold**, ~~struck~~, `code()` and [a link](https://example.com/a?b=1&c=2 "Title").
Second line of it.\\
After a hard break.

> A quote
>
> - with a list
>   1. and numbers
>   2. below it

3. three
4. four

   again four

| left | right |
|------|------:|
| a \\| b | **c** |

```python
def buzz(bee): return bee[0] < 3 -- "comment" <!-- wp:more -->
```

---

<script>alert(1)</script> is text here, and so is [gallery].
"""


def make_picture(format_: str = "png", *, size: tuple[int, int] = (48, 32), **options: Any) -> bytes:
    """A small picture."""
    file = io.BytesIO()
    Image.new("RGB", size, "green").save(file, format_, **options)
    return file.getvalue()


def make_zip(files: Mapping[str, bytes | str]) -> bytes:
    """A zip of these files."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return packed.getvalue()


def make_google_zip(folder: Path) -> Path:
    """The page google-page.html as Google gives it: zipped with its picture."""
    path = folder / "Field guide.zip"
    page = (DOCUMENTS / "google-page.html").read_bytes()
    path.write_bytes(make_zip({"Fieldguide.html": page, "images/image1.png": make_picture()}))
    return path


def read(data: bytes | str, form: Form, folder: Path) -> tuple[Document, Source]:
    """The document in these bytes, and its description."""
    path = folder / "given"
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    source = read_source(SourceRequest(str(path), form, str(folder / "out")))
    return load_document(folder / "out"), source


def write(data: bytes | str, form: Form, folder: Path, **options: Any) -> str:
    """The content made from these bytes, every picture in it as number 7 of the library."""
    _, source = read(data, form, folder)
    return write_source(source, folder / "out", **options)


def write_source(source: Source, folder: Path, **options: Any) -> str:
    media = {picture.key: Media(7, "https://site.example/p.webp") for picture in source.pictures}
    return write_content(ContentRequest(str(folder), media, ContentOptions(**options)))


def list_corpus(folder: Path) -> list[Path]:
    """The files of the corpus: Word, Markdown, Google's pages and zips."""
    (folder / "bees.md").write_text(MARKDOWN)
    return [
        *sorted(DOCUMENTS.glob("*.docx")),
        *(DOCUMENTS / name for name in ("google-page.html", "google-settings.html")),
        make_google_zip(folder),
        folder / "bees.md",
        *(ROOT / page for page in PAGES),
    ]


def read_file(path: Path, folder: Path) -> Source:
    return read_source(SourceRequest(str(path), find_form(path.name, path), str(folder)))


def find_unsafe(markup: str) -> list[str]:
    """What in a content is no element, attribute or address that a post of ours may have."""
    found: list[str] = []
    for element in html.fragment_fromstring(markup, create_parent="main").iterdescendants():
        if not isinstance(element.tag, str):
            continue
        allowed = ATTRIBUTES.get(element.tag, set()) | {"class"}
        found += [element.tag] if element.tag not in TAGS else []
        found += [f"{element.tag} {name}" for name in element.attrib if name not in allowed]
        found += [a for name in ("href", "src") if not SAFE.match(a := element.get(name, "#"))]
    return found


def list_words(text: str) -> list[str]:
    """The words of a text, without what typography changes."""
    return re.findall(r"\w+", text.casefold())


def find_source_words(path: Path) -> list[str]:
    """The words a file shows, read in another way than the reader does."""
    match path.suffix:
        case ".docx":
            with zipfile.ZipFile(path) as archive:
                xml = archive.read("word/document.xml").decode()
            shown = re.sub(r"<w:(?:tab|br)\b[^>]*/>|</w:p>", " ", xml)
            pieces = (text or space for text, space in SHOWN.findall(shown))
            return list_words(html.fromstring(f"<p>{''.join(pieces)}</p>").text_content())
        case ".zip":
            with zipfile.ZipFile(path) as archive:
                return find_page_words(archive.read("Fieldguide.html").decode())
        case ".html":
            return find_page_words(path.read_text())
        case _:
            return list_words(
                re.sub(r"\]\([^)]*\)|^[\s>]*(?:```.*|\|[-:| ]+\||\d+\.)|\\", " ", path.read_text(), flags=re.M)
            )


def find_page_words(page: str) -> list[str]:
    root = html.document_fromstring(page)
    for element in root.xpath("//style|//title|//a[starts-with(@id, 'cmnt')]|//a[starts-with(@id, 'ftnt')]"):
        element.drop_tree()
    for comment in root.xpath("//div[@class='c20']|//table[contains(., 'docswrite_settings')]"):
        comment.drop_tree()
    return list_words(" ".join(root.xpath("//body//text()")))


def is_in_order(words: Iterable[str], page: Iterable[str]) -> str | None:
    """The first of the words that is not on the page behind those before it; None if all are."""
    rest = iter(page)
    return next((word for word in words if not any(word == other for other in rest)), None)
