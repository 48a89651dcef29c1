"""The generated pages say what the source says, and every limit has its words."""

import importlib.util
import sys
from types import ModuleType

from doc_pages import ROOT, name_of, read_page


def load_writer() -> ModuleType:
    spec = importlib.util.spec_from_file_location("write_docs", ROOT / "tools" / "write_docs.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["write_docs"] = module
    spec.loader.exec_module(module)
    return module


WRITER = load_writer()


def test_every_generated_page_is_what_the_source_says() -> None:
    stale = [name_of(page) for page, text in WRITER.render_pages().items() if read_page(page) != text]
    assert stale == [], "run python tools/write_docs.py"


def test_every_limit_has_its_words() -> None:
    words = WRITER.read_words(WRITER.LIMITS_PAGE.read_text(encoding="utf-8"))
    named = {constant.name for constant in WRITER.find_constants()}
    assert {name for name in named if not words.get(name)} == set(), "write what each bounds into docs/limits.md"


def test_a_code_that_is_new_gone_or_has_another_status_would_be_noticed() -> None:
    page = WRITER.ERRORS_PAGE.read_text(encoding="utf-8")
    changed = page.replace("| `gone` | 410 |", "| `gone` | 411 |")
    extra = page.replace("| `gone` | 410 |", "| `going` | 410 | soon | wait |\n| `gone` | 410 |")
    without = "\n".join(line for line in page.splitlines() if "| `gone` |" not in line) + "\n"
    assert changed != page != extra
    assert WRITER.render_errors(changed) == WRITER.render_errors(extra) == page
    assert "| `gone` | 410 |  |  |" in WRITER.render_errors(without)


def test_every_code_has_its_words() -> None:
    page = WRITER.ERRORS_PAGE.read_text(encoding="utf-8")
    assert "|  |" not in page, "write what each code means into docs/errors.md"


def test_a_value_that_changed_and_a_limit_that_is_new_would_be_noticed() -> None:
    page = WRITER.LIMITS_PAGE.read_text(encoding="utf-8")
    changed = page.replace("| `service.submission.TAGS_MAX` | 20 |", "| `service.submission.TAGS_MAX` | 21 |")
    gone = "\n".join(line for line in page.splitlines() if "`kinds.registry.STAGES_MAX`" not in line) + "\n"
    assert changed != page
    assert WRITER.render_limits(changed) == page
    assert "| `kinds.registry.STAGES_MAX` | 50 |  |" in WRITER.render_limits(gone)
