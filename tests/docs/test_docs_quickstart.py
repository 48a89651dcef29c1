"""The quickstart's shell commands run against a real server, as a newcomer would run them."""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from doc_pages import DOCS, find_blocks, find_commands, read_page

PAGE = DOCS / "quickstart.md"
ADDRESS = "http://127.0.0.1:8000"
WAIT_S = 60


def environment(folder: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("JOBWIRE_")}
    return {**kept, "PATH": f"{folder / 'bin'}:{kept['PATH']}", "NO_COLOR": "1"}


def prepare(folder: Path) -> None:
    """`tasks.py` as the page has it, and the two programs the page calls on the path."""
    blocks = find_blocks(read_page(PAGE))
    (tasks,) = [block.text for block in blocks if block.text.startswith("# tasks.py\n")]
    (folder / "tasks.py").write_text(tasks, encoding="utf-8")
    (folder / "bin").mkdir()
    for name, command in (("jobwire", f"{sys.executable} -m jobwire"), ("python3", sys.executable)):
        program = folder / "bin" / name
        program.write_text(f'#!/bin/sh\nexec {command} "$@"\n', encoding="utf-8")
        program.chmod(0o755)


@contextmanager
def serve(folder: Path) -> Iterator[str]:
    """The page's own `jobwire serve`, on a free port."""
    (arguments,) = [call for call in find_commands(read_page(PAGE), "jobwire") if call[0] == "serve"]
    arguments[arguments.index("--port") + 1] = "0"
    process = subprocess.Popen(
        ["jobwire", *arguments], cwd=folder, env=environment(folder), stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    try:
        said = []
        for line in process.stderr:
            said.append(line)
            if found := re.search(r"listens on (\S+)", line):
                yield found[1]
                break
        else:
            pytest.fail(f"the server did not start: {''.join(said)}")
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=WAIT_S)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not here")
def test_the_shell_of_the_quickstart_runs_from_key_to_result(tmp_path: Path) -> None:
    prepare(tmp_path)
    script = "".join(block.text for block in find_blocks(read_page(PAGE)) if block.language == "sh")
    assert script.count("curl ") == 3
    with serve(tmp_path) as address:
        done = subprocess.run(
            ["sh", "-eu", "-c", script.replace(ADDRESS, address)],
            cwd=tmp_path,
            env=environment(tmp_path),
            capture_output=True,
            text=True,
            timeout=WAIT_S,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert '"title":"July","sum":2470' in done.stdout
    assert re.search(r"claimed +version 2", done.stdout)
    assert " acme " in done.stdout
