"""What is read from each kind of document."""

from pathlib import Path

import pytest
from docswrite_samples import DOCUMENTS, MARKDOWN, make_google_zip, make_picture, make_zip, read, read_file, write

from bucket_server import KEYS, make_bucket
from jobwire.blobs.opening import open_blobs
from jobwire.domain.errors import JobError
from jobwire.systems.docswrite.document import (
    Break,
    Code,
    Document,
    Figure,
    Heading,
    Item,
    Listing,
    NoteMark,
    Paragraph,
    Quote,
    Rule,
    Style,
    Table,
    Text,
    plain,
)
from jobwire.systems.docswrite.fetching import BroughtFile, Documents
from jobwire.systems.docswrite.flow import CAPTION_CHARS_MAX
from jobwire.systems.docswrite.source import TITLE_CHARS_MAX, find_form, load_document, read_source


def read_google(folder: Path) -> Document:
    read_file(make_google_zip(folder), folder / "out")
    return load_document(folder / "out")


def styles_of(document: Document) -> dict[str, Style]:
    return {
        part.text.strip(): part.style
        for block in document.blocks
        if isinstance(block, Paragraph)
        for part in block.line
        if isinstance(part, Text)
    }


def test_the_classes_of_a_google_page_become_styles(tmp_path: Path) -> None:
    styles = styles_of(read_google(tmp_path))
    assert styles["bold soil"] == Style(bold=True)
    assert styles["slanted beds"] == Style(italic=True)
    assert styles["lined paths"] == Style(underline=True)
    assert styles["struck plans"] == Style(strike=True)
    assert styles["Both at once"] == Style(bold=True, italic=True)
    assert styles["2"] == Style(script="super")
    assert styles["Begin with"] == Style()


def test_a_redirect_of_google_is_unwrapped_and_its_underline_dropped(tmp_path: Path) -> None:
    styles = styles_of(read_google(tmp_path))
    assert styles["the soil map"] == Style(link="https://example.com/soil?kind=clay&depth=3")
    assert styles["back to the start"] == Style(link="#h-first1")


def test_the_title_paragraph_of_a_google_page_is_its_title_and_not_in_its_text(tmp_path: Path) -> None:
    document = read_google(tmp_path)
    assert document.title == "A field guide to small gardens"
    first = document.blocks[0]
    assert first == Heading(1, [Text("First steps")], "h-first1")


def test_the_lists_that_google_writes_beside_each_other_are_nested_again(tmp_path: Path) -> None:
    lists = [block for block in read_google(tmp_path).blocks if isinstance(block, Listing)]
    forks = Listing(
        False,
        [Item([Text("broad")]), Item([Text("narrow")], [Listing(False, [Item([Text("very narrow")])])])],
    )
    assert lists == [
        Listing(False, [Item([Text("Spade")]), Item([Text("Forks of two kinds")], [forks]), Item([Text("Twine")])]),
        Listing(True, [Item([Text("Dig")]), Item([Text("Rake")])]),
    ]


def test_footnotes_are_taken_out_of_the_text_and_comments_are_never_read(tmp_path: Path) -> None:
    document = read_google(tmp_path)
    marks = [
        part.number
        for b in document.blocks
        if isinstance(b, Paragraph)
        for part in b.line
        if isinstance(part, NoteMark)
    ]
    assert marks == [1, 2]
    assert [plain(line) for line in document.notes] == ["Measured by hand.", "With taxes."]
    assert "Please check" not in (tmp_path / "out" / "document.json").read_text()


def test_a_slanted_line_below_a_picture_is_its_caption(tmp_path: Path) -> None:
    (figure,) = [block for block in read_google(tmp_path).blocks if isinstance(block, Figure)]
    assert figure.picture.alt == "A bed of leeks"
    assert plain(figure.caption) == "Leeks in their second month"
    assert (tmp_path / "out" / figure.picture.key).read_bytes() == make_picture()


def test_lines_in_a_fixed_width_become_code_with_their_indent(tmp_path: Path) -> None:
    (code,) = [block for block in read_google(tmp_path).blocks if isinstance(block, Code)]
    assert code.text == "for bed in garden:\n    water(bed[0])"


def test_cells_hold_their_paragraphs_and_lists_as_lines(tmp_path: Path) -> None:
    (table,) = [block for block in read_google(tmp_path).blocks if isinstance(block, Table)]
    assert [[plain(cell.line) for cell in row] for row in table.rows] == [
        ["Bed", "Yield"],
        ["North shaded", "• four kilos"],
        ["Weighed in autumn"],
    ]
    assert Break() in table.rows[1][0].line
    assert table.rows[2][0].columns == 2


