"""How rentix says each refusal: HTTP status and message. Bulk results say single failures with the same table."""

from collections.abc import Mapping
from typing import Any, Final

from jobwire.dialects.phrases import tell_phrase
from jobwire.dialects.spec import ErrorWord
from jobwire.domain.errors import RequestError

ERRORS: Final[Mapping[str, ErrorWord]] = {
    "invalid_request": ErrorWord(400),
    "malformed_json": ErrorWord(400),
    "credentials_conflict": ErrorWord(400, "Multiple authentication methods provided"),
    "credentials_missing": ErrorWord(401, "API key is required"),
    "unauthorized": ErrorWord(401, "Invalid API key"),
    "forbidden": ErrorWord(403),
    "owner_suspended": ErrorWord(403, "Agency is suspended"),
    "system_disabled": ErrorWord(403, "CRM is not enabled for this agency"),
    "not_found": ErrorWord(404, "Job not found"),
    "no_route": ErrorWord(404, "Not Found"),
    "listing_not_found": ErrorWord(404, "Listing not found"),
    "media_not_found": ErrorWord(404, "Media not found"),
    "user_not_found": ErrorWord(404, "User not found"),
    "method_not_allowed": ErrorWord(405, "Method Not Allowed"),
    "conflict": ErrorWord(409),
    "not_finished": ErrorWord(409),
    "gone": ErrorWord(410),
    "payload_too_large": ErrorWord(413),
    "unsupported_media_type": ErrorWord(415),
    "unprocessable": ErrorWord(422),
    "rate_limited": ErrorWord(429, "Too Many Requests"),
    "backlog_full": ErrorWord(429, "Too Many Requests"),
    "internal": ErrorWord(500, "Internal server error"),
    "unavailable": ErrorWord(503),
    "overloaded": ErrorWord(503),
}


def show_refusal(refusal: RequestError) -> dict[str, Any]:
    """The vendor's error body of one refused operation."""
    word = ERRORS[refusal.code]
    return {
        "statusCode": word.status,
        "message": refusal.details.get("messages") or word.message or refusal.message,
        "error": tell_phrase(word.status),
    }
