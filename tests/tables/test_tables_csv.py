"""CSV is read strictly, row by row: whatever is wrong with a record costs that record, told with its line."""

import csv
import io
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from table_files import read_text

from jobwire.domain.errors import JobError
from jobwire.tables.csv_writer import CsvWriter
from jobwire.tables.formulas import neutralise
from jobwire.tables.spec import COLUMNS_MAX, FIELD_CHARS_MAX, NAME_CHARS_MAX, RECORD_CHARS_MAX, Column

HEAD = "name,price,year\n"


def test_rows_are_known_by_their_header_and_their_line(tmp_path: Path) -> None:
    good, bad = read_text(tmp_path, HEAD + 'a,1,2020\n\n"b\nc","2,5",\n\'d,x,y\n')
    assert not bad
    assert [row[:2] for row in good] == [
        (2, {"name": "a", "price": "1", "year": "2020"}),
        (4, {"name": "b\nc", "price": "2,5", "year": ""}),
        (6, {"name": "'d", "price": "x", "year": "y"}),
    ]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("a,1", "expected 3 columns, found 2"),
        ("a,1,2,3", "expected 3 columns, found 4"),
        ('a,"1"2,3', "a quote closes in the middle of a field"),
        ('a,"1,2', "a quote opens in this line and is never closed"),
    ],
)
def test_a_bad_record_costs_itself_only(tmp_path: Path, line: str, reason: str) -> None:
    good, bad = read_text(tmp_path, f"{HEAD}x,1,2\n{line}\ny,3,4\nz,5,6\n")
    assert [row.values["name"] for row in good] == ["x", "y", "z"]
    assert [row.line for row in good] == [2, 4, 5]
    assert [fault.line for fault in bad] == [3]
    assert bad[0].reason.startswith(reason)


def test_an_open_quote_that_meets_another_is_left_behind_at_its_first_line(tmp_path: Path) -> None:
    good, bad = read_text(tmp_path, f'{HEAD}x,1,2\na,"open,2\ny,3,4\nb,"also open,2\nz,5,6\n')
    assert [row.values["name"] for row in good] == ["x", "y", "z"]
    assert [fault.line for fault in bad] == [3, 5]


@pytest.mark.parametrize(("chars", "is_taken"), [(FIELD_CHARS_MAX, True), (FIELD_CHARS_MAX + 1, False)])
def test_a_field_has_a_limit(tmp_path: Path, chars: int, is_taken: bool) -> None:
    good, bad = read_text(tmp_path, f"{HEAD}{'x' * chars},1,2\ny,3,4\n")
    assert len(good) == 1 + is_taken
    assert (
        [fault.reason for fault in bad] == []
        if is_taken
        else [f"a field has more than {FIELD_CHARS_MAX:,} characters"]
    )
    assert good[-1].line == 3


@pytest.mark.slow
def test_an_open_quote_ends_at_the_limit_of_a_field(tmp_path: Path) -> None:
    lines = FIELD_CHARS_MAX // 10 + 10
    good, bad = read_text(tmp_path, f'{HEAD}a,"1,2\n' + "y,3,456789\n" * lines)
    assert len(good) == lines
    assert [(fault.line, fault.reason) for fault in bad] == [(2, "a quote opens in this line and is never closed")]


@given(lines=st.lists(st.text('a,"', max_size=6), max_size=30))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_line_is_in_one_record_at_most(tmp_path: Path, lines: list[str]) -> None:
    good, bad = read_text(tmp_path, HEAD + "".join(f"{line}\n" for line in lines))
    begun = sorted(row.line for row in (*good, *bad))
    assert len(set(begun)) == len(begun)
    assert set(begun) <= set(range(2, len(lines) + 2))


def test_a_line_without_an_end_is_one_bad_row(tmp_path: Path) -> None:
    good, bad = read_text(tmp_path, f"{HEAD}{'x' * (RECORD_CHARS_MAX + 10)}\ny,3,4\n")
    assert [(row.line, row.values["name"]) for row in good] == [(3, "y")]
    assert [(fault.line, fault.reason) for fault in bad] == [
        (2, f"the line has more than {RECORD_CHARS_MAX:,} characters")
    ]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found_out(tmp_path: Path, delimiter: str) -> None:
    text = delimiter.join(["name", "note"]) + "\n" + "".join(f'{n}{delimiter}"a, b; c"\n' for n in range(5))
    good, bad = read_text(tmp_path, text)
    assert not bad
    assert good[3].values == {"name": "3", "note": "a, b; c"}


def test_a_named_delimiter_is_taken_as_it_is(tmp_path: Path) -> None:
    good, _ = read_text(tmp_path, "a:b,c\n1:2,3\n", delimiter=":")
    assert good[0].values == {"a": "1", "b,c": "2,3"}


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("utf-8", "Кишинёв"), ("utf-8-sig", "Chișinău"), ("utf-16", "Кишинёв"), ("utf-32", "Chișinău"),
        ("windows-1251", "Квартира в центре Кишинёва с видом на парк и озеро"),
    ],
)  # fmt: skip
def test_the_encoding_is_found_out(tmp_path: Path, encoding: str, text: str) -> None:
    good, bad = read_text(tmp_path, ("name,note\n" + f"{text},{text}\n" * 20).encode(encoding))
    assert not bad
    assert good[0].values == {"name": text, "note": text}


def test_damaged_utf8_is_refused_with_its_place_rather_than_guessed(tmp_path: Path) -> None:
    with pytest.raises(JobError) as refused:
        read_text(tmp_path, "name\nChișinău\n".encode() + b"\xff\xfe\n")
    assert (refused.value.code, refused.value.details["offset"]) == ("table_encoding", 16)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "table_empty"),
        (" \n\n", "table_empty"),
        ("a,,c\n", "table_header"),
        ("a,b,a\n", "table_header"),
        ('a,"b\n', "table_header"),
        ("a," + "b" * (NAME_CHARS_MAX + 1) + "\n", "table_header"),
        (",".join(f"c{n}" for n in range(COLUMNS_MAX + 1)) + "\n", "table_too_many_columns"),
        (",".join(f"c{n}" for n in range(10_000)) + "\n", "table_too_many_columns"),
        ("%PDF-1.7", "table_type"),
        (b"\x1f\x8b\x08", "table_type"),
    ],
)
def test_a_file_without_a_header_is_refused_as_a_whole(tmp_path: Path, text: str | bytes, code: str) -> None:
    with pytest.raises(JobError) as refused:
        read_text(tmp_path, text)
    assert (refused.value.code, refused.value.retryable) == (code, False)


def test_a_table_may_have_as_many_columns_as_the_limit_and_no_rows(tmp_path: Path) -> None:
    assert read_text(tmp_path, ",".join(f"c{n}" for n in range(COLUMNS_MAX)) + "\n") == ([], [])


cells = st.none() | st.text(st.sampled_from("a,\"\r\n ;ш='\t"), max_size=6)


@given(st.integers(1, 3).flatmap(lambda width: st.lists(st.lists(cells, min_size=width, max_size=width), min_size=1)))
def test_rows_are_written_as_the_library_writes_them(rows: list[list[str | None]]) -> None:
    expected, written = io.StringIO(newline=""), io.StringIO(newline="")
    csv.writer(expected).writerows([[None if c is None else neutralise(c) for c in row] for row in rows])
    CsvWriter(written, [Column("a")] * len(rows[0])).write(rows)
    assert written.getvalue() == expected.getvalue()
