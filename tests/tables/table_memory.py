"""Writes or reads a table of so many rows and prints its peak of memory in MiB: `write|read FORMAT PATH ROWS`."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jobwire.tables.reading import read_rows
from jobwire.tables.spec import Column, Source
from jobwire.tables.writing import write_rows

PAGE_ROWS = 500


def make_pages(rows: int) -> Iterator[list[list[Any]]]:
    for start in range(0, rows, PAGE_ROWS):
        yield [[f"row {n}", f"text of row {n} " * 10, n] for n in range(start, min(rows, start + PAGE_ROWS))]


def main(action: str, form: Any, path: Path, rows: int) -> None:
    if action == "write":
        columns = [Column("title"), Column("content"), Column("n", "integer")]
        done = write_rows(path, form, columns=columns, pages=make_pages(rows))
    else:
        done = sum(1 for _ in read_rows(Source(str(path))))
    assert done == rows
    # Not ru_maxrss, which begins with the peak of the process that started this one.
    (peak,) = re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    print(int(peak) // 1024)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), int(sys.argv[4]))
