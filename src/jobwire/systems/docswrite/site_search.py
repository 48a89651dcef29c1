"""Find the REST API of a site from the address people know, and see what it says of itself. Next: wordpress.py."""

import html
import re
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

import msgspec

from jobwire.domain.errors import JobError
from jobwire.net.fetch import Fetcher, Response
from jobwire.systems.docswrite.site_errors import explain_insecure, explain_no_passwords, explain_no_rest

PAGE_BYTES_MAX: Final = 8 * 1024 * 1024

_REL: Final = "https://api.w.org/"
_LINK: Final = re.compile(r"<([^>]+)>\s*;[^,]*\brel=\"?" + re.escape(_REL))
_HEAD_BYTES: Final = 256 * 1024
_LINK_TAG: Final = re.compile(rb"<link\b[^>]{0,500}" + re.escape(_REL).encode() + rb"[^>]{0,500}>")
_HREF: Final = re.compile(r"""\bhref=["']([^"'<>]+)""")
_USUAL: Final = ("wp-json/", "?rest_route=/")
_NAMESPACE: Final = "wp/v2"
_AUTHENTICATION: Final = "application-passwords"


class _Index(msgspec.Struct, frozen=True):
    """The root of a REST API. PHP writes an empty map as a list."""

    namespaces: list[str]
    name: str = ""
    authentication: Any = None


class FoundSite(msgspec.Struct, frozen=True):
    """A site's REST API: `root` ends with a slash or with `?rest_route=/`; `home` is where its pages are."""

    root: str
    home: str
    name: str


async def find_site(fetcher: Fetcher, url: str) -> FoundSite:
    """Find the REST API of the site at `url` and check that it takes application passwords.

    Nothing secret is sent. Raises JobError (permanent) site_rest_disabled, site_passwords_disabled or site_insecure,
    and what the Fetcher raises.
    """
    page = await _get_page(fetcher, url)
    home = page.url if page is not None else url
    host = urlsplit(home).hostname or ""
    named = _find_named(page) if page is not None else None
    for root in [named] if named else [urljoin(home, usual) for usual in _USUAL]:
        if urlsplit(home).scheme == "https" and urlsplit(root).scheme != "https":
            raise explain_insecure(host)
        index = await _get_index(fetcher, root)
        if index is not None and _NAMESPACE in index.namespaces:
            if not isinstance(index.authentication, dict) or _AUTHENTICATION not in index.authentication:
                raise explain_no_passwords(host)
            return FoundSite(root, home, index.name)
    raise explain_no_rest(host)


async def _get_page(fetcher: Fetcher, url: str) -> Response | None:
    """The site's front page; None if it answers with an error, which a site behind a login may."""
    try:
        return await fetcher.get_bytes(url, body_bytes_max=PAGE_BYTES_MAX, accept="text/html")
    except JobError as error:
        if error.code == "fetch_status" and not error.retryable:
            return None
        raise


def _find_named(page: Response) -> str | None:
    for name, value in page.headers.items():
        if name.lower() == "link" and (found := _LINK.search(value)):
            return _join(page, found[1])
    # Not parsed: the page is a stranger's, and this is no child process.
    tag = _LINK_TAG.search(page.body, 0, _HEAD_BYTES)
    href = _HREF.search(tag[0].decode("utf-8", "replace")) if tag else None
    return _join(page, html.unescape(href[1])) if href else None


def _join(page: Response, href: str) -> str:
    return urljoin(page.url, href)


async def _get_index(fetcher: Fetcher, root: str) -> _Index | None:
    try:
        response = await fetcher.get_bytes(root, body_bytes_max=PAGE_BYTES_MAX, accept="application/json")
        return msgspec.json.decode(response.body, type=_Index)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    except JobError as error:
        if error.code == "fetch_status" and not error.retryable:
            return None
        raise
