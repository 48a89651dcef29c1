"""The project's documents, cut into what can be tested: fenced blocks, commands, paragraphs."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([*DOCS.rglob("*.md"), *ROOT.glob("*.md")])
# Their programs are a customer's and need a server; test_docs_customers.py has one.
SERVED_PAGES = frozenset({DOCS / "client.md", DOCS / "customers.md"})
SKIPPED = re.compile(r"<!-- not executed: .{10,} -->")

_FENCE = re.compile(r"(`{3,})(\w*).*")
_SEPARATORS = frozenset({"|", "||", "&", "&&", ";", "(", ")", "|&"})


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block: `line` is the number of its first line of text; `is_skipped` if a reason stands above it."""

    language: str
    line: int
    text: str
    is_skipped: bool


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def read_page(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def find_blocks(text: str) -> list[Block]:
    """The fenced blocks of a page; a fence that is never closed is an error."""
    blocks: list[Block] = []
    fence, language, start = "", "", 0
    lines = text.splitlines()
    for number, line in enumerate(lines, start=1):
        shape = _FENCE.fullmatch(line)
        if shape is None or (fence and shape[1] != fence):
            continue
        if fence:
            above = lines[start - 2] if start >= 2 else ""
            body = "\n".join(lines[start : number - 1]) + "\n"
            blocks.append(Block(language, start + 1, body, SKIPPED.fullmatch(above) is not None))
            fence = ""
        else:
            fence, language, start = shape[1], shape[2], number
    assert not fence, f"the fence of line {start} is never closed"
    return blocks


def without_blocks(text: str) -> str:
    """The page with the text of its fenced blocks emptied; line numbers stay."""
    lines = text.splitlines()
    for block in find_blocks(text):
        for index in range(block.line - 1, block.line - 1 + block.text.count("\n")):
            lines[index] = ""
    return "\n".join(lines)


def find_commands(text: str, program: str) -> Iterator[list[str]]:
    """The arguments of each call of `program` in the shell blocks of a page."""
    for block in find_blocks(text):
        if block.language in ("sh", "console"):
            script = block.text.replace("\\\n", " ").replace("$(", " ( ")
            for line in script.splitlines():
                yield from _split_calls(line.removeprefix("$ "), program)


def find_inline_commands(text: str, program: str) -> Iterator[list[str]]:
    """The arguments of each `program …` that is named in running text."""
    for code in re.findall(r"`([^`\n]+)`", without_blocks(text)):
        if code.startswith(f"{program} "):
            yield from _split_calls(code, program)


def _split_calls(line: str, program: str) -> Iterator[list[str]]:
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    call: list[str] = []
    for token in [*lexer, ";"]:
        if token not in _SEPARATORS:
            call.append(token)
            continue
        words = [word for word in call if not re.match(r"[A-Z_]+=", word)]
        if words and words[0] == program:
            yield words[1:]
        call = []


def find_paragraphs(text: str) -> Iterator[str]:
    """The paragraphs, rows of tables and items of lists of a page, each as one line."""
    paragraph: list[str] = []
    for line in [*without_blocks(text).splitlines(), ""]:
        starts_own = line.lstrip().startswith(("|", "* ", "- ", "#")) or re.match(r"\s*\d+\. ", line)
        if (not line.strip() or starts_own) and paragraph:
            yield " ".join(paragraph)
            paragraph = []
        if line.strip():
            paragraph.append(line.strip())


def anchors_of(text: str) -> frozenset[str]:
    """The anchors of a page's headings, as the common Markdown hosts make them."""
    found = set()
    for heading in re.findall(r"^#+ (.+)$", without_blocks(text), re.MULTILINE):
        plain = re.sub(r"[`*]|\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        found.add(re.sub(r"[^\w\- ]", "", plain).strip().replace(" ", "-"))
    return frozenset(found)
