"""Reads what is to be kept: regular files only, and not more bytes than a store takes."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from jobwire.domain.errors import JobError

CHUNK_BYTES = 1 << 20

# A link or a pipe in the place of a file is refused instead of followed or waited for.
_READ_FLAGS = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


@contextmanager
def open_regular(source: Path) -> Iterator[BinaryIO]:
    """The file, open to be read; JobError file_unreadable for what is no regular file."""
    try:
        descriptor = os.open(source, _READ_FLAGS)
    except OSError:
        raise _unreadable(source) from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise _unreadable(source)
    with os.fdopen(descriptor, "rb") as file:
        yield file


def read_chunks(source: BinaryIO, bytes_max: int) -> Iterator[bytes]:
    """The bytes of a source, piece by piece; JobError file_too_large for one byte over `bytes_max`."""
    size_bytes = 0
    while chunk := source.read(CHUNK_BYTES):
        size_bytes += len(chunk)
        if size_bytes > bytes_max:
            limit = f"a file may have {bytes_max} bytes; make it smaller or split it"
            raise JobError("file_too_large", limit, details={"limit_bytes": bytes_max})
        yield chunk


def _unreadable(source: Path) -> JobError:
    return JobError(
        "file_unreadable", f"the file {source.name[:80]!r} cannot be read; keep a regular file that exists"
    )
