"""Imports, texts and exports with the kept files in S3-compatible storage."""

import csv
import io
from pathlib import Path

import pytest
from table_house import run_tables

from bucket_server import KEYS, make_bucket
from jobwire.domain.phases import Phase
from jobwire.systems.fifthelement.texts import INLINE_BYTES_MAX

LONG = "Casa de pe deal. " * 6_000
assert len(LONG) > INLINE_BYTES_MAX


@pytest.mark.slow
def test_rows_come_and_go_through_a_bucket(sqlite_file: Path) -> None:
    with run_tables(sqlite_file.parent, JOBWIRE_FILES=str(make_bucket()), **KEYS) as house:
        shelf = house.open_shelf("Reader")
        ended = shelf.load(f"title,content\nA,first\nB,{LONG}\n")
        assert ended.phase is Phase.COMPLETED, ended.error
        assert shelf.texts() == [("A", "first", {}), ("B", LONG, {})]
        exported = shelf.export(format="csv")
        assert exported.phase is Phase.COMPLETED, exported.error
        data = shelf.fetch(exported.result["downloadUrl"]).decode("utf-8-sig")
        rows = list(csv.DictReader(io.StringIO(data, newline="")))
        assert [row["content"] for row in rows] == ["first", LONG]
