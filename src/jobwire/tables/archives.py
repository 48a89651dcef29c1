"""Zip archives of strangers: judged by their directory before anything is unpacked, and again while it is.

Refused as a whole: names that lead elsewhere, links, encryption, one archive inside another, more than the limits.
"""

import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import Final, NamedTuple

from jobwire.domain.errors import JobError

MEMBERS_MAX: Final = 10_000
MEMBER_BYTES_MAX: Final = 256 << 20
UNPACKED_BYTES_MAX: Final = 1 << 30
RATIO_MAX: Final = 100
"""Text packs to a tenth, the XML of sheets to a thirtieth; deflate cannot go beyond 1,032."""

RATIO_FREE_BYTES: Final = 1 << 20
"""What is smaller unpacked may have any ratio."""

MEMBER_NAME_CHARS_MAX: Final = 400

_CHUNK_BYTES: Final = 1 << 20
_ENCRYPTED: Final = 0x1
_METHODS: Final = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
_JUNK: Final = ("__MACOSX/", ".DS_Store", "Thumbs.db", "desktop.ini")
_NESTED: Final = (b"PK\x03\x04", b"PK\x05\x06", b"\x1f\x8b", b"7z\xbc\xaf\x27\x1c", b"Rar!", b"BZh", b"\xfd7zXZ\0")
_DOCTYPE: Final = b"<!DOCTYPE"
_SHEETS: Final = "xl/worksheets/"
_PROLOG_BYTES: Final = 64 * 1024


class Member(NamedTuple):
    """A file that was unpacked: its name in the archive, where it is now, its hash and its size."""

    name: str
    path: Path
    sha256: str
    size_bytes: int


def unpack_archive(source: Path, folder: Path) -> Iterator[Member]:
    """Unpack the files of a zip archive into `folder` under names of our own, one by one; JobError table_archive_…

    Not unpacked are folders and what file managers leave behind.
    """
    with _open(source) as archive:
        wanted = [info for info in _judge(archive) if not info.is_dir() and not _is_junk(info.filename)]
        if not wanted:
            raise JobError("table_empty", "the archive has no file in it")
        left = UNPACKED_BYTES_MAX
        for place, info in enumerate(wanted):
            target = folder / str(place)
            digest, size_bytes = sha256(), 0
            with archive.open(info) as packed, target.open("xb") as file:
                while chunk := packed.read(_CHUNK_BYTES):
                    if not size_bytes and chunk.startswith(_NESTED) and not _is_document(chunk):
                        raise JobError(
                            "table_archive_nested",
                            f"{_show(info)} is an archive itself; unpack it first",
                            details=_name(info),
                        )
                    size_bytes += len(chunk)
                    if size_bytes > min(info.file_size, left):
                        raise JobError(
                            "table_archive_bomb",
                            f"{_show(info)} unpacks to more than the archive says",
                            details=_name(info),
                        )
                    digest.update(chunk)
                    file.write(chunk)
            left -= size_bytes
            yield Member(info.filename, target, digest.hexdigest(), size_bytes)


def check_workbook(path: Path) -> None:
    """JobError unless an XLSX file is a sound archive within the limits, without a document type in its XML."""
    with _open(path) as archive:
        for info in _judge(archive, streamed=_SHEETS):
            if info.filename.endswith((".xml", ".rels", ".vml")):
                with archive.open(info) as part:
                    # Entities need a document type, and it stands before the root element.
                    if _DOCTYPE in part.read(_PROLOG_BYTES).upper().replace(b"\0", b""):
                        raise JobError(
                            "table_archive_bomb",
                            f"{_show(info)} declares a document type, which no sheet does",
                            details=_name(info),
                        )


