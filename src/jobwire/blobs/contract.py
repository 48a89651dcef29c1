"""What a store of kept files promises. local.py keeps them in a folder, bucket.py in S3-compatible storage."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

BLOB_BYTES_MAX = 5_000_000_000
PARTIAL_AGE_S = 24 * 3_600

_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Blob:
    """Kept bytes: their address and how many they are."""

    sha256: str
    size_bytes: int


class Inbox(Protocol):
    """Where customers post files straight to the storage; what nobody takes is swept after PARTIAL_AGE_S."""

    @property
    def url(self) -> str:
        """Where the forms are posted to."""
        ...

    def sign_form(self, name: str, fields: Mapping[str, str], *, bytes_max: int, lifetime_s: int) -> dict[str, str]:
        """The fields of a form that sends one file of 1 to `bytes_max` bytes as `name`, with these and no others."""
        ...

    def find_name(self, key: str) -> str | None:
        """The name in a form's field `key`, or None where it is none of this inbox."""
        ...

    def list_arrived(self, start: str) -> dict[str, int]:
        """The names below the folder `start` that have come, and their bytes."""
        ...

    def bring(self, name: str, folder: Path) -> Path:
        """A copy in `folder` of what has come as `name`; FileNotFoundError."""
        ...

    def forget(self, name: str) -> None:
        """Delete what has come as `name`, if it is there."""
        ...


class Blobs(Protocol):
    """Bytes at the address of their content; methods block and are safe across threads and processes.

    An address that is not 64 hex digits in lower case is a ValueError. Trouble with the storage is an OSError.
    """

    @property
    def place(self) -> str:
        """What an operator calls this store."""
        ...

    @property
    def inbox(self) -> Inbox | None:
        """Where customers may send files without passing this process; None where there is no such way."""
        ...

    def put(self, source: Path) -> Blob:
        """G13: keep a copy of a regular file; durable, under its address, when this returns.

        Raises JobError file_unreadable (absent, a directory, a link, a pipe) or file_too_large (5 GB).
        """
        ...

    def put_bytes(self, data: bytes) -> Blob:
        """Keep `data`, as `put` keeps a file."""
        ...

    def find(self, sha256: str) -> Blob | None:
        """What is kept at that address."""
        ...

    def read(self, sha256: str, first: int = 0, end: int | None = None) -> Iterator[bytes]:
        """The bytes from `first` up to `end`, in pieces; FileNotFoundError at once if they are not kept."""
        ...

    def bring(self, sha256: str, folder: Path) -> Path:
        """A path to read the bytes at, theirs or that of a copy in `folder`; FileNotFoundError."""
        ...

    def verify(self, sha256: str) -> bool:
        """Whether bytes are kept under that address and still hash to it."""
        ...

    def delete(self, sha256: str) -> bool:
        """Forget the bytes of that address; False if there were none."""
        ...

    def sweep_partial(self, now_s: float) -> int:
        """Delete what came in more than a day before `now_s` and was never kept; returns how many files."""
        ...

    def belongs_to(self, ledger: str) -> bool:
        """Whether this is the store of the ledger with that id: only that one knows what may go. A new store is."""
        ...

    def find_old(self, first: int, before_s: float) -> list[str]:
        """The addresses whose first byte is `first`, of files that were last kept before that Unix time."""
        ...

    def remove_old(self, addresses: Iterable[str], before_s: float) -> int:
        """Delete those of the files that were not kept anew since `before_s`; returns how many."""
        ...

    def measure(self) -> tuple[int, int]:
        """How many files are kept, and their bytes."""
        ...


def check_address(sha256: str) -> str:
    """The address itself; ValueError unless it is 64 lower-case hex digits."""
    if not is_address(sha256):
        raise ValueError(f"a file's address is 64 hex digits in lower case, not {sha256[:80]!r}")
    return sha256


def is_address(name: str) -> bool:
    """Whether this is 64 lower-case hex digits."""
    return _SHA256.fullmatch(name) is not None
