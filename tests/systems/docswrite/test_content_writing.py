"""How a document is written, as clean HTML and as blocks."""

import re
from pathlib import Path

import pytest
from docswrite_samples import (
    MARKDOWN,
    find_unsafe,
    list_corpus,
    make_google_zip,
    read,
    read_file,
    write,
    write_source,
)

from jobwire.domain.errors import JobError
from jobwire.systems.docswrite import content
from jobwire.systems.docswrite.content import ContentOptions, ContentRequest, Media, Writer, write_content
from jobwire.systems.docswrite.document import Code, Document, Figure, Heading, Paragraph, Picture, Style, Text
from jobwire.systems.docswrite.marks import add_mark, has_mark, make_mark


def write_one(page: str, folder: Path, **options: object) -> str:
    return write(page, "html", folder, **options)


def test_the_classic_editor_gets_html_without_block_comments(tmp_path: Path) -> None:
    written = write_one("<h2>A</h2><p>b <i>c</i></p>", tmp_path)
    assert written == '<h2 class="wp-block-heading">A</h2>\n\n<p>b <em>c</em></p>'


def test_the_block_editor_gets_each_block_in_its_comments(tmp_path: Path) -> None:
    written = write_one("<h3>A</h3><p>b</p><ol start=4><li>c</ol>", tmp_path, editor="gutenberg")
    assert written == (
        '<!-- wp:heading {"level":3} -->\n<h3 class="wp-block-heading">A</h3>\n<!-- /wp:heading -->\n\n'
        "<!-- wp:paragraph -->\n<p>b</p>\n<!-- /wp:paragraph -->\n\n"
        '<!-- wp:list {"ordered":true,"start":4} -->\n<ol start="4" class="wp-block-list"><!-- wp:list-item -->\n'
        "<li>c</li>\n<!-- /wp:list-item --></ol>\n<!-- /wp:list -->"
    )


def test_headings_are_demoted_by_one_and_never_below_the_sixth(tmp_path: Path) -> None:
    written = write_one("<p>x<h1>A</h1><h5>B</h5><h6>C</h6>", tmp_path, demote_headings=True)
    assert re.findall(r"<(h\d)[^>]*>(\w)", written) == [("h2", "A"), ("h6", "B"), ("h6", "C")]


@pytest.mark.parametrize(("option", "tag"), [(False, "b"), (True, "strong")])
def test_bold_is_written_as_asked(option: bool, tag: str, tmp_path: Path) -> None:
    assert write_one("<p>a <b>c</b>", tmp_path, bold_as_strong=option) == f"<p>a <{tag}>c</{tag}></p>"


def test_only_links_to_other_hosts_are_told_not_to_be_followed(tmp_path: Path) -> None:
    links = ("https://www.mine.example/a", "https://other.example/", "mailto:x@y.z")
    page = "<p>" + " ".join(f'<a href="{link}">a</a>' for link in links)
    written = write_one(page, tmp_path, site_host="mine.example")
    assert re.findall(r'href="([^"]+)" rel="nofollow"', written) == ["https://other.example/"]
    assert "nofollow" not in write_one(page, tmp_path, nofollow=False)


def test_notes_and_their_marks_link_to_each_other(tmp_path: Path) -> None:
    source = read_file(make_google_zip(tmp_path), tmp_path / "out")
    written = write_source(source, tmp_path / "out", editor="gutenberg")
    assert '<sup><a id="note-ref-1" href="#note-1">1</a></sup>' in written
    assert '<li><a id="note-1" href="#note-ref-1">↑</a> Measured by hand.</li>' in written
    assert written.index('href="#note-2"') < written.index('id="note-1"') < written.index('id="note-2"')


def test_a_picture_is_written_with_its_text_its_caption_and_its_number(tmp_path: Path) -> None:
    source = read_file(make_google_zip(tmp_path), tmp_path / "out")
    written = write_source(source, tmp_path / "out", editor="gutenberg")
    assert (
        '<!-- wp:image {"id":7,"sizeSlug":"full","linkDestination":"none"} -->\n'
        '<figure class="wp-block-image size-full"><img src="https://site.example/p.webp" alt="A bed of leeks" '
        'class="wp-image-7"><figcaption class="wp-element-caption"><em>Leeks in their second month</em></figcaption>'
        "</figure>\n<!-- /wp:image -->" in written
    )


