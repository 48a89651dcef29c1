"""What can go wrong, each with a stable code.

JobwireError                     every error this package raises on purpose
├── JobError                     a job failed: what its customer is told (code, message, retryable, details)
└── RequestError                 a call was refused: what its caller is told (code, message, details)

A code never changes its meaning. Messages say what, the value, the limit and the fix, and are safe to show
to a customer; tracebacks and internals never travel in them (see settlement.py for the operator's channel).
"""

from collections.abc import Mapping
from typing import Any


class JobwireError(Exception):
    """An error raised on purpose, with a stable `code` and a `message` that may be shown to a customer."""

    def __init__(self, code: str, message: str, *, details: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = dict(details or {})

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.code!r}, {self.message!r})"


class JobError(JobwireError):
    """Raised by a handler: the job's attempt failed for a reason its customer may read.

    `retryable` says whether the same work may succeed later: the attempt is then repeated while attempts are
    left, not earlier than `retry_after_ms` (milliseconds) when that is given.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        retryable: bool = False,
        details: Mapping[str, Any] | None = None,
        retry_after_ms: int | None = None,
    ) -> None:
        super().__init__(code, message, details=details)
        self.retryable = retryable
        self.retry_after_ms = retry_after_ms


class RequestError(JobwireError):
    """Raised by the service door: the call was refused and changed nothing; `code` is in docs/errors.md.

    Codes: invalid_request, unauthorized, forbidden, owner_suspended, system_disabled, not_found, conflict,
    not_finished, gone, payload_too_large, unsupported_media_type, unprocessable, rate_limited, backlog_full,
    unavailable, overloaded.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        details: Mapping[str, Any] | None = None,
        retry_after_s: int | None = None,
    ) -> None:
        super().__init__(code, message, details=details)
        self.retry_after_s = retry_after_s
