"""A vector as it stands in a line: PostgreSQL's own binary form of a real[], in hex, which loses no bit."""

import struct

REAL_TYPE = 700
ARRAY_HEAD_BYTES = 20

_HEAD = struct.Struct(">iiIii")


def write_vector(vector: bytes) -> str:
    """The form in a line of 32-bit floats, lowest byte first: what PostgreSQL's `array_send` gives."""
    values = struct.unpack(f"<{len(vector) // 4}f", vector)
    sized = [part for value in values for part in (4, value)]
    return (_HEAD.pack(1, 0, REAL_TYPE, len(values), 1) + struct.pack(">" + "if" * len(values), *sized)).hex()


def read_vector(field: str) -> bytes:
    """The vector that stands in a line."""
    values = _read_values(field)
    return struct.pack(f"<{len(values)}f", *values)


def show_array(field: str) -> str:
    """The same as PostgreSQL reads it in COPY."""
    return "{" + ",".join(map(repr, _read_values(field))) + "}"


def _read_values(field: str) -> tuple[float, ...]:
    body = bytes.fromhex(field)[ARRAY_HEAD_BYTES:]
    return struct.unpack(">" + "if" * (len(body) // 8), body)[1::2]
