"""Links lead somewhere, files that are named exist, and nothing that is planned is told as if it were there."""

import re
from pathlib import Path

import pytest
from doc_pages import DOCS, PAGES, ROOT, anchors_of, find_paragraphs, name_of, read_page, without_blocks

PLANNED = re.compile(
    r"dashboard|object stor",
    re.IGNORECASE,
)
ADR_LINES_MAX = 60
ADR_HEADINGS = ["Context", "Decision", "Consequences", "Alternatives"]
ADRS = sorted((DOCS / "adr").glob("[0-9]*.md"))


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_the_links_of_a_page_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", without_blocks(read_page(page))):
        if target.startswith(("https://", "http://")):
            continue
        path, _, anchor = target.partition("#")
        found = (page.parent / path).resolve() if path else page
        assert found.exists(), target
        if anchor and found.suffix == ".md":
            assert anchor in anchors_of(read_page(found)), target


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_the_files_a_page_names_exist(page: Path) -> None:
    roots = (ROOT, ROOT / "src" / "jobwire", ROOT / "src" / "jobwire" / "store", DOCS, page.parent)
    for named in re.findall(r"`((?:[\w.-]+/)+[\w.-]+\.(?:py|sql|md|toml))`", without_blocks(read_page(page))):
        assert any((root / named).exists() for root in roots), named


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_what_is_planned_is_said_to_be_not_yet_there(page: Path) -> None:
    rows = [line for line in find_paragraphs(read_page(page)) if PLANNED.search(line)]
    assert [line for line in rows if not re.search(r"not yet|^#", line, re.IGNORECASE)] == []


def test_the_map_leads_to_every_page() -> None:
    linked = {
        (DOCS / target.partition("#")[0]).resolve()
        for target in re.findall(r"\]\(([^)\s]+)\)", read_page(DOCS / "index.md"))
    }
    pages = {page for page in DOCS.rglob("*.md") if page.parent.name != "adr"} - {DOCS / "index.md"}
    assert pages - linked == set()


def test_the_list_of_decisions_has_every_decision() -> None:
    listed = re.findall(r"\]\((\d[^)]+\.md)\)", read_page(DOCS / "adr" / "README.md"))
    assert listed == [page.name for page in ADRS]


@pytest.mark.parametrize("page", ADRS, ids=name_of)
def test_a_decision_has_its_four_parts_and_is_short(page: Path) -> None:
    text = read_page(page)
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == ADR_HEADINGS
    assert len(text.splitlines()) <= ADR_LINES_MAX
    assert text.startswith(f"# {page.name[:3]} · ")


def test_the_notice_repeats_what_the_licences_ask_for() -> None:
    notice = (ROOT / "NOTICE").read_text(encoding="utf-8")
    rentix = ROOT / "src" / "jobwire" / "systems" / "rentix"
    sources = (rentix / "data" / "SOURCES.md").read_text(encoding="utf-8")
    attribution = " ".join(line.removeprefix(">").strip() for line in sources.splitlines() if line.startswith(">"))
    assert attribution in " ".join(notice.split())
    for photo in (*(rentix / "demo_photos").glob("*.jpg"), *(ROOT / "tests" / "data" / "photos").glob("*.jpg")):
        assert photo.name in notice
    assert "not affiliated with nor endorsed by" in " ".join(notice.split())
