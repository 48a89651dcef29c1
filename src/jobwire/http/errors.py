"""Says a refusal in a dialect's words: status, body and headers from its tables."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, assert_never

import msgspec

from jobwire.dialects.phrases import tell_phrase
from jobwire.dialects.spec import REFINED_CODES, Dialect, ErrorField, ErrorWord
from jobwire.domain.errors import RequestError
from jobwire.http.answer import Answer, Headers, encode_header

INTERNAL = RequestError("internal", "Something failed on our side. It was logged under this request id.")
# As draft-ietf-httpapi-ratelimit-headers registers it.
QUOTA_EXCEEDED = "https://iana.org/assignments/http-problem-types#quota-exceeded"


def find_word(dialect: Dialect, code: str) -> ErrorWord:
    """A dialect's word for a code: its own, that of the code it refines, or KeyError."""
    return dialect.errors.get(code) or dialect.errors[REFINED_CODES[code]]


def say_error(dialect: Dialect, error: RequestError, request_id: str) -> Answer:
    """The answer for a refusal; KeyError for a code the dialect has no word for."""
    word = find_word(dialect, error.code)
    body: Any = {}
    for item in dialect.error_body:
        value = _read_source(item, error, word=word, request_id=request_id)
        if value is not None or not item.omit_null:
            plant_value(body, item.path, value)
    if "show_error" in dialect.hooks:
        body = dialect.hooks["show_error"](word.status, body)
    headers = _headers(dialect, error, word.status)
    for name, source in dialect.error_headers.items():
        value = _read_source(ErrorField("", source), error, word=word, request_id=request_id)
        if value is not None:
            headers.append(encode_header(name, str(value)))
    return Answer(word.status, headers, msgspec.json.encode(body))


def _headers(dialect: Dialect, error: RequestError, status: int) -> Headers:
    headers = [(b"content-type", dialect.error_content_type.encode()), (b"cache-control", b"no-store")]
    if error.retry_after_s is not None:
        headers.append((b"retry-after", b"%d" % error.retry_after_s))
    if status == HTTPStatus.UNAUTHORIZED and dialect.challenge is not None:
        # RFC 6750, 3: who sent no token is told of no error.
        wrong = ', error="invalid_token"' if error.code == "unauthorized" else ""
        headers.append(encode_header("www-authenticate", dialect.challenge + wrong))
    return headers


def _read_source(item: ErrorField, error: RequestError, *, word: ErrorWord, request_id: str) -> Any:
    message = error.message if word.message is None else word.message
    match item.source:
        case None:
            return item.value
        case "status" | "word" | "note":
            return getattr(word, item.source)
        case "reason":
            return tell_phrase(word.status)
        case "code" | "code_upper":
            return error.code if item.source == "code" else error.code.upper()
        case "message":
            return message
        case "messages":
            return _messages(error.details) or message
        case "errors" | "violated_policies":
            return error.details.get(item.source)
        case "details":
            return {key: value for key, value in error.details.items() if key not in _PLACES} or None
        case "named_details":
            plain = {key: value for key, value in error.details.items() if key not in _FAULTS}
            return plain | _name_faults(error.details)
        case "retry_after_s":
            return error.retry_after_s or item.value
        case "problem_type":
            return _find_type(error)
        case "request_id":
            return request_id
    assert_never(item.source)


def _find_type(error: RequestError) -> str:
    return QUOTA_EXCEEDED if "violated_policies" in error.details else "about:blank"


_FAULTS = ("errors", "messages", "violated_policies")
_PLACES = (*_FAULTS, "parameter")


def _name_faults(details: Mapping[str, Any]) -> dict[str, str]:
    # A fault of the whole body has no place in it.
    return {fault["pointer"].lstrip("/") or "body": fault["detail"] for fault in details.get("errors", ())}


def _messages(details: Mapping[str, Any]) -> list[str]:
    return details.get("messages") or [fault["detail"] for fault in details.get("errors", ())]


def plant_value(body: dict[str, Any], path: str, value: Any) -> None:
    """Put a value at a dotted path; a segment that ends in `[]` is a list of one."""
    *parents, leaf = path.split(".")
    for parent in parents:
        below = body.setdefault(parent.removesuffix("[]"), [{}] if parent.endswith("[]") else {})
        body = below[0] if isinstance(below, list) else below
    body[leaf.removesuffix("[]")] = [value] if leaf.endswith("[]") else value
