"""How apidatatools says each refusal: HTTP status, code and message. The tools' own codes come from their table."""

from collections.abc import Mapping
from typing import Final

from jobwire.dialects.spec import ErrorWord
from jobwire.systems.apidatatools.tools import TOOLS

OWN: Final[Mapping[str, ErrorWord]] = {
    "invalid_request": ErrorWord(400, word="INVALID_REQUEST"),
    "malformed_json": ErrorWord(400, word="INVALID_BODY"),
    "empty_body": ErrorWord(400, word="EMPTY_BODY"),
    "invalid_source_type": ErrorWord(400, word="INVALID_SOURCE_TYPE"),
    "invalid_url": ErrorWord(400, word="INVALID_URL"),
    "invalid_filename": ErrorWord(400, word="INVALID_FILENAME"),
    "invalid_file_extension": ErrorWord(400, word="INVALID_FILE_EXTENSION"),
    "credentials_missing": ErrorWord(401, "Missing authorizer context", word="UNAUTHORIZED"),
    "unauthorized": ErrorWord(401, "Missing authorizer context", word="UNAUTHORIZED"),
    "forbidden": ErrorWord(403, "Access denied", word="FORBIDDEN"),
    "owner_suspended": ErrorWord(403, "Access denied", word="FORBIDDEN"),
    "system_disabled": ErrorWord(403, "Access denied", word="FORBIDDEN"),
    "storage_limit_exceeded": ErrorWord(403, word="STORAGE_LIMIT_EXCEEDED"),
    "not_found": ErrorWord(404, "Job not found", word="JOB_NOT_FOUND"),
    "file_not_found": ErrorWord(404, "File not found", word="FILE_NOT_FOUND"),
    "no_route": ErrorWord(404, word="NOT_FOUND"),
    "method_not_allowed": ErrorWord(405, word="METHOD_NOT_ALLOWED"),
    "conflict": ErrorWord(409, word="CONFLICT"),
    "not_finished": ErrorWord(409, word="CONFLICT"),
    "gone": ErrorWord(410, word="GONE"),
    "length_required": ErrorWord(411, word="LENGTH_REQUIRED"),
    "payload_too_large": ErrorWord(413, word="PAYLOAD_TOO_LARGE"),
    "resource_limit_exceeded": ErrorWord(413, word="RESOURCE_LIMIT_EXCEEDED"),
    "unsupported_media_type": ErrorWord(415, word="UNSUPPORTED_MEDIA_TYPE"),
    "unprocessable": ErrorWord(422, word="UNPROCESSABLE"),
    "rate_limited": ErrorWord(429, word="RATE_LIMITED"),
    "backlog_full": ErrorWord(429, word="RATE_LIMITED"),
    "too_many_pending_uploads": ErrorWord(429, word="TOO_MANY_PENDING_UPLOADS"),
    "quota_exceeded": ErrorWord(429, word="QUOTA_EXCEEDED"),
    "internal": ErrorWord(500, "Failed to process job", word="INTERNAL_ERROR"),
    "unavailable": ErrorWord(503, word="UNAVAILABLE"),
}

_OF_EVERY_TOOL: Final = ("INVALID_HEADER", "INVALID_ENCODING")

ERRORS: Final[Mapping[str, ErrorWord]] = {
    **{
        code.lower(): ErrorWord(400, word=code)
        for codes in (_OF_EVERY_TOOL, *(tool.errors for tool in TOOLS.values()))
        for code in codes
    },
    "invalid_job_id": ErrorWord(400, word="INVALID_JOB_ID"),
    **OWN,
}
