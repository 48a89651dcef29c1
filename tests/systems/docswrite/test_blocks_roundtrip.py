"""WordPress itself reads what we write: its parser of blocks, and its pages."""

from collections.abc import Callable, Iterator
from html import escape
from pathlib import Path
from typing import Any

import pytest
from docswrite_samples import (
    find_page_words,
    find_source_words,
    find_unsafe,
    is_in_order,
    list_corpus,
    list_words,
    read,
    read_file,
    write_source,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import html
from wordpress_site import BlockParser, WordPressSite

from jobwire.systems.docswrite.content import ContentOptions, Media, Writer
from jobwire.systems.docswrite.document import (
    Block,
    Break,
    Cell,
    Code,
    Document,
    Figure,
    Heading,
    Inline,
    Item,
    Listing,
    NoteMark,
    Paragraph,
    Picture,
    Quote,
    Rule,
    Style,
    Table,
    Text,
)
from jobwire.systems.docswrite.marks import add_mark, make_mark
from jobwire.systems.docswrite.wordpress import PostFields

pytestmark = pytest.mark.slow

BLOCKS = {"core/paragraph", "core/heading", "core/list", "core/list-item", "core/table", "core/quote", "core/code"}
BLOCKS |= {"core/image", "core/separator", "core/html"}
CHARACTERS = st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"])
TRAPS = [
    "<!-- wp:x -->",
    "<!-- /wp:paragraph -->",
    "--",
    "-->",
    "]]>",
    "<script>",
    "&amp;",
    "\\u003c",
    '{"a":1}',
    "[x]",
]
TEXTS = st.text(CHARACTERS, min_size=1, max_size=30) | st.sampled_from(TRAPS)
STYLES = st.builds(
    Style,
    bold=st.booleans(),
    code=st.booleans(),
    script=st.sampled_from(["", "sub", "super"]),
    link=st.sampled_from(["", "https://a.example/--?x=<\"'>&y", "#h-1"]),
)
PARTS: st.SearchStrategy[Inline] = (
    st.builds(Text, TEXTS, STYLES)
    | st.just(Break())
    | st.builds(NoteMark, st.integers(1, 3))
    | st.builds(Picture, st.sampled_from(["k", "absent"]), TEXTS)
)
LINES = st.lists(PARTS, max_size=4)
LISTS = st.recursive(
    st.builds(Listing, st.booleans(), st.lists(st.builds(Item, LINES), min_size=1, max_size=3), st.integers(1, 9)),
    lambda inner: st.builds(
        Listing, st.booleans(), st.lists(st.builds(Item, LINES, st.lists(inner, max_size=2)), min_size=1, max_size=3)
    ),
    max_leaves=4,
)
CELLS = st.builds(Cell, LINES, st.booleans(), st.integers(1, 3), st.integers(1, 3))
ROWS = st.lists(CELLS, min_size=1, max_size=3)
FLAT: st.SearchStrategy[Block] = (
    st.builds(Paragraph, LINES)
    | st.builds(Heading, st.integers(1, 6), LINES, st.sampled_from(["", "h-1"]))
    | LISTS
    | st.builds(
        Table, st.lists(st.lists(CELLS, min_size=1, max_size=3), min_size=1, max_size=3), st.integers(0, 1), LINES
    )
    | st.builds(Code, TEXTS)
    | st.builds(Figure, st.builds(Picture, st.just("k"), TEXTS), LINES)
    | st.just(Rule())
)
DOCUMENTS = st.builds(
    Document,
    TEXTS,
    st.lists(FLAT | st.builds(Quote, st.lists(FLAT, max_size=2)), min_size=1, max_size=5),
    st.lists(LINES, max_size=2),
)


@pytest.fixture(scope="module")
def parser(site: WordPressSite) -> Iterator[BlockParser]:
    opened = site.open_blocks()
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    files = list_corpus(tmp_path_factory.mktemp("corpus"))
    assert len(files) >= 15
    return files


def test_wordpress_writes_every_document_of_the_corpus_back_byte_for_byte(
    parser: BlockParser, corpus: list[Path], tmp_path: Path
) -> None:
    seen: set[str] = set()
    for number, path in enumerate(corpus):
        source = read_file(path, tmp_path / str(number))
        content = write_source(source, tmp_path / str(number), editor="gutenberg")
        marked = add_mark(content, make_mark(path.name), editor="gutenberg")
        parsed = parser.parse(marked)
        assert parsed["written"] == marked, path.name
        assert parsed["stray"] == [], path.name
        seen |= {name for name in parsed["names"] if name}
    assert seen == BLOCKS


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(DOCUMENTS)
def test_wordpress_writes_any_document_back_byte_for_byte(parser: BlockParser, document: Document) -> None:
    media = {"k": Media(5, "https://site.example/p.webp")}
    content = Writer(media, ContentOptions(editor="gutenberg")).write(document)
    parsed = parser.parse(content)
    assert parsed["written"] == content
    assert parsed["stray"] == []
    assert {name for name in parsed["names"] if name} <= BLOCKS
    assert find_unsafe(content) == []


def test_the_page_shows_every_text_of_every_document_in_order(
    site: WordPressSite, ask: Callable[..., Any], corpus: list[Path], tmp_path: Path
) -> None:
    posts = {}
    for number, path in enumerate(corpus):
        source = read_file(path, tmp_path / str(number))
        for editor in ("classic", "gutenberg"):
            content = write_source(source, tmp_path / str(number), editor=editor)
            posts[path, editor] = PostFields(title=source.title or "Untitled", content=content, status="publish")

    async def publish(client: Any) -> dict[Any, str]:
        return {key: (await client.create_post(post, kind="post")).link for key, post in posts.items()}

    counted = 0
    for (path, editor), link in ask(publish).items():
        article = html.document_fromstring(site.read_page(link)).find(".//article")
        shown = list_words(" ".join(article.itertext()))
        words = find_source_words(path)
        counted += len(words)
        assert is_in_order(words, shown) is None, f"{path.name} in {editor}"
    assert counted > 5_000


@settings(max_examples=100)
@given(st.lists(st.tuples(st.sampled_from(["p", "h2", "li", "td", "pre", "blockquote", "b"]), TEXTS), max_size=8))
def test_no_text_of_a_page_is_lost_or_moved(
    tmp_path_factory: pytest.TempPathFactory, parts: list[tuple[str, str]]
) -> None:
    page = "<p>start</p>" + "".join(f"<{tag}>{escape(text)}</{tag}>" for tag, text in parts)
    document, _ = read(page, "html", tmp_path_factory.mktemp("page"))
    written = Writer({}, ContentOptions()).write(document)
    wanted = find_page_words(f"<body>{page}</body>")
    shown = list_words(html.document_fromstring(f"<body>{written}</body>").text_content())
    assert "".join(shown) == "".join(wanted)  # as characters: `<b>a</b><b>b</b>` is one word
