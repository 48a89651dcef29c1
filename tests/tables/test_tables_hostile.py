"""Files that are made to hurt: each is refused with its reason, in bounded time and memory."""

import io
import stat
import struct
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xlsxwriter
from table_files import read_file

from jobwire.domain.errors import JobError
from jobwire.tables import archives, reading
from jobwire.tables.archives import unpack_archive

Made = Callable[[zipfile.ZipFile], None]


def write_zip(path: Path, make: Made) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        make(archive)
    return path


def add(name: str, data: bytes = b"hello", *, mode: int = 0, flags: int = 0) -> Made:
    def make(archive: zipfile.ZipFile) -> None:
        info = zipfile.ZipInfo(name)
        info.filename = name
        info.external_attr = mode << 16
        info.compress_type = zipfile.ZIP_DEFLATED
        archive.writestr(info, data)
        info.flag_bits |= flags

    return make


def inner_zip() -> bytes:
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("a.txt", "x" * 100)
    return inner.getvalue()


def mark_bombs(names: Mapping[str, object]) -> list[Any]:
    """The names, those of hundreds of megabytes as slow."""
    return [pytest.param(name, marks=pytest.mark.slow) if name == "a bomb" else name for name in names]


REFUSED: Mapping[str, tuple[Made, str]] = {
    "an absolute name": (add("/etc/passwd"), "table_archive_name"),
    "a name that climbs": (add("a/../../b.txt"), "table_archive_name"),
    "a name of Windows": (add("C:evil.txt"), "table_archive_name"),
    "a backslash": (add("..\\b.txt"), "table_archive_name"),
    "a control character": (add("a\x1b.txt"), "table_archive_name"),
    "a name too long": (add("n" * (archives.MEMBER_NAME_CHARS_MAX + 1)), "table_archive_name"),
    "a link": (add("a.txt", b"/etc/passwd", mode=stat.S_IFLNK | 0o777), "table_archive_link"),
    "a device": (add("a.txt", b"", mode=stat.S_IFCHR | 0o666), "table_archive_link"),
    "a password": (add("a.txt", flags=1), "table_archive_encrypted"),
    "a zip within": (add("a.zip", inner_zip()), "table_archive_nested"),
    "a zip within that is named otherwise": (add("a.txt", inner_zip()), "table_archive_nested"),
    "a gzip within": (add("a.txt", b"\x1f\x8b\x08"), "table_archive_nested"),
    "a bomb": (add("a.txt", bytes(200 << 20)), "table_archive_bomb"),
    "nothing": (add("__MACOSX/a.txt"), "table_empty"),
}


@pytest.mark.parametrize("name", mark_bombs(REFUSED))
def test_a_hostile_archive_is_refused_as_a_whole(tmp_path: Path, name: str) -> None:
    make, code = REFUSED[name]
    path = write_zip(
        tmp_path / "in.zip",
        lambda archive: (add("good.txt")(archive) if code != "table_empty" else None, make(archive)),
    )  # type: ignore[func-returns-value]
    (tmp_path / "out").mkdir()
    with pytest.raises(JobError) as refused:
        list(unpack_archive(path, tmp_path / "out"))
    assert (refused.value.code, refused.value.retryable) == (code, False)
    assert {file.name for file in (tmp_path / "out").iterdir()} <= {"0", "1"}


def test_a_name_that_stands_twice_is_refused(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="Duplicate"):
        path = write_zip(tmp_path / "in.zip", lambda archive: (add("a.txt")(archive), add("a.txt")(archive)))  # type: ignore[func-returns-value]
    with pytest.raises(JobError) as refused:
        list(unpack_archive(path, tmp_path))
    assert refused.value.code == "table_archive_name"


@pytest.mark.parametrize(("files", "is_taken"), [(3, True), (4, False)])
def test_an_archive_has_so_many_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: int, is_taken: bool
) -> None:
    monkeypatch.setattr(archives, "MEMBERS_MAX", 3)
    path = write_zip(tmp_path / "in.zip", lambda archive: [add(f"{n}.txt")(archive) for n in range(files)])  # type: ignore[func-returns-value]
    _check_taken(path, tmp_path, is_taken, code="table_archive_count")


@pytest.mark.parametrize(("size_bytes", "is_taken"), [(1_000, True), (1_001, False)])
@pytest.mark.parametrize("limit", ["MEMBER_BYTES_MAX", "UNPACKED_BYTES_MAX"])
def test_an_archive_unpacks_to_so_much(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size_bytes: int, is_taken: bool, limit: str
) -> None:
    monkeypatch.setattr(archives, limit, 1_000)
    _check_taken(
        write_zip(tmp_path / "in.zip", add("a.txt", b"x" * size_bytes)), tmp_path, is_taken, code="table_archive_size"
    )


def test_a_size_that_lies_does_not_help(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "in.zip", add("a.txt", b"ab" * 50_000))
    data = bytearray(path.read_bytes())
    entry = data.rindex(b"PK\x01\x02")
    data[entry + 24 : entry + 28] = struct.pack("<I", 10)
    path.write_bytes(data)
    with pytest.raises(JobError) as refused:
        list(unpack_archive(path, tmp_path))
    assert refused.value.code in ("table_archive_bomb", "table_archive_damaged")


@pytest.mark.parametrize("cut", [3, 40, 100])
def test_an_archive_cut_short_is_damaged(tmp_path: Path, cut: int) -> None:
    path = write_zip(tmp_path / "in.zip", add("a.txt", b"ab" * 500))
    path.write_bytes(path.read_bytes()[:-cut])
    with pytest.raises(JobError) as refused:
        list(unpack_archive(path, tmp_path))
    assert refused.value.code == "table_archive_damaged"


