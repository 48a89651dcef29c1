"""Reads a file of rows into documents-to-be, in a child process: importing.py keeps them.

What comes out is two files: `rows` with a JSON array a line (DocumentLine), `bad` with a CSV of what was not taken.
"""

import errno
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from hashlib import blake2b, sha256
from mimetypes import guess_type
from pathlib import Path
from typing import Any, BinaryIO, Final

import msgspec

from jobwire.domain.errors import JobError
from jobwire.systems.fifthelement.ids import read_document_id
from jobwire.tables.archives import unpack_archive
from jobwire.tables.checking import ColumnType, make_checker
from jobwire.tables.csv_writer import open_csv
from jobwire.tables.formulas import restore
from jobwire.tables.reading import is_archive, read_rows
from jobwire.tables.sniffing import find_format
from jobwire.tables.spec import RECORD_CHARS_MAX, BadRow, Column, Row, Source

EXPORT_COLUMNS: Final = (
    Column("id"),
    Column("title"),
    Column("content"),
    Column("mediaType"),
    Column("status"),
    Column("sourceUrl"),
    Column("metadata", "json"),
    Column("createdAt", "time"),
    Column("updatedAt", "time"),
)
"""The columns of exported documents; a file that has exactly these is taken back as what it is."""

BAD_COLUMNS: Final = (Column("line", "integer"), Column("part"), Column("field"), Column("reason"))
BAD_ROWS_SHOWN: Final = 20
TITLE_CHARS_MAX: Final = 500
KEY_CHARS_MAX: Final = 500
METADATA_BYTES_MAX: Final = 65_536
"""The API's, as is TITLE_CHARS_MAX (bodies.py, which no child process should import for that)."""

REASON_CHARS_MAX: Final = 300
HASH_BYTES: Final = 16
LINES_ENCODED: Final = 64

TEXT_TYPE: Final = "text/plain"

_EXPORTED: Final = frozenset(column.name for column in EXPORT_COLUMNS)
_SPREADSHEETS: Final = ("csv", "xlsx")
_NUL: Final = b"\\u0000"


class Mapping(msgspec.Struct, frozen=True):
    """Which columns are a document's title, content and key (None: see read_documents), and the types of columns."""

    title: str | None = None
    content: str | None = None
    key: str | None = None
    types: dict[str, ColumnType] = {}


class ReadRequest(msgspec.Struct, frozen=True):
    """A file to read: `rows` and `bad` are new files, `folder` an empty one for what an archive holds.

    `mark` becomes the first line of `rows`, so that no other job's rows have the same address.
    """

    source: Source
    rows: str
    bad: str
    folder: str
    mark: str
    mapping: Mapping = Mapping()


class ReadReport(msgspec.Struct, frozen=True):
    """What was in the file: `format` is zip for an archive, `first_bad` has the first BAD_ROWS_SHOWN bad rows."""

    format: str
    rows: int
    bad: int
    first_bad: list[BadRow]


class DocumentLine(msgspec.Struct, frozen=True, array_like=True):
    """A document-to-be: `row_key` tells the same row in another file, `row_hash` whether it says the same.

    Both are in hex; `metadata` is JSON text; `document` is the id that a row of an export had. A file of an archive
    has no content but a `blob`, its bytes' address.
    """

    row_key: str
    row_hash: str
    title: str
    content: str | None
    content_sha256: str | None
    metadata: str
    blob: str | None = None
    media_type: str | None = None
    document: str | None = None


def read_documents(request: ReadRequest) -> ReadReport:
    """Read the file into documents-to-be, each row or each file of an archive one.

    Without a mapping the title is the column `title`, else the first; the content is the column `content`, else all
    columns, a line each; the key is the row itself. JobError (permanent, table_…) refuses the file as a whole.
    """
    try:
        return _read_into(request)
    except OSError as error:
        if error.errno != errno.EFBIG:
            raise
        raise JobError(
            "table_file_too_large", "the rows take more than 1 GiB as documents; split the file"
        ) from error


