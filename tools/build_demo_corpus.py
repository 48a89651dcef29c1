"""Builds what `jobwire demo fifthelement` works on, from texts of our own: PDFs and a small static site.

    python tools/build_demo_corpus.py        needs fpdf2, markdown-it-py and DejaVu (Debian: fonts-dejavu-core)

The PDFs are the texts of tools/demo_texts, the site is a part of docs/. Both are written into the package.
"""

import html
import re
import shutil
from datetime import UTC, datetime
from pathlib import Path

from fpdf import FPDF
from markdown_it import MarkdownIt

ROOT = Path(__file__).resolve().parent.parent
TEXTS = ROOT / "tools" / "demo_texts"
DOCS = ROOT / "docs"
TARGET = ROOT / "src" / "jobwire" / "systems" / "fifthelement" / "demo_corpus"
WRITTEN_AT = datetime(2026, 1, 1, tzinfo=UTC)
FONT = Path("/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf")

PAGES = ("index", "glossary", "queues", "state_machine", "adr/README")
DECISIONS_MAX = 15
"""Enough to crawl, few enough to be embedded while one looks: 3.5 passages a second and core."""
_LINK = re.compile(r'<a href="([^"]*)">(.*?)</a>', re.DOTALL)
_STYLE = "body{max-width:46em;margin:2em auto;font-family:sans-serif;line-height:1.5}"


def build_pdfs() -> None:
    """One PDF for each text: its first line is the title, a line alone between empty ones a heading."""
    for source in sorted(TEXTS.glob("*.txt")):
        title, *parts = source.read_text(encoding="utf-8").strip().split("\n\n")
        pdf = FPDF(format="A5")
        pdf.set_title(title)
        pdf.set_author("The Jobwire authors")
        pdf.set_lang(source.stem.rpartition(".")[2])
        pdf.set_creation_date(WRITTEN_AT)
        pdf.add_font("DejaVu", fname=str(FONT))
        pdf.set_auto_page_break(True, margin=18)
        pdf.add_page()
        pdf.set_font("DejaVu", size=16)
        pdf.multi_cell(0, 9, title, align="L", new_x="LMARGIN", new_y="NEXT")
        for part in parts:
            is_heading = "\n" not in part and not part.endswith((".", ":"))
            pdf.set_font("DejaVu", size=12 if is_heading else 9)
            pdf.ln(3)
            pdf.multi_cell(0, 5, " ".join(part.split("\n")), align="L", new_x="LMARGIN", new_y="NEXT")
        pdf.output(str(TARGET / f"{source.stem}.pdf"))


def build_site() -> None:
    """The chosen pages of docs/ as HTML that links to each other, with robots.txt and a site map."""
    site = TARGET / "site"
    site.mkdir()
    sources = [DOCS / f"{name}.md" for name in PAGES] + sorted((DOCS / "adr").glob("[0-9]*.md"))[:DECISIONS_MAX]
    names = {source.resolve(): _name(source) for source in sources}
    reader = MarkdownIt("commonmark").enable("table")
    for source in sources:
        text = source.read_text(encoding="utf-8")
        title = html.escape(text.partition("\n")[0].lstrip("# "))
        body = _LINK.sub(lambda link, at=source: _relink(link, at, names), reader.render(text))  # type: ignore[misc]
        head = f'<meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style>'
        page = f'<!doctype html>\n<html lang="en"><head>{head}</head><body>\n{body}</body></html>\n'
        (site / names[source.resolve()]).write_text(page, encoding="utf-8")
    (site / "robots.txt").write_text("User-agent: *\nDisallow: /drafts/\n", encoding="utf-8")


def _name(source: Path) -> str:
    folder = "" if source.parent == DOCS else f"{source.parent.name}-"
    return f"{folder}{source.stem.lower()}.html"


def _relink(link: re.Match[str], source: Path, names: dict[Path, str]) -> str:
    """A link to a page of the site, or the bare text of one that leads elsewhere."""
    path, hash_, anchor = link[1].partition("#")
    name = names.get((source.parent / path).resolve()) if path else ""
    return link[2] if name is None else f'<a href="{name}{hash_}{anchor}">{link[2]}</a>'


def main() -> None:
    """Build all of it anew."""
    shutil.rmtree(TARGET, ignore_errors=True)
    TARGET.mkdir()
    build_pdfs()
    build_site()


if __name__ == "__main__":
    main()
