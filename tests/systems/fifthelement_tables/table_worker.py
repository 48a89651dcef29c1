"""A worker in a process of its own, to be killed: `python table_worker.py FOLDER ADDRESS`.

`PART_BYTES` in the environment makes the parts of exports that large, `ASKED` is a file to note the rows in that are
asked for.
"""

import os
import sys
from pathlib import Path
from typing import Any

from table_house import run_tables

from jobwire.store.contract import Reader
from jobwire.systems.fifthelement import exporting
from jobwire.systems.fifthelement.exporting_rows import Documents


def note_asked(path: Path) -> None:
    """Note the key behind which each page of an export begins."""
    list_after = Documents.list_after

    def note(self: Documents, reader: Reader, **asked: Any) -> Any:
        with path.open("a") as file:
            file.write(f"{asked['after']}\n")
        return list_after(self, reader, **asked)

    Documents.list_after = note  # type: ignore[method-assign]


if __name__ == "__main__":
    exporting.PART_BYTES = int(os.environ.get("PART_BYTES", exporting.PART_BYTES))  # type: ignore[misc]
    note_asked(Path(os.environ.get("ASKED", os.devnull)))
    with run_tables(Path(sys.argv[1]), db=sys.argv[2]):
        print("ready", flush=True)
        sys.stdin.read()
