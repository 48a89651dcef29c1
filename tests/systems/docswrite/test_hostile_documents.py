"""Documents that strangers made to do harm: nothing unsafe is written, nothing is fetched, and limits hold."""

import io
import subprocess
import sys
import zipfile
from pathlib import Path

import msgspec
import pytest
from docswrite_samples import find_unsafe, make_picture, make_zip, read, write
from hypothesis import given
from hypothesis import strategies as st

from jobwire.domain.errors import JobError
from jobwire.pictures.decode import BYTES_MAX as PICTURE_BYTES_MAX
from jobwire.systems.docswrite import archive, shelf, tree
from jobwire.systems.docswrite.limits import LIMITS
from jobwire.systems.docswrite.source import (
    SOURCE_BYTES_MAX,
    Form,
    Source,
    SourceRequest,
    read_source,
)

LEVELS = 10_000
CHILD = """
import resource, sys, msgspec
for name, most in (("RLIMIT_AS", int(sys.argv[1])), ("RLIMIT_CPU", int(sys.argv[2]))):
    resource.setrlimit(getattr(resource, name), (most, most))
from jobwire.domain.errors import JobError
from jobwire.systems.docswrite.source import SourceRequest, read_source
try:
    answer = read_source(msgspec.json.decode(sys.stdin.buffer.read(), type=SourceRequest))
except JobError as error:
    answer = {"code": error.code}
sys.stdout.buffer.write(msgspec.json.encode(answer))
"""
PAYLOADS = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg onload=alert(1)><text>x</text></svg>",
    "<a href='javascript:alert(1)' onclick='alert(1)'>x</a>",
    "<a href=' jav\tascript:alert(1)'>x</a>",
    "<a href='data:text/html;base64,PHNjcmlwdD4='>x</a>",
    "<iframe src='https://evil.example'></iframe>",
    "<object data='x'></object><embed src='x'>",
    "<p style='background:url(javascript:1)' class='wp-block-evil' id='wpadminbar'>x</p>",
    "<form action='https://evil.example'><input name=a><button>x</button></form>",
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
    "<base href='https://evil.example/'><meta http-equiv=refresh content='0;url=//evil'>",
    "<p>&lt;!-- wp:html --&gt;&lt;script&gt;alert(1)&lt;/script&gt;&lt;!-- /wp:html --&gt;</p>",
    "<!-- wp:html --><script>alert(1)</script><!-- /wp:html -->",
    "<img src='data:image/svg+xml,<svg onload=alert(1)>'>",
    "<img src='https://x.example/a.png' alt='\"><script>alert(1)</script>'>",
    "<h2 id='\"><script>alert(1)</script>'>x</h2><a href='#\"><script>alert(1)</script>'>y</a>",
    "<table><tr><td colspan='\"><script>'>x</td></tr></table>",
    "<ol start='\"><script>'><li>x</ol>",
]


def refuse(data: bytes | str, form: Form, folder: Path) -> str:
    with pytest.raises(JobError) as caught:
        read(data, form, folder)
    assert not caught.value.retryable
    return caught.value.code


def read_in_child(path: Path, form: Form, folder: Path) -> bytes:
    """What reading the file gives in a process held to the published limits."""
    return subprocess.run(
        [sys.executable, "-c", CHILD, str(LIMITS.memory_bytes_max), str(LIMITS.cpu_s_max)],
        input=msgspec.json.encode(SourceRequest(str(path), form, str(folder))),
        stdout=subprocess.PIPE,
        timeout=LIMITS.wall_ms_max / 1000,
        check=True,
    ).stdout


@pytest.mark.parametrize("payload", PAYLOADS)
@pytest.mark.parametrize("editor", ["classic", "gutenberg"])
def test_nothing_unsafe_reaches_the_content(payload: str, editor: str, tmp_path: Path) -> None:
    written = write(f"<p>before</p>{payload}<p>after</p>", "html", tmp_path, editor=editor)
    assert find_unsafe(written) == []
    assert "before" in written
    assert "<!-- wp:html" not in written


