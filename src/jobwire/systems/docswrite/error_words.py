"""How docswrite says each refusal: HTTP status, its short message and the details."""

from collections.abc import Mapping
from typing import Final

from jobwire.dialects.spec import ErrorWord

_UNAUTHORIZED: Final = ErrorWord(401, "Invalid or missing access token", "Unauthorized")
_NO_JOB: Final = ErrorWord(404, "No job found with the provided ID", "Job not found")
_BAD: Final = ErrorWord(400, word="Bad Request")

ERRORS: Final[Mapping[str, ErrorWord]] = {
    "invalid_request": _BAD,
    "malformed_json": _BAD,
    "credentials_conflict": _BAD,
    "credentials_missing": _UNAUTHORIZED,
    "unauthorized": _UNAUTHORIZED,
    "forbidden": ErrorWord(403, word="Access denied"),
    "job_forbidden": ErrorWord(403, "You can only check the status of jobs that you created", "Access denied"),
    "owner_suspended": ErrorWord(403, word="Access denied"),
    "system_disabled": ErrorWord(403, word="Access denied"),
    "not_found": _NO_JOB,
    "item_not_found": ErrorWord(404, word="Not Found"),
    "no_route": ErrorWord(404, word="Not Found"),
    "method_not_allowed": ErrorWord(405, word="Method Not Allowed"),
    "conflict": ErrorWord(409, word="Conflict"),
    "not_finished": ErrorWord(409, word="Conflict"),
    "gone": ErrorWord(410, word="Gone"),
    "payload_too_large": ErrorWord(413, word="Payload Too Large"),
    "unsupported_media_type": _BAD,
    "unprocessable": ErrorWord(422, word="Unprocessable Entity"),
    "rate_limited": ErrorWord(429, "Rate limit exceeded", "Too Many Requests"),
    "backlog_full": ErrorWord(429, word="Too Many Requests"),
    "internal": ErrorWord(500, "Something failed on our side; tell us the X-Request-Id", "Internal Server Error"),
    "unavailable": ErrorWord(503, word="Service Unavailable"),
    "overloaded": ErrorWord(503, word="Service Unavailable"),
}
