"""Reads answers: the typed value, or the error in it."""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

import msgspec

from jobwire.client.errors import (
    BadAnswer,
    CallRefused,
    ClientError,
    Conflict,
    ConnectionLost,
    Forbidden,
    Gone,
    InvalidRequest,
    NotFound,
    RateLimited,
    ServerFault,
    Unauthorized,
    Unavailable,
    Unprocessable,
)
from jobwire.client.steps import Answer, Cut

RETRY_AFTER_S_MAX = 86_400

_BY_STATUS: Mapping[int, type[CallRefused]] = {
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    410: Gone,
    422: Unprocessable,
    429: RateLimited,
    502: Unavailable,
    503: Unavailable,
    504: Unavailable,
}
_T = TypeVar("_T")


def find_fault(answer: Answer | Cut) -> ClientError | None:
    """The error that an answer is; None for a success and for 304."""
    if isinstance(answer, Cut):
        return ConnectionLost(f"no answer came: {answer.reason}", may_have_arrived=answer.may_have_arrived)
    if answer.status < 300 or answer.status == 304:
        return None
    if answer.status < 400:
        target = answer.headers.get("location", "elsewhere")
        return BadAnswer(f"the server redirects to {target}; give the client the URL it should really call")
    return refuse(answer.status, _read_problem(answer), retry_after_s=read_retry_after(answer.headers))


def refuse(status: int, problem: Mapping[str, Any], *, retry_after_s: float | None = None) -> CallRefused:
    """The error that a status and its problem object are."""
    fault = _BY_STATUS.get(status, InvalidRequest if status < 500 else ServerFault)
    errors, details, request_id = (problem.get(name) for name in ("errors", "details", "request_id"))
    return fault(
        str(problem.get("code") or f"http_{status}"),
        str(problem.get("detail") or problem.get("title") or "the call was refused without a reason"),
        status=status,
        errors=[one for one in errors if isinstance(one, dict)] if isinstance(errors, list) else (),
        details=details if isinstance(details, dict) else None,
        retry_after_s=retry_after_s,
        request_id=None if request_id is None else str(request_id),
    )


def _read_problem(answer: Answer) -> Mapping[str, Any]:
    """The problem object of a refusal; of a stranger's answer (a proxy's page) only the request id."""
    told: Mapping[str, Any] = {"request_id": answer.headers.get("x-request-id")}
    if "json" not in answer.headers.get("content-type", ""):
        return told
    try:
        problem = msgspec.json.decode(answer.body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return told
    return {**told, **problem} if isinstance(problem, dict) else told


def read_value(answer: Answer, shape: type[_T]) -> _T:
    """The body as this type; BadAnswer if it is something else."""
    try:
        return msgspec.json.decode(answer.body, type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        kind = answer.headers.get("content-type", "no type")
        raise BadAnswer(
            f"the answer ({answer.status}, {kind}) is no {shape.__name__.lower()}: {error}; check the URL"
        ) from None


def read_retry_after(headers: Mapping[str, str]) -> float | None:
    """The seconds of Retry-After, a number or a date; None without one that can be read. Never more than a day."""
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdecimal():
        # More digits than this are over the bound, and may be more than a float holds.
        return float(RETRY_AFTER_S_MAX if len(text) > 9 else min(int(text), RETRY_AFTER_S_MAX))
    then, now = _read_date(text), _read_date(headers.get("date", ""))
    if then is None or now is None:
        return None
    return max(0.0, min((then - now).total_seconds(), RETRY_AFTER_S_MAX))


def _read_date(text: str) -> datetime | None:
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)