@given(st.lists(st.sampled_from(PAYLOADS) | st.text("<>&'\"=/ aimgscriptonerror-!", max_size=40), max_size=6))
def test_nothing_unsafe_is_made_of_pieces(tmp_path_factory: pytest.TempPathFactory, pieces: list[str]) -> None:
    written = write("<p>x</p>" + "".join(pieces), "html", tmp_path_factory.mktemp("page"))
    assert find_unsafe(written) == []


@pytest.mark.parametrize("payload", PAYLOADS)
def test_html_in_markdown_is_text(payload: str, tmp_path: Path) -> None:
    written = write(
        f"start\n\n{payload}\n\n[x](javascript:alert(1)) ![y](data:image/png;base64,AA==)", "markdown", tmp_path
    )
    assert find_unsafe(written) == []
    assert "<img" not in written


def test_a_data_address_of_a_picture_is_left_out_and_told(tmp_path: Path) -> None:
    _, source = read("<p>x</p><img src='data:image/png;base64,AAAA'>", "html", tmp_path)
    assert source.pictures == []
    assert [(skipped.place[:5], skipped.reason) for skipped in source.skipped] == [("data:", "a data: address")]


@pytest.mark.parametrize(
    "place", ["file:///etc/passwd", "//127.0.0.1/x.png", "../../etc/passwd", "ftp://x.example/a"]
)
def test_a_picture_that_is_no_web_address_is_left_out(place: str, tmp_path: Path) -> None:
    _, source = read(f"<p>x</p><img src='{place}'>", "html", tmp_path)
    assert (source.pictures, len(source.skipped)) == ([], 1)


def test_reading_and_writing_open_no_connection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def connect(*_: object) -> None:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr("socket.socket.connect", connect)
    page = (
        "<link rel=stylesheet href='http://127.0.0.1:1/a.css'><style>@import url(http://127.0.0.1:1/b.css)</style>"
        "<p>x <a href='http://127.0.0.1:1/'>y</a> <img src='http://127.0.0.1:1/p.png'></p>"
    )
    _, source = read(page, "html", tmp_path)
    assert [picture.url for picture in source.pictures] == ["http://127.0.0.1:1/p.png"]


@pytest.mark.parametrize("tag", ["div", "blockquote", "ul><li", "table><tr><td", "b", "span"])
def test_ten_thousand_levels_of_a_page_are_refused(tag: str, tmp_path: Path) -> None:
    assert refuse(f"<{tag}>" * LEVELS + "x", "html", tmp_path) == "document_too_deep"


@pytest.mark.slow
@pytest.mark.parametrize("sign", ["> ", "- "])
def test_ten_thousand_levels_of_markdown_are_refused(sign: str, tmp_path: Path) -> None:
    assert refuse(sign * LEVELS + "x", "markdown", tmp_path) == "document_too_deep"


def test_ten_thousand_levels_in_a_word_file_are_refused(tmp_path: Path) -> None:
    cells = "<w:tbl><w:tr><w:tc>" * LEVELS + "</w:tc></w:tr></w:tbl>" * LEVELS
    assert refuse(make_docx(cells), "docx", tmp_path) in ("document_too_deep", "document_unreadable")


def test_nesting_up_to_the_limit_is_read(tmp_path: Path) -> None:
    levels = tree.DEPTH_MAX - 3  # html, body and p
    read("<div>" * levels + "<p>x", "html", tmp_path)
    assert refuse("<div>" * (levels + 1) + "<p>x", "html", tmp_path) == "document_too_deep"


def test_more_parts_than_allowed_are_refused_and_as_many_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tree, "ELEMENTS_MAX", 52)  # with html and body
    read("<p>x</p>" * 50, "html", tmp_path)
    assert refuse("<p>x</p>" * 51, "html", tmp_path) == "document_too_large"


def test_more_text_than_allowed_is_refused_and_as_much_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tree, "MARKUP_BYTES_MAX", 100)
    read("<p>" + "x" * 97, "html", tmp_path)
    assert refuse("<p>" + "x" * 98, "html", tmp_path) == "document_too_large"
    assert refuse(make_zip({"a.html": "<p>" + "x" * 98}), "zip", tmp_path) == "document_too_large"


