"""Runs a tool on a large file that it makes, prints the peak in MiB and MB/s: `TOOL FORMAT BYTES FOLDER`."""

import re
import sys
import time
from collections.abc import Callable
from pathlib import Path

from jobwire.systems.apidatatools.tools import TOOLS
from jobwire.systems.apidatatools.tools.contract import Sink, Source

RECORDS: dict[str, tuple[str, Callable[[int], str], str]] = {
    "json": ("[", lambda n: f'{{"id":{n},"name":"name {n}","price":1.10,"tags":["a","b"]}},\n', '{"id":-1}]'),
    "ndjson": ("", lambda n: f'{{"id":{n},"name":"name {n}","price":1.10}}\n', '{"id":-1}\n'),
    "csv": ("id,name,price\n", lambda n: f'{n},"name, {n}",1.10\n', "x,y,z\n"),
    "xml": ("<rows>", lambda n: f'<row id="{n}"><name>name {n}</name><price>1.10</price></row>\n', "</rows>"),
}


def make_file(path: Path, form: str, size_bytes: int) -> None:
    start, make, end = RECORDS[form]
    page = "".join(make(n) for n in range(10_000))
    with path.open("w") as file:
        file.write(start)
        for _ in range(size_bytes // len(page)):
            file.write(page)
        file.write(end)


def main(name: str, form: str, size_bytes: int, folder: Path) -> None:
    path = folder / form
    make_file(path, form, size_bytes)
    tool = TOOLS[name]
    started = time.perf_counter()
    tool.run(Source(path), tool.read_options({}), Sink(folder / "made"))
    mb_per_s = path.stat().st_size / 1_000_000 / (time.perf_counter() - started)
    assert (folder / "made").stat().st_size > size_bytes // 3
    # Not ru_maxrss, which begins with the peak of the process that started this one.
    (peak,) = re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    print(int(peak) // 1024, f"{mb_per_s:.0f}")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), Path(sys.argv[4]))
