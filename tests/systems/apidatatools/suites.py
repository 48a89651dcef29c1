"""The files of public test suites, out of the corpora, and what a tool says of each."""

import shutil
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
from tool_runs import run_tool

from jobwire.systems.apidatatools.tools.contract import ToolError

CORPORA = Path(sys.prefix) / "corpora"
NPM_LIST = Path(__file__).parents[3] / "requirements" / "corpora-npm.txt"


class Refusal(NamedTuple):
    """Why and where an input was refused."""

    code: str
    line: int | None
    column: int | None


def find_suite(package: str, *inside: str) -> Path:
    """A folder or file of an unpacked archive."""
    if not (CORPORA / package).is_dir():
        if package in NPM_LIST.read_text(encoding="utf-8") and shutil.which("npm") is None:
            pytest.skip(f"{package} comes with npm: install Node.js with npm, then run make install")
        pytest.fail("the corpora are not there; run python tools/fetch_corpora.py", pytrace=False)
    (unpacked,) = (CORPORA / package).iterdir()
    return unpacked.joinpath(*inside)


def judge(tool: str, data: bytes | str, **headers: str) -> Refusal | None:
    """The refusal of a tool, or None when it takes the input."""
    try:
        run_tool(tool, data, **headers)
    except ToolError as error:
        return Refusal(error.code, error.line, error.column)
    return None
