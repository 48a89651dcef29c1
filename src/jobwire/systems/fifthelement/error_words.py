"""How fifthelement says each refusal: HTTP status, name and message."""

from collections.abc import Mapping
from typing import Final

from jobwire.dialects.spec import ErrorWord

_VALIDATION: Final = "ValidationError"

ERRORS: Final[Mapping[str, ErrorWord]] = {
    "invalid_request": ErrorWord(400, word=_VALIDATION),
    "unauthorized": ErrorWord(401, "The API key is missing or not valid", word="UnauthorizedError"),
    "forbidden": ErrorWord(403, word="ForbiddenError"),
    "owner_suspended": ErrorWord(403, "The workspace is suspended", word="ForbiddenError"),
    "system_disabled": ErrorWord(403, "The API is not enabled for this workspace", word="ForbiddenError"),
    "not_found": ErrorWord(404, "Job not found", word="NotFoundError"),
    "no_route": ErrorWord(404, word="NotFoundError"),
    "repository_not_found": ErrorWord(404, word="NotFoundError"),
    "document_not_found": ErrorWord(404, word="NotFoundError"),
    "token_not_found": ErrorWord(404, word="NotFoundError"),
    "agent_not_found": ErrorWord(404, word="NotFoundError"),
    "method_not_allowed": ErrorWord(405, word=_VALIDATION),
    "conflict": ErrorWord(400, word=_VALIDATION),
    "not_finished": ErrorWord(400, word=_VALIDATION),
    "gone": ErrorWord(404, word="NotFoundError"),
    "payload_too_large": ErrorWord(413, word=_VALIDATION),
    "unsupported_media_type": ErrorWord(400, word=_VALIDATION),
    "unprocessable": ErrorWord(400, word=_VALIDATION),
    "rate_limited": ErrorWord(429, word="RateLimitError"),
    "internal": ErrorWord(500, "Internal server error", word="InternalServerError"),
    "unavailable": ErrorWord(503, word="InternalServerError"),
}
