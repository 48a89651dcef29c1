"""Kept files that a ledger's rows name: whether they are there, and copies of them where that is wanted."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from jobwire.blobs.contract import Blobs, is_address
from jobwire.blobs.opening import open_blobs
from jobwire.config import Bucket
from jobwire.kinds.contract import FILE_MARK
from jobwire.store.files import NAMED_FILE
from jobwire.store.moving.side import Table

_EXAMPLES_MAX = 5
_HELD = ("file_hold", "sha256")


@dataclass(slots=True)
class Files:
    """Looks in `folder`, copies to `copies` unless that is None. A file named twice counts twice."""

    folder: Path | Bucket
    copies: Path | Bucket | None = None
    named: int = 0
    missing: int = 0
    copied: int = 0
    examples: tuple[str, ...] = ()

    def look(self, table: Table, lines: Iterator[str]) -> Iterator[str]:
        """Pass the lines on; the files they name are there, on disk, when their line goes."""
        has_folder = isinstance(self.folder, Bucket) or self.folder.is_dir()
        kept = open_blobs(self.folder, os.environ) if has_folder else None
        copies = open_blobs(self.copies, os.environ) if self.copies is not None else None
        columns = [place for place, column in enumerate(table.columns) if (table.name, column.name) == _HELD]
        for line in lines:
            if columns or FILE_MARK in line:
                for sha256 in _find_addresses(line, columns):
                    self._check(sha256, kept, copies)
            yield line

    def _check(self, sha256: str, kept: Blobs | None, copies: Blobs | None) -> None:
        self.named += 1
        if copies is not None and copies.find(sha256) is not None:
            return
        if kept is None or kept.find(sha256) is None:
            self._miss(sha256)
        elif copies is not None:
            with TemporaryDirectory(prefix="jobwire-move-") as folder:
                blob = copies.put(kept.bring(sha256, Path(folder)))
            self.copied += 1

            if blob.sha256 != sha256:
                self._miss(sha256)

    def _miss(self, sha256: str) -> None:
        self.missing += 1
        if len(self.examples) < _EXAMPLES_MAX:
            self.examples += (sha256,)


def _find_addresses(line: str, columns: list[int]) -> Iterator[str]:
    yield from NAMED_FILE.findall(line)
    if columns:
        fields = line.split("\t")
        yield from (fields[place] for place in columns if is_address(fields[place]))
