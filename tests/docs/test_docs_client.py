"""The page of the client runs as it stands, against a server with the quickstart's kinds."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from doc_pages import DOCS, find_blocks, read_page
from test_docs_python import keep_python

WAIT_S = 60
PAGE = DOCS / "client.md"


@contextmanager
def serve_quickstart(folder: Path) -> Iterator[dict[str, str]]:
    """The environment of a customer of a server that has the quickstart's kinds."""
    blocks = find_blocks(read_page(DOCS / "quickstart.md"))
    (tasks,) = [block.text for block in blocks if block.text.startswith("# tasks.py\n")]
    (folder / "tasks.py").write_text(tasks, encoding="utf-8")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("JOBWIRE_")}
    jobwire = [sys.executable, "-m", "jobwire"]
    made = subprocess.run(
        [*jobwire, "keys", "create", "--owner", "acme", "--json"],
        cwd=folder, env=kept, capture_output=True, text=True, timeout=WAIT_S, check=True,
    )  # fmt: skip
    process = subprocess.Popen(
        [*jobwire, "serve", "tasks:app", "--port", "0"],
        cwd=folder, env={**kept, "NO_COLOR": "1"}, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stderr is not None
    try:
        said = []
        for line in process.stderr:
            said.append(line)
            if found := re.search(r"listens on (\S+)", line):
                yield {**kept, "JOBWIRE_URL": found[1], "JOBWIRE_API_KEY": json.loads(made.stdout)["key"]}
                break
        else:
            pytest.fail(f"the server did not start: {''.join(said)}")
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=WAIT_S)


@pytest.mark.slow
def test_the_page_of_the_client_runs(tmp_path: Path) -> None:
    page = tmp_path / "page_client.py"
    page.write_text(keep_python(read_page(PAGE)), encoding="utf-8")
    with serve_quickstart(tmp_path) as environment:
        done = subprocess.run(
            [sys.executable, "-W", "error", str(page)],
            env=environment, capture_output=True, text=True, timeout=WAIT_S, check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("completed completed\n") or done.stdout.endswith("observed completed\n")
    assert done.stderr == ""