def test_a_picture_that_was_not_uploaded_is_left_out_and_its_caption_stays() -> None:
    document = Document("", [Figure(Picture("k", "alt"), [Text("below")]), Figure(Picture("k"))])
    assert Writer({}, ContentOptions()).write(document) == "<p>below</p>"


def test_code_is_shown_and_never_run(tmp_path: Path) -> None:
    written = write("```\n[gallery] <b> &amp;\nhttps://video.example/1\n```", "markdown", tmp_path)
    assert "<code>&#091;gallery] &lt;b&gt; &amp;amp;\nhttps:&#047;&#047;video.example/1</code>" in written


def test_brackets_are_shown_and_never_run_as_a_shortcode(tmp_path: Path) -> None:
    page = '<p>a [gallery] <b>[embed]</b> <a href="https://a.example/?x[]=1">b</a></p>'
    written = write_one(page, tmp_path, nofollow=False)
    assert written == ('<p>a &#091;gallery] <b>&#091;embed]</b> <a href="https://a.example/?x&#091;]=1">b</a></p>')


def test_nothing_in_a_text_ends_a_comment_or_begins_a_block(tmp_path: Path) -> None:
    page = '<p>&lt;!-- wp:x --&gt; <img src="https://x.example/i" alt="&lt;!-- /wp:paragraph --&gt;"></p>'
    written = write_one(page, tmp_path, editor="gutenberg")
    assert re.findall(r"<!-- (/?wp:[\w-]+)", written) == ["wp:paragraph", "/wp:paragraph", "wp:image", "/wp:image"]


def test_only_known_elements_and_attributes_are_written(tmp_path: Path) -> None:
    for number, path in enumerate(list_corpus(tmp_path)):
        source = read_file(path, tmp_path / str(number))
        for editor in ("classic", "gutenberg"):
            assert find_unsafe(write_source(source, tmp_path / str(number), editor=editor)) == [], path.name


@pytest.mark.parametrize("editor", ["classic", "gutenberg"])
def test_a_mark_names_a_document_without_telling_its_name(editor: str) -> None:
    mark = make_mark("1AbC-secret")
    marked = add_mark("<p>x</p>", mark, editor=editor)  # type: ignore[arg-type]
    assert has_mark(marked, mark)
    assert not has_mark(marked, make_mark("another"))
    assert "secret" not in marked
    assert ("wp:html" in marked) == (editor == "gutenberg")


def test_a_post_larger_than_the_limit_is_refused_and_one_at_it_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read("<p>0123456789</p>", "html", tmp_path)
    request = ContentRequest(str(tmp_path / "out"), {})
    monkeypatch.setattr(content, "CONTENT_BYTES_MAX", 19)
    assert write_content(request) == "<p>0123456789</p>"
    monkeypatch.setattr(content, "CONTENT_BYTES_MAX", 18)
    with pytest.raises(JobError, match="19 bytes, more than the limit of 18") as caught:
        write_content(request)
    assert caught.value.code == "content_too_large"


def test_every_style_has_its_element() -> None:
    line = [Text("x", Style(True, True, True, True, True, "sub", "https://a.example/"))]
    written = Writer({}, ContentOptions(nofollow=False)).write(Document("", [Paragraph(line)]))
    assert (
        written == '<p><a href="https://a.example/"><b><em><u><s><sub><code>x</code></sub></s></u></em></b></a></p>'
    )


def test_empty_blocks_are_not_written() -> None:
    blocks = [Heading(1, []), Paragraph([]), Code("x")]
    assert Writer({"k": Media(1, "u")}, ContentOptions()).write(Document("", blocks)).startswith("<pre")


def test_the_same_document_gives_the_same_content(tmp_path: Path) -> None:
    assert write(MARKDOWN, "markdown", tmp_path) == write(MARKDOWN, "markdown", tmp_path)
