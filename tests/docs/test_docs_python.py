"""Every Python block of the documents runs as it stands; the blocks of a page are one program."""

import contextlib
import importlib.util
import sys
from pathlib import Path

import pytest
from doc_pages import PAGES, SERVED_PAGES, find_blocks, name_of, read_page

from jobwire import Jobwire

WITH_PYTHON = [
    page
    for page in PAGES
    if page not in SERVED_PAGES and any(block.language == "python" for block in find_blocks(read_page(page)))
]


def test_the_pages_with_python_are_found() -> None:
    assert {"README.md", "docs/quickstart.md"} <= {name_of(page) for page in WITH_PYTHON}


@pytest.mark.parametrize("page", WITH_PYTHON, ids=name_of)
def test_the_python_of_a_page_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("JOBWIRE_DB", raising=False)
    name = f"page_{page.stem}".replace("-", "_")
    file = tmp_path / f"{name}.py"
    file.write_text(keep_python(read_page(page)), encoding="utf-8")
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, name, module)
    try:
        spec.loader.exec_module(module)
    finally:
        for value in vars(module).values():
            if isinstance(value, Jobwire):
                with contextlib.suppress(Exception):
                    value.close()


def keep_python(text: str) -> str:
    """The page's Python at its own line numbers, so that a traceback points into the page."""
    lines = [""] * len(text.splitlines())
    for block in find_blocks(text):
        if block.language == "python" and not block.is_skipped:
            body = block.text.splitlines()
            lines[block.line - 1 : block.line - 1 + len(body)] = body
    return "\n".join(lines) + "\n"


def test_a_block_is_left_out_for_a_reason_only() -> None:
    for page in PAGES:
        marked = read_page(page).count("<!-- not executed")
        assert marked == sum(block.is_skipped for block in find_blocks(read_page(page))), name_of(page)