def test_the_settings_table_is_read_and_taken_out(tmp_path: Path) -> None:
    source = read_file(DOCUMENTS / "google-settings.html", tmp_path)
    assert source.settings == {
        "title": "Harvest & home",
        "tags": "roots, leaves",
        "featured_image_url": "https://example.com/pic.png",
    }
    document = load_document(tmp_path)
    assert source.title == document.title == "The harvest"
    assert [type(block) for block in document.blocks] == [Paragraph, Table]


def test_a_table_that_is_not_the_first_has_no_settings(tmp_path: Path) -> None:
    settings = "<table><tr><td>docswrite_settings</td></tr><tr><td>title</td><td>x</td></tr></table>"
    page = f"<table><tr><td>a</td></tr></table>{settings}"
    document, source = read(page, "html", tmp_path)
    assert source.settings == {}
    assert len(document.blocks) == 2


def test_markdown_is_read_without_its_html(tmp_path: Path) -> None:
    document, source = read(MARKDOWN, "markdown", tmp_path)
    assert source.title == "Notes on bees"
    assert [type(block) for block in document.blocks] == [Paragraph, Quote, Listing, Table, Code, Rule, Paragraph]
    numbers = document.blocks[2]
    assert isinstance(numbers, Listing)
    assert (numbers.ordered, numbers.start, [plain(item.line) for item in numbers.items]) == (
        True,
        3,
        ["three", "four again four"],
    )
    last = document.blocks[-1]
    assert isinstance(last, Paragraph)
    assert plain(last.line).startswith("<script>alert(1)</script> is text here")


def test_a_word_file_gives_its_styles_tables_and_pictures(tmp_path: Path) -> None:
    source = read_file(DOCUMENTS / "having-images.docx", tmp_path)
    assert len(source.pictures) == 3
    assert all((tmp_path / picture.file).stat().st_size > 0 for picture in source.pictures)
    read_file(DOCUMENTS / "par-known-styles.docx", tmp_path / "styles")
    headings = [b.level for b in load_document(tmp_path / "styles").blocks if isinstance(b, Heading)]
    assert headings
    read_file(DOCUMENTS / "blk-paras-and-tables.docx", tmp_path / "tables")
    assert any(isinstance(block, Table) for block in load_document(tmp_path / "tables").blocks)


def test_the_notes_of_a_word_file_are_numbered_in_its_text(tmp_path: Path) -> None:
    page = (
        '<p>One<sup><a href="#footnote-1" id="footnote-ref-1">[1]</a></sup></p>'
        '<ol><li id="footnote-1"><p> A note. <a href="#footnote-ref-1">↑</a></p></li></ol>'
    )
    document, _ = read(page, "html", tmp_path)
    assert document.blocks == [Paragraph([Text("One"), NoteMark(1)])]
    assert document.notes == [[Text("A note.")]]


def test_the_notes_of_markdown_become_those_of_a_word_file(tmp_path: Path) -> None:
    text = (
        "One[^a], two^[Written *here*.] and one again[^a]. Not [^this].\n\n"
        "[^a]: A note.\n\n    Its second paragraph.\n\n[^unused]: Nobody points here.\n\nThe end.\n"
    )
    document, _ = read(text, "markdown", tmp_path)
    first, last = document.blocks
    assert isinstance(first, Paragraph) and isinstance(last, Paragraph) and plain(last.line) == "The end."
    assert [part.number for part in first.line if isinstance(part, NoteMark)] == [1, 2, 1]
    assert plain(first.line).endswith("Not [^this].")
    assert [plain(line) for line in document.notes] == ["A note. Its second paragraph.", "Written here."]
    written = write(text, "markdown", tmp_path)
    assert written.count('id="note-ref-1"') == written.count('id="note-1"') == 1
    assert written.count('href="#note-1"') == 2


def test_text_behind_a_nested_list_stays_behind_it(tmp_path: Path) -> None:
    document, _ = read("<ul><li>a<ul><li>b</li></ul>c</li></ul>", "html", tmp_path)
    assert document.blocks == [
        Listing(False, [Item([Text("a")], [Listing(False, [Item([Text("b")])])]), Item([Text("c")])])
    ]


def test_two_lists_of_google_in_a_row_stay_two(tmp_path: Path) -> None:
    page = "".join(f'<ul class="lst-kix_{name}-0 start"><li>{name}</li></ul>' for name in "ab")
    document, _ = read(page + '<ul class="lst-kix_b-0"><li>c</li></ul>', "html", tmp_path)
    assert document.blocks == [
        Listing(False, [Item([Text("a")])]),
        Listing(False, [Item([Text("b")]), Item([Text("c")])]),
    ]


