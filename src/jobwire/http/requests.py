"""What is read off every request before anything is decided: its id, headers, query and origin."""

import itertools
import re
import secrets
from collections.abc import Iterable, Mapping
from urllib.parse import parse_qsl

from jobwire.domain.errors import RequestError
from jobwire.http.answer import Scope

QUERY_FIELDS_MAX = 100
HEADERS_BYTES_MAX = 65_536
_LINE_BYTES = len(": \r\n")
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:-]{8,64}")
_HOST = re.compile(r"[A-Za-z0-9.-]{1,253}(?::[0-9]{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](?::[0-9]{1,5})?")
# One random start and a count: unique among processes, and ten times cheaper than a random number a request.
_START = f"req_{secrets.token_hex(6)}_".encode()
_numbers = itertools.count(1)


def give_request_id(sent: bytes | None) -> bytes:
    """The caller's own request id if it is sane, else a new one."""
    if sent is not None and _REQUEST_ID.fullmatch(sent):
        return sent
    return b"%s%x" % (_START, next(_numbers))


def find_header(scope: Scope, wanted: bytes) -> bytes | None:
    """The first header of that name."""
    for name, value in scope["headers"]:
        if name == wanted:
            found: bytes = value
            return found
    return None


def read_headers(sent: Iterable[tuple[bytes, bytes]]) -> Mapping[str, str]:
    """The headers by lower-case name; those sent twice are joined by a comma.

    RequestError invalid_request above HEADERS_BYTES_MAX: the server itself takes any number.
    """
    size = 0
    values: dict[str, list[str]] = {}
    for name, value in sent:
        size += len(name) + len(value) + _LINE_BYTES
        if size > HEADERS_BYTES_MAX:
            raise RequestError("invalid_request", f"The headers have more than {HEADERS_BYTES_MAX} bytes.")
        values.setdefault(name.decode("latin-1"), []).append(value.decode("latin-1"))
    return {name: ", ".join(parts) for name, parts in values.items()}


def read_query(query_string: bytes) -> Mapping[str, str]:
    """The query by name, the last of several; RequestError invalid_request if it is not UTF-8 or far too long."""
    try:
        pairs = parse_qsl(
            query_string.decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=QUERY_FIELDS_MAX,
        )
    except ValueError:
        detail = f"The query must be percent-encoded UTF-8 with at most {QUERY_FIELDS_MAX} fields."
        raise RequestError("invalid_request", detail) from None
    return dict(pairs)


def read_base_url(scope: Scope, headers: Mapping[str, str]) -> str:
    """Scheme and host as the caller used them."""
    host = headers.get("host", "")
    if _HOST.fullmatch(host) is None:
        server, port = scope.get("server") or ("localhost", None)
        host = f"{server}:{port}" if port else str(server)
    return f"{scope['scheme']}://{host}"


def local_path(scope: Scope) -> str:
    """The raw path below the server's own prefix, still encoded."""
    raw = scope.get("raw_path") or scope["path"].encode()
    path: str = raw.decode("latin-1")
    root: str = scope.get("root_path", "")
    return path.removeprefix(root) if root else path


def is_same(if_none_match: bytes, etag: bytes) -> bool:
    """Whether the header names this ETag, alone, in a list, weakly, or as `*` (RFC 9110, 13.1.2)."""
    if if_none_match == etag:
        return True
    return any(named.strip().removeprefix(b"W/") in (etag, b"*") for named in if_none_match.split(b","))
