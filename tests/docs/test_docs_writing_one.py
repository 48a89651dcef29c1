"""The page that teaches to write a dialect: its code is served, its calls are made, as a reader would."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from doc_pages import DOCS, find_blocks, read_page

PAGE = DOCS / "dialects" / "writing-one.md"
ADDRESS = "http://127.0.0.1:8000"
WAIT_S = 60


def prepare(folder: Path) -> dict[str, str]:
    """`pressroom.py` as the page has it, the programs the page calls on the path, and their environment."""
    program = "".join(block.text for block in find_blocks(read_page(PAGE)) if block.language == "python")
    (folder / "pressroom.py").write_text(program, encoding="utf-8")
    (folder / "bin").mkdir()
    for name, command in (("jobwire", f"{sys.executable} -m jobwire"), ("python3", sys.executable)):
        (folder / "bin" / name).write_text(f'#!/bin/sh\nexec {command} "$@"\n', encoding="utf-8")
        (folder / "bin" / name).chmod(0o755)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("JOBWIRE_")}
    return {**kept, "PATH": f"{folder / 'bin'}:{kept['PATH']}", "NO_COLOR": "1"}


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not here")
def test_a_reader_serves_the_dialect_of_the_page_and_calls_it(tmp_path: Path) -> None:
    environment = prepare(tmp_path)
    (script,) = [block.text for block in find_blocks(read_page(PAGE)) if block.language == "sh"]
    server = subprocess.Popen(
        ["jobwire", "serve", "pressroom:app", "--port", "0"],
        cwd=tmp_path,
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert server.stderr is not None
    try:
        address = next(found[1] for line in server.stderr if (found := re.search(r"listens on (\S+)", line)))
        done = subprocess.run(
            ["sh", "-eu", "-c", script.replace(ADDRESS, address)],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=WAIT_S,
            check=False,
        )
    finally:
        server.send_signal(signal.SIGTERM)
        server.communicate(timeout=WAIT_S)
    assert done.returncode == 0, done.stderr
    placed, printed, withdrawn, missing, refused = read_texts(done.stdout)
    number, at = placed["order"].pop("no"), placed["order"].pop("placed")
    assert re.fullmatch(r"PR-[1-9][0-9]*", number) and at > 1_700_000_000
    assert placed["order"]["state"] in ("queued", "printing", "printed")
    assert printed["order"] == {
        "no": number, "state": "printed", "sheets": 50, "placed": at, "parcel": {"weight_g": 2_000},
    }  # fmt: skip
    assert withdrawn == printed
    assert missing == {"ok": False, "problem": {"id": "no_such_order", "text": "There is no such order."}}
    assert refused["problem"] == {
        "id": "invalid_request",
        "text": "/colour: unknown field; there are product, options, reference",
    }


def read_texts(output: str) -> list[dict[str, dict[str, object]]]:
    """The JSON texts that stand one behind the other."""
    decoder, found, at = json.JSONDecoder(), [], 0
    while at < len(output.rstrip()):
        value, at = decoder.raw_decode(output, at)
        found.append(value)
    return found
