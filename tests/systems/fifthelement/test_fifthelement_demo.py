"""`jobwire demo fifthelement` runs to its end, and its questions are answered by the documents they are meant for."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from jobwire.cli.demo_knowledge import SHELVES

ANSWERS = ("city-bees.en.pdf", "biblioteca.ro.pdf", "apple-orchard.ru.pdf")


@pytest.mark.slow
def test_the_demo_answers_every_question_with_the_right_document(sqlite_file: Path) -> None:
    folder = sqlite_file.parent / "demo"
    command = [sys.executable, "-m", "jobwire", "demo", "fifthelement", "--folder", str(folder)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    _, _, asked = ended.stdout.partition("documents/query")
    places = [*(asked.index(shelf.question[:20]) for shelf in SHELVES), len(asked)]
    for answer, start, end in zip(ANSWERS, places, places[1:], strict=False):
        assert answer in asked[start:end], asked[start:end]
    titles = {json.loads(line)["title"] for line in (folder / "documents.jsonl").read_text().splitlines()}
    assert ANSWERS[0] in titles and len(titles) > 15
