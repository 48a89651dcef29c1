"""Links as text: Google's documents and redirects, and what a post may link to. Nothing is fetched here."""

import re
from typing import Final
from urllib.parse import parse_qs, urlencode, urlsplit

from jobwire.domain.errors import JobError

GOOGLE_DOCS_URL: Final = "https://docs.google.com"
LINK_CHARS_MAX: Final = 2048

_DOCUMENT_PATH: Final = re.compile(r"/(?:a/[\w.-]+/)?document/(?:u/\d+/)?d/([A-Za-z0-9_-]{5,200})(?:/.*)?")
_FILE_PATH: Final = re.compile(r"/file/(?:u/\d+/)?d/([A-Za-z0-9_-]{5,200})(?:/.*)?")
_ID: Final = re.compile(r"[A-Za-z0-9_-]{5,200}")
_REDIRECT_HOSTS: Final = frozenset({"google.com", "www.google.com"})
_SCHEMES: Final = frozenset({"http", "https", "mailto", "tel"})
_INVISIBLE: Final = re.compile(r"[\x00-\x20\x7f-\xa0\u200b-\u200f\u2028-\u202f\u2060-\u206f\ufeff\ud800-\udfff]")


def find_document_id(url: str) -> str | None:
    """The document's id in a link as people copy it from the browser; None when it is no link to a Google Doc.

    A link of "Publish to the web" (`/d/e/…`) has no document id and is None too.
    """
    try:
        parts = urlsplit(url.strip())
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or len(url) > LINK_CHARS_MAX:
        return None
    match parts.hostname:
        case "docs.google.com":
            found = _DOCUMENT_PATH.fullmatch(parts.path)
        case "drive.google.com":
            found = _FILE_PATH.fullmatch(parts.path)
            if parts.path == "/open":
                found = _ID.fullmatch(parse_qs(parts.query).get("id", [""])[0])
        case _:
            return None
    return found[found.lastindex or 0] if found is not None else None


def build_export_url(document_id: str, *, base: str = GOOGLE_DOCS_URL) -> str:
    """Where Google gives the document as a web page in a zip: the form in which its pictures come along."""
    return f"{base.rstrip('/')}/document/d/{document_id}/export?{urlencode({'format': 'zip'})}"


def explain_export(error: JobError) -> JobError:
    """What a failed fetch of an exported document means for its author; other failures stay what they are."""
    status = error.details.get("status")
    if status in (401, 403):
        return explain_private()
    if status in (404, 410):
        return JobError(
            "document_gone",
            "Google has no document at this link: it was deleted or the link is mistyped; open it, then send it",
        )
    return error


def explain_private() -> JobError:
    """What an export that leads to a login page instead of a document means."""
    return JobError(
        "document_private",
        "the document is not open to everyone with the link; "
        "in Google Docs choose Share, General access, Anyone with the link, Viewer, and export again",
    )


def is_login(url: str) -> bool:
    """Whether a fetch ended at Google's login page."""
    return (urlsplit(url).hostname or "").startswith("accounts.google.")


def clean_link(href: str) -> str:
    """The address a link leads to, out of Google's redirect; empty when a post may not link there.

    Kept are http, https, mailto and tel, and `#anchor`.
    """
    address = _INVISIBLE.sub("", href)
    for _ in range(3):  # redirects to redirects are seen in copied search results
        if len(address) > LINK_CHARS_MAX:
            return ""
        if address.startswith("#"):
            return address if len(address) > 1 else ""
        try:
            parts = urlsplit(address)
            hostname = parts.hostname
        except ValueError:
            return ""
        if parts.scheme.lower() not in _SCHEMES or (parts.scheme.lower().startswith("http") and not hostname):
            return ""
        target = parse_qs(parts.query).get("q") or parse_qs(parts.query).get("url")
        if hostname not in _REDIRECT_HOSTS or parts.path != "/url" or not target:
            return address
        address = _INVISIBLE.sub("", target[0])
    return address


def is_external(href: str, site_host: str) -> bool:
    """Whether a link leads to a web page of another host."""
    parts = urlsplit(href)
    return parts.scheme.startswith("http") and _bare(parts.hostname) != _bare(site_host)


def _bare(host: str | None) -> str:
    return (host or "").lower().removeprefix("www.")