@contextmanager
def _open(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except (zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, EOFError, ValueError) as error:
        raise JobError("table_archive_damaged", "the archive cannot be unpacked; make it anew") from error
    except zlib.error as error:
        raise JobError("table_archive_damaged", "the archive's data is damaged; make it anew") from error


def _judge(archive: zipfile.ZipFile, *, streamed: str | None = None) -> list[zipfile.ZipInfo]:
    infos = archive.infolist()
    if len(infos) > MEMBERS_MAX:
        raise JobError(
            "table_archive_count",
            f"the archive has {len(infos):,} files; it may have {MEMBERS_MAX:,}: send several",
            details={"files": len(infos), "limit": MEMBERS_MAX},
        )
    seen: set[str] = set()
    for info in infos:
        _check_member(info, seen)
        # A sheet is read as a stream: 300,000 rows of nine columns are 330 MB of XML.
        is_streamed = streamed is not None and info.filename.startswith(streamed)
        limit = UNPACKED_BYTES_MAX if is_streamed else MEMBER_BYTES_MAX
        _check_size(_show(info), info.compress_size, info.file_size, limit=limit)
    packed, unpacked = (sum(getattr(info, size) for info in infos) for size in ("compress_size", "file_size"))
    _check_size("the archive", packed, unpacked, limit=UNPACKED_BYTES_MAX)
    return infos


def _check_member(info: zipfile.ZipInfo, seen: set[str]) -> None:
    # orig_filename is what the archive says; zipfile has cut the other at a NUL.
    name = info.orig_filename
    path = PurePosixPath(name)
    leads_out = path.is_absolute() or ".." in path.parts or "\\" in name or name[1:2] == ":"
    if leads_out or not name or not name.isprintable() or len(name) > MEMBER_NAME_CHARS_MAX:
        raise JobError(
            "table_archive_name", f"{_show(info)} is no name for a file in an archive", details=_name(info)
        )
    if stat.S_ISLNK(mode := info.external_attr >> 16) or (stat.S_IFMT(mode) and not _is_ordinary(mode)):
        raise JobError(
            "table_archive_link", f"{_show(info)} is a link or a device; put the file itself in", details=_name(info)
        )
    if info.flag_bits & _ENCRYPTED:
        raise JobError(
            "table_archive_encrypted", f"{_show(info)} is encrypted; send it without a password", details=_name(info)
        )
    if info.compress_type not in _METHODS:
        raise JobError(
            "table_archive_method",
            f"{_show(info)} is packed in a way that is not taken; use plain zip (deflate)",
            details=_name(info),
        )
    if path.as_posix() in seen:
        raise JobError("table_archive_name", f"{_show(info)} is in the archive twice", details=_name(info))
    seen.add(path.as_posix())


def _is_ordinary(mode: int) -> bool:
    return stat.S_ISREG(mode) or stat.S_ISDIR(mode)


def _check_size(what: str, packed: int, unpacked: int, *, limit: int) -> None:
    if unpacked > limit:
        raise JobError(
            "table_archive_size",
            f"{what} unpacks to {unpacked:,} bytes; it may have {limit:,}",
            details={"bytes": unpacked, "limit": limit},
        )
    if unpacked > RATIO_FREE_BYTES and unpacked > packed * RATIO_MAX:
        raise JobError(
            "table_archive_bomb",
            f"{what} unpacks to more than {RATIO_MAX} times its size; nothing real does",
            details={"limit": RATIO_MAX},
        )


def _is_document(head: bytes) -> bool:
    """Whether these are the first bytes of an Office or OpenDocument file, which is an archive by its nature."""
    return head.startswith(_NESTED[0]) and (
        b"[Content_Types].xml" in head or b"word/" in head or head[30:38] == b"mimetype"
    )


def _is_junk(name: str) -> bool:
    return name.startswith(_JUNK[0]) or PurePosixPath(name).name in _JUNK


def _show(info: zipfile.ZipInfo) -> str:
    return repr(info.orig_filename[:80])


def _name(info: zipfile.ZipInfo) -> dict[str, str]:
    return {"file": info.orig_filename[:MEMBER_NAME_CHARS_MAX]}