def test_documents_that_are_archives_by_nature_are_no_nested_ones(tmp_path: Path) -> None:
    docx = io.BytesIO()
    with zipfile.ZipFile(docx, "w") as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
    path = write_zip(tmp_path / "in.zip", add("a.docx", docx.getvalue()))
    (member,) = unpack_archive(path, tmp_path)
    assert (member.name, member.size_bytes) == ("a.docx", len(docx.getvalue()))


def make_workbook(path: Path) -> Path:
    book = xlsxwriter.Workbook(path)
    sheet = book.add_worksheet("Rows")
    sheet.write_row(0, 0, ["a", "b"])
    sheet.write_row(1, 0, ["x", 1])
    book.close()
    return path


def repack(path: Path, name: str, change: Callable[[bytes], bytes]) -> Path:
    """The archive with one of its parts changed."""
    with zipfile.ZipFile(path) as archive:
        parts = {part: archive.read(part) for part in archive.namelist()}
    parts[name] = change(parts[name])
    return write_zip(path, lambda archive: [archive.writestr(part, data) for part, data in parts.items()])  # type: ignore[func-returns-value]


SHEET = "xl/worksheets/sheet1.xml"
LAUGHS = b'<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]>'
BROKEN_BOOKS: Mapping[str, tuple[str, Callable[[bytes], bytes], str]] = {
    "a bomb": ("xl/sharedStrings.xml", lambda data: data + b" " * (300 << 20), "table_archive_size"),
    "a bomb by ratio": (SHEET, lambda data: data + b" " * (20 << 20), "table_archive_bomb"),
    "laughing entities": (SHEET, lambda data: data.replace(b"?>", b"?>" + LAUGHS, 1), "table_archive_bomb"),
    "no XML": (SHEET, lambda _: b"hello", "table_damaged"),
    "half of its XML": (SHEET, lambda data: data[: len(data) // 2], "table_damaged"),
    "no such strings": ("xl/sharedStrings.xml", lambda data: data[:0] + b"<sst/>", "table_damaged"),
    "another root": ("xl/workbook.xml", lambda _: b"<html/>", "table_sheet"),
}


@pytest.mark.parametrize("name", mark_bombs(BROKEN_BOOKS))
def test_a_hostile_workbook_is_refused(tmp_path: Path, name: str) -> None:
    part, change, code = BROKEN_BOOKS[name]
    path = repack(make_workbook(tmp_path / "in.xlsx"), part, change)
    with pytest.raises(JobError) as refused:
        read_file(path)
    assert (refused.value.code, refused.value.retryable) == (code, False)


def test_a_sheet_that_lies_about_its_size_is_read_as_it_is(tmp_path: Path) -> None:
    path = repack(
        make_workbook(tmp_path / "in.xlsx"), SHEET, lambda data: data.replace(b'ref="A1:B2"', b'ref="A1:XFD1048576"')
    )
    good, bad = read_file(path)
    assert not bad
    assert [row[:2] for row in good] == [(2, {"a": "x", "b": 1})]


@pytest.mark.parametrize("at", [5, 0.3, 0.6, 0.97])
def test_a_parquet_file_with_flipped_bytes_ends_with_an_error_or_rows(tmp_path: Path, at: float) -> None:
    path = tmp_path / "in"
    pq.write_table(pa.table({"a": [f"row {n}" for n in range(5_000)]}), path)
    data = bytearray(path.read_bytes())
    place = int(at if at > 1 else len(data) * at)
    data[place : place + 4] = b"\xff" * 4
    path.write_bytes(data)
    try:
        read_file(path)
    except JobError as error:
        assert error.code == "table_damaged"


def test_a_parquet_file_that_promises_other_rows_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "in"
    with pq.ParquetWriter(path, pa.schema([("a", pa.int64())])) as writer:
        for start in (0, 10):
            writer.write_table(pa.table({"a": list(range(start, start + 10))}))
    data = path.read_bytes()
    # num_rows of the footer: the compact protocol's zigzag 20 behind the schema, the groups' say 10 each.
    place = data.rindex(b"\x16\x28\x19")
    path.write_bytes(data[:place] + b"\x16\x50\x19" + data[place + 3 :])
    with pytest.raises(JobError) as refused:
        read_file(path)
    assert refused.value.code == "table_damaged"


@pytest.mark.parametrize(("rows", "is_taken"), [(3, True), (4, False)])
def test_a_table_has_so_many_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: int, is_taken: bool) -> None:
    monkeypatch.setattr(reading, "ROWS_MAX", 3)
    path = tmp_path / "in"
    path.write_text("a,b\n" + "1,2\n" * rows)
    if is_taken:
        assert len(read_file(path)[0]) == rows
    else:
        with pytest.raises(JobError, match="split it"):
            read_file(path)


@pytest.mark.parametrize(("rows", "is_taken"), [(3, True), (4, False)])
def test_a_table_has_so_many_bad_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: int, is_taken: bool
) -> None:
    monkeypatch.setattr(reading, "BAD_ROWS_MAX", 3)
    path = tmp_path / "in"
    path.write_text("a,b\n" + "1\n" * rows)
    if is_taken:
        assert len(read_file(path)[1]) == rows
    else:
        with pytest.raises(JobError) as refused:
            read_file(path)
        assert refused.value.code == "table_too_many_bad_rows"


def _check_taken(path: Path, folder: Path, is_taken: bool, *, code: str) -> None:
    if is_taken:
        assert list(unpack_archive(path, folder))
        return
    with pytest.raises(JobError) as refused:
        list(unpack_archive(path, folder))
    assert refused.value.code == code
