"""A table of 300,000 rows takes the memory of one of 1,000, written and read, in every format."""

import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

from jobwire.tables.spec import Format

pytestmark = pytest.mark.slow

FEW, MANY = 1_000, 300_000
MORE_MIB_MAX = 64
"""Of 60 MB of text: a row group of Parquet and the allocator's slack."""

PROGRAM = Path(__file__).with_name("table_memory.py")


def measure_mib(action: str, form: Format, path: Path, rows: int) -> int:
    command = [sys.executable, str(PROGRAM), action, form, str(path), str(rows)]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


@pytest.mark.parametrize("form", get_args(Format))
def test_memory_does_not_grow_with_the_rows(tmp_path: Path, form: Format) -> None:
    for action in ("write", "read"):
        few = measure_mib(action, form, tmp_path / "few", FEW)
        many = measure_mib(action, form, tmp_path / "many", MANY)
        print(f"{action} {form}: {few} MiB for {FEW:,} rows, {many} MiB for {MANY:,}")
        assert many - few < MORE_MIB_MAX
