"""What a WordPress site's refusal means, in words its customer can act on. Raised from wordpress.py.

A site that cannot be reached at all is told by net/failures.py. Codes of WordPress are those of 6.1 to 6.5.
"""

import html
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from jobwire.domain.errors import JobError
from jobwire.net.failures import RETRYABLE_STATUSES, read_retry_after
from jobwire.net.fetch import Response

_HEARD_CHARS_MAX: Final = 2_000
_SAID_CHARS_MAX: Final = 200

_FILE_REFUSED: Final = frozenset({"rest_upload_sideload_error", "rest_upload_image_type_not_supported"})
_FILE_TOO_LARGE: Final = frozenset({"rest_upload_file_too_big", "rest_upload_limited_space"})
_FULL: Final = frozenset({"rest_upload_user_quota_exceeded"})
_DELETED: Final = frozenset({"rest_post_invalid_id"})
_FORBIDDEN: Final = b"rest_forbidden_status"
_NO_ROUTE: Final = frozenset({"rest_no_route", "rest_disabled", "rest_api_disabled", "rest_login_required"})
_TAGS: Final = re.compile(r"<[^>]{0,500}>")


class Refusal(msgspec.Struct, frozen=True):
    """The body of WordPress' errors; empty for a body that is none."""

    code: str = ""
    message: str = ""
    data: Any = None


def read_refusal(response: Response) -> Refusal:
    """What WordPress says itself; an empty Refusal when something else answers for it."""
    try:
        return msgspec.json.decode(response.body, type=Refusal)
    except (msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError):
        return Refusal()


def explain_answer(response: Response) -> JobError:
    """The JobError for an answer that is no success."""
    refusal, status, host = read_refusal(response), response.status, _host_of(response)
    details = {"host": host, "status": status, "code": refusal.code}
    if refusal.code in _FILE_REFUSED:
        return _refuse_file(host, refusal, details)
    if refusal.code in _FILE_TOO_LARGE | _FULL or status == 413:
        return JobError(
            "site_file_too_large",
            f"the site {host} takes no file of this size{_quote(refusal)}; "
            "raise its upload limit or quota, or compress the pictures",
            details=details,
        )
    if refusal.code in _DELETED:
        return explain_deleted(host)
    if refusal.code in _NO_ROUTE or (status in (404, 405, 410) and not refusal.code):
        return explain_no_rest(host, details)
    if 300 <= status < 400:
        return JobError(
            "site_moved",
            f"the site {host} sends its REST API elsewhere; connect the site again with the address it has now",
            details=details,
        )
    if status == 401:
        return _explain_unauthorized(host, details)
    # Who may not write posts is told so of the parameter that asks for drafts.
    if status == 403 or (status == 400 and _FORBIDDEN in response.body):
        return _explain_forbidden(host, refusal, details)
    if status in RETRYABLE_STATUSES:
        return _explain_busy(response, host, details)
    return JobError(
        "site_refused",
        f"the site {host} refuses this with status {status}{_quote(refusal)}; change what it names",
        details=details,
    )


def explain_deleted(host: str) -> JobError:
    """The post to update is no longer there."""
    return JobError(
        "post_deleted",
        f"the post on {host} was deleted or is in the trash; restore it, or export again to make a new one",
        details={"host": host},
    )


def explain_no_rest(host: str, details: Mapping[str, Any] | None = None) -> JobError:
    """No WordPress REST API answers at the site."""
    return JobError(
        "site_rest_disabled",
        f"the site {host} has no WordPress REST API we can reach; check the address, "
        "and that no plugin or setting switches the REST API off",
        details=details or {"host": host},
    )


def explain_no_passwords(host: str) -> JobError:
    """The site takes no application passwords."""
    return JobError(
        "site_passwords_disabled",
        f"the site {host} takes no application passwords; serve it over https and allow them in WordPress",
        details={"host": host},
    )


def explain_insecure(host: str) -> JobError:
    """An https site has its API on plain http."""
    return JobError(
        "site_insecure",
        f"the site {host} names a REST API on plain http, where the password could be read; "
        "set its address to https in WordPress' general settings",
        details={"host": host},
    )


def explain_missing_permission(host: str, what: str) -> JobError:
    """The user may not do what a post needs."""
    return JobError(
        "site_permission_missing",
        f"the user may not {what} on {host}; give it the role Author or Editor in WordPress",
        details={"host": host},
    )


def explain_unknown_author(host: str, author: str) -> JobError:
    """No user of the site has this name."""
    return JobError(
        "author_unknown",
        f"the site {host} has no user {author[:80]!r} whom we may see; "
        "give the user name or the full name as WordPress shows it",
        details={"host": host},
    )


def explain_strange_answer(response: Response) -> JobError:
    """A success whose body is not what WordPress answers."""
    host = _host_of(response)
    return JobError(
        "site_answer_invalid",
        f"what answers for the REST API of {host} is not WordPress' own; "
        "look for a plugin or firewall that changes its answers",
        details={"host": host, "status": response.status},
    )


def _refuse_file(host: str, refusal: Refusal, details: Mapping[str, Any]) -> JobError:
    return JobError(
        "site_file_refused",
        f"the site {host} does not take this type of file{_quote(refusal)}; "
        "allow it in WordPress or use another type of picture",
        details=details,
    )


def _explain_unauthorized(host: str, details: Mapping[str, Any]) -> JobError:
    # WordPress says the same of a wrong password and of one that its server has kept to itself.
    return JobError(
        "site_credentials_wrong",
        f"the site {host} does not accept the user name or the application password; make a new application password "
        "in WordPress and connect the site again. If that does not help, its server drops the Authorization header",
        details=details,
    )


def _explain_forbidden(host: str, refusal: Refusal, details: Mapping[str, Any]) -> JobError:
    if refusal.code:
        return explain_missing_permission(host, f"do this{_quote(refusal)}")
    return JobError(
        "site_blocked",
        f"something before WordPress at {host} refuses us; allow our requests in its firewall or security plugin",
        details=details,
    )


def _explain_busy(response: Response, host: str, details: Mapping[str, Any]) -> JobError:
    return JobError(
        "site_unavailable",
        f"the site {host} has no answer for now (status {response.status}); we try again",
        retryable=True,
        details=details,
        retry_after_ms=read_retry_after(response.headers.get("Retry-After"), datetime.now(UTC)),
    )


def _quote(refusal: Refusal) -> str:
    """What the site says, as plain text of bounded length: it comes from a stranger."""
    said = " ".join(html.unescape(_TAGS.sub("", refusal.message[:_HEARD_CHARS_MAX])).split())[:_SAID_CHARS_MAX]
    return f" ({said})" if said else ""


def _host_of(response: Response) -> str:
    return urlsplit(response.url).hostname or ""
