"""Reads a multipart form that lies in a file (RFC 7578): its fields, and its last part, the file, in place."""

import mmap
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from jobwire.domain.errors import RequestError

BOUNDARY_CHARS_MAX: Final = 70
PARTS_MAX: Final = 32
HEAD_BYTES_MAX: Final = 4_096
FIELD_BYTES_MAX: Final = 16_384
FILE_FIELD: Final = "file"

_BOUNDARY: Final = re.compile(r";\s*boundary=(?:\"([^\"]+)\"|([^\s;\"]+))", re.IGNORECASE)
_BOUNDARY_CHARS: Final = re.compile(r"[A-Za-z0-9'()+_,./:=? -]*[A-Za-z0-9'()+_,./:=?-]")
_NAME: Final = re.compile(r";\s*name=(?:\"([^\"]*)\"|([^\s;\"]+))", re.IGNORECASE)
_COPY_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Form:
    """What a form says beside its file."""

    fields: dict[str, str]
    size_bytes: int


def read_boundary(content_type: str) -> bytes:
    """What separates the parts of a form; RequestError invalid_request for another type."""
    found = _BOUNDARY.search(content_type)
    if content_type.partition(";")[0].strip().lower() == "multipart/form-data" and found is not None:
        boundary = found[1] or found[2]
        if len(boundary) <= BOUNDARY_CHARS_MAX and _BOUNDARY_CHARS.fullmatch(boundary):
            return boundary.encode("ascii")
    raise RequestError("invalid_request", "Send the form as multipart/form-data with a boundary.")


def cut_file(path: Path, boundary: bytes) -> Form:
    """The fields of the form in `path`, which then holds nothing but the form's file.

    RequestError invalid_request for what is no form, for a field that stands twice, and unless the file comes last.
    """
    if path.stat().st_size == 0:
        raise _refuse("is empty")
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as view:
        fields, start, end = _find_parts(view, boundary)
        # Moved within the file, so that a form of gigabytes takes no second place on the disk.
        view.move(0, start, end - start)
    os.truncate(path, end - start)
    return Form(fields, end - start)


def _find_parts(view: mmap.mmap, boundary: bytes) -> tuple[dict[str, str], int, int]:
    line, fields = b"--" + boundary, dict[str, str]()
    if view[: len(line) + 2] != line + b"\r\n":
        raise _refuse("does not begin with its boundary")
    at = len(line) + 2
    for _ in range(PARTS_MAX):
        head_end = view.find(b"\r\n\r\n", at, at + HEAD_BYTES_MAX)
        if head_end < 0:
            raise _refuse(f"has a part whose head is longer than {HEAD_BYTES_MAX} bytes, or has no end")
        name, start = _read_name(view[at:head_end]), head_end + 4
        reach = len(view) if name == FILE_FIELD else start + FIELD_BYTES_MAX + len(line) + 2
        end = view.find(b"\r\n" + line, start, reach)
        if end < 0:
            raise _refuse(f"has a part that has no end, or a field of more than {FIELD_BYTES_MAX} bytes")
        after = end + 2 + len(line)
        if name == FILE_FIELD:
            if view[after : after + 2] != b"--":
                raise _refuse("goes on after its file; send the file last")
            return fields, start, end
        if name in fields:
            raise _refuse(f"has the field {name[:40]!r} twice")
        fields[name] = _decode(view[start:end])
        if view[after : after + 2] != b"\r\n":
            raise _refuse("has no file")
        at = after + 2
    raise _refuse(f"has more than {PARTS_MAX} parts")


def _read_name(head: bytes) -> str:
    for line in _decode(head).split("\r\n"):
        header, _, value = line.partition(":")
        if header.strip().lower() == "content-disposition" and (found := _NAME.search(value)):
            return found[1] if found[1] is not None else found[2]
    raise _refuse("has a part without a name")


def _decode(text: bytes) -> str:
    try:
        return text.decode()
    except UnicodeDecodeError:
        raise _refuse("is not UTF-8") from None


def _refuse(fault: str) -> RequestError:
    return RequestError("invalid_request", f"The form {fault}.")
