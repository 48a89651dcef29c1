"""Zip files that strangers made: counted and measured before anything is unpacked."""

import stat
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from jobwire.domain.errors import JobError
from jobwire.pictures.decode import BYTES_MAX as PICTURE_BYTES_MAX
from jobwire.systems.docswrite.tree import check_markup_size, explain_too_large

FILES_MAX: Final = 2_000
UNPACKED_BYTES_MAX: Final = 256 * 1024 * 1024

_ENCRYPTED: Final = 0x1
_METHODS: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


class Archive:
    """A zip file whose declared sizes are within the limits; zipfile reads no more of a file than it declares."""

    def __init__(self, opened: zipfile.ZipFile) -> None:
        self._opened = opened
        self._entries = {entry.filename: entry for entry in opened.infolist() if not entry.is_dir()}
        _check_entries(opened.infolist())

    @property
    def names(self) -> list[str]:
        return sorted(self._entries)

    def read_markup(self, name: str) -> bytes:
        """The bytes of a text; JobError document_too_large over MARKUP_BYTES_MAX."""
        check_markup_size(self._entries[name].file_size)
        return self._opened.read(name)

    def find_picture(self, name: str) -> bytes | None:
        """The bytes of a file, None if there is none of this name, ValueError for one too large for a picture."""
        entry = self._entries.get(name)
        if entry is None:
            return None
        if entry.file_size > PICTURE_BYTES_MAX:
            raise ValueError(f"{entry.file_size:,} bytes; a picture has from 1 to {PICTURE_BYTES_MAX:,}")
        return self._opened.read(name)

    def check_word_parts(self) -> None:
        """Raise JobError document_too_large if a text of a Word file is over MARKUP_BYTES_MAX."""
        for name, entry in self._entries.items():
            if name.endswith((".xml", ".rels")):
                check_markup_size(entry.file_size)


@contextmanager
def open_archive(path: Path) -> Iterator[Archive]:
    """The archive at `path`. Raises JobError document_unreadable or document_too_large."""
    try:
        with zipfile.ZipFile(path) as opened:
            yield Archive(opened)
    except (zipfile.BadZipFile, zipfile.LargeZipFile, EOFError, OSError, NotImplementedError) as error:
        raise explain_unreadable("the file is damaged or no zip file") from error


def explain_unreadable(reason: str) -> JobError:
    """The file cannot be read as what it says it is."""
    return JobError("document_unreadable", f"the document cannot be read: {reason}; export or save it again")


def _check_entries(entries: list[zipfile.ZipInfo]) -> None:
    if len(entries) > FILES_MAX:
        raise explain_too_large(f"{len(entries):,} files in its zip", f"{FILES_MAX:,}")
    unpacked = sum(entry.file_size for entry in entries)
    if unpacked > UNPACKED_BYTES_MAX:
        raise explain_too_large(f"{unpacked:,} bytes unpacked", f"{UNPACKED_BYTES_MAX:,}")
    for entry in entries:
        if entry.flag_bits & _ENCRYPTED:
            raise explain_unreadable("it is protected with a password")
        if entry.compress_type not in _METHODS or stat.S_ISLNK(entry.external_attr >> 16):
            raise explain_unreadable("its zip holds a link or is packed in an unusual way")
