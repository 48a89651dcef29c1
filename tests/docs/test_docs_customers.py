"""What customers are given to copy runs: the page's three programs, and every example of the server's own page."""

import html
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from doc_pages import DOCS, find_blocks, read_page

PAGE = DOCS / "customers.md"
WAIT_S = 120
PROGRAMS = {"curl": ["sh", "-eu"], "Python": [sys.executable], "JavaScript": ["node", "--input-type=module"]}
LANGUAGES = {"sh": "curl", "python": "Python", "js": "JavaScript"}
NEEDED = {"curl": "curl", "Python": sys.executable, "JavaScript": "node"}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment of a customer of the quickstart's server: its address and a key."""
    folder = tmp_path_factory.mktemp("customers")
    blocks = find_blocks(read_page(DOCS / "quickstart.md"))
    (tasks,) = [block.text for block in blocks if block.text.startswith("# tasks.py\n")]
    (folder / "tasks.py").write_text(tasks, encoding="utf-8")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("JOBWIRE_")}
    with serve(folder, kept) as address:
        made = subprocess.run(
            [sys.executable, "-m", "jobwire", "keys", "create", "--owner", "acme", "--json"],
            cwd=folder, env=kept, capture_output=True, check=True, timeout=WAIT_S,
        )  # fmt: skip
        yield {**kept, "JOBWIRE_URL": address, "JOBWIRE_API_KEY": json.loads(made.stdout)["key"]}


@contextmanager
def serve(folder: Path, environment: dict[str, str]) -> Iterator[str]:
    process = subprocess.Popen(
        [sys.executable, "-m", "jobwire", "serve", "tasks:app", "--port", "0"],
        cwd=folder, env=environment, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stderr is not None
    try:
        said = ""
        for line in process.stderr:
            said += line
            if found := re.search(r"listens on (\S+)", line):
                yield found[1]
                break
        else:
            pytest.fail(f"the server did not start: {said}")
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=WAIT_S)


def run(language: str, program: str, environment: dict[str, str], folder: Path) -> str:
    if shutil.which(NEEDED[language]) is None:
        pytest.skip(f"{NEEDED[language]} is not here")
    done = subprocess.run(
        PROGRAMS[language],
        input=program, cwd=folder, env=environment, capture_output=True, text=True, timeout=WAIT_S, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.mark.parametrize("fence", LANGUAGES)
def test_the_programs_of_the_page_run_from_submission_to_list(
    fence: str, server: dict[str, str], tmp_path: Path
) -> None:
    blocks = [block.text for block in find_blocks(read_page(PAGE)) if block.language == fence]
    assert len(blocks) == 8
    language = LANGUAGES[fence]
    said = run(language, "\n".join(blocks), server, tmp_path)
    assert f"{language.lower()}: 2470" in said


@pytest.mark.parametrize("language", PROGRAMS)
def test_the_examples_of_the_servers_own_page_run_with_its_own_address(
    language: str, server: dict[str, str], tmp_path: Path
) -> None:
    page = httpx.get(server["JOBWIRE_URL"] + "/docs").text
    found = re.findall(rf'<code data-language="{language}">(.*?)</code>', page, re.DOTALL)
    examples = [html.unescape(text) for text in found]
    submission = next(text for text in examples if "/v1/jobs'" in text or '/v1/jobs"' in text)
    assert server["JOBWIRE_URL"] in submission
    said = run(language, submission, server, tmp_path)
    key = re.search(r"job_[0-9a-v]{26}", said)
    assert key is not None
    reads = [text for text in examples if re.search(r"/v1/(me|jobs/job_\w+)['\"]", text)]
    assert len(reads) == 2
    for text in reads:
        named = re.sub(r"job_[0-9a-v]{26}", key[0], text)
        assert re.search(r"acme|" + key[0], run(language, named, server, tmp_path))
