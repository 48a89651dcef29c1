"""Large files stream: the peak of memory stays under a limit that their size has nothing to do with.

JOBWIRE_TOOLS_LARGE_MB=1000 runs them on a gigabyte each.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PEAK_MIB_MAX = 160
"""About 95 MiB are the libraries of all tools."""

SIZE_MB = int(os.environ.get("JOBWIRE_TOOLS_LARGE_MB", "40"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("json-formatter", "json"),
        ("json-validator", "json"),
        ("json-minify", "ndjson"),
        ("json-to-csv", "json"),
        ("csv-to-json", "csv"),
        ("xml-validator", "xml"),
        ("xml-to-json", "xml"),
    ],
)
def test_a_large_file_takes_no_more_memory_than_a_small_one(tmp_path, name, form):
    script = Path(__file__).with_name("large_tool.py")
    run = subprocess.run(
        [sys.executable, script, name, form, str(SIZE_MB * 1_000_000), tmp_path],
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(run.stdout.split()[0]) < PEAK_MIB_MAX