def _read_into(request: ReadRequest) -> ReadReport:
    source = request.source
    with ExitStack() as stack:
        lines = stack.enter_context(Path(request.rows).open("xb"))
        bad = stack.enter_context(open_csv(Path(request.bad), BAD_COLUMNS))
        lines.write(msgspec.json.encode(request.mark) + b"\n")
        if is_archive(source):
            form, found = "zip", _read_archive(Path(source.path), Path(request.folder))
        else:
            form = source.format or find_format(Path(source.path)) or ""
            reading = read_rows(msgspec.structs.replace(source, format=form))
            found = _read_table(reading, request.mapping, form=form)
        return _keep(found, lines, bad, form=form)


def _keep(found: Iterator[DocumentLine | BadRow], lines: BinaryIO, bad: Any, *, form: str) -> ReadReport:
    encode = msgspec.json.Encoder().encode_lines
    rows, faults = 0, 0
    first: list[BadRow] = []
    good: list[DocumentLine] = []
    for one in found:
        rows += 1
        if type(one) is DocumentLine:
            good.append(one)
            if len(good) == LINES_ENCODED:
                lines.write(encode(good))
                good.clear()
            continue
        assert isinstance(one, BadRow)
        faults += 1
        reason = one.reason.encode(errors="replace").decode()[:REASON_CHARS_MAX]
        bad.write([[one.line, one.part, one.field, reason]])
        if len(first) < BAD_ROWS_SHOWN:
            first.append(msgspec.structs.replace(one, reason=reason))
    lines.write(encode(good))
    return ReadReport(form, rows, faults, first)


def _read_table(rows: Iterator[Row | BadRow], mapping: Mapping, *, form: str) -> Iterator[DocumentLine | BadRow]:
    make: Callable[[Row], DocumentLine | BadRow] | None = None
    keys: dict[bytes, int] = {}
    for row in rows:
        if type(row) is BadRow:
            yield row
            continue
        assert isinstance(row, Row)
        if make is None:
            make = _choose_maker(row, mapping, form=form)
        try:
            made = make(row)
        except (ValueError, TypeError, OverflowError, RecursionError):
            made = BadRow(row.line, "holds half a character or a number too large")
        if type(made) is DocumentLine and made.row_key != made.row_hash:
            key = bytes.fromhex(made.row_key)
            if key in keys:
                made = BadRow(row.line, f"has the key of line {keys[key]}", mapping.key or "id")
            else:
                keys[key] = row.line
        yield made if type(made) is DocumentLine else msgspec.structs.replace(made, part=row.part)


def _choose_maker(first: Row, mapping: Mapping, *, form: str) -> Callable[[Row], DocumentLine | BadRow]:
    names = first.values.keys()
    if names == _EXPORTED and mapping == Mapping():
        return _make_exported(is_neutralised=form in _SPREADSHEETS)
    wanted = [name for name in (mapping.title, mapping.content, mapping.key, *mapping.types) if name is not None]
    # Objects of JSON lines need not have all fields.
    if form != "jsonl" and (missing := [name for name in wanted if name not in names]):
        raise JobError(
            "table_column_missing",
            f"there is no column {missing[0]!r}; there are {', '.join(list(names)[:20])}",
            details={"column": missing[0]},
        )
    title = mapping.title or ("title" if "title" in names else next(iter(names), "title"))
    content = mapping.content or ("content" if "content" in names else None)
    required = [name for name in (title, content, mapping.key) if name is not None]
    texts = {name: mapping.types.get(name, "text") for name in required}
    check = make_checker({**mapping.types, **texts}, required=required)

    def make(row: Row) -> DocumentLine | BadRow:
        checked = check(row)
        if type(checked) is BadRow:
            return checked
        assert isinstance(checked, Row)
        values = checked.values
        text = _show_row(values) if content is None else _show(values[content])
        key = None if mapping.key is None else _show(values[mapping.key])
        shown = _show(values.pop(title))
        if content is not None:
            values.pop(content, None)
        return _make_line(row.line, shown, text, values, key=key, title_field=title)

    return make


