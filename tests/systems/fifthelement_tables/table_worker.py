"""A worker in a process of its own, to be killed: `python table_worker.py FOLDER ADDRESS`."""

import sys
from pathlib import Path

from table_house import run_tables

if __name__ == "__main__":
    with run_tables(Path(sys.argv[1]), db=sys.argv[2]):
        print("ready", flush=True)
        sys.stdin.read()
