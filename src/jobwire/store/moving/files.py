"""Kept files that a ledger's rows name: whether they are there, and copies of them where that is wanted."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from jobwire.blobs.local import LocalBlobs
from jobwire.kinds.contract import FILE_MARK
from jobwire.store.files import NAMED_FILE
from jobwire.store.moving.side import Table

_EXAMPLES_MAX = 5
_HELD = ("file_hold", "sha256")
_ADDRESS = re.compile(r"[0-9a-f]{64}")


@dataclass(slots=True)
class Files:
    """Looks in `folder`, copies to `copies` unless that is None. A file named twice counts twice."""

    folder: Path
    copies: Path | None = None
    named: int = 0
    missing: int = 0
    copied: int = 0
    examples: tuple[str, ...] = ()

    def look(self, table: Table, lines: Iterator[str]) -> Iterator[str]:
        """Pass the lines on; the files they name are there, on disk, when their line goes."""
        kept = LocalBlobs(self.folder) if self.folder.is_dir() else None
        copies = LocalBlobs(self.copies) if self.copies is not None else None
        columns = [place for place, column in enumerate(table.columns) if (table.name, column.name) == _HELD]
        for line in lines:
            if columns or FILE_MARK in line:
                for sha256 in _find_addresses(line, columns):
                    self._check(sha256, kept, copies)
            yield line

    def _check(self, sha256: str, kept: LocalBlobs | None, copies: LocalBlobs | None) -> None:
        self.named += 1
        if copies is not None and copies.path_of(sha256).exists():
            return
        if kept is None or not kept.path_of(sha256).exists():
            self._miss(sha256)
        elif copies is not None:
            blob = copies.put(kept.path_of(sha256))
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
        yield from (fields[place] for place in columns if _ADDRESS.fullmatch(fields[place]))
