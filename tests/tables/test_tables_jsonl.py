"""JSON lines: each line is judged by itself."""

from pathlib import Path

import pytest
from table_files import read_text

from jobwire.tables.spec import COLUMNS_MAX, RECORD_CHARS_MAX


def test_objects_keep_their_types(tmp_path: Path) -> None:
    good, bad = read_text(tmp_path, '\ufeff{"a":1,"b":[true,null],"c":{"d":1.5}}\n\n{"a":"x"}')
    assert not bad
    assert [row[:2] for row in good] == [(1, {"a": 1, "b": [True, None], "c": {"d": 1.5}}), (3, {"a": "x"})]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"a":1,}', "malformed"),
        ('{"a":1', "truncated"),
        ("[1]", "expected an object, found an array"),
        ('"x"', "expected an object, found text"),
        ("[" * 100_000, "nested too deeply"),
        ("{" + ",".join(f'"c{n}":1' for n in range(COLUMNS_MAX + 1)) + "}", "1,001 fields"),
        ('{"a":"' + "x" * RECORD_CHARS_MAX + '"}', "characters"),
    ],
)
def test_a_bad_line_costs_itself_only(tmp_path: Path, line: str, reason: str) -> None:
    good, bad = read_text(tmp_path, '{"a":1}\n' + line + '\n{"a":3}\n')
    assert [row.line for row in good] == [1, 3]
    assert [fault.line for fault in bad] == [2]
    assert reason in bad[0].reason