def test_more_pictures_than_allowed_are_refused_and_as_many_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shelf, "PICTURES_MAX", 3)
    page = "<p>" + "".join(f"<img src='https://x.example/{number}.png'>" for number in range(3))
    assert len(read(page, "html", tmp_path)[1].pictures) == 3
    assert refuse(page + "<img src='https://x.example/4.png'>", "html", tmp_path) == "document_too_many_pictures"


def test_a_file_over_the_limit_is_refused_before_it_is_read(tmp_path: Path) -> None:
    with (tmp_path / "big").open("wb") as file:
        file.truncate(SOURCE_BYTES_MAX + 1)
    with pytest.raises(JobError) as caught:
        read_source(SourceRequest(str(tmp_path / "big"), "docx", str(tmp_path / "out")))
    assert caught.value.code == "document_file_too_large"


@pytest.mark.parametrize("form", ["zip", "docx"])
def test_a_zip_of_more_files_or_bytes_than_allowed_is_refused(
    form: Form, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {"a.html": "<p>x", "word/document.xml" if form == "docx" else "c.xml": "<a/>", "b": "y" * 100}
    monkeypatch.setattr(archive, "FILES_MAX", 3)
    monkeypatch.setattr(archive, "UNPACKED_BYTES_MAX", 108)
    if form == "zip":
        read(make_zip(files), form, tmp_path)
    assert refuse(make_zip({**files, "d": ""}), form, tmp_path) == "document_too_large"
    assert refuse(make_zip({**files, "b": "y" * 101}), form, tmp_path) == "document_too_large"


@pytest.mark.slow
def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as opened, opened.open("index.html", "w") as file:
        for _ in range(300):
            file.write(bytes(1024 * 1024))
    assert path.stat().st_size < 1024 * 1024
    assert refuse(path.read_bytes(), "zip", tmp_path) == "document_too_large"


def test_a_zip_that_lies_about_its_sizes_is_refused(tmp_path: Path) -> None:
    honest = make_zip({"a.html": "<p>" + "x" * 1000})
    lying = honest.replace((1003).to_bytes(4, "little"), (5).to_bytes(4, "little"))
    assert lying != honest
    assert refuse(lying, "zip", tmp_path) == "document_unreadable"


def test_a_zip_with_a_link_or_a_password_is_refused(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("a.html")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "link.zip", "w") as opened:
        opened.writestr(link, "/etc/passwd")
    assert refuse((tmp_path / "link.zip").read_bytes(), "zip", tmp_path) == "document_unreadable"
    locked = bytearray(make_zip({"a.html": "<p>x"}))
    locked[6] |= 1
    locked[locked.index(b"PK\x01\x02") + 8] |= 1
    assert refuse(bytes(locked), "zip", tmp_path) == "document_unreadable"


@pytest.mark.slow
def test_a_picture_of_200_mb_inside_a_zip_is_left_out_unread(tmp_path: Path) -> None:
    zipped = make_zip(
        {
            "a.html": "<p>x</p><img src='p.png'><img src='q.png'>",
            "p.png": bytes(200 * 1024 * 1024),
            "q.png": make_picture(),
        }
    )
    _, source = read(zipped, "zip", tmp_path)
    assert len(source.pictures) == 1
    assert [skipped.place for skipped in source.skipped] == ["p.png"]
    assert f"{PICTURE_BYTES_MAX:,}" in source.skipped[0].reason


def make_docx(body: str, *, before: str = "") -> bytes:
    word = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
    types = (
        '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        '<Override PartName="/word/document.xml" ContentType='
        '"application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/></Types>'
    )
    relations = (
        '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="r" '
        'Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" '
        'Target="word/document.xml"/></Relationships>'
    )
    document = f'{before}<w:document xmlns:w="{word}"><w:body>{body}</w:body></w:document>'
    return make_zip({"[Content_Types].xml": types, "_rels/.rels": relations, "word/document.xml": document})


def test_a_small_word_file_of_our_own_is_read(tmp_path: Path) -> None:
    document, _ = read(make_docx("<w:p><w:r><w:t>Hello</w:t></w:r></w:p>"), "docx", tmp_path)
    assert document.title == "Hello"


@pytest.mark.slow
def test_entities_of_a_word_file_do_not_unfold_nor_read_files(tmp_path: Path) -> None:
    laughs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    bomb = f'<?xml version="1.0"?><!DOCTYPE d [<!ENTITY l0 "lol">{laughs}]>'
    (tmp_path / "bomb").write_bytes(make_docx("<w:p><w:r><w:t>&l9;</w:t></w:r></w:p>", before=bomb))
    answer = read_in_child(tmp_path / "bomb", "docx", tmp_path / "out")
    assert msgspec.json.decode(answer) == {"code": "document_unreadable"}
    outside = '<?xml version="1.0"?><!DOCTYPE d [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
    (tmp_path / "x").write_bytes(make_docx("<w:p><w:r><w:t>a&x;b</w:t></w:r></w:p>", before=outside))
    answer = read_in_child(tmp_path / "x", "docx", tmp_path / "out2")
    assert b"root:" not in answer + b"".join(path.read_bytes() for path in (tmp_path / "out2").glob("*"))


@pytest.mark.slow
def test_the_largest_table_and_the_longest_text_fit_into_the_limits_of_the_child(tmp_path: Path) -> None:
    rows = "<tr>" + "<td>cell</td>" * 99 + "</tr>"
    (tmp_path / "table").write_text("<table>" + rows * (tree.ELEMENTS_MAX // 100 - 1) + "</table>")
    msgspec.json.decode(read_in_child(tmp_path / "table", "html", tmp_path / "t"), type=Source)
    (tmp_path / "text").write_text("<p>" + "word " * (tree.MARKUP_BYTES_MAX // 5 - 1))
    msgspec.json.decode(read_in_child(tmp_path / "text", "html", tmp_path / "u"), type=Source)


def test_a_word_file_with_a_larger_part_than_allowed_is_refused_and_one_at_it_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = make_docx("<w:p><w:r><w:t>Hello</w:t></w:r></w:p>")
    with zipfile.ZipFile(io.BytesIO(document)) as opened:
        largest = max(entry.file_size for entry in opened.infolist())
    monkeypatch.setattr(tree, "MARKUP_BYTES_MAX", largest)
    read(document, "docx", tmp_path)
    monkeypatch.setattr(tree, "MARKUP_BYTES_MAX", largest - 1)
    assert refuse(document, "docx", tmp_path) == "document_too_large"


@pytest.mark.slow
def test_the_longest_word_file_fits_into_the_limits_of_the_child(tmp_path: Path) -> None:
    paragraph = "<w:p><w:pPr><w:jc w:val='left'/></w:pPr><w:r><w:t>" + "word " * 60 + "</w:t></w:r></w:p>"
    count = (tree.MARKUP_BYTES_MAX - 1_000) // len(paragraph)
    (tmp_path / "long").write_bytes(make_docx(paragraph * count))
    answer = read_in_child(tmp_path / "long", "docx", tmp_path / "out")
    assert msgspec.json.decode(answer, type=Source).title


@pytest.mark.slow
def test_a_page_of_more_rows_than_allowed_is_refused_within_the_limits(tmp_path: Path) -> None:
    (tmp_path / "table").write_text("<table>" + "<tr><td>" * 1_000_000)
    answer = read_in_child(tmp_path / "table", "html", tmp_path / "t")
    assert msgspec.json.decode(answer) == {"code": "document_too_large"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[^a]" * 60_000 + "\n\n[^a]: x", b'"title"'),
        ("^[" * 20_000 + "x", b'"document_too_deep"'),
        ("^[" * 400 + "x" + "]" * 400, b'"document_too_deep"'),
        ("[^a]\n\n[^a]: [^b]\n\n[^b]: [^a]", b'"title"'),
    ],
    ids=["one note for all", "open notes", "notes in notes", "in a circle"],
)
def test_notes_of_markdown_that_are_too_many_or_too_deep_are_read_or_refused(
    text: str, said: bytes, tmp_path: Path
) -> None:
    (tmp_path / "notes.md").write_text(text)
    assert said in read_in_child(tmp_path / "notes.md", "markdown", tmp_path / "out")