def _make_exported(*, is_neutralised: bool) -> Callable[[Row], DocumentLine | BadRow]:
    """For the rows of an export: known by the id they had, and given back what they were."""

    def make(row: Row) -> DocumentLine | BadRow:
        values = row.values
        key, title, content, metadata = (values.get(name) for name in ("id", "title", "content", "metadata"))
        if is_neutralised:
            title, content, metadata = (restore(v) if type(v) is str else v for v in (title, content, metadata))
        if isinstance(metadata, str):
            try:
                metadata = msgspec.json.decode(metadata)
            except msgspec.DecodeError as error:
                return BadRow(row.line, str(error), "metadata")
        if not isinstance(metadata, dict | None):
            return BadRow(row.line, "expected an object", "metadata")
        if title in (None, ""):
            return BadRow(row.line, "is empty; every row needs it", "title")
        content, key = "" if content is None else _show(content), None if key is None else _show(key)
        document = None if key is None else read_document_id(key)
        return _make_line(
            row.line, _show(title), content, metadata or {}, key=key, title_field="title", document=document
        )

    return make


def _make_line(
    line: int,
    title: str,
    content: str,
    metadata: dict[str, Any],
    *,
    key: str | None,
    title_field: str,
    document: str | None = None,
) -> DocumentLine | BadRow:
    for name, text, limit in ((title_field, title, TITLE_CHARS_MAX), ("content", content, RECORD_CHARS_MAX)):
        if len(text) > limit:
            return BadRow(line, f"has {len(text):,} characters; it may have {limit:,}", name)
    if key is not None and len(key) > KEY_CHARS_MAX:
        return BadRow(line, f"the key has {len(key):,} characters; it may have {KEY_CHARS_MAX:,}")
    encoded, data, head = msgspec.json.encode(metadata, order="sorted"), content.encode(), title.encode()
    if len(encoded) > METADATA_BYTES_MAX:
        return BadRow(
            line, f"its other columns have {len(encoded):,} bytes as JSON; they may have {METADATA_BYTES_MAX:,}"
        )
    if b"\0" in data or b"\0" in head or (_NUL in encoded and _holds_nul(metadata)):
        return BadRow(line, "holds a NUL character, which no text of a document may")
    content_sha256 = sha256(data).hexdigest()
    row_hash = _hash(head, content_sha256.encode(), encoded)
    row_key = row_hash if key is None else _hash(b"key", key.encode())
    return DocumentLine(
        row_key, row_hash, title, content, content_sha256, encoded.decode(), None, TEXT_TYPE, document
    )


def _read_archive(path: Path, folder: Path) -> Iterator[DocumentLine | BadRow]:
    for place, member in enumerate(unpack_archive(path, folder), 1):
        if not member.size_bytes:
            yield BadRow(place, "the file is empty", part=member.name)
            continue
        # By its hash from now on, under which importing.py keeps it.
        member.path.replace(folder / member.sha256)
        title = member.name.rsplit("/", 1)[-1][:TITLE_CHARS_MAX]
        metadata = msgspec.json.encode({"path": member.name}).decode()
        yield DocumentLine(
            row_key=_hash(b"file", member.name.encode()),
            row_hash=_hash(b"file", member.name.encode(), member.sha256.encode()),
            title=title,
            content=None,
            content_sha256=None,
            metadata=metadata,
            blob=member.sha256,
            media_type=guess_type(member.name)[0],
        )


def _hash(*parts: bytes) -> str:
    """16 bytes in hex; the length of each part counts, so that no two lists have the same text."""
    told = [told for part in parts for told in (len(part), part)]
    return blake2b(b"%d:%b" * len(parts) % tuple(told), digest_size=HASH_BYTES).hexdigest()


def _show_row(values: dict[str, Any]) -> str:
    return "\n".join(
        [f"{name}: {_show(value)}" for name, value in values.items() if value is not None and value != ""]
    )


def _show(value: Any) -> str:
    return value if type(value) is str else msgspec.json.encode(value).decode()


def _holds_nul(value: Any) -> bool:
    match value:
        case str():
            return "\0" in value
        case dict():
            return any("\0" in name or _holds_nul(item) for name, item in value.items())
        case list():
            return any(map(_holds_nul, value))
    return False
