"""Name what went wrong while fetching, in words a customer may read. Raised from fetch.py.

Messages name the URL's host, never the address it led to.
"""

import re
import socket
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from aiohttp import (
    ClientConnectorCertificateError,
    ClientConnectorDNSError,
    ClientConnectorError,
    ClientConnectorSSLError,
    ClientError,
    InvalidURL,
    ServerTimeoutError,
)

from jobwire.domain.errors import JobError
from jobwire.net.guard import ForbiddenAddressError

RETRY_AFTER_MS_MAX = 60 * 60 * 1000
RETRYABLE_STATUSES = frozenset({408, 425, 429, *range(500, 600)})

# The name has no address (NXDOMAIN or no record); every other answer of the resolver may be different tomorrow.
_NAMELESS = frozenset({socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)})

# First match wins: (aiohttp error, its cause or None for any, code, message, retryable).
_ROWS: tuple[tuple[type[ClientError], type[OSError] | None, str, str, bool], ...] = (
    (
        ClientConnectorError,
        ForbiddenAddressError,
        "url_forbidden",
        "fetching from '{host}' is not allowed: it leads to an address or port we may not reach; "
        "give a URL on the public internet",
        False,
    ),
    (
        ClientConnectorDNSError,
        None,
        "fetch_dns_failed",
        "the host '{host}' has no address we can find; check its spelling",
        True,
    ),
    (
        ClientConnectorCertificateError,
        None,
        "fetch_tls_failed",
        "the host '{host}' does not present a valid certificate; renew it",
        False,
    ),
    (
        ClientConnectorSSLError,
        None,
        "fetch_tls_failed",
        "no secure connection to '{host}' can be agreed; check that it serves https on this port",
        False,
    ),
    (
        ClientConnectorError,
        ConnectionRefusedError,
        "fetch_refused",
        "the host '{host}' refuses connections; check that it is up",
        True,
    ),
    (
        ClientConnectorError,
        None,
        "fetch_unreachable",
        "the host '{host}' cannot be reached; check that it is up",
        True,
    ),
    (
        ServerTimeoutError,
        None,
        "fetch_timeout",
        "the host '{host}' did not take our connection in time; check that it is up",
        True,
    ),
    (InvalidURL, None, "url_invalid", "the URL of '{host}' cannot be read; check it", False),
    (
        ClientError,
        None,
        "fetch_body_broken",
        "the answer of '{host}' broke off or is not HTTP; check that it serves the URL",
        True,
    ),
)


def explain_failure(error: ClientError, host: str) -> JobError:
    """Return the JobError that tells a customer what `error` means for the URL's `host`."""
    cause = getattr(error, "os_error", None)
    _, _, code, message, retryable = next(
        row for row in _ROWS if isinstance(error, row[0]) and (row[1] is None or isinstance(cause, row[1]))
    )
    if isinstance(error, ClientConnectorDNSError) and error.errno in _NAMELESS:
        retryable = False
    return JobError(code, message.format(host=host), retryable=retryable, details={"host": host})


def explain_timeout(host: str, deadline_ms: int) -> JobError:
    """Return fetch_timeout, retryable."""
    message = f"the host '{host}' did not answer in full within {deadline_ms} ms"
    return JobError("fetch_timeout", message, retryable=True, details={"host": host, "deadline_ms": deadline_ms})


def explain_status(host: str, status: int, headers: Mapping[str, str]) -> JobError:
    """Return fetch_status with details.status: retryable for 408, 425, 429 and 5xx, then honouring Retry-After."""
    retryable = status in RETRYABLE_STATUSES
    return JobError(
        "fetch_status",
        f"the host '{host}' answered with status {status}",
        retryable=retryable,
        details={"host": host, "status": status},
        retry_after_ms=read_retry_after(headers.get("Retry-After"), datetime.now(UTC)) if retryable else None,
    )


def explain_redirects(host: str, redirects_max: int) -> JobError:
    """Return fetch_redirects, permanent."""
    message = f"the host '{host}' redirects more than {redirects_max} times; give the final URL"
    return JobError("fetch_redirects", message, details={"host": host, "redirects_max": redirects_max})


def explain_too_large(host: str, body_bytes_max: int) -> JobError:
    """Return fetch_too_large, permanent."""
    message = f"the answer of '{host}' is larger than {body_bytes_max} bytes; give a smaller file"
    return JobError("fetch_too_large", message, details={"host": host, "body_bytes_max": body_bytes_max})


def explain_broken_body(host: str, reason: str, *, retryable: bool) -> JobError:
    """Return fetch_body_broken."""
    message = f"the answer of '{host}' cannot be read: {reason}"
    return JobError("fetch_body_broken", message, retryable=retryable, details={"host": host})


def read_retry_after(value: str | None, now: datetime) -> int | None:
    """Return the milliseconds a Retry-After header asks for, between 0 and RETRY_AFTER_MS_MAX.

    Both forms are read (seconds, HTTP date, the latter against `now`); anything else is None.
    """
    if value is None:
        return None
    if re.fullmatch(r"[0-9]{1,18}", value.strip()):
        asked_ms = int(value) * 1000
    else:
        try:
            at = parsedate_to_datetime(value)
        except ValueError:
            return None
        asked_ms = int((at.replace(tzinfo=at.tzinfo or UTC) - now).total_seconds() * 1000)
    return min(max(asked_ms, 0), RETRY_AFTER_MS_MAX)