def test_a_figure_keeps_its_caption_and_a_paragraph_is_parted_by_its_picture(tmp_path: Path) -> None:
    page = (
        '<figure><img src="https://x.example/a.png" alt="A"><figcaption>Below</figcaption></figure>'
        '<p>before <img src="https://x.example/b.png"> after</p>'
    )
    document, source = read(page, "html", tmp_path)
    assert [type(block) for block in document.blocks] == [Figure, Paragraph, Figure, Paragraph]
    assert [picture.url for picture in source.pictures] == ["https://x.example/a.png", "https://x.example/b.png"]


@pytest.mark.parametrize(("chars", "is_caption"), [(CAPTION_CHARS_MAX, True), (CAPTION_CHARS_MAX + 1, False)])
def test_only_a_short_slanted_line_is_a_caption(chars: int, is_caption: bool, tmp_path: Path) -> None:
    document, _ = read(f"<img src='https://x.example/a.png'><p><i>{'x' * chars}</i></p>", "html", tmp_path)
    assert len(document.blocks) == (1 if is_caption else 2)


def test_a_title_is_cut_where_it_is_too_long(tmp_path: Path) -> None:
    for chars in (TITLE_CHARS_MAX, TITLE_CHARS_MAX + 1):
        assert len(read(f"<h1>{'x' * chars}</h1><p>y", "html", tmp_path)[1].title) == TITLE_CHARS_MAX


def test_a_picture_used_twice_is_one_picture(tmp_path: Path) -> None:
    zipped = make_zip(
        {"a.html": '<img src="p.png"><img src="./p.png"><img src="q.png">', "p.png": b"1", "q.png": b"1"}
    )
    _, source = read(zipped, "zip", tmp_path)
    assert len(source.pictures) == 1


def test_pages_of_old_encodings_are_read(tmp_path: Path) -> None:
    document, _ = read('<meta charset="iso-8859-2"><p>Ţară</p>'.encode("iso-8859-2"), "html", tmp_path)
    assert document.blocks == [Paragraph([Text("Ţară")])]
    document, _ = read("# Țară\n\nși".encode("utf-16"), "markdown", tmp_path)
    assert document.title == "Țară"


@pytest.mark.parametrize(
    ("name", "data", "form"),
    [("a.md", b"# x", "markdown"), ("a.HTML", b"<p>", "html"), ("a.bin", make_zip({"a.html": "x"}), "zip")],
)
def test_the_form_of_a_file_is_told_by_its_name_and_content(
    name: str, data: bytes, form: str, tmp_path: Path
) -> None:
    path = tmp_path / "file"
    path.write_bytes(data)
    assert find_form(name, path) == form


def test_a_word_file_is_read_as_one_under_any_name(tmp_path: Path) -> None:
    word, zipped = (
        read((DOCUMENTS / "run-char-style.docx").read_bytes(), form, tmp_path) for form in ("docx", "zip")
    )
    assert word == zipped


@pytest.mark.parametrize(
    ("data", "form", "code"),
    [
        (b"", "html", "document_empty"),
        (b"  \n ", "markdown", "document_empty"),
        (b"<p></p>", "html", "document_empty"),
        (b"no zip", "zip", "document_unreadable"),
        (b"no zip", "docx", "document_unreadable"),
        (make_zip({"readme.txt": "x"}), "zip", "document_unreadable"),
        (make_zip({"word/document.xml": "<broken"}), "docx", "document_unreadable"),
        (make_zip({"other.xml": "<a/>"}), "docx", "document_unreadable"),
        (b"\xd0\xcf\x11\xe0old or locked", "docx", "document_unreadable"),
    ],
)
def test_what_is_no_document_is_refused(data: bytes, form: str, code: str, tmp_path: Path) -> None:
    with pytest.raises(JobError) as caught:
        read(data, form, tmp_path)  # type: ignore[arg-type]
    assert (caught.value.code, caught.value.retryable) == (code, False)


def test_a_file_that_is_no_document_is_named(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"%PDF-1.7")
    with pytest.raises(JobError, match=r"'x\.pdf' is not a document") as caught:
        find_form("x.pdf", tmp_path / "x")
    assert caught.value.code == "document_type_unsupported"


@pytest.mark.slow
def test_a_kept_document_is_brought_from_a_bucket_and_lost_when_it_is_gone(tmp_path: Path) -> None:
    blobs = open_blobs(make_bucket(), KEYS)
    documents = Documents(blobs, google_url="")
    file = BroughtFile(blobs.put_bytes(MARKDOWN.encode()).sha256, "markdown")
    assert documents.has(file)
    request = documents.describe(file, folder=tmp_path, pictures=tmp_path / "pictures")
    assert Path(request.path).read_text() == MARKDOWN
    assert read_source(request) is not None
    blobs.delete(file.sha256)
    assert not documents.has(file)
    with pytest.raises(JobError) as caught:
        documents.describe(file, folder=tmp_path, pictures=tmp_path / "pictures")
    assert caught.value.code == "document_lost"
